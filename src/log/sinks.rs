//! Where lines end up: the file, and the console behind it.
//!
//! This file must not know where lines come from.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::Level;

use super::{console::Console, file::LogFile, report::SinkReport, tray::Run};
use crate::{
    log::clock::Stamp,
    log::config::{LogConfig, LogFormat},
};

/// A block this large is written before more is added to it.
const BLOCK_BYTES: usize = 256 << 10;

/// Both sinks, and the block of lines that is on its way there.
#[derive(Debug)]
pub struct Sinks {
    /// The file.
    pub file: LogFile,
    /// The console.
    pub console: Console,
    file_is_json: bool,
    /// The console takes every line as the file has it: one block serves both.
    same_bytes: bool,
    file_block: Vec<u8>,
    console_block: Vec<u8>,
    file_lines: u64,
    console_lines: u64,
    /// An error of the program itself has struck here: nothing is written any more.
    given_up: bool,
}

impl Sinks {
    /// The sinks that `config` asks for, which are open.
    pub fn new(config: &LogConfig, file: LogFile, console: Console) -> Self {
        let file_is_json = config.format == LogFormat::Json;
        // The program has no event below this level.
        let shows_all = config
            .console
            .level
            .is_some_and(|level| level >= Level::INFO);
        Self {
            same_bytes: !file_is_json && shows_all && !console.is_coloured(),
            file,
            console,
            file_is_json,
            file_block: Vec::new(),
            console_block: Vec::new(),
            file_lines: 0,
            console_lines: 0,
            given_up: false,
        }
    }

    /// Does some `work`. If an error of the program itself strikes, that is lost, and all that comes after, since nobody
    /// knows what is whole; it is taken from the authors and counted.
    pub fn attempt(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            self.give_up();
        }
    }

    /// Writes no more: what these hold may not be whole.
    pub fn give_up(&mut self) {
        self.given_up = true;
        self.clear();
    }

    /// What became of the file's share of `lines` lines, when all of them have been here.
    pub fn file_report(&self, lines: u64) -> SinkReport {
        let mut report = self.file.report();
        if self.given_up {
            report.errors += 1;
            report.lost = lines.saturating_sub(report.lines);
        }
        report
    }

    /// Adds a run of lines. Says whether the block is large by now, and should be written.
    #[must_use]
    pub fn put_run(&mut self, run: &Run<'_>) -> bool {
        if self.same_bytes {
            self.file_block.extend_from_slice(run.text());
            self.file_lines += run.count() as u64;
        } else {
            for (_, text, json, to_console) in run.lines() {
                self.put(text, json, to_console);
            }
        }
        self.file_block.len().max(self.console_block.len()) >= BLOCK_BYTES
    }

    /// Adds one line.
    pub fn put(&mut self, text: &[u8], json: &[u8], to_console: bool) {
        self.file_block
            .extend_from_slice(if self.file_is_json { json } else { text });
        self.file_lines += 1;
        if to_console && !self.same_bytes {
            self.console.render(text, &mut self.console_block);
            self.console_lines += 1;
        }
    }

    /// Writes the block, it being `now`: first to the file, which the console must never harm.
    pub fn write(&mut self, now: Stamp) {
        if self.file_lines == 0 || self.given_up {
            return self.clear();
        }
        if let Some(trouble) = self.file.write(&self.file_block, self.file_lines, now) {
            self.console.notice(&trouble);
        }
        if self.same_bytes {
            self.console.write(&self.file_block, self.file_lines);
        } else if self.console_lines > 0 {
            self.console.write(&self.console_block, self.console_lines);
        }
        self.clear();
    }

    fn clear(&mut self) {
        self.file_block.clear();
        self.console_block.clear();
        self.file_lines = 0;
        self.console_lines = 0;
    }
}
