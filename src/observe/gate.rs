//! The gate that all who log beside `main` and the workers pass through: whoever logs on `main`'s lane may do so only
//! until `main` counts the lines of the run.

use std::sync::{Mutex, PoisonError};

use crate::log::event::Event;

/// The way into the log for all but `main` and the workers, until `main` closes it.
#[derive(Debug, Default)]
pub struct Gate {
    closed: Mutex<bool>,
}

impl Gate {
    /// Logs the event, unless the gate is closed.
    pub fn emit(&self, event: &Event) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if !*closed {
            event.emit();
        }
    }

    /// Closes the gate. Whoever came before has gone through when this returns.
    pub fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }
}
