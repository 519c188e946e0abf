//! The log's file: every error is seen, counted, told at once and survived.
//!
//! tracing-appender opens the file and appends to it. What it does not promise is added here:
//! a short write is completed; while writing fails, lines are dropped and counted, and it is tried
//! again every second; once it works again, a broken-off fragment is closed with a newline and a
//! `Log gap` event is due that names what is missing; a log that was renamed or deleted is opened anew
//! under its name. Rotation is no more than that, its name being another each hour or day: of a new file that cannot be
//! opened tracing-appender itself would tell nobody but standard error, and panic where there is none.
//!
//! It reads lines only to name those that were lost.

use std::{
    collections::BTreeMap,
    fmt, fs,
    io::Write,
    mem,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use roaring::RoaringTreemap;
use tracing_appender::rolling::{self, RollingFileAppender};

use super::{
    event::Event,
    line::{Line, displayed},
    report::SinkReport,
    stream::write_whole,
};
use crate::{errors::in_words, log::clock::Stamp, log::config::Rotation};

/// How long after a failed write the next is tried.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is looked up whether the file still has its name.
const LOOK: Duration = Duration::from_millis(100);

/// The open log file.
#[derive(derive_more::Debug)]
#[debug("{name:?}")]
pub(crate) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    /// The open file, or what stands before it.
    out: Box<dyn Write + Send>,
    pub name: Name,
    /// When it was last looked up whether the file still has its name.
    looked: Stamp,
    /// While writing fails: when it is tried again.
    next_try: Option<Stamp>,
    /// The last byte in the file is not the end of a line.
    fragment: bool,
    /// Only the run's last line is still to come: without it the log would not say what the run came to. So it is held back
    /// where it cannot be written, to be tried once more.
    pub awaits_last_line: bool,
    held: Vec<u8>,
    missing: Missing,
    /// When lines were lost last. One that was logged later is not among them.
    pub last_loss: Option<Stamp>,
    /// What the last `Log gap` told of. It is missing again if that line gets lost.
    told: Missing,
    /// The events that should be logged.
    pub reports: Vec<Event>,
    /// What became of the lines so far.
    pub counts: SinkReport,
}

/// Puts something before the file: a specimen's way of opening the log.
pub(crate) type Wrap = fn(RollingFileAppender) -> Box<dyn Write + Send>;

/// The name under which the file is open (rotation changes it), and which file that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub path: PathBuf,
    device_and_inode: Option<(u64, u64)>,
}

impl LogFile {
    /// Opens the file at `path`, or with a rotation that of the current hour or day, for appending.
    ///
    /// # Errors
    /// It cannot be opened, or it is nothing that keeps a log.
    pub(crate) fn open(path: &Path, rotation: Rotation) -> anyhow::Result<Self> {
        let (appender, name) = open(path, rotation)?;
        Ok(Self {
            path: path.into(),
            rotation,
            out: Box::new(appender),
            name,
            looked: Stamp::default(),
            next_try: None,
            fragment: false,
            awaits_last_line: false,
            held: Vec::new(),
            missing: Missing::default(),
            last_loss: None,
            told: Missing::default(),
            reports: Vec::new(),
            counts: SinkReport::default(),
        })
    }

    /// Writes whole lines, `count` in number, it being `now`. Returns what a person should be told at once, if anything.
    pub(crate) fn write(&mut self, lines: &[u8], count: u64, now: Stamp) -> Option<String> {
        if self.next_try.is_some_and(|next_try| now < next_try) {
            self.miss(lines, now);
            return None;
        }
        match self.try_write(lines, now) {
            Ok(()) => {
                self.counts.lines += count;
                if self.next_try.take().is_some() {
                    self.report_gap();
                }
                None
            }
            Err((written, error)) => {
                let whole = whole_lines(lines, written);
                if written > 0 {
                    self.fragment = lines[written - 1] != b'\n';
                }
                self.counts.lines += lines[..whole].iter().filter(|b| **b == b'\n').count() as u64;
                self.counts.errors += 1;
                self.miss(&lines[whole..], now);
                let news = self.next_try.replace(now.after(RETRY)).is_none();
                news.then(|| {
                    format!(
                        "cannot write to the log file {}: {}; lines are dropped and counted, \
                         and it is tried again every second",
                        displayed(&self.name.path),
                        in_words(&error)
                    )
                })
            }
        }
    }

