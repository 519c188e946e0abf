//! The configuration of a run: validated, complete, and without a trace of the command line.

use std::{net::SocketAddr, path::PathBuf};

use tracing::Level;

use crate::{
    bug::{Seam, Specimen},
    error_tracking::Dsn,
    workload::{Micros, Workload},
};

/// All that a run needs to be told.
#[derive(Clone, Debug)]
pub struct Config {
    /// What must happen.
    pub workload: Workload,
    /// The bug to do it with; none in an honest run.
    pub bug: Option<&'static Specimen>,
    /// Where it is written down.
    pub log: LogConfig,
    /// Who looks on while it happens.
    pub watch: WatchConfig,
    /// Where its metrics are to be had.
    pub metrics: MetricsConfig,
    /// Where its errors are reported to.
    pub sentry: Option<Dsn>,
    /// The form of the summary.
    pub summary: SummaryFormat,
    /// The command line that repeats the run's outcomes.
    pub replay: String,
}

impl Config {
    /// Where the bug gets in, if there is one.
    pub fn seam(&self) -> Option<&'static Seam> {
        self.bug.map(|bug| &bug.seam)
    }
}

/// Who looks on while the run lasts.
#[derive(Clone, Copy, Debug, Default)]
pub struct WatchConfig {
    /// After so long without any progress the run is ended.
    pub stall_after: Option<Micros>,
    /// How often figures of memory and CPU are logged.
    pub sample_interval: Option<Micros>,
}

/// Where metrics are to be had.
#[derive(Clone, Debug, Default)]
pub struct MetricsConfig {
    /// They are served on this address.
    pub addr: Option<SocketAddr>,
    /// For so long after the end.
    pub linger: Micros,
    /// The final ones are written to this file. Its folder exists.
    pub file: Option<PathBuf>,
}

/// How the log is written.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The file. Its name is UTF-8 and its folder exists.
    pub path: PathBuf,
    /// The form of the file.
    pub format: LogFormat,
    /// When a new file is begun.
    pub rotation: Rotation,
    /// The longest that a line waits before its write starts. With zero, its author waits for the write.
    pub flush_interval: Micros,
    /// What standard error gets of it.
    pub console: ConsoleConfig,
}

/// What standard error gets of the log.
#[derive(Clone, Copy, Debug)]
pub struct ConsoleConfig {
    /// Lines up to this level; none where it is off.
    pub level: Option<Level>,
    /// Whether lines are coloured.
    pub coloured: bool,
    /// It is a terminal that shows a progress line instead.
    pub progress: bool,
}

/// The form of the log's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When a new log file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Never.
    Never,
    /// At each full hour, UTC.
    Hourly,
    /// At midnight, UTC.
    Daily,
}

/// The form of the summary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SummaryFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}
