//! A concurrent workload whose truth is known.
//!
//! Worker threads share one Processor, run a simulated I/O operation that fails at random, retry
//! it, log every attempt, and end with a summary. A seed decides every outcome, so every line that a run must
//! have logged can be computed again.
//!
//! ```text
//! cli ──> config ──> plan ──> run ──> worker ──> recorder ──> log ──> file, console
//!                                        └──> processor  └──> counters ──> balance, summary
//! ```
//!
//! Each module is a room: `plan` knows what must happen, `work` does it, `log` writes it down, `run` leads from
//! the first line to the summary, `observe` watches meanwhile, and `audit` holds the log against the plan; `report` draws
//! both. `bugs`
//! holds the specimens that `--bug` puts into a run, and `lab` shows them.
//!
//! Imports point one way, from the left to the right. Nothing behind `config` knows the command line.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
mod bugs;
pub mod cli;
mod config;
pub mod lab;
pub mod log;
pub mod observe;
pub mod plan;
#[cfg(feature = "monitoring")]
pub mod report;
#[cfg(not(feature = "monitoring"))]
#[path = "report/without_monitoring.rs"]
pub mod report;
pub mod run;
pub mod shutdown;
mod sync;
mod work;

/// An error and its causes in words. Some errors tell their cause themselves: it is not told again.
pub fn in_words(error: &anyhow::Error) -> String {
    let mut words = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if words.is_empty() {
            words = cause;
        } else if !words.contains(&cause) {
            words = format!("{words}: {cause}");
        }
    }
    words
}

/// Tells a person on standard error what is wrong. Where there is no standard error, or nobody who reads it, there is
/// nobody to tell.
pub fn complain(text: &str) {
    let _ = log::stream::complain(format!("hifi: {text}\n").as_bytes());
}
