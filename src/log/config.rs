//! How the log is written, as the run is told.

use std::{
    fs::{self, File, Metadata},
    io,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

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

impl LogConfig {
    /// Whether the log can be written where it is to go. `prints_summary` says whether the run prints one.
    ///
    /// # Errors
    /// What is in the way: there is no file to rotate, or a standard stream goes to the same file and would harm it.
    pub fn check(&self, prints_summary: bool) -> Result<(), String> {
        let rotates = self.rotation != Rotation::Never;
        let is_no_file = |path| fs::metadata(path).is_ok_and(|found| !found.is_file());
        if rotates && self.path.as_ref().is_none_or(is_no_file) {
            return Err(
                "--rotation begins new files, and this is none; leave --rotation out".into(),
            );
        }
        let [stdout, stderr] = [io::stdout().as_fd(), io::stderr().as_fd()].map(|stream| {
            let copy = stream.try_clone_to_owned().map(File::from);
            copy.and_then(|copy| copy.metadata()).ok()
        });
        let log = match &self.path {
            Some(path) => fs::metadata(self.rotation.current_path(path)).ok(),
            None => stdout.clone(),
        };
        let is_log = |stream: &Option<Metadata>| match (stream, &log) {
            (Some(stream), Some(log)) => {
                log.is_file() && (stream.dev(), stream.ino()) == (log.dev(), log.ino())
            }
            _ => false,
        };
        if is_log(&stderr) && self.console.level.is_some() {
            return Err("standard error goes there as well, so each line would stand there twice; use --quiet, or send standard \
                 error elsewhere".into());
        }
        let summary_on_stdout = prints_summary && self.path.is_some();
        for (name, number, goes_there) in [
            ("output", 1, is_log(&stdout) && summary_on_stdout),
            ("error", 2, is_log(&stderr)),
        ] {
            if goes_there && !(appends(number) && (self.path.is_some() || appends(1))) {
                return Err(format!(
                    "standard {name} goes there as well, and would overwrite lines of the log; append to it with >>, or send it \
                     elsewhere"
                ));
            }
        }
        Ok(())
    }
}

/// Whether the stream with this number can only append. Where the system does not tell, it may overwrite.
fn appends(stream: u8) -> bool {
    const O_APPEND: u32 = 0o2000;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{stream}")).unwrap_or_default();
    let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
    flags
        .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
        .is_some_and(|flags| flags & O_APPEND != 0)
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