    /// From now on writes to what `wrap` makes of the file, opened anew.
    ///
    /// # Errors
    /// The file cannot be opened a second time.
    pub(crate) fn reopen(&mut self, wrap: Wrap) -> anyhow::Result<()> {
        self.out = wrap(open(&self.path, self.rotation)?.0);
        Ok(())
    }

    /// Lets the next write try a file that was failing, with the gap to be told of in that write.
    pub(crate) fn try_at_once(&mut self) {
        if self.next_try.is_some() {
            self.next_try = Some(Stamp::default());
            self.report_gap();
        }
    }

    /// The last line has been here: tries once more to write it, if it could not be written. That the file was opened anew no
    /// longer matters.
    pub(crate) fn end(&mut self) {
        self.awaits_last_line = false;
        let held = mem::take(&mut self.held);
        if !held.is_empty() || self.fragment {
            self.next_try = Some(Stamp::default());
            // A person was told when the file began to fail.
            let _ = self.write(&held, u64::from(!held.is_empty()), Stamp::default());
        }
        self.reports
            .retain(|report| *report != Event::LogReopened {});
    }

    /// Tries to write whole lines. Where that fails, says how many bytes were written, and why.
    fn try_write(&mut self, lines: &[u8], now: Stamp) -> Result<(), (usize, anyhow::Error)> {
        self.follow_name(now).map_err(|error| (0, error))?;
        if self.fragment {
            write_whole(&mut self.out, b"\n").map_err(|broken| (0, broken.error.into()))?;
            self.fragment = false;
        }
        write_whole(&mut self.out, lines).map_err(|broken| (broken.written, broken.error.into()))
    }

    /// Opens the file anew if its name has come to mean another one.
    fn follow_name(&mut self, now: Stamp) -> anyhow::Result<()> {
        let look = now >= self.looked.after(LOOK);
        if !look
            && (self.rotation == Rotation::Never
                || self.rotation.current_path(&self.path) == self.name.path)
        {
            return Ok(());
        }
        self.looked = now;
        let expected = look_up(self.rotation.current_path(&self.path));
        if expected == self.name {
            return Ok(());
        }
        let is_rotated = expected.path != self.name.path;
        let (appender, name) = open(&self.path, self.rotation)?;
        (self.out, self.name) = (Box::new(appender), name);
        self.fragment = false;
        if !is_rotated {
            self.reports.push(Event::LogReopened {});
        }
        Ok(())
    }

    /// These lines could not be written, it being `now`.
    fn miss(&mut self, lines: &[u8], now: Stamp) {
        self.last_loss = self.last_loss.max(Some(now));
        if self.awaits_last_line {
            self.held.extend_from_slice(lines);
        } else {
            self.lose(lines);
        }
    }

    fn lose(&mut self, lines: &[u8]) {
        for line in lines.split_inclusive(|b| *b == b'\n') {
            self.counts.lost += 1;
            // These lines were made by this program a moment ago: there is none that it cannot read.
            let Some(line) = Line::parse(line.trim_ascii_end()) else {
                continue;
            };
            let producer = line.field("worker").and_then(|n| n.parse().ok());
            if let Some(seq) = line.field("seq").and_then(|n| n.parse().ok()) {
                self.missing.add(producer, seq);
            }
            if line.message == GAP_MESSAGE {
                let told = mem::take(&mut self.told);
                self.missing.add_all(told);
            }
        }
    }

    fn report_gap(&mut self) {
        if self.missing.lines() > 0 {
            self.told = mem::take(&mut self.missing);
            self.reports.push(Event::LogGap {
                lost: self.told.lines(),
                ranges: self.told.to_string(),
            });
        }
    }
}

