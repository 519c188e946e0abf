//! The request to stop: made once, seen by all, and it cuts every sleep short.
//!
//! This file must not know who asks (a signal, a failed start) nor what the sleepers do.

pub mod signals;

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// What somebody else who stalls may cost once a stop was asked for.
pub const PATIENCE_AFTER_STOP: Duration = Duration::from_millis(500);

/// What asked for the stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A signal, by its number.
    Signal(i32),
    /// The run itself could not go on.
    Failure,
    /// The workers got stuck.
    Stall,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(number) => match signal_hook::low_level::signal_name(*number) {
                Some(name) => f.write_str(name),
                None => write!(f, "signal {number}"),
            },
            Self::Failure => f.write_str("failure"),
            Self::Stall => f.write_str("stall"),
        }
    }
}

/// A stop that may be asked for. One is shared by all threads of a run.
#[derive(Debug, Default)]
pub struct Stop {
    /// The same as whether `state.request` is there, for the hot path.
    requested: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    request: Option<(Cause, Instant)>,
    sleepers: Vec<Thread>,
}

impl Stop {
    /// Asks for the stop and wakes every sleeper. Only the first cause counts.
    pub fn request(&self, cause: Cause) {
        let mut state = self.state();
        state.request.get_or_insert((cause, Instant::now()));
        self.requested.store(true, Ordering::SeqCst);
        for sleeper in &state.sleepers {
            sleeper.unpark();
        }
    }

    /// Whether the stop was asked for.
    #[inline]
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// What asked for the stop, if anything did.
    pub fn cause(&self) -> Option<Cause> {
        self.state().request.map(|(cause, _)| cause)
    }

    /// How long ago the stop was asked for.
    pub fn elapsed(&self) -> Option<Duration> {
        if self.requested() {
            self.state().request.map(|(_, at)| at.elapsed())
        } else {
            None
        }
    }

    /// Makes the calling thread one that a stop wakes. To be called before its first [`Stop::sleep`].
    pub fn enlist(&self) {
        self.state().sleepers.push(thread::current());
    }

    /// Sleeps for `length`, or until the stop. A length past the clock's end is sleep without end.
    pub fn sleep(&self, length: Duration) {
        let deadline = Instant::now().checked_add(length);
        while !self.requested.load(Ordering::SeqCst) {
            match deadline.map(|d| d.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return,
                Some(left) => thread::park_timeout(left),
                None => thread::park(),
            }
        }
    }

    /// A list of threads and a request stay whole whoever panics, so poison is of no meaning here.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_stop_wakes_sleepers_and_keeps_its_first_cause() {
        let stop = Arc::new(Stop::default());
        let sleepers: Vec<_> = (0..4)
            .map(|_| {
                let stop = Arc::clone(&stop);
                thread::spawn(move || {
                    stop.enlist();
                    stop.sleep(Duration::MAX);
                })
            })
            .collect();
        stop.request(Cause::Signal(15));
        stop.request(Cause::Failure);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
        assert_eq!(stop.cause(), Some(Cause::Signal(15)));
        assert_eq!(stop.cause().unwrap().to_string(), "SIGTERM");
    }
}
