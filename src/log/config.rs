//! How the log is written, as the run is told.

use std::{
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use strum::{EnumString, IntoStaticStr, VariantArray};
use tracing::Level;

use super::line::stamp_text;
use crate::plan::workload::Micros;

/// How the log is written.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The file, whose name is UTF-8 and whose folder exists; none is standard output.
    pub path: Option<PathBuf>,
    /// The form of the file.
    pub format: LogFormat,
    /// When a new file is begun.
    pub rotation: Rotation,
    /// The longest that a line waits before its write starts. With zero, its producer waits for the write.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// When a new log file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Rotation {
    /// Never.
    Never,
    /// At each full hour, UTC.
    Hourly,
    /// At midnight, UTC.
    Daily,
}

impl Rotation {
    /// The path that is written to now: the hour or day (UTC) is appended to it.
    pub fn current_path(self, path: &Path) -> PathBuf {
        let date_len = match self {
            Self::Never => return path.into(),
            Self::Daily => "2026-11-23".len(),
            Self::Hourly => "2026-11-23T17".len(),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let date =
            stamp_text(u64::try_from(now.as_micros()).unwrap_or(0))[..date_len].replace('T', "-");
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(date);
        name.into()
    }
}
