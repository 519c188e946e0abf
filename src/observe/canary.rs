//! A log that is followed, for its observers: what is new is printed, how things stand is shown and exported, and a signal
//! brings the verdict.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::SystemTime,
};

use anyhow::{Context, Result};

use super::monitoring::{AuditLine, export};
use crate::{
    audit::{self, AuditConfig, Figures, FollowConfig, News, Verdict},
    log::stream::complain,
    shutdown::Stop,
    threads::lock,
};

/// How a piece of news is written that came to be known at a time.
pub type Tell = fn(&News, SystemTime) -> Result<String>;

/// What is followed, and who is told.
#[derive(Clone, Debug)]
pub struct CanaryConfig {
    /// What to audit, and how strictly.
    pub audit: AuditConfig,
    /// How it is followed.
    pub follow: FollowConfig,
    /// How what is new is told on standard output; not at all where the verdict says it.
    pub tell: Option<Tell>,
    /// Where metrics are served.
    pub metrics: Option<SocketAddr>,
}

/// Follows until the log ends or a signal comes; the verdict is left to be printed.
///
/// # Errors
/// Something could not be read, served or told.
pub fn run(config: &CanaryConfig) -> Result<Verdict> {
    let board = Arc::<Mutex<Figures>>::default();
    let _exports = export(config.metrics, &board)?;
    let stop = Arc::<Stop>::default();
    let _signals = stop.watch_signals(None, complain)?;
    let mut canary = Canary {
        tell: config.tell,
        board,
        line: AuditLine::default(),
    };
    let mut hear = |news: &[News], figures: &Figures| canary.hear(news, figures);
    audit::follow(&config.audit, &config.follow, &stop, &mut hear)
}

struct Canary {
    tell: Option<Tell>,
    board: Arc<Mutex<Figures>>,
    line: AuditLine,
}

impl Canary {
    /// Tells what is new, and shows how things stand; false when nobody wants to know more.
    fn hear(&mut self, news: &[News], figures: &Figures) -> Result<bool> {
        let goes_on = news.is_empty() || self.print(news)?;
        lock(&self.board).clone_from(figures);
        self.line.follow(figures);
        Ok(goes_on)
    }

    fn print(&mut self, news: &[News]) -> Result<bool> {
        let now = SystemTime::now();
        let mut text = String::new();
        if let Some(tell) = self.tell {
            for news in news {
                text += &tell(news, now)?;
            }
        }
        self.line.hide();
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            // A reader that has seen enough ends it, and changes no verdict.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(error).context("cannot write findings to standard output"),
            Ok(()) => Ok(true),
        }
    }
}
