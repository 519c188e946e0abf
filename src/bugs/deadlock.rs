//! The specimen deadlock: two locks, taken in one order and, by turns, in the other.
//!
//! Counter and data have a lock each, so that workers wait less for each other. An operation needs both.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use super::{Setting, bad_luck::BadLuck};
use crate::{
    sync::ignoring_poison,
    work::processor::{Contents, Handle, Item, Recorded},
    work::status::{Lock, WorkerStatus},
};

/// The Processor, in two parts.
struct TwoLocks {
    counter: Mutex<u64>,
    data: Mutex<Vec<Item>>,
    turns: AtomicU64,
    bad_luck: BadLuck,
}

pub(super) fn open(setting: &Setting) -> Arc<dyn Handle> {
    Arc::new(TwoLocks {
        counter: Mutex::new(0),
        data: Mutex::new(Vec::new()),
        turns: AtomicU64::new(0),
        bad_luck: BadLuck::new(setting),
    })
}

impl Handle for TwoLocks {
    fn record(&self, worker: &WorkerStatus) -> Recorded {
        // By turns, so that not all queue up for the counter.
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let counter_first = turn.is_multiple_of(2);
        let ((mut counter, wait), (mut data, more)) = if counter_first {
            let counter = worker.lock(Lock::Counter, &self.counter);
            self.bad_luck.strike(); // another worker comes by just now
            (counter, worker.lock(Lock::Data, &self.data))
        } else {
            let data = worker.lock(Lock::Data, &self.data);
            self.bad_luck.strike(); // another worker comes by just now
            (worker.lock(Lock::Counter, &self.counter), data)
        };
        *counter += 1;
        data.push(Item(*counter));
        Recorded {
            counter: *counter,
            data_len: data.len() as u64,
            wait: wait + more,
        }
    }

    fn contents(&self) -> Contents {
        let counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        let data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        contents(*counter, &data)
    }

    fn contents_if_free(&self) -> Option<Contents> {
        let counter = ignoring_poison(self.counter.try_lock())?;
        let data = ignoring_poison(self.data.try_lock())?;
        Some(contents(*counter, &data))
    }
}

fn contents(counter: u64, data: &[Item]) -> Contents {
    Contents {
        counter,
        data_len: data.len() as u64,
        dropped: 0,
        data_in_order: (1..).zip(data).all(|(n, item)| item.0 == n),
    }
}
