//! The board as far as the Processor's handle knows it: a lock with a name, without anyone who looks on.

use std::{
    ops::{Deref, DerefMut},
    time::Duration,
};

use crate::{
    log::clock::Clock,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub struct Board;

pub struct Desk;

impl Board {
    pub fn new(_workers: u32, _clock: Clock) -> Self {
        Self
    }

    pub fn desk(&self, _worker: u32) -> &Desk {
        &Desk
    }
}

#[derive(Debug)]
pub struct NamedLock<T>(Arc<Mutex<T>>);

impl<T> Clone for NamedLock<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

pub struct Held<'a, T>(MutexGuard<'a, T>);

impl<T> NamedLock<T> {
    pub fn new(_board: &Board, _name: &'static str, value: T) -> Self {
        Self(Arc::new(Mutex::new(value)))
    }

    pub fn lock(&self, _desk: &Desk) -> (Held<'_, T>, Duration) {
        (Held(self.lock_unseen()), Duration::ZERO)
    }

    pub fn lock_unseen(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn try_lock_unseen(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

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
