//! The bell that wakes who waits for lines: it is rung when there may be some, and when it is time to end.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A bell, shared by those who ring it and the one who waits.
#[derive(Debug, Default)]
pub(super) struct Bell {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Debug, Default)]
struct State {
    rung: bool,
    ended: bool,
}

impl Bell {
    /// There may be something to be read.
    pub(super) fn ring(&self) {
        self.state().rung = true;
        self.rung.notify_all();
    }

    /// It is time to end.
    pub(super) fn end(&self) {
        self.state().ended = true;
        self.rung.notify_all();
    }

    /// Whether it is time to end.
    pub(super) fn ended(&self) -> bool {
        self.state().ended
    }

    /// Waits until it was rung since the last time, or for so long.
    pub(super) fn wait(&self, longest: Duration) {
        let quiet = |state: &mut State| !state.rung && !state.ended;
        let waited = self.rung.wait_timeout_while(self.state(), longest, quiet);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.rung = false;
    }

    /// Two flags stay whole whoever panics, so poison is of no meaning here.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
