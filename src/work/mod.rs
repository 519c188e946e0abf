//! The work: what a worker does, and what all workers share.

pub mod backlog;
pub mod figures;
pub mod panics;
pub mod processor;
pub mod recorder;
pub mod status;
pub mod worker;
