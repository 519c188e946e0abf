//! How the log is written, as the run is told.

use std::path::PathBuf;

use tracing::Level;

use crate::plan::workload::Micros;

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
