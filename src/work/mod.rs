//! The work: what a worker does, and what all workers share.

pub mod backlog;
// Histograms are read in full by the metrics alone.
#[cfg_attr(not(feature = "monitoring"), allow(dead_code))]
pub mod figures;
pub mod items;
pub mod panics;
pub mod processor;
pub mod recorder;
pub mod status;
pub mod worker;
