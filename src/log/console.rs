//! The log's other sink: the console, which must never harm the file or the run.
//!
//! Errors here are counted and nothing more. A reader that stalls leaves a backlog, which the pipeline bounds by
//! holding the authors up, until a stop was asked for, and then for half a second at most; the file goes on
//! all the while. To be able not to wait, a pipe or a terminal is opened once more in non-blocking mode,
//! since that mode belongs to an open file, which others share.
//!
//! This file must not know where lines come from.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, IsTerminal, Write},
    mem,
    os::{
        fd::AsFd,
        unix::{
            fs::{FileTypeExt, OpenOptionsExt},
            net::UnixStream,
        },
    },
    sync::Arc,
    thread,
    time::Duration,
};

use super::pipeline::SinkReport;
use crate::{config::ConsoleConfig, stop::Stop};

/// What a stalled reader may cost after a stop was asked for.
const PATIENCE_AFTER_STOP: Duration = Duration::from_millis(500);
/// Pauses between writes to a full pipe: the shortest, and the longest.
const PAUSE_MIN: Duration = Duration::from_micros(20);
const PAUSE_MAX: Duration = Duration::from_millis(1);

/// Standard error, as the log writes to it.
#[derive(Debug)]
pub struct Console {
    out: Out,
    coloured: bool,
    /// A progress line may stand where the next text is to begin.
    progress: bool,
    stop: Arc<Stop>,
    /// A stop came while the reader stalled: it gets no more.
    given_up: bool,
    backlog: Backlog,
    pause: Duration,
    counts: SinkReport,
}

/// What the reader has not taken yet.
#[derive(Debug, Default)]
struct Backlog {
    bytes: Vec<u8>,
    written: usize,
    lines: u64,
}

/// A way to standard error.
#[derive(Debug)]
enum Out {
    /// A file or a device, whose writes do not stall.
    Direct(io::Stderr),
    /// A pipe or a terminal: a full one says so at once.
    NonBlocking(File),
    /// A socket: a full one says so after a pause.
    Socket(UnixStream),
}

impl Console {
    /// Standard error as `config` wants it; `stop` ends the patience with a reader that stalls.
    pub fn open(config: &ConsoleConfig, stop: Arc<Stop>) -> Self {
        Self {
            out: Out::open(),
            coloured: config.coloured,
            progress: config.progress,
            stop,
            given_up: false,
            backlog: Backlog::default(),
            pause: PAUSE_MIN,
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

    /// Takes whole lines, `count` in number, and writes as much as the reader takes without waiting for it.
    pub fn write(&mut self, lines: &[u8], count: u64) {
        if self.given_up {
            self.counts.lost += count;
            return;
        }
        self.backlog.lines += count;
        if self.backlog.bytes.is_empty() {
            // The usual case: the lines go out as they are, and only what the reader leaves is kept.
            match self.write_some(lines) {
                Ok(written) => self.backlog.bytes.extend_from_slice(&lines[written..]),
                Err(_) => return self.lose_backlog(),
            }
        } else {
            self.backlog.bytes.extend_from_slice(lines);
        }
        self.push();
    }

    /// Writes as much of the backlog as the reader takes without waiting for it.
    pub fn push(&mut self) {
        let bytes = mem::take(&mut self.backlog.bytes);
        let result = self.write_some(&bytes[self.backlog.written..]);
        self.backlog.bytes = bytes;
        match result {
            Ok(written) => self.backlog.written += written,
            Err(_) => return self.lose_backlog(),
        }
        if self.backlog() == 0 {
            self.counts.lines += mem::take(&mut self.backlog.lines);
            self.backlog.bytes.clear();
            self.backlog.written = 0;
        } else if self
            .stop
            .elapsed()
            .is_some_and(|since| since >= PATIENCE_AFTER_STOP)
        {
            self.given_up = true;
            self.lose_backlog();
        }
    }

    /// Waits until the reader has taken everything, as far as patience goes.
    pub fn drain(&mut self) {
        while self.backlog() > 0 {
            thread::sleep(self.pause);
            self.push();
        }
    }

    /// Bytes that the reader has not taken yet.
    pub fn backlog(&self) -> usize {
        self.backlog.bytes.len() - self.backlog.written
    }

    /// How long to wait before the next [`Console::push`]: the longer the reader stalls, the longer.
    pub fn pause(&self) -> Duration {
        self.pause
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

    /// Writes until the reader takes no more. Returns how many bytes it took.
    fn write_some(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            match self.out.write(&bytes[written..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    written += n;
                    self.pause = PAUSE_MIN;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.pause = (self.pause * 2).min(PAUSE_MAX);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Counts an error, and as lost what was not written when it came.
    fn lose_backlog(&mut self) {
        let taken = self.backlog.bytes[..self.backlog.written]
            .iter()
            .filter(|b| **b == b'\n')
            .count() as u64;
        let backlog = mem::take(&mut self.backlog);
        self.counts.errors += 1;
        self.counts.lines += taken.min(backlog.lines);
        self.counts.lost += backlog.lines - taken.min(backlog.lines);
    }
}

impl Out {
    /// The best way to standard error that there is; one that may stall for ever is the last resort.
    fn open() -> Self {
        Self::reopened()
            .or_else(Self::socket)
            .unwrap_or_else(|| Self::Direct(io::stderr()))
    }

    fn reopened() -> Option<Self> {
        let stderr = File::from(io::stderr().as_fd().try_clone_to_owned().ok()?);
        let may_stall = stderr.metadata().ok()?.file_type().is_fifo() || stderr.is_terminal();
        let flags = may_stall.then_some(OPEN_FLAGS)??;
        OpenOptions::new()
            .write(true)
            .custom_flags(flags)
            .open("/proc/self/fd/2")
            .ok()
            .map(Self::NonBlocking)
    }

    fn socket() -> Option<Self> {
        let stderr = io::stderr().as_fd().try_clone_to_owned().ok()?;
        let stream = UnixStream::from(stderr);
        stream.set_write_timeout(Some(PAUSE_MAX)).ok()?;
        Some(Self::Socket(stream))
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Direct(out) => out.write(bytes),
            Self::NonBlocking(out) => out.write(bytes),
            Self::Socket(out) => out.write(bytes),
        }
    }
}

/// `O_NONBLOCK | O_NOCTTY`, as Linux has them on all machines but those with numbers of their own
/// (asm-generic/fcntl.h). Elsewhere the console blocks.
const OPEN_FLAGS: Option<i32> = if cfg!(all(
    target_os = "linux",
    not(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "sparc",
        target_arch = "sparc64"
    ))
)) {
    Some(0o4000 | 0o400)
} else {
    None
};

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
