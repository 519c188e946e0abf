//! What a worker tells of itself: each thing once, to the log and to the figures.
//!
//! The clock is read where a line is stamped and nowhere else: the time of an
//! event is that of its line.

use std::{sync::Arc, time::Duration};

use crate::{
    figures::{Count, Distribution, Histogram},
    log::clock::Stamp,
    log::{
        self,
        account::Account,
        event::{Event, Next},
    },
    plan::{Position, workload::Micros},
    work::processor::Recorded,
};

/// A worker times the lock with one in so many of its completed operations: two more readings of the clock would
/// show in each.
pub(crate) const HOLD_SAMPLE: u64 = 64;

/// One worker's figures, to be read by anyone at any time.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    completed: Count,
    abandoned: Count,
    panicked: Count,
    interrupted: Count,
    failed_attempts: Count,
    retries: Count,
    operation_nanos: Histogram,
    lock_wait_nanos: Histogram,
    lock_hold_nanos: Histogram,
    counter: Count,
    data_len: Count,
}

/// The figures of all workers, added up at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// How operations ended.
    pub account: Account,
    /// Times from the start of an operation to its completion or abandonment, retries included.
    pub operation_time: Distribution,
    /// Times that the Processor's lock was waited for; a free lock counts as 0.
    pub lock_wait: Distribution,
    /// Times that the Processor's lock was held, one in [`HOLD_SAMPLE`] of them.
    pub lock_hold: Distribution,
    /// The Processor's counter, as the last worker that has told of it saw it.
    pub counter: u64,
    /// The length of the Processor's data then.
    pub data_len: u64,
}

impl Counters {
    /// How its operations ended.
    pub(crate) fn account(&self) -> Account {
        Account {
            completed: self.completed.get(),
            abandoned: self.abandoned.get(),
            panicked: self.panicked.get(),
            interrupted: self.interrupted.get(),
            failed_attempts: self.failed_attempts.get(),
            retries: self.retries.get(),
        }
    }
}

impl Totals {
    /// Adds up the accounts of many workers: less work than all of their figures.
    pub(crate) fn account(counters: &[Arc<Counters>]) -> Account {
        let mut account = Account::ZERO;
        for counters in counters {
            account += counters.account();
        }
        account
    }

    /// Adds up the figures of many workers.
    pub(crate) fn of(counters: &[Arc<Counters>]) -> Self {
        let mut totals = Self {
            account: Self::account(counters),
            ..Self::default()
        };
        for counters in counters {
            totals.operation_time.add(&counters.operation_nanos);
            totals.lock_wait.add(&counters.lock_wait_nanos);
            totals.lock_hold.add(&counters.lock_hold_nanos);
        }
        (totals.counter, totals.data_len) = Self::latest(counters);
        totals
    }

    /// Counter and length of the data as the last worker that has told of them saw them.
    pub(crate) fn latest(counters: &[Arc<Counters>]) -> (u64, u64) {
        let latest = |counters: &Arc<Counters>| {
            // The counter first, which is set last: with an operation in between, the length is too large by one, which
            // the counter bounds. What was dropped, the difference of both, then never seems to fall.
            let counter = counters.counter.get();
            (counter, counters.data_len.get().min(counter))
        };
        counters.iter().map(latest).max().unwrap_or_default()
    }
}

/// What the worker alone calls: each tells log and figures of something that it did.
impl Counters {
    /// The attempt succeeded, in an operation that began then. Returns the time of it.
    #[inline]
    pub(crate) fn succeeded(&self, at: Position, began: Stamp, recorded: Recorded) -> Stamp {
        Event::Succeeded {
            iteration: at.iteration,
            attempt: at.attempt,
            counter: recorded.counter,
        }
        .emit();
        self.lock_wait_nanos
            .record(u64::try_from(recorded.wait.as_nanos()).unwrap_or(u64::MAX));
        self.data_len.set(recorded.data_len);
        self.counter.set(recorded.counter);
        self.completed.add(1);
        self.ended_operation(at, began)
    }

    /// Whether the next completed operation is one whose lock is to be timed.
    #[inline]
    pub(crate) fn samples_hold(&self) -> bool {
        self.completed.get().is_multiple_of(HOLD_SAMPLE)
    }

    /// The lock was held for so long.
    pub(crate) fn held(&self, hold: Duration) {
        self.lock_hold_nanos
            .record(u64::try_from(hold.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The attempt failed, in an operation that began then. Returns the time of it.
    #[inline]
    pub(crate) fn failed(&self, at: Position, began: Stamp, next: Next, delay_us: Micros) -> Stamp {
        Event::Failed {
            iteration: at.iteration,
            attempt: at.attempt,
            next,
            delay_us,
        }
        .emit();
        self.failed_attempts.add(1);
        if next == Next::Abandon {
            self.abandoned.add(1);
            return self.ended_operation(at, began);
        }
        self.retries.add(u64::from(at.attempt > 1));
        log::last_stamp()
    }

    /// An unexpected error struck in the attempt.
    pub(crate) fn unexpected(&self, at: Position, error: String) {
        Event::Unexpected {
            iteration: at.iteration,
            attempt: at.attempt,
            error,
        }
        .emit();
        self.panicked.add(1);
        self.retries.add(u64::from(at.attempt > 1));
    }

    /// A stop came before the operation's next attempt.
    pub(crate) fn interrupted(&self) {
        self.interrupted.add(1);
    }

    #[inline]
    fn ended_operation(&self, at: Position, began: Stamp) -> Stamp {
        let now = log::last_stamp();
        self.retries.add(u64::from(at.attempt > 1));
        self.operation_nanos.record(now.nanos_since(began));
        now
    }
}
