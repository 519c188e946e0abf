//! The plan: what a run must do and log, known before it starts. Everything here is pure; nothing here reads a clock,
//! sleeps or logs.

mod attempts;
pub(crate) mod format;
pub(crate) mod per_worker;
pub mod printer;
mod retry;
pub mod workload;

pub use self::attempts::*;
