//! The Processor that all workers share, behind a handle that alone knows its lock.
//!
//! Poison policy: what is done under the lock cannot fail once anything has changed. A panic that
//! strikes there strikes before that, so a poisoned lock still holds a true Processor, and every locking
//! takes the Processor out of the poison and goes on.
//!
//! No sleep, log call or I/O happens while the lock is held, and no guard leaves this file.

use std::{
    collections::VecDeque,
    fmt,
    panic::panic_any,
    time::{Duration, Instant},
};

use crate::{
    plan::Place,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    unexpected::SimulatedPanic,
    workload::Limit,
};

/// One item of the Processor's data: it reads as `Data-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item(pub u64);

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Data-{}", self.0)
    }
}

/// What the workers work on: a counter of completed operations, and an item for each.
#[derive(Debug)]
struct Processor {
    counter: u64,
    data: VecDeque<Item>,
    dropped: u64,
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

/// What became of a completed operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The counter's value that this operation led to.
    pub counter: u64,
    /// How long the lock was waited for; zero if it was free.
    pub wait: Duration,
}

/// Keeps lock and Processor on one cache line, which two cores then hand to each other once per operation.
#[derive(Debug)]
#[repr(align(64))]
struct OnOneLine<T>(T);

/// A handle to the shared Processor; clones share it.
#[derive(Clone, Debug)]
pub struct SharedProcessor {
    processor: Arc<OnOneLine<Mutex<Processor>>>,
    data_limit: Limit,
}

impl SharedProcessor {
    /// Room for items that is made in advance, so that the lock is seldom held for an allocation.
    const ITEMS_RESERVED_MAX: u64 = 1 << 17;

    /// An empty Processor that keeps at most `data_limit` items.
    pub fn new(data_limit: Limit) -> Self {
        let reserved = data_limit.or_max().min(Self::ITEMS_RESERVED_MAX) as usize;
        let processor = Processor {
            counter: 0,
            data: VecDeque::with_capacity(reserved),
            dropped: 0,
        };
        Self {
            processor: Arc::new(OnOneLine(Mutex::new(processor))),
            data_limit,
        }
    }

    /// Counts one completed operation and keeps its item.
    pub fn record(&self) -> Recorded {
        let (mut processor, wait) = self.lock_timed();
        processor.counter += 1;
        let item = Item(processor.counter);
        processor.data.push_back(item);
        if processor.counter - processor.dropped > self.data_limit.or_max() {
            processor.data.pop_front();
            processor.dropped += 1;
        }
        Recorded {
            counter: processor.counter,
            wait,
        }
    }

    /// Panics while the lock is held, before anything has changed.
    pub fn panic_under_lock(&self) -> ! {
        let _processor = self.lock();
        panic_any(SimulatedPanic(Place::UnderLock))
    }

    /// What the Processor holds now.
    pub fn contents(&self) -> Contents {
        let processor = self.lock();
        let oldest = processor.counter + 1 - processor.data.len() as u64;
        Contents {
            counter: processor.counter,
            data_len: processor.data.len() as u64,
            dropped: processor.dropped,
            data_in_order: processor
                .data
                .iter()
                .zip(oldest..)
                .all(|(item, n)| item.0 == n),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Processor> {
        self.processor
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The lock, and how long it was waited for. A free lock costs no reading of the clock.
    fn lock_timed(&self) -> (MutexGuard<'_, Processor>, Duration) {
        match self.processor.0.try_lock() {
            Ok(guard) => (guard, Duration::ZERO),
            Err(TryLockError::Poisoned(poison)) => (poison.into_inner(), Duration::ZERO),
            Err(TryLockError::WouldBlock) => {
                let asked = Instant::now();
                let guard = self.lock();
                (guard, asked.elapsed())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::sync::{explore, thread};

    #[test]
    fn counts_and_keeps_the_newest_items() {
        explore(|| {
            let shared = SharedProcessor::new(Limit::At(3));
            let counters: Vec<u64> = (0..5).map(|_| shared.record().counter).collect();
            assert_eq!(counters, [1, 2, 3, 4, 5]);
            let expected = Contents {
                counter: 5,
                data_len: 3,
                dropped: 2,
                data_in_order: true,
            };
            assert_eq!(shared.contents(), expected);
            let items: Vec<_> = shared.lock().data.iter().map(Item::to_string).collect();
            assert_eq!(items, ["Data-3", "Data-4", "Data-5"]);
        });
    }

    #[test]
    fn a_limit_of_nothing_keeps_nothing() {
        explore(|| {
            let shared = SharedProcessor::new(Limit::At(0));
            shared.record();
            let expected = Contents {
                counter: 1,
                data_len: 0,
                dropped: 1,
                data_in_order: true,
            };
            assert_eq!(shared.contents(), expected);
        });
    }

    #[test]
    fn no_schedule_loses_an_update() {
        explore(|| {
            let shared = SharedProcessor::new(Limit::At(4));
            let workers: Vec<_> = (0..3)
                .map(|_| {
                    let shared = shared.clone();
                    thread::spawn(move || [shared.record().counter, shared.record().counter])
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
            assert_eq!(shared.contents(), expected);
        });
    }

    #[test]
    fn a_poisoned_lock_still_holds_a_true_processor() {
        explore(|| {
            let shared = SharedProcessor::new(Limit::Unlimited);
            shared.record();
            assert!(catch_unwind(AssertUnwindSafe(|| shared.panic_under_lock())).is_err());
            assert_eq!(shared.record().counter, 2);
            let expected = Contents {
                counter: 2,
                data_len: 2,
                dropped: 0,
                data_in_order: true,
            };
            assert_eq!(shared.contents(), expected);
        });
    }
}
