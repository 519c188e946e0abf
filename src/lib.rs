//! A concurrent workload whose truth is known.
//!
//! Worker threads share one Processor, run a simulated I/O operation that fails at random, retry
//! it, log every attempt, and end with a summary. A seed decides every outcome, so every line that a run must
//! have logged can be computed again.
//!
//! ```text
//! cli ──> run ──> plan ──> worker ──> recorder ──> log ──> file, console
//!                             └──> processor  └──> counters ──> balance, summary
//! ```
//!
//! Each module is a room: `plan` knows what must happen, `work` does it, `log` writes it down, `run` leads from
//! the first line to the summary, `observe` watches meanwhile, and `audit` holds the log against the plan; `report` draws
//! both. `bugs` holds the specimens that `--bug` puts into a run, and `lab` shows them.
//!
//! Imports point one way: `cli` knows the rooms, whose configurations it fills in, and none of them knows the command
//! line; `run` knows `observe`, `bugs` and `work`; these know `log`, and `log` knows `plan`.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
mod bugs;
pub mod cli;
pub mod errors;
// Histograms are read in full by the metrics alone.
#[cfg_attr(not(feature = "monitoring"), allow(dead_code))]
mod figures;
#[cfg(feature = "monitoring")]
mod files;
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
mod threads;
mod work;
