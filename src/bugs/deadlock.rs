//! The specimen deadlock: two locks, taken in one order and, by turns, in the other.
//!
//! Counter and data have a lock each, so that workers wait less for each other. An operation needs both.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{Setting, bad_luck::BadLuck};
use crate::{
    work::processor::{Contents, Handle, Item, Recorded},
    work::status::{Desk, NamedLock},
};

/// The Processor, in two parts.
struct TwoLocks {
    counter: NamedLock<u64>,
    data: NamedLock<Vec<Item>>,
    turns: AtomicU64,
    bad_luck: BadLuck,
}

pub fn open(setting: &Setting) -> Arc<dyn Handle> {
    Arc::new(TwoLocks {
        counter: NamedLock::new(&setting.board, "counter", 0),
        data: NamedLock::new(&setting.board, "data", Vec::new()),
        turns: AtomicU64::new(0),
        bad_luck: BadLuck::new(setting),
    })
}

impl Handle for TwoLocks {
    fn record(&self, desk: &Desk) -> Recorded {
        // By turns, so that not all queue up for the counter.
        let turn = self.turns.fetch_add(1, Ordering::Relaxed);
        let counter_first = turn.is_multiple_of(2);
        let ((mut counter, wait), (mut data, more)) = if counter_first {
            let counter = self.counter.lock(desk);
            self.bad_luck.strike(); // another worker comes by just now
            (counter, self.data.lock(desk))
        } else {
            let data = self.data.lock(desk);
            self.bad_luck.strike(); // another worker comes by just now
            (self.counter.lock(desk), data)
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
        let (counter, data) = (self.counter.lock_unseen(), self.data.lock_unseen());
        contents(*counter, &data)
    }

    fn contents_if_free(&self) -> Option<Contents> {
        let (counter, data) = (
            self.counter.try_lock_unseen()?,
            self.data.try_lock_unseen()?,
        );
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
