//! The specimen lost-update: the counter is read under the lock, and written under another.
//!
//! Making an item's text takes time, and a lock is to be held as briefly as possible. So it is let go in between.

use std::{sync::Arc, time::Duration};

use super::{Setting, bad_luck::BadLuck};
use crate::{
    sync::{Mutex, PoisonError},
    work::processor::{Contents, Handle, Item, Recorded},
    work::status::{Lock, WorkerStatus},
};

/// It has the name of the one that the program uses, for it is that one as somebody wrote it who did not see the bug.
struct Processor {
    counter: u64,
    data: Vec<String>,
}

/// The Processor, shared by all workers.
pub(super) struct LostUpdate {
    processor: Mutex<Processor>,
    bad_luck: BadLuck,
}

pub(super) fn open(setting: &Setting) -> Arc<dyn Handle> {
    let processor = Processor {
        counter: 0,
        data: Vec::new(),
    };
    Arc::new(LostUpdate {
        processor: Mutex::new(processor),
        bad_luck: BadLuck::new(setting),
    })
}

impl LostUpdate {
    fn counter(&self, worker: &WorkerStatus) -> (u64, Duration) {
        let (processor, wait) = worker.lock(Lock::Processor, &self.processor);
        (processor.counter, wait)
    }
}

impl Handle for LostUpdate {
    fn record(&self, worker: &WorkerStatus) -> Recorded {
        // Reads the counter under the lock, which is free again afterwards.
        let (counter, wait) = self.counter(worker);

        // The text is made without it, so that nobody has to wait meanwhile.
        let counter = counter + 1;
        let item = Item(counter).to_string();
        self.bad_luck.strike(); // another worker comes by just now

        // Writes the counter under the lock.
        let (mut processor, more) = worker.lock(Lock::Processor, &self.processor);
        processor.counter = counter;
        processor.data.push(item);
        Recorded {
            counter,
            data_len: processor.data.len() as u64,
            wait: wait + more,
        }
    }

    fn contents(&self) -> Contents {
        let processor = self
            .processor
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let numbered = |(n, item): (u64, &String)| *item == Item(n).to_string();
        Contents {
            counter: processor.counter,
            data_len: processor.data.len() as u64,
            dropped: 0,
            data_in_order: (1..).zip(&processor.data).all(numbered),
        }
    }
}
