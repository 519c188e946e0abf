//! The progress line of an audit: one line on the terminal while a long log is read.

use std::time::{Duration, Instant};

use console::Term;

use super::progress::time_left;

/// An audit that is over by then shows no line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// Clears from the cursor to the end of the screen, and goes to the beginning of the line: a terminal that is made
/// narrower breaks the line, and from there all of it is overwritten.
const CLEAR: &str = "\x1b[J\r";

/// The line. To drop it is to remove it.
#[derive(Debug)]
pub struct Reading {
    terminal: Term,
    started: Instant,
    /// When the line is drawn next.
    due: Duration,
}

impl Reading {
    /// A line on standard error, if that is a terminal.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let terminal = Term::stderr();
        let due = if terminal.is_term() {
            PATIENCE
        } else {
            Duration::MAX
        };
        Self {
            terminal,
            started: Instant::now(),
            due,
        }
    }

    /// Shows how many bytes were read, and of how many where that is known.
    pub fn show(&mut self, bytes: u64, size: Option<u64>) {
        let elapsed = self.started.elapsed();
        if elapsed < self.due {
            return;
        }
        self.due = elapsed + INTERVAL;
        let line = line(bytes, size, elapsed);
        // The last column stays free: a line that fills it would leave the cursor in two minds.
        let width = usize::from(self.terminal.size().1).saturating_sub(1);
        self.draw(line.get(..width).unwrap_or(&line));
    }

    /// A terminal that takes nothing shows nothing.
    fn draw(&self, line: &str) {
        let _ = self.terminal.write_str(&format!("{line}{CLEAR}"));
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if (PATIENCE + INTERVAL..Duration::MAX).contains(&self.due) {
            self.draw("");
        }
    }
}

/// How far the reading has come after `elapsed`, in one line.
fn line(bytes: u64, size: Option<u64>, elapsed: Duration) -> String {
    let mega = |bytes: u64| bytes / 1_000_000;
    let rate = bytes as f64 / elapsed.as_secs_f64();
    let speed = format!("{:.0} MB/s", rate / 1e6);
    let Some(size) = size else {
        return format!("{} MB read, {speed}", mega(bytes));
    };
    // A log that grows while it is read is read to its end.
    let size = size.max(bytes);
    let left = time_left((size - bytes) as f64 / rate);
    format!(
        "{}/{} MB read, {speed}, {left} left",
        mega(bytes),
        mega(size)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_by_hand() {
        let elapsed = Duration::from_secs(5);
        for (bytes, size, expected) in [
            (
                250_000_000,
                Some(1_000_000_000),
                "250/1000 MB read, 50 MB/s, 15 s left",
            ),
            (5_000_000, Some(1_000_000), "5/5 MB read, 1 MB/s, 0 s left"),
            (250_000_000, None, "250 MB read, 50 MB/s"),
        ] {
            assert_eq!(line(bytes, size, elapsed), expected);
        }
    }
}
