//! Where lines end up: the file, and the console behind it.

use std::{
    io::ErrorKind,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tracing::Level;

use super::{
    batch::Batch,
    console::Console,
    file::LogFile,
    report::SinkReport,
    stream::{Patience, Standard, Stream},
};
use crate::{
    log::clock::Stamp,
    log::config::{LogConfig, LogFormat},
    shutdown::{Cause, Stop},
};

/// Where the log goes.
#[derive(Debug)]
pub(crate) enum Destination {
    /// A file.
    File(Box<LogFile>),
    /// Standard output, whose reader may stall like that of the console.
    Stdout {
        /// What is written to.
        stream: Arc<Stream>,
        /// A person was told that it cannot be written to.
        has_told: bool,
        /// Asked for when its reader has gone.
        stop: Arc<Stop>,
    },
}

impl Destination {
    /// Opens what `config` asks for.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(crate) fn open(config: &LogConfig, patience: &Patience) -> anyhow::Result<Self> {
        Ok(match &config.path {
            Some(path) => Self::File(Box::new(LogFile::open(path, config.rotation)?)),
            None => Self::Stdout {
                stream: Arc::new(Stream::open(Standard::Output, patience.clone())),
                has_told: false,
                stop: Arc::clone(&patience.stop),
            },
        })
    }

    /// The file, if it is one.
    pub(crate) fn file(&mut self) -> Option<&mut LogFile> {
        match self {
            Self::File(file) => Some(file),
            Self::Stdout { .. } => None,
        }
    }

    /// Standard output, if that is where the log goes.
    pub(crate) fn stdout(&self) -> Option<Arc<Stream>> {
        match self {
            Self::File(_) => None,
            Self::Stdout { stream, .. } => Some(Arc::clone(stream)),
        }
    }

    /// The path that is written to now.
    pub(crate) fn path(&self) -> String {
        match self {
            Self::File(file) => file.name.path.to_string_lossy().into_owned(),
            Self::Stdout { .. } => "-".into(),
        }
    }

    /// What became of the lines so far.
    pub(crate) fn report(&self) -> SinkReport {
        match self {
            Self::File(file) => file.counts,
            Self::Stdout { stream, .. } => stream.report(),
        }
    }

    /// Writes whole lines, `count` in number, it being `now`. Returns what a person should be told at once, if anything.
    fn write(&mut self, lines: &[u8], count: u64, now: Stamp) -> Option<String> {
        match self {
            Self::File(file) => file.write(lines, count, now),
            Self::Stdout {
                stream,
                has_told,
                stop,
            } => {
                stream.write_lines(lines);
                let error = stream.take_trouble()?;
                if error.kind() == ErrorKind::BrokenPipe {
                    // A reader that has gone does not come back.
                    stop.request(Cause::Failure);
                }
                (!mem::replace(has_told, true)).then(|| {
                    format!(
                        "cannot write the log to standard output: {error}; lines are dropped and counted"
                    )
                })
            }
        }
    }
}

/// Both sinks.
#[derive(Debug)]
pub(crate) struct Sinks {
    /// The log itself.
    pub log: Destination,
    /// The console.
    pub console: Arc<Console>,
    file_is_json: bool,
    /// The console takes every line's text as it is.
    console_takes_all: bool,
    /// What the console takes of a batch otherwise.
    rendered: Vec<u8>,
    /// An error of the program itself has struck here: nothing is written any more.
    pub given_up: bool,
}

impl Sinks {
    /// The sinks that `config` asks for, which are open.
    pub(crate) fn new(config: &LogConfig, log: Destination, console: Console) -> Self {
        let file_is_json = config.format == LogFormat::Json;
        // The program has no event below this level.
        let shows_all = config
            .console
            .level
            .is_some_and(|level| level >= Level::INFO);
        Self {
            console_takes_all: shows_all && !console.coloured,
            log,
            console: Arc::new(console),
            file_is_json,
            rendered: Vec::new(),
            given_up: false,
        }
    }

    /// Does some `work`. If an error of the program itself strikes, that is lost, and all that comes after, since nobody
    /// knows what is whole; it is taken from the producers and counted.
    pub(crate) fn attempt(&mut self, work: impl FnOnce(&mut Self)) {
        self.given_up |= catch_unwind(AssertUnwindSafe(|| work(self))).is_err();
    }

    /// When lines were lost last. One that was logged later is not among them.
    pub(crate) fn last_loss(&self) -> Option<Stamp> {
        match &self.log {
            _ if self.given_up => Some(Stamp::MAX),
            Destination::File(file) => file.last_loss,
            Destination::Stdout { stream, .. } => (stream.report().lost > 0).then_some(Stamp::MAX),
        }
    }

    /// What became of the file's share of `lines` lines, when all of them have been here.
    pub(crate) fn file_report(&self, lines: u64) -> SinkReport {
        let mut report = self.log.report();
        if self.given_up {
            report.errors += 1;
            report.lost = lines.saturating_sub(report.lines);
        }
        report
    }

    /// Writes a batch, it being `now`: first to the file, which the console must never harm.
    pub(crate) fn write(&mut self, batch: &Batch, now: Stamp) {
        if batch.is_empty() || self.given_up {
            return;
        }
        let lines = if self.file_is_json {
            batch.json()
        } else {
            batch.text()
        };
        if let Some(trouble) = self.log.write(lines, batch.len() as u64, now) {
            self.console.notice(&trouble);
        }
        if self.console_takes_all {
            return self.console.stream.write_lines(batch.text());
        }
        self.rendered.clear();
        for (text, _) in batch.lines().filter(|(_, to_console)| *to_console) {
            self.console.render(text, &mut self.rendered);
        }
        if !self.rendered.is_empty() {
            self.console.stream.write_lines(&self.rendered);
        }
    }
}
