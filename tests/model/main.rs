//! Model checking: the files where threads meet, with their tests, compiled with a scheduler's locks in place of
//! the real ones. Each test that calls `explore` is run under thousands of schedules; one that breaks a
//! claim is printed, and `shuttle::replay` repeats it.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::print_stdout
)]

#[path = "../../src/log"]
mod log {
    mod batch;
    pub mod clock;
    mod queue;
}

#[path = "../../src/plan"]
mod plan {
    mod attempts;
    mod format;
    pub mod retry;
    pub mod workload;

    pub use self::attempts::*;
}

#[path = "../../src/work"]
mod work {
    mod backlog;
    pub mod panics;
    pub mod processor;
    #[path = "../../tests/model/board.rs"]
    pub mod status;
}

mod bug;

/// The scheduler's locks, under the names of the real ones.
mod sync {
    pub use shuttle::{
        sync::{
            Arc, Condvar, Mutex, MutexGuard,
            atomic::{AtomicBool, Ordering},
        },
        thread,
    };
    pub use std::sync::PoisonError;
    use std::sync::{TryLockError, TryLockResult};

    pub fn ignoring_poison<G>(attempt: TryLockResult<G>) -> Option<G> {
        match attempt {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poison)) => Some(poison.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Schedules that a test is run under.
    pub const SCHEDULES: usize = 3000;

    pub fn explore(test: impl Fn() + Send + Sync + 'static) {
        shuttle::check_random(test, SCHEDULES);
    }
}
