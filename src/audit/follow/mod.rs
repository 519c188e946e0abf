//! `hifi audit --follow`: the audit that goes on while lines come.
//!
//! ```text
//! file, pipe -> tails (rotation, waiting) -> readers, scan -> judge, as ever
//!                                                              '- watch (holes, patience) -> news, figures
//! ```
//!
//! The judge is the audit's own, and so is the verdict at the end. What is here keeps it fed and asks it, on a clock, what is new.

mod figures;
mod file;
mod holes;
mod news;
mod pipe;
mod tails;
mod told;
mod watch;

#[cfg(test)]
mod proof;

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;

pub use super::follow::{
    figures::{Board, Figures, RunState},
    news::News,
};
use super::{
    config::AuditConfig,
    follow::{tails::Tails, watch::Watch},
    input::{
        inputs::{Blocks, Inputs},
        readers::{Came, Readers},
        source::Input,
    },
    judge::{Judge, conclude},
    records::{
        block::Block,
        scan::Scanner,
        scanned::{Scanned, What},
    },
    registry::Registry,
    verdict::Verdict,
};
use crate::shutdown::Stop;

/// How often is looked at what is new.
const LOOK: Duration = Duration::from_millis(100);
/// Time in which nothing could be looked at, as when the machine slept, counts so much at most: what came meanwhile comes first.
const LEAP: Duration = Duration::from_secs(1);

/// How a log is followed.
#[derive(Clone, Debug)]
pub struct FollowConfig {
    /// When it began. Of lines that were logged before nobody knows how long they took.
    pub began: SystemTime,
    /// What is missing for longer is lost.
    pub patience: Duration,
    /// The end has come when all runs have ended.
    pub until_end: bool,
    /// Logs that hold the "Run started" of runs that began before.
    pub started: Vec<PathBuf>,
}

/// Is told while a log is followed.
pub trait Listener {
    /// What is new; false when nobody wants to know more.
    ///
    /// # Errors
    /// It cannot be told.
    fn news(&mut self, news: &[News]) -> Result<bool>;

    /// How things stand, several times a second.
    fn figures(&mut self, figures: &Figures);
}

/// Follows the inputs until they end, a stop is asked for, or the listener has seen enough. The verdict is that of the audit over
/// the same lines.
///
/// # Errors
/// Something could not be read, or told.
pub fn follow(
    config: &AuditConfig,
    follow: &FollowConfig,
    stop: &Stop,
    listener: &mut dyn Listener,
) -> Result<Verdict> {
    let registry = Arc::new(Registry::new(config.memory / 4 * 3));
    learn(&follow.started, &registry)?;
    let ending = Arc::<AtomicBool>::default();
    stop.on_request({
        let ending = Arc::clone(&ending);
        move || ending.store(true, Ordering::Relaxed)
    });
    let tails = Tails::open(&config.inputs, &registry, &ending)?;
    let mut readers = Readers::start(&registry, Box::new(tails));
    let mut judge = Judge::new(&registry, config, None);
    let began = micros(follow.began);
    let mut course = Following {
        watch: Watch::new(follow.patience),
        began,
        looked: Instant::now(),
        clock: Duration::ZERO,
    };
    course.watch.figures.began = began as f64 / 1e6;
    let mut bytes = 0;
    let whole = loop {
        match readers.next(Some(LOOK))? {
            Came::Nothing => {}
            Came::End => break true,
            Came::Parcel(parcel) => {
                bytes += parcel.0.bytes().len() as u64;
                course.time(&parcel.1);
                if !judge.take(&parcel.0, &parcel.1) {
                    break false;
                }
                readers.give_back(parcel);
            }
        }
        course.look(&mut judge, listener, &ending)?;
        if follow.until_end && course.watch.all_ended(&judge) {
            ending.store(true, Ordering::Relaxed);
        }
    };
    judge.finish();
    course.looked -= LOOK;
    course.look(&mut judge, listener, &ending)?;
    Ok(conclude::verdict(judge, bytes, whole, Vec::new()))
}

/// Learns of the runs that began before: what else is in these logs is not judged.
fn learn(started: &[PathBuf], registry: &Arc<Registry>) -> Result<()> {
    let inputs: Vec<_> = started.iter().cloned().map(Input::File).collect();
    let mut inputs = Inputs::open(&inputs, registry)?;
    let (mut scanner, mut scanned) = (Scanner::new(registry), Scanned::default());
    let mut block = Block::default();
    while inputs.next(&mut block)? {
        scanner.scan(&block, &mut scanned);
    }
    Ok(())
}

/// What goes on while lines come.
struct Following {
    watch: Watch,
    /// When it began, in microseconds since 1970.
    began: u64,
    looked: Instant,
    clock: Duration,
}

impl Following {
    /// Takes the time of lines that have just come.
    fn time(&mut self, scanned: &Scanned) {
        let (now, figures) = (micros(SystemTime::now()), &mut self.watch.figures);
        let records = scanned.others.iter().filter_map(|other| match &other.what {
            What::Record(_, record) => Some((record.stamp, other.received)),
            _ => None,
        });
        let attempts = scanned.attempts.iter().map(|a| (a.stamp, a.received));
        let mut last = 0;
        for (stamp, received) in attempts.chain(records) {
            let live = stamp >= self.began;
            last = last.max(if live { now } else { stamp });
            if received > 0 {
                figures.delays.count(stamp, received);
            } else if live {
                figures.delays.count(stamp, now);
            }
        }
        if last > 0 {
            figures.last_line = Some(last as f64 / 1e6);
        }
    }

    /// Looks at what is new, if it is time to.
    fn look(
        &mut self,
        judge: &mut Judge<'_>,
        listener: &mut dyn Listener,
        ending: &AtomicBool,
    ) -> Result<()> {
        let passed = self.looked.elapsed();
        if passed < LOOK {
            return Ok(());
        }
        self.looked += passed;
        self.clock += passed.min(LEAP);
        let news = self.watch.look(judge, self.clock);
        if !news.is_empty() && !listener.news(&news)? {
            ending.store(true, Ordering::Relaxed);
        }
        listener.figures(&self.watch.figures);
        Ok(())
    }
}

/// Microseconds since 1970.
fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() as u64
}
