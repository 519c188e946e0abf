//! Where the modelled core takes its locks and atomics from.
//!
//! The model tests compile the same files with a scheduler's own in place of these, and then explore how threads
//! may interleave (`tests/model`).

use std::sync::{self, TryLockError, TryLockResult};
pub(crate) use std::sync::{
    Condvar, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
pub(crate) use std::thread;

use derive_more::Deref;

#[cfg(test)]
pub(crate) use std::sync::Arc;

/// The standard library's lock, side by side with what it guards, on cache lines that hold nothing else. The price of a lock that
/// two cores share is the cache lines that travel between them.
#[derive(Debug, Default, Deref)]
#[repr(align(128))]
pub(crate) struct Mutex<T>(sync::Mutex<T>);

impl<T> Mutex<T> {
    /// A free lock.
    pub(crate) const fn new(value: T) -> Self {
        Self(sync::Mutex::new(value))
    }
}

/// Runs a test of threads: once here, under thousands of schedules in the model tests.
#[cfg(test)]
pub(crate) fn explore(test: impl Fn() + Send + Sync + 'static) {
    test();
}

/// The guard of a lock, whether or not it is poisoned; none if somebody holds it. Whoever asks has a policy for poison.
#[inline]
pub(crate) fn ignoring_poison<G>(attempt: TryLockResult<G>) -> Option<G> {
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
