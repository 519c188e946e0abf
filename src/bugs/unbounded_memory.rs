//! The specimen unbounded-memory: each result is also kept in a global list, which nobody empties.

use std::sync::{Arc, PoisonError};

use super::Setting;
use crate::{
    sync::Mutex,
    work::processor::{Contents, Handle, Processor, Recorded},
    work::status::WorkerStatus,
};

/// All results, in case somebody wants to look at them.
static RESULTS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// The honest Processor, and the list beside it.
struct Remembering(Mutex<Processor>);

pub(super) fn open(setting: &Setting) -> Arc<dyn Handle> {
    let processor = Processor::new(setting.data_limit);
    Arc::new(Remembering(Mutex::new(processor)))
}

impl Handle for Remembering {
    fn record(&self, worker: &WorkerStatus) -> Recorded {
        let recorded = self.0.record(worker);
        let result = format!(
            "Data-{}: Operation completed successfully",
            recorded.counter
        );
        RESULTS
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(result);
        recorded
    }

    fn contents(&self) -> Contents {
        self.0.contents()
    }
}
