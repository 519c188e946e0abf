//! Threads that serve a run from aside: each has a name, and ends with what owns it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::Context;

/// Starts a thread.
///
/// # Errors
/// The system refuses it.
pub(crate) fn spawn<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> anyhow::Result<JoinHandle<T>> {
    let thread = thread::Builder::new().name(name.into()).spawn(work);
    thread.with_context(|| {
        format!("cannot start the thread {name}; allow this user more processes (ulimit -u)")
    })
}

/// What `mutex` guards, which is whole whoever panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread that ends, and is waited for, when this is dropped.
#[derive(Debug)]
pub(crate) struct Background<E> {
    end: Option<E>,
    thread: Option<JoinHandle<()>>,
}

impl<E> Background<E> {
    /// Starts a thread whose `work` ends soon after `end` is dropped, such as the sender of a channel on which it waits.
    ///
    /// # Errors
    /// The system refuses it.
    pub(crate) fn start(
        name: &str,
        end: E,
        work: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Self> {
        let thread = Some(spawn(name, work)?);
        let end = Some(end);
        Ok(Self { end, thread })
    }
}

impl<E> Drop for Background<E> {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been counted and printed by then.
            let _ = thread.join();
        }
    }
}
