//! Where the modelled core takes its locks and atomics from.
//!
//! The model tests compile the same files with a scheduler's own in place of these, and then explore how threads
//! may interleave (`tests/model`).

pub use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

#[cfg(test)]
pub use std::{sync::Arc, thread};

/// Runs a test of threads: once here, under thousands of schedules in the model tests.
#[cfg(test)]
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    test();
}
