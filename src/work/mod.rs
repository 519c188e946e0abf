//! The work: what a worker does, and what all workers share.

pub(crate) mod backlog;
// Histograms are read in full by the metrics alone.
#[cfg_attr(not(feature = "monitoring"), allow(dead_code))]
pub(crate) mod figures;
pub(crate) mod panics;
pub(crate) mod processor;
pub(crate) mod recorder;
pub(crate) mod status;
pub(crate) mod worker;
