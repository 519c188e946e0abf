//! A concurrent workload whose truth is known.
//!
//! Worker threads share one Processor, run a simulated I/O operation that fails at random, retry
//! it, log every attempt, and end with a summary. A seed decides every outcome, so every line that a run must
//! have logged can be computed again.
//!
//! ```text
//! cli ──> config ──> plan ──> run ──> worker ──> recorder ──> log ──> file, console
//!                                        └──> processor  └──> tally ──> books, summary
//! ```
//!
//! Beside them, [`board`] shows what each worker is doing; [`dump`], [`watch`] and [`monitoring`] look at it, and
//! [`error_tracking`] at what is logged.
//!
//! [`bug`] holds the specimens that `--bug` puts into a run, and [`lab`] shows them.
//!
//! Imports point one way, from the left to the right. Nothing behind [`config`] knows the command line.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
pub mod backoff;
pub mod board;
pub mod books;
pub mod bug;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dashboard;
pub mod dump;
pub mod error_tracking;
pub mod gate;
#[cfg(feature = "heap-profile")]
pub mod heap_profile;
#[cfg(not(feature = "heap-profile"))]
#[path = "without_heap_profile.rs"]
pub mod heap_profile;
pub mod if_free;
pub mod lab;
pub mod log;
#[cfg(feature = "monitoring")]
pub mod monitoring;
#[cfg(not(feature = "monitoring"))]
#[path = "without_monitoring.rs"]
pub mod monitoring;
pub mod outlet;
pub mod plan;
pub mod preview;
pub mod processor;
pub mod recorder;
pub mod run;
pub mod seconds;
pub mod signals;
pub mod stop;
pub mod summary;
pub mod sync;
pub mod tally;
pub mod unexpected;
pub mod usage;
pub mod watch;
pub mod worker;
pub mod workload;

/// Tells a person on standard error what is wrong. Where there is no standard error, or nobody who reads it, there is
/// nobody to tell.
pub fn complain(text: &str) {
    let _ = outlet::Outlet::stderr().write_soon(format!("hifi: {text}\n").as_bytes());
}
