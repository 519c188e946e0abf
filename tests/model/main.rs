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

#[path = "../../src/backoff.rs"]
mod backoff;
#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/if_free.rs"]
mod if_free;
#[path = "../../src/log/lanes.rs"]
mod lanes;
#[path = "../../src/plan.rs"]
mod plan;
#[path = "../../src/processor.rs"]
mod processor;
#[path = "../../src/log/tray.rs"]
mod tray;
#[path = "../../src/unexpected.rs"]
mod unexpected;
#[path = "../../src/workload.rs"]
mod workload;

mod board;
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

    /// Schedules that a test is run under.
    pub const SCHEDULES: usize = 3000;

    pub fn explore(test: impl Fn() + Send + Sync + 'static) {
        shuttle::check_random(test, SCHEDULES);
    }
}
