//! The audit: a log held against what must exist.
//!
//! ```text
//! input (files, streams) -> blocks -> records (all cores) -> judge (in the order of the input) -> account of each run
//!                                      |  scan: exact, find     '- damage, repair               |  worker, main_thread
//!                                      |  attempt                                               |  order, numbers, arrivals
//!                                      '- registry: the runs that were met                      '-> balance -> verdict
//! ```
//!
//! Every line's checksum is verified and its outcome is computed again from the seed; every number is accounted for.
//! In memory stay the runs and their workers, and sets of numbers where lines are out of order. The audit knows the
//! plan and the form of the log; it must not know the command line, nor how a run is carried out. `follow` does the same while
//! lines come.

mod account;
mod config;
mod follow;
mod input;
mod judge;
mod records;
mod registry;
mod verdict;

#[cfg(test)]
mod proof;
#[cfg(test)]
pub(crate) use self::proof::simulate;

use std::{sync::Arc, task::Poll};

use anyhow::Result;

pub use self::{
    config::{AuditConfig, MEMORY, Select},
    follow::{Figures, FollowConfig, News, RunState, follow},
    input::source::Input,
    judge::{merge::merge_files, observer::Observer},
    records::{
        attempt::{AttemptKind, AttemptRecord},
        record::{Producer, Record},
    },
    registry::Run,
    verdict::{
        Change, Counts, DifferingShard, Finding, GroupVerdict, Kind, LostShard, Place, Range,
        RunVerdict, Status, Verdict,
        delay::Delays,
        findings::Location,
        github::annotations,
        junit::xml,
        report::report,
        words::{change_words, headline},
    },
};
use self::{
    input::{inputs::Inputs, readers::Readers},
    judge::{Judge, conclude},
    registry::Registry,
};

/// Audits.
///
/// An error means that something could not be read; it is for the caller to exit with 2 then.
pub fn run(config: &AuditConfig) -> Result<Verdict> {
    run_observed(config, None)
}

/// Audits, and shows each whole record to `observer` meanwhile.
pub fn run_observed(config: &AuditConfig, observer: Option<&mut dyn Observer>) -> Result<Verdict> {
    let registry = Arc::new(Registry::new(config.memory / 4 * 3));
    let inputs = Inputs::open(&config.inputs, &registry)?;
    // The observer outlives what is made here, and is lent for as long only.
    let observer = observer.map(|observer| observer as &mut dyn Observer);
    let mut judge = Judge::new(&registry, config, observer);
    let mut readers = Readers::start(&registry, Box::new(inputs));
    let whole = loop {
        match readers.next(None)? {
            Poll::Pending => {}
            Poll::Ready(None) => break true,
            Poll::Ready(Some(parcel)) => {
                if !judge.take(&parcel.0, &parcel.1) {
                    break false;
                }
                readers.give_back(parcel);
            }
        }
    };
    // A reader may still wait for a stream, which need not end: it is left behind.
    judge.finish();
    Ok(conclude::verdict(judge, whole))
}