/// How far `lines` are in the file, of which so many bytes were written. A line that lacks nothing but its newline is: the
/// next write begins with that.
fn whole_lines(lines: &[u8], written: usize) -> usize {
    let begun = written > 0 && lines[written - 1] != b'\n';
    match lines[..written].iter().rposition(|b| *b == b'\n') {
        _ if begun && lines[written] == b'\n' => written + 1,
        Some(newline) => newline + 1,
        None => 0,
    }
}

/// The message of [`Event::LogGap`].
const GAP_MESSAGE: &str = "Log gap";

/// The folder that a file with this path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    folder.unwrap_or(Path::new("."))
}

fn open(path: &Path, rotation: Rotation) -> anyhow::Result<(RollingFileAppender, Name)> {
    let current = rotation.current_path(path);
    if let Ok(metadata) = fs::metadata(&current) {
        let kind = metadata.file_type();
        if kind.is_fifo() || kind.is_socket() || kind.is_block_device() {
            bail!(
                "the log file {} is a pipe, a socket or a disk, which keeps no log; name a file",
                displayed(&current)
            );
        }
    }
    let name = current
        .file_name()
        .and_then(|name| name.to_str())
        .context("the log file's name is not UTF-8")?;
    let appender = RollingFileAppender::builder()
        .rotation(rolling::Rotation::NEVER)
        .filename_prefix(name)
        .build(folder_of(path))
        .with_context(|| {
            format!(
                "cannot open the log file {}; name one that can be written with --log-file",
                displayed(&current)
            )
        })?;
    Ok((appender, look_up(current)))
}

fn look_up(path: PathBuf) -> Name {
    let device_and_inode = fs::metadata(&path)
        .ok()
        .map(|found| (found.dev(), found.ino()));
    Name {
        path,
        device_and_inode,
    }
}

/// Which lines are missing: their numbers, by producer (none is `main`).
#[derive(Clone, Debug, Default, PartialEq)]
struct Missing(BTreeMap<Option<u32>, RoaringTreemap>);

impl Missing {
    fn add(&mut self, producer: Option<u32>, seq: u64) {
        self.0.entry(producer).or_default().insert(seq);
    }

    fn add_all(&mut self, other: Self) {
        for (producer, numbers) in other.0 {
            *self.0.entry(producer).or_default() |= numbers;
        }
    }

    fn lines(&self) -> u64 {
        self.0.values().map(RoaringTreemap::len).sum()
    }
}

impl fmt::Display for Missing {
    /// `main:4-5,0:17,3:2-9`: the producer, and the first and the last number, or the only one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (producer, numbers) in &self.0 {
            let mut numbers = numbers.iter().peekable();
            while let Some(first) = numbers.next() {
                let mut last = first;
                while let Some(next) = numbers.next_if_eq(&(last + 1)) {
                    last = next;
                }
                match producer {
                    Some(worker) => write!(f, "{comma}{worker}:{first}")?,
                    None => write!(f, "{comma}main:{first}")?,
                }
                if last > first {
                    write!(f, "-{last}")?;
                }
                comma = ",";
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_lacks_its_newline_is_whole() {
        let whole: Vec<_> = (0..6)
            .map(|written| whole_lines(b"ab\ncd\n", written))
            .collect();
        assert_eq!(whole, [0, 0, 3, 3, 3, 6]);
    }

    #[test]
    fn missing_lines_are_told_as_ranges() {
        let mut missing = Missing::default();
        for (producer, seq) in [
            (Some(3), 41),
            (None, 4),
            (Some(3), 42),
            (Some(0), 17),
            (None, 5),
            (Some(3), 44),
        ] {
            missing.add(producer, seq);
        }
        assert_eq!(missing.to_string(), "main:4-5,0:17,3:41-42,3:44");
        assert_eq!(missing.lines(), 6);
        let mut later = Missing::default();
        (45..=50).for_each(|seq| later.add(Some(3), seq));
        later.add_all(missing);
        assert_eq!(later.to_string(), "main:4-5,0:17,3:41-42,3:44-50");
    }
}
