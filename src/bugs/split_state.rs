//! The specimen split-state: a Processor is opened in each thread.
//!
//! The Processor itself is the honest one, lock and all. There are just too many of them.

use std::sync::Arc;

use super::Setting;
use crate::{
    sync::Mutex,
    work::processor::{Handle, Processor},
};

/// What a thread works with; each thread calls this for itself.
pub(super) fn open(setting: &Setting) -> Arc<dyn Handle> {
    Arc::new(Mutex::new(Processor::new(setting.data_limit)))
}
