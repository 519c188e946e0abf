//! The Processor: what all workers share, as `Arc<Mutex<Processor>>`. It counts completed operations and keeps the
//! newest items, up to a limit.
//!
//! Poison policy: a lock is poisoned when a thread panics while it holds it. Here such a panic strikes before anything
//! has changed, because [`Processor::complete_operation`] cannot fail. A poisoned lock therefore still holds a
//! true Processor, and whoever locks it ignores the poison.
//!
//! No sleep, log call or I/O happens while the lock is held.

use std::{collections::VecDeque, panic::panic_any, sync::Arc, time::Duration};

use derive_more::Display;

use crate::{
    plan::PanicPlace,
    plan::workload::Limit,
    sync::{Mutex, PoisonError, ignoring_poison},
    work::panics::SimulatedPanic,
    work::status::{Lock, WorkerStatus},
};

/// The one Processor of a run. Each worker has a clone of this handle, and all clones lead to the same Processor.
pub(crate) type SharedProcessor = Arc<Mutex<Processor>>;

/// What the workers work on.
#[derive(Debug)]
pub(crate) struct Processor {
    /// Completed operations.
    counter: u64,
    /// The newest items; each completed operation adds one.
    data: VecDeque<Item>,
    /// So many items are kept.
    data_limit: u64,
}

/// One item of the Processor's data: it reads as `Data-17`.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
#[display("Data-{_0}")]
pub(crate) struct Item(pub u64);

/// Room that is made in advance, so that the lock is seldom held for an allocation.
const RESERVED_MAX: u64 = 1 << 17;

impl Processor {
    /// An empty Processor that keeps at most `data_limit` items.
    pub(crate) fn new(data_limit: Limit) -> Self {
        let data_limit = data_limit.or_max();
        let reserved = data_limit.min(RESERVED_MAX) as usize;
        Self {
            counter: 0,
            data: VecDeque::with_capacity(reserved + 1),
            data_limit,
        }
    }

    /// Counts one operation and adds its item. The oldest makes room where there are too many.
    #[inline]
    fn complete_operation(&mut self) {
        self.counter += 1;
        self.data.push_back(Item(self.counter));
        if self.data.len() as u64 > self.data_limit {
            self.data.pop_front();
        }
    }

    fn contents(&self) -> Contents {
        let data_len = self.data.len() as u64;
        let dropped = self.counter - data_len;
        let expected = dropped + 1..=self.counter;
        Contents {
            counter: self.counter,
            data_len,
            dropped,
            data_in_order: self.data.iter().map(|item| item.0).eq(expected),
        }
    }
}

/// What workers, and `main` at the end, can do with the Processor that they share. An honest run has one kind, the
/// [`SharedProcessor`]; each of the others has a bug, on purpose.
pub trait Handle: Send + Sync {
    /// Counts one completed operation of `worker` and keeps its item.
    fn record(&self, worker: &WorkerStatus) -> Recorded;

    /// Panics where `worker` would have changed something.
    fn panic_under_lock(&self, _worker: &WorkerStatus) -> ! {
        panic_any(SimulatedPanic(PanicPlace::UnderLock))
    }

    /// What the Processor holds now.
    fn contents(&self) -> Contents;

    /// What the Processor holds now; none while somebody holds the lock.
    fn contents_if_free(&self) -> Option<Contents> {
        Some(self.contents())
    }
}

impl Handle for Mutex<Processor> {
    #[inline]
    fn record(&self, worker: &WorkerStatus) -> Recorded {
        let (mut processor, wait) = worker.lock(Lock::Processor, self);
        processor.complete_operation();
        Recorded {
            counter: processor.counter,
            data_len: processor.data.len() as u64,
            wait,
        }
    }

    fn panic_under_lock(&self, worker: &WorkerStatus) -> ! {
        let _processor = worker.lock(Lock::Processor, self);
        panic_any(SimulatedPanic(PanicPlace::UnderLock))
    }

    fn contents(&self) -> Contents {
        self.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contents()
    }

    fn contents_if_free(&self) -> Option<Contents> {
        ignoring_poison(self.try_lock()).map(|processor| processor.contents())
    }
}

/// What became of a completed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The counter's value that this operation led to.
    pub counter: u64,
    /// Items held after it.
    pub data_len: u64,
    /// How long the lock was waited for; zero if it was free.
    pub wait: Duration,
}

/// What a Processor holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Completed operations.
    pub counter: u64,
    /// Items held.
    pub data_len: u64,
    /// Items dropped because of the data limit.
    pub dropped: u64,
    /// The items are the newest, in order and without a gap.
    pub data_in_order: bool,
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{
        log::clock::Clock,
        sync::{explore, thread},
        work::status::StatusBoard,
    };

    fn shared(data_limit: Limit) -> SharedProcessor {
        Arc::new(Mutex::new(Processor::new(data_limit)))
    }

    #[test]
    fn counts_and_keeps_the_newest_items() {
        explore(|| {
            for limit in 0..12 {
                let board = StatusBoard::new(0..1, Clock::start());
                let processor = shared(Limit::At(limit));
                for counter in 1..30 {
                    let recorded = processor.record(board.worker(0));
                    assert_eq!(recorded.counter, counter);
                    assert_eq!(recorded.data_len, counter.min(limit));
                    let expected = Contents {
                        counter,
                        data_len: counter.min(limit),
                        dropped: counter.saturating_sub(limit),
                        data_in_order: true,
                    };
                    assert_eq!(processor.contents(), expected);
                }
                let processor = processor.lock().unwrap();
                let items: Vec<_> = processor.data.iter().map(Item::to_string).collect();
                let newest = (30 - limit..30).map(|n| format!("Data-{n}"));
                assert_eq!(items, newest.collect::<Vec<_>>());
            }
        });
    }

    #[test]
    fn no_schedule_loses_an_update() {
        explore(|| {
            let board = Arc::new(StatusBoard::new(0..3, Clock::start()));
            let processor = shared(Limit::At(4));
            let workers: Vec<_> = (0..3)
                .map(|worker| {
                    let (processor, board) = (Arc::clone(&processor), Arc::clone(&board));
                    let record = move || processor.record(board.worker(worker)).counter;
                    thread::spawn(move || [record(), record()])
                })
                .collect();
            let counters = workers.into_iter().map(|worker| worker.join().unwrap());
            let mut counters: Vec<_> = counters
                .inspect(|[a, b]| assert!(a < b))
                .flatten()
                .collect();
            counters.sort_unstable();
            assert_eq!(counters, [1, 2, 3, 4, 5, 6]);
            let expected = Contents {
                counter: 6,
                data_len: 4,
                dropped: 2,
                data_in_order: true,
            };
            assert_eq!(processor.contents(), expected);
        });
    }

    #[test]
    fn a_poisoned_lock_still_holds_a_true_processor() {
        explore(|| {
            let board = StatusBoard::new(0..1, Clock::start());
            let processor = shared(Limit::Unlimited);
            processor.record(board.worker(0));
            let strike = AssertUnwindSafe(|| processor.panic_under_lock(board.worker(0)));
            assert!(catch_unwind(strike).is_err());
            assert_eq!(processor.record(board.worker(0)).counter, 2);
            let expected = Contents {
                counter: 2,
                data_len: 2,
                dropped: 0,
                data_in_order: true,
            };
            assert_eq!(processor.contents(), expected);
        });
    }
}
