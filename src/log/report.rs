//! What became of the lines of a run, sink by sink.

/// What became of a run's lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogReport {
    /// The file's path, which a rotation changes; `-` is standard output.
    pub path: String,
    /// Lines that were logged.
    pub lines: u64,
    /// The file's share of them.
    pub file: SinkReport,
    /// The console's share of them.
    pub console: SinkReport,
}

/// What became of the lines that one sink was to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct SinkReport {
    /// Lines that were written.
    pub lines: u64,
    /// Lines that were lost to errors.
    pub lost: u64,
    /// Errors that were seen.
    pub errors: u64,
}
