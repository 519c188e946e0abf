//! A concurrent workload whose truth is known.

pub mod audit;
pub mod backoff;
pub mod plan;
pub mod workload;

/// The log: from an event to a line, and back.
pub mod log {
    pub mod event;
    pub mod line;
}
