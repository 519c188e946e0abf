//! What stands in for error tracking in a build without the feature `sentry`: nothing, under the same names, so
//! that a run needs no `cfg`.

use tracing_subscriber::layer::Identity;

use super::{DSN_VARIABLE, Delivery};
use crate::{
    log::{clock::Clock, stream::complain},
    shutdown::Stop,
};

/// Whether this is in the program.
pub(crate) const BUILT_IN: bool = false;

/// Where errors are to be reported to. It is not looked at.
pub(crate) type Dsn = String;

/// Nothing is reported.
#[derive(Debug)]
pub(crate) struct ErrorTracking;

impl ErrorTracking {
    /// Says so: other programs may be meant by the variable.
    ///
    /// # Errors
    /// None.
    pub(crate) fn start(_dsn: &Dsn, _run: u64, _seed: u64, _clock: Clock) -> anyhow::Result<Self> {
        complain(&format!(
            "{DSN_VARIABLE} is set, but this hifi was built without the feature `sentry`, so nothing is reported; build it \
             with `cargo build --features sentry`, or unset the variable"
        ));
        Ok(Self)
    }

    /// Does nothing.
    pub(crate) fn layer(&self) -> Identity {
        Identity::new()
    }

    /// Does nothing.
    pub(crate) fn finish(self, _stop: &Stop) -> Option<Delivery> {
        None
    }
}
