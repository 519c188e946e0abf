//! Where the modelled core takes its locks and atomics from.
//!
//! The model tests compile the same files with a scheduler's own in place of these, and then explore how threads
//! may interleave (`tests/model`).

pub use std::sync::{
    Condvar, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::sync::{TryLockError, TryLockResult};

#[cfg(test)]
pub use std::{sync::Arc, thread};

/// Runs a test of threads: once here, under thousands of schedules in the model tests.
#[cfg(test)]
pub fn explore(test: impl Fn() + Send + Sync + 'static) {
    test();
}

/// The guard of a lock, whether or not it is poisoned; none if somebody holds it. Whoever asks has a policy for poison.
#[inline]
pub fn if_free<G>(attempt: TryLockResult<G>) -> Option<G> {
    match attempt {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
