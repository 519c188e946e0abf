//! The configuration of a run: validated, complete, and without a trace of the command line.

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{
    bugs::{Seam, Specimen},
    log::config::LogConfig,
    observe::{
        config::{MetricsConfig, ServeConfig},
        error_tracking::Dsn,
    },
    plan::workload::{Micros, Workload},
};

/// All that a run needs to be told.
#[derive(Clone, Debug)]
pub struct RunConfig {
    /// What must happen.
    pub workload: Workload,
    /// The bug to do it with; none in an honest run.
    pub bug: Option<&'static Specimen>,
    /// Where it is written down.
    pub log: LogConfig,
    /// After so long without any progress it is ended.
    pub stall_after: Option<Micros>,
    /// How often figures of memory and CPU are logged.
    pub sample_interval: Option<Micros>,
    /// Where its metrics are to be had.
    pub metrics: MetricsConfig,
    /// Where its operations are asked for; none if one follows the other of itself.
    pub serve: Option<ServeConfig>,
    /// Where its errors are reported to.
    pub sentry: Option<Dsn>,
    /// The form of the summary.
    pub summary: SummaryFormat,
    /// The command line that repeats the run's outcomes.
    pub replay: String,
}

impl RunConfig {
    /// Where the bug gets in, if there is one.
    pub fn seam(&self) -> Option<&'static Seam> {
        self.bug.map(|bug| &bug.seam)
    }
}

/// The form of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum SummaryFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Nothing is printed but what went wrong.
    None,
}
