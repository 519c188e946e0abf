//! The specimen lossy-log: the appender's guard is dropped when the set-up function returns.
//!
//! While the workers are at work, a buffer with a thread of its own stands between the log and its file, so that nobody
//! waits for the disk. Before and after, lines go to the file directly.

use std::io::Write;

use tracing_appender::rolling::RollingFileAppender;

/// Puts the buffer before the file.
pub(super) fn set_up(file: RollingFileAppender) -> Box<dyn Write + Send> {
    let (writer, _guard) = tracing_appender::non_blocking(file);
    Box::new(writer)
}
