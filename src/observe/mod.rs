//! Everything that watches a run while it lasts: thread dumps, the stall watchdog, samples, metrics, error tracking.

pub mod canary;
pub(crate) mod config;
pub mod dashboard;
pub(crate) mod dump;
pub(crate) mod error_tracking;
#[cfg(feature = "heap-profile")]
pub mod heap_profile;
#[cfg(not(feature = "heap-profile"))]
#[path = "without_heap_profile.rs"]
pub mod heap_profile;
#[cfg(feature = "monitoring")]
pub mod monitoring;
#[cfg(not(feature = "monitoring"))]
#[path = "without_monitoring.rs"]
pub mod monitoring;
// Some figures are those of the metrics alone.
#[cfg_attr(not(feature = "monitoring"), allow(dead_code))]
pub(crate) mod process;
pub(crate) mod sources;
pub(crate) mod watch;
