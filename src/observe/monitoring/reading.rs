//! The progress line of an audit: one line on the terminal while a long log is read.

use std::time::{Duration, Instant};

use console::Term;

use super::progress::{fitted, time_left};

/// An audit that is over by then shows no line.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(100);
/// Clears from the cursor to the end of the screen, and goes to the beginning of the line: a terminal that is made
/// narrower breaks the line, and from there all of it is overwritten.
pub(super) const CLEAR: &str = "\x1b[J\r";

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
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let due = if terminal.is_term() && !dumb {
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
        let width = self.terminal.size().1.into();
        self.draw(&fitted(&facts(bytes, size, elapsed), width));
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

/// How far the reading has come after `elapsed`: facts, the most important first.
fn facts(bytes: u64, size: Option<u64>, elapsed: Duration) -> Vec<String> {
    let mega = |bytes: u64| bytes / 1_000_000;
    let rate = bytes as f64 / elapsed.as_secs_f64();
    let speed = format!("{:.0} MB/s", rate / 1e6);
    let Some(size) = size else {
        return vec![format!("{} MB read", mega(bytes)), speed];
    };
    // A log that grows while it is read is read to its end.
    let size = size.max(bytes);
    let mut facts = vec![format!("{}/{} MB read", mega(bytes), mega(size)), speed];
    facts.extend(time_left((size - bytes) as f64 / rate));
    facts
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
            (5_000_000, Some(1_000_000), "5/5 MB read, 1 MB/s"),
            (250_000_000, None, "250 MB read, 50 MB/s"),
        ] {
            assert_eq!(fitted(&facts(bytes, size, elapsed), 80), expected);
        }
    }
}
