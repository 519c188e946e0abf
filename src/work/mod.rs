//! The work: what a worker does, and what all workers share.

pub(crate) mod backlog;
pub(crate) mod panics;
pub(crate) mod processor;
pub(crate) mod recorder;
pub(crate) mod status;
pub(crate) mod worker;
