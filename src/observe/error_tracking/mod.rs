//! Error tracking: what goes wrong in a run is reported to Sentry, where the environment says so (`SENTRY_DSN`).
//!
//! A run does not know whether it is reported on: the reports are made from the events that it logs anyway.

#[cfg(feature = "sentry")]
mod sentry;
#[cfg(not(feature = "sentry"))]
#[path = "without_sentry.rs"]
mod sentry;

pub(crate) use self::sentry::{BUILT_IN, Dsn, ErrorTracking};

/// The environment variable that says where errors are reported to.
pub(crate) const DSN_VARIABLE: &str = "SENTRY_DSN";

/// What became of a run's errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Delivery {
    /// Errors that should be known of: abandoned operations, unexpected errors, and trouble of the run's own.
    pub errors: u64,
    /// Errors whose report the server has accepted.
    pub delivered: u64,
}
