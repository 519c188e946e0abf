//! The Processor that all workers share, behind a handle that alone knows its lock.
//!
//! Poison policy: what is done under the lock cannot fail once anything has changed. A panic that
//! strikes there strikes before that, so a poisoned lock still holds a true Processor, and every locking
//! takes the Processor out of the poison and goes on.
//!
//! No sleep, log call or I/O happens while the lock is held, and no guard leaves this file.
//!
//! What can be done with the handle is a trait, [`Handle`]: specimens of bugs bring handles of their own.

use std::{
    collections::VecDeque,
    fmt,
    panic::panic_any,
    time::{Duration, Instant},
};

use crate::{
    plan::Place,
    plan::workload::Limit,
    work::panics::SimulatedPanic,
    work::status::{Board, Desk, Held, NamedLock},
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
///
/// Between two cores the price of the lock is the cache lines that travel with it. So the newest items stand beside the
/// counter and the lock, all on one line, and go to the others together: only then other lines travel as well.
#[derive(Debug)]
struct Processor {
    counter: u64,
    /// Of these the first `counter` modulo [`NEWEST`] are items; the others have gone to the older ones.
    newest: [Item; NEWEST],
    older: Box<Older>,
}

/// How many items go to the older ones together: as many as fit between counter and end of a cache line.
const NEWEST: usize = 4;

/// The items but for the newest, and how many were dropped.
#[derive(Debug)]
struct Older {
    items: VecDeque<Item>,
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
    /// Items held after it.
    pub data_len: u64,
    /// How long the lock was waited for; zero if it was free.
    pub wait: Duration,
}

/// What workers, and `main` at the end, can do with a Processor. An honest run has one kind, the
/// [`SharedProcessor`]; who works through another one has a bug, on purpose.
pub trait Handle: Send + Sync {
    /// Counts one completed operation of the worker at `desk` and keeps its item.
    fn record(&self, desk: &Desk) -> Recorded;

    /// Does the same, and measures how long the lock is held; the whole takes so long where nothing else is known.
    fn record_timed(&self, desk: &Desk) -> (Recorded, Duration) {
        let began = Instant::now();
        let recorded = self.record(desk);
        (recorded, began.elapsed())
    }

    /// Panics where the worker at `desk` would have changed something.
    fn panic_under_lock(&self, _desk: &Desk) -> ! {
        panic_any(SimulatedPanic(Place::UnderLock))
    }

    /// What the Processor holds now.
    fn contents(&self) -> Contents;

    /// What the Processor holds now; none while somebody holds the lock.
    fn contents_if_free(&self) -> Option<Contents> {
        Some(self.contents())
    }
}

/// A handle to the shared Processor; clones share it.
#[derive(Clone, Debug)]
pub struct SharedProcessor {
    processor: NamedLock<Processor>,
    data_limit: Limit,
}

impl SharedProcessor {
    /// Room for items that is made in advance, so that the lock is seldom held for an allocation.
    const ITEMS_RESERVED_MAX: u64 = 1 << 17;

    /// An empty Processor that keeps at most `data_limit` items, its lock being known on `board`.
    pub fn new(data_limit: Limit, board: &Board) -> Self {
        let reserved = data_limit.or_max().min(Self::ITEMS_RESERVED_MAX) as usize;
        let processor = Processor {
            counter: 0,
            newest: [Item(0); NEWEST],
            older: Box::new(Older {
                items: VecDeque::with_capacity(reserved + NEWEST),
                dropped: 0,
            }),
        };
        Self {
            processor: NamedLock::new(board, "Processor", processor),
            data_limit,
        }
    }

    #[inline]
    fn add_item(&self, mut processor: Held<'_, Processor>, wait: Duration) -> Recorded {
        processor.push(self.data_limit);
        Recorded {
            counter: processor.counter,
            data_len: processor.counter.min(self.data_limit.or_max()),
            wait,
        }
    }
}

impl Handle for SharedProcessor {
    #[inline]
    fn record(&self, desk: &Desk) -> Recorded {
        let (processor, wait) = self.processor.lock(desk);
        self.add_item(processor, wait)
    }

    #[cold]
    fn record_timed(&self, desk: &Desk) -> (Recorded, Duration) {
        let (processor, wait) = self.processor.lock(desk);
        let locked = Instant::now();
        let recorded = self.add_item(processor, wait);
        (recorded, locked.elapsed())
    }

    /// Panics while the worker holds the lock, before anything has changed.
    fn panic_under_lock(&self, desk: &Desk) -> ! {
        let _processor = self.processor.lock(desk);
        panic_any(SimulatedPanic(Place::UnderLock))
    }

    fn contents(&self) -> Contents {
        self.processor.lock_unseen().contents(self.data_limit)
    }

    fn contents_if_free(&self) -> Option<Contents> {
        self.processor
            .try_lock_unseen()
            .map(|processor| processor.contents(self.data_limit))
    }
}

impl Processor {
    #[inline]
    fn push(&mut self, limit: Limit) {
        let place = self.newest().len();
        self.counter += 1;
        self.newest[place] = Item(self.counter);
        if place == NEWEST - 1 {
            self.older.take(self.newest, limit);
        }
    }

    /// The items that have not gone to the older ones yet.
    #[inline]
    fn newest(&self) -> &[Item] {
        &self.newest[..(self.counter % NEWEST as u64) as usize]
    }

    /// What is held. An item more than the limit counts as dropped, although it is so only with the next to come.
    fn contents(&self, limit: Limit) -> Contents {
        let items = self.older.items.iter().chain(self.newest());
        let present = (self.older.items.len() + self.newest().len()) as u64;
        let data_len = present.min(limit.or_max());
        Contents {
            counter: self.counter,
            data_len,
            dropped: self.older.dropped + (present - data_len),
            data_in_order: items
                .zip(self.older.dropped + 1..)
                .all(|(item, n)| item.0 == n),
        }
    }
}

impl Older {
    /// Takes items in, and drops those that are too many.
    fn take(&mut self, items: [Item; NEWEST], limit: Limit) {
        self.items.extend(items);
        while self.items.len() as u64 > limit.or_max() {
            self.items.pop_front();
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{
        log::clock::Clock,
        sync::{Arc, explore, thread},
    };

    #[test]
    fn counts_and_keeps_the_newest_items() {
        explore(|| {
            let board = Board::new(1, Clock::start());
            let shared = SharedProcessor::new(Limit::At(3), &board);
            let record = |_| shared.record(board.desk(0)).counter;
            let counters: Vec<u64> = (0..5).map(record).collect();
            assert_eq!(counters, [1, 2, 3, 4, 5]);
            let expected = Contents {
                counter: 5,
                data_len: 3,
                dropped: 2,
                data_in_order: true,
            };
            assert_eq!(shared.contents(), expected);
            let processor = shared.processor.lock_unseen();
            let items = processor.older.items.iter().chain(processor.newest());
            let items: Vec<_> = items.map(Item::to_string).collect();
            assert!(items.ends_with(&["Data-3".into(), "Data-4".into(), "Data-5".into()]));
            assert!(items.len() < 3 + NEWEST, "{items:?}");
        });
    }

    #[test]
    fn contents_are_exact_at_any_time_and_under_any_limit() {
        explore(|| {
            for limit in 0..12 {
                let board = Board::new(1, Clock::start());
                let shared = SharedProcessor::new(Limit::At(limit), &board);
                for counter in 1..30 {
                    assert_eq!(shared.record(board.desk(0)).data_len, counter.min(limit));
                    let expected = Contents {
                        counter,
                        data_len: counter.min(limit),
                        dropped: counter.saturating_sub(limit),
                        data_in_order: true,
                    };
                    assert_eq!(shared.contents(), expected);
                }
            }
        });
    }

    #[test]
    fn no_schedule_loses_an_update() {
        explore(|| {
            let board = Arc::new(Board::new(3, Clock::start()));
            let shared = SharedProcessor::new(Limit::At(4), &board);
            let workers: Vec<_> = (0..3)
                .map(|worker| {
                    let (shared, board) = (shared.clone(), Arc::clone(&board));
                    let record = move || shared.record(board.desk(worker)).counter;
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
            assert_eq!(shared.contents(), expected);
        });
    }

    #[test]
    fn a_poisoned_lock_still_holds_a_true_processor() {
        explore(|| {
            let board = Board::new(1, Clock::start());
            let shared = SharedProcessor::new(Limit::Unlimited, &board);
            shared.record(board.desk(0));
            let strike = AssertUnwindSafe(|| shared.panic_under_lock(board.desk(0)));
            assert!(catch_unwind(strike).is_err());
            assert_eq!(shared.record(board.desk(0)).counter, 2);
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
