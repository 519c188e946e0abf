//! The command tests: the program as its users meet it.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::print_stdout)]

#[cfg(feature = "monitoring")]
mod http;
mod rig;

/// How the audit ends.
mod audit;
/// Bad values: refused before anything is created.
mod bad_values;
/// The likely causes of what is found.
mod causes;
/// Errors that are to be reported to Sentry.
mod error_tracking;
/// All that can go wrong, caused for real.
mod faults;
/// Logs that are followed while they are written.
mod follow;
/// The heap profile.
#[cfg(feature = "heap-profile")]
mod heap_profile;
/// Logs that try to take the audit's memory, time or senses.
mod hostile;
/// The specimens and the lab.
mod lab;
/// What the log holds, and what the console shows of it.
mod log;
/// What an audit takes of memory.
#[cfg(feature = "monitoring")]
mod memory;
/// Metrics, their server and file; completions.
#[cfg(feature = "monitoring")]
mod metrics;
/// `hifi plan`.
mod plan;
/// The progress line of a quiet run.
#[cfg(feature = "monitoring")]
mod progress;
/// Every command of the README.
mod readme;
/// Reports: pages, traces.
#[cfg(feature = "monitoring")]
mod report;
/// Runs, their figures and their exit codes.
mod run;
/// Samples of what the process uses.
mod samples;
/// Operations that are asked for from outside.
#[cfg(feature = "monitoring")]
mod serve;
/// Shards of one run.
mod shards;
/// SIGINT, SIGTERM, SIGHUP.
mod signals;
/// SIGQUIT, and runs that are stuck.
mod thread_dump;
/// What a build without monitoring says of its options.
#[cfg(not(feature = "monitoring"))]
mod without_monitoring;
