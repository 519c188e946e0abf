//! The status board as far as the Processor knows it: a worker that takes a lock, without anyone who watches.

use std::{
    ops::{Deref, DerefMut, Range},
    time::Duration,
};

use crate::{
    log::clock::Clock,
    sync::{Mutex, MutexGuard, PoisonError},
};

pub struct StatusBoard;

pub struct WorkerStatus;

pub enum Lock {
    Processor,
}

impl StatusBoard {
    pub fn new(_workers: Range<u32>, _clock: Clock) -> Self {
        Self
    }

    pub fn worker(&self, _worker: u32) -> &WorkerStatus {
        &WorkerStatus
    }
}

impl WorkerStatus {
    pub fn lock<'a, T>(&self, _lock: Lock, mutex: &'a Mutex<T>) -> (Held<'a, T>, Duration) {
        let guard = mutex.lock().unwrap_or_else(PoisonError::into_inner);
        (Held(guard), Duration::ZERO)
    }
}

pub struct Held<'a, T>(MutexGuard<'a, T>);

impl<T> Deref for Held<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Held<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
