//! What the lines of a run's log tell, as the audit reads them.

use super::memory::Memory;
use crate::{
    audit::{AttemptKind, AttemptRecord, Location, Observer, Record, Run},
    log::event::{Event, Known},
};

/// A line that tells of a success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Success {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Microseconds since 1970.
    pub micros: u64,
    pub worker: u32,
    /// What the worker brought the counter to.
    pub counter: u64,
}

/// What the log of a run tells.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub successes: Vec<Success>,
    /// From its samples.
    pub memory: Memory,
    /// When the run began.
    pub start: Option<u64>,
}

impl Observer for Seen {
    fn attempt(&mut self, _: &Run, attempt: &AttemptRecord, at: Location, _: bool) {
        if attempt.kind == AttemptKind::Success {
            self.successes.push(Success {
                line: at.line,
                micros: attempt.stamp,
                worker: attempt.worker,
                counter: attempt.value,
            });
        }
    }

    fn event(&mut self, _: &Run, record: &Record, _: Location, _: bool) {
        self.start.get_or_insert(record.stamp);
        if let Some(Event::Sample {
            resident_bytes: Known(Some(bytes)),
            counter,
            ..
        }) = record.event
        {
            self.memory.0.push((counter, bytes));
        }
    }
}
