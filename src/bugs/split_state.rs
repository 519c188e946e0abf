//! The specimen split-state: a Processor is opened in each thread.
//!
//! The Processor itself is the honest one, lock and all. It is only that there is one too many for each thread.

use std::sync::Arc;

use super::Setting;
use crate::work::processor::{Handle, SharedProcessor};

/// What a thread works with; each thread calls this for itself.
pub fn open(setting: &Setting) -> Arc<dyn Handle> {
    let Setting {
        data_limit, board, ..
    } = setting;
    Arc::new(SharedProcessor::new(*data_limit, board))
}
