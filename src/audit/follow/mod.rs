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
    sync::Arc,
    task::Poll,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::Result;

pub use super::follow::{
    figures::{Figures, RunState},
    news::News,
};
use super::{
    config::AuditConfig,
    follow::{tails::Tails, watch::Watch},
    input::{
        inputs::{Blocks, Inputs},
        readers::Readers,
        source::Input,
    },
    judge::{Judge, conclude},
    records::{block::Block, scan::Scanner, scanned::Scanned},
    registry::Registry,
    verdict::Verdict,
};
use crate::shutdown::{Cause, Stop};

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

/// Is told several times a second what is new, and how things stand; false when nobody wants to know more.
type Listener<'a> = &'a mut dyn FnMut(&[News], &Figures) -> Result<bool>;

/// Follows the inputs until they end, a stop is asked for, or the listener has heard enough. The verdict is that of the audit over
/// the same lines.
///
/// # Errors
/// Something could not be read, or told.
pub fn follow(
    config: &AuditConfig,
    follow: &FollowConfig,
    stop: &Arc<Stop>,
    listener: Listener<'_>,
) -> Result<Verdict> {
    let registry = Arc::new(Registry::new(config.memory / 4 * 3));
    learn(&follow.started, &registry)?;
    let tails = Tails::open(&config.inputs, &registry, stop)?;
    let mut readers = Readers::start(&registry, Box::new(tails));
    let mut judge = Judge::new(&registry, config, None);
    let mut watch = Watch::new(follow.patience);
    watch.figures.began = since_1970(follow.began);
    let (mut looked, mut clock) = (Instant::now(), Duration::ZERO);
    let whole = loop {
        match readers.next(Some(LOOK))? {
            Poll::Pending => {}
            Poll::Ready(None) => break true,
            Poll::Ready(Some(parcel)) => {
                watch.figures.arrived(&parcel.1);
                if !judge.take(&parcel.0, &parcel.1) {
                    break false;
                }
                readers.give_back(parcel);
            }
        }
        let passed = looked.elapsed();
        let all_heard = passed >= LOOK && {
            looked += passed;
            clock += passed.min(LEAP);
            !listener(&watch.look(&mut judge, clock), &watch.figures)?
        };
        if all_heard || follow.until_end && watch.all_ended(&judge) {
            stop.request(Cause::Done);
        }
    };
    judge.finish();
    clock += looked.elapsed().min(LEAP);
    listener(&watch.look(&mut judge, clock), &watch.figures)?;
    Ok(conclude::verdict(judge, whole))
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

/// Seconds since 1970.
fn since_1970(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64()
}
