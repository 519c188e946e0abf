//! A concurrent workload whose truth is known.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod audit;
pub mod backoff;
pub mod plan;
pub mod workload;

/// The log: from an event to a line, and back.
pub mod log {
    pub mod event;
    pub mod line;
}
