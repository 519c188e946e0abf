//! The account that each worker closes with, and the run: how operations ended, and how many attempts it took.

use derive_more::AddAssign;

use super::event::{Event, Reason};
use crate::plan::{Outcome, workload::Limit};

/// How operations ended. Fields that one attempt changes together are kept apart: the compiler would merge neighbours into one
/// wide load, which stalls on the narrow stores before it.
#[derive(AddAssign, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    /// Operations that were given up.
    pub abandoned: u64,
    /// Operations that ended with a success.
    pub completed: u64,
    /// Operations that an unexpected error ended: 0 or 1 in a worker.
    pub panicked: u64,
    /// Attempts beyond the first of their operation.
    pub retries: u64,
    /// Operations that were cut off before a retry: 0 or 1 in a worker.
    pub interrupted: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
}

impl Account {
    /// The account of no operations.
    pub(crate) const ZERO: Self = Self {
        completed: 0,
        abandoned: 0,
        panicked: 0,
        interrupted: 0,
        failed_attempts: 0,
        retries: 0,
    };

    /// The figures, by the names that the log has for them.
    pub(crate) fn figures(&self) -> [(&'static str, u64); 6] {
        [
            ("completed", self.completed),
            ("abandoned", self.abandoned),
            ("panicked", self.panicked),
            ("interrupted", self.interrupted),
            ("failed_attempts", self.failed_attempts),
            ("retries", self.retries),
        ]
    }

    /// How many operations were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.completed + self.abandoned + self.panicked + self.interrupted
    }

    /// Takes in a worker's next attempt, the `attempt`-th of its operation. Until another follows, one that is to be tried
    /// again counts as cut off.
    #[inline]
    pub(crate) fn count(&mut self, attempt: u64, outcome: Outcome) {
        self.retries += u64::from(attempt > 1);
        self.interrupted = u64::from(matches!(outcome, Outcome::Retry { .. }));
        match outcome {
            Outcome::Success { .. } => self.completed += 1,
            Outcome::Retry { .. } => self.failed_attempts += 1,
            Outcome::Abandon { .. } => {
                self.failed_attempts += 1;
                self.abandoned += 1;
            }
            Outcome::Panic(_) => self.panicked += 1,
        }
    }
}

/// What "Worker ended" says of a worker, and "Run ended" of all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Closing {
    /// Why it ended.
    pub reason: Reason,
    /// How its operations ended.
    pub account: Account,
    /// Operations that were never begun.
    pub not_started: Limit,
}

impl Closing {
    /// What an event says that closes an account; none of another.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        match *event {
            Event::WorkerEnded {
                reason,
                completed,
                abandoned,
                panicked,
                interrupted,
                not_started,
                failed_attempts,
                retries,
            }
            | Event::RunEnded {
                reason,
                completed,
                abandoned,
                panicked,
                interrupted,
                not_started,
                failed_attempts,
                retries,
                ..
            } => Some(Self {
                reason,
                account: Account {
                    completed,
                    abandoned,
                    panicked,
                    interrupted,
                    failed_attempts,
                    retries,
                },
                not_started,
            }),
            _ => None,
        }
    }

    /// A worker's "Worker ended".
    pub(crate) fn worker_ended(self) -> Event {
        Event::WorkerEnded {
            reason: self.reason,
            completed: self.account.completed,
            abandoned: self.account.abandoned,
            panicked: self.account.panicked,
            interrupted: self.account.interrupted,
            not_started: self.not_started,
            failed_attempts: self.account.failed_attempts,
            retries: self.account.retries,
        }
    }

    /// A run's "Run ended".
    pub(crate) fn run_ended(self, cause: String, lines: u64, dropped_items: u64) -> Event {
        Event::RunEnded {
            reason: self.reason,
            cause,
            lines,
            completed: self.account.completed,
            abandoned: self.account.abandoned,
            panicked: self.account.panicked,
            interrupted: self.account.interrupted,
            not_started: self.not_started,
            failed_attempts: self.account.failed_attempts,
            retries: self.account.retries,
            dropped_items,
        }
    }
}
