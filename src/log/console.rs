//! The log's other sink: the console, which must never harm the file or the run.
//!
//! Errors here are counted and nothing more. A reader that stalls leaves a backlog, which the pipeline bounds by
//! holding the authors up, until a stop was asked for, and then for half a second at most; the file goes on
//! all the while.
//!
//! This file must not know where lines come from.

use std::{mem, sync::Arc, thread, time::Duration};

use super::report::SinkReport;
use crate::{
    log::config::ConsoleConfig,
    log::outlet::Outlet,
    shutdown::{PATIENCE_AFTER_STOP, Stop},
};

/// Standard error, as the log writes to it.
#[derive(Debug)]
pub struct Console {
    out: Outlet,
    coloured: bool,
    /// A progress line may stand where the next text is to begin.
    progress: bool,
    stop: Arc<Stop>,
    /// A stop came while the reader stalled: it gets no more.
    given_up: bool,
    backlog: Backlog,
    counts: SinkReport,
}

/// What the reader has not taken yet.
#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    written: usize,
    lines: u64,
}

impl Console {
    /// Standard error as `config` wants it; `stop` ends the patience with a reader that stalls.
    pub fn open(config: &ConsoleConfig, stop: Arc<Stop>) -> Self {
        Self {
            out: Outlet::stderr(),
            coloured: config.coloured,
            progress: config.progress,
            stop,
            given_up: false,
            backlog: Backlog::default(),
            counts: SinkReport::default(),
        }
    }

    /// Whether lines are coloured here, so that their bytes differ from the file's.
    pub fn is_coloured(&self) -> bool {
        self.coloured
    }

    /// Appends a text line to `out` as the console shows it.
    pub fn render(&self, line: &[u8], out: &mut Vec<u8>) {
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

    /// Takes whole lines, `count` in number, and writes as much as the reader takes without waiting for it. A backlog that
    /// it takes time to offer is left to [`Console::push`].
    pub fn write(&mut self, lines: &[u8], count: u64) {
        if self.given_up {
            self.counts.lost += count;
            return;
        }
        self.backlog.lines += count;
        if self.backlog.bytes.is_empty() {
            // The usual case: the lines go out as they are, and only what the reader leaves is kept.
            match self.out.write_some(lines) {
                Ok(written) => self.backlog.bytes.extend_from_slice(&lines[written..]),
                Err(_) => return self.lose_backlog(),
            }
            self.close_backlog_if_written();
        } else {
            self.backlog.bytes.extend_from_slice(lines);
            if self.out.says_at_once() {
                self.push();
            }
        }
    }

    /// Writes as much of the backlog as the reader takes without waiting for it.
    pub fn push(&mut self) {
        match self
            .out
            .write_some(&self.backlog.bytes[self.backlog.written..])
        {
            Ok(written) => self.backlog.written += written,
            Err(_) => return self.lose_backlog(),
        }
        self.close_backlog_if_written();
        let since_stop = self.stop.elapsed();
        if self.backlog() > 0 && since_stop.is_some_and(|since| since >= PATIENCE_AFTER_STOP) {
            self.given_up = true;
            return self.lose_backlog();
        }
        self.forget_written();
    }

    fn close_backlog_if_written(&mut self) {
        if self.backlog() == 0 {
            self.counts.lines += mem::take(&mut self.backlog.lines);
            self.backlog.bytes.clear();
            self.backlog.written = 0;
        }
    }

    /// Lets go of what the reader has taken of the backlog once that is most of it: one that is always a little late would
    /// make it grow without end.
    fn forget_written(&mut self) {
        if self.backlog.written > self.backlog() {
            self.count_written();
            self.backlog.bytes.drain(..self.backlog.written);
            self.backlog.written = 0;
        }
    }

    /// Counts the lines of the backlog that the reader has taken.
    fn count_written(&mut self) {
        let written = &self.backlog.bytes[..self.backlog.written];
        let lines = written.iter().filter(|b| **b == b'\n').count() as u64;
        let lines = lines.min(self.backlog.lines);
        self.counts.lines += lines;
        self.backlog.lines -= lines;
    }

    /// Waits until the reader has taken everything, as far as patience goes.
    pub fn drain(&mut self) {
        while self.backlog() > 0 {
            thread::sleep(self.pause());
            self.push();
        }
    }

    /// Bytes that the reader has not taken yet.
    pub fn backlog(&self) -> usize {
        self.backlog.bytes.len() - self.backlog.written
    }

    /// How long to wait before the next [`Console::push`]: the longer the reader stalls, the longer.
    pub fn pause(&self) -> Duration {
        self.out.pause()
    }

    /// Tells a person something at once, whatever the console's level.
    pub fn notice(&mut self, text: &str) {
        self.say(&format!("hifi: {text}\n"));
    }

    /// Writes whole lines for people that are none of the log's.
    pub fn say(&mut self, text: &str) {
        if self.progress {
            self.write(CLEAR, 0);
        }
        self.write(text.as_bytes(), 0);
    }

    /// Shows a progress line in place of the one before; an empty one goes. A reader that stalls misses some. The cursor
    /// stays at the line's beginning: a terminal that is made narrower breaks the line, and from there all of it is
    /// overwritten.
    pub fn show(&mut self, line: &str) {
        if self.backlog() == 0 || line.is_empty() {
            self.write(&[line.as_bytes(), CLEAR].concat(), 0);
        }
    }

    /// What became of the lines so far.
    pub fn report(&self) -> SinkReport {
        self.counts
    }

    /// Counts an error, and as lost what was not written when it came.
    fn lose_backlog(&mut self) {
        self.count_written();
        self.counts.errors += 1;
        self.counts.lost += mem::take(&mut self.backlog).lines;
    }
}

/// Where the level stands in a text line, its spaces included.
const LEVEL_START: usize = super::line::STAMP_LEN;
const LEVEL_END: usize = LEVEL_START + " ERROR ".len();

/// Clears from the cursor to the end of the screen, and goes to the beginning of the line.
const CLEAR: &[u8] = b"\x1b[J\r";
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
