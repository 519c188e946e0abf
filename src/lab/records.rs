//! The lines of a run's log, read back.

use crate::log::{
    event::Event,
    line::{Line, parse_stamp},
};

/// A line of the log.
#[derive(Clone, Debug)]
pub(super) struct LogRecord {
    /// Its number in the file, from 1.
    pub line: usize,
    /// Microseconds since 1970.
    pub micros: u64,
    /// The worker that logged it; none for `main`.
    pub worker: Option<u32>,
    /// What it tells.
    pub event: Event,
}

impl LogRecord {
    /// Reads a log. What is no line of the program is left out: to find that is the audit's business.
    pub(super) fn read_all(log: &str) -> Vec<Self> {
        let read = |(number, text): (usize, &str)| {
            let line = Line::parse(text.as_bytes())?;
            Some(Self {
                line: number,
                micros: parse_stamp(&line.stamp)?,
                worker: line.field("worker").and_then(|n| n.parse().ok()),
                event: Event::read(&line)?,
            })
        };
        (1..).zip(log.lines()).filter_map(read).collect()
    }

    /// The worker and the counter that it has got to, if this tells of a success.
    pub(super) fn success(&self) -> Option<(u32, u64)> {
        match self.event {
            Event::Succeeded { counter, .. } => Some((self.worker?, counter)),
            _ => None,
        }
    }
}
