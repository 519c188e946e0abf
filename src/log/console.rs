//! The log's other sink: the console, which must never harm the file or the run.
//!
//! Errors here are counted and nothing more. A reader that stalls makes the producers wait until a stop is asked for, and then for
//! half a second at most (see [`Stream`]); the file goes on all the while.

use super::stream::{Patience, Standard, Stream};
use crate::log::config::ConsoleConfig;

/// Standard error, as the log writes to it.
#[derive(Debug)]
pub(crate) struct Console {
    /// Standard error itself.
    pub stream: Stream,
    /// Lines are coloured here, so that their bytes differ from the file's.
    pub coloured: bool,
    /// A progress line may stand where the next text is to begin.
    progress: bool,
}

impl Console {
    /// Standard error as `config` wants it.
    pub(crate) fn open(config: &ConsoleConfig, patience: Patience) -> Self {
        Self {
            stream: Stream::open(Standard::Error, patience),
            coloured: config.coloured,
            progress: config.progress,
        }
    }

    /// Appends a text line to `out` as the console shows it.
    pub(crate) fn render(&self, line: &[u8], out: &mut Vec<u8>) {
        match line
            .split_at_checked(LEVEL_END)
            .map(|(head, rest)| (head.split_at(LEVEL_START), rest))
        {
            Some(((stamp, level), rest)) if self.coloured => {
                out.extend_from_slice(DIM);
                out.extend_from_slice(stamp);
                out.extend_from_slice(RESET);
                out.extend_from_slice(colour(level));
                out.extend_from_slice(level);
                out.extend_from_slice(RESET);
                out.extend_from_slice(rest);
            }
            _ => out.extend_from_slice(line),
        }
    }

    /// Tells a person something at once, whatever the console's level.
    pub(crate) fn notice(&self, text: &str) {
        self.say(&format!("hifi: {text}\n"));
    }

    /// Writes whole lines for people that are none of the log's.
    pub(crate) fn say(&self, text: &str) {
        let clear = if self.progress { CLEAR } else { "" };
        self.stream.write_text(format!("{clear}{text}").as_bytes());
    }
}

/// Where the level stands in a text line, its spaces included.
const LEVEL_START: usize = super::line::STAMP_LEN;
const LEVEL_END: usize = LEVEL_START + " ERROR ".len();

/// Clears from the cursor to the end of the screen, and goes to the beginning of the line.
pub(crate) const CLEAR: &str = "\x1b[J\r";
const DIM: &[u8] = b"\x1b[2m";
const RESET: &[u8] = b"\x1b[0m";

fn colour(level: &[u8]) -> &'static [u8] {
    match level.trim_ascii() {
        b"ERROR" => b"\x1b[31m",
        b"WARN" => b"\x1b[33m",
        b"INFO" => b"\x1b[32m",
        _ => b"\x1b[34m",
    }
}
