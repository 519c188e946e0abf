//! One block of the input: each of its lines read, its checksum verified, its outcome held against the plan.
//!
//! Blocks are scanned by all cores at once and know nothing of each other: what depends on the lines
//! before (order, gaps, totals) is none of this file's business.

use std::{io::BufRead, sync::Arc};

use super::{
    attempt::Attempt,
    exact,
    record::{self, Record, SUM_LEN},
    registry::Run,
    scanned::{BlockLocation, Foreign, Other, Scanned, Suspect, What},
    shared::Shared,
    unwrap::{Wrapping, unwrap},
};
use crate::log::event::Event;

/// A block has fewer lines of ours than this, be they damaged: what is beyond is noise, and must not cost memory.
const ODDS_MAX: usize = 8192;

/// What is kept of bytes that are no line: the rest would only cost memory.
const DAMAGED_MAX: usize = 64 * 1024;

/// Scans blocks, one after the other.
pub struct Scanner<'a> {
    shared: &'a Shared,
    /// The run of the line before, which mostly is this line's as well.
    run: Option<Arc<Run>>,
    exact: exact::Reader,
    /// What stood around the line before.
    wrapping: Wrapping,
}

impl<'a> Scanner<'a> {
    /// A scanner that has seen nothing yet.
    pub fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            run: None,
            exact: exact::Reader::new(),
            wrapping: Wrapping::default(),
        }
    }

    /// Scans a block of whole lines into `out`.
    pub fn scan(&mut self, block: &[u8], out: &mut Scanned) {
        out.attempts.clear();
        out.others.clear();
        out.lines = 0;
        let mut offset = 0;
        while offset < block.len() {
            offset += self
                .exact_line(&block[offset..], offset, out)
                .unwrap_or_else(|| self.general(&block[offset..], offset, out));
        }
    }

    /// Reads a line in exact form, with the same around it as the line before; returns how long it is.
    #[inline]
    fn exact_line(&mut self, bytes: &[u8], offset: usize, out: &mut Scanned) -> Option<usize> {
        let spot = BlockLocation {
            line: out.lines,
            offset: offset as u32,
        };
        let run = self.run.as_deref()?;
        let start = self.wrapping.before(bytes)?;
        let line = self.exact.read(&bytes[start..], run)?;
        let end = start + line.length;
        let end = end + self.wrapping.behind(&bytes[end..])?;
        let newline = bytes.get(end).map(|byte| *byte == b'\n');
        if newline == Some(false) {
            return None;
        }
        out.attempts.push(Attempt::of_exact(&line, run, spot));
        let newline = newline.is_some();
        out.lines += u32::from(newline);
        Some(end + usize::from(newline))
    }

    /// Reads a line in any form; returns how long it is.
    #[cold]
    fn general(&mut self, bytes: &[u8], offset: usize, out: &mut Scanned) -> usize {
        let mut rest = bytes;
        // Skipping in a slice cannot fail, and is the standard library's fastest search for a byte.
        let length = rest.skip_until(b'\n').unwrap_or(bytes.len());
        let line = &bytes[..length];
        let spot = BlockLocation {
            line: out.lines,
            offset: offset as u32,
        };
        out.lines += u32::from(line.ends_with(b"\n"));
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match record::read(line) {
            Some(record) => {
                self.wrapping.learn(line, line);
                self.told(record, spot, out);
            }
            None => self.unwrapped(line, spot, out),
        }
        length
    }

    /// A line that cannot be read as it stands.
    fn unwrapped(&mut self, outer: &[u8], spot: BlockLocation, out: &mut Scanned) {
        let line = unwrap(outer);
        if let Some(run) = &self.run
            && let Some(exact) = self.exact.read(&line, run)
            && exact.length == line.len()
        {
            self.wrapping.learn(outer, &line);
            return out.attempts.push(Attempt::of_exact(&exact, run, spot));
        }
        if let Some(record) = record::read(&line) {
            self.wrapping.learn(outer, &line);
            return self.told(record, spot, out);
        }
        pieces(&line, |piece| match piece {
            Piece::Record(record) => self.told(record, spot, out),
            Piece::Damaged(bytes) => self.damaged(bytes, outer, spot, out),
        });
    }

    /// Bytes in which no whole record is.
    fn damaged(&mut self, bytes: &[u8], line: &[u8], spot: BlockLocation, out: &mut Scanned) {
        let text = &bytes[..bytes.len().min(DAMAGED_MAX)];
        let json = bytes.starts_with(b"{\"") || bytes.ends_with(b"\"}");
        if !record::looks_like_ours(text) || out.others.len() >= ODDS_MAX {
            return foreign(out, text, spot);
        }
        let suspect = Suspect {
            bytes: text.to_vec(),
            fields: record::fields(text),
            json,
            line_length: line.len() as u32,
        };
        other(out, spot, What::Suspect(Box::new(suspect)));
    }

    fn told(&mut self, record: Record, spot: BlockLocation, out: &mut Scanned) {
        let run = match &record.event {
            Some(event @ Event::RunStarted { .. }) => self.shared.registry.start(record.run, event),
            _ => self.known(record.run),
        };
        let Some(run) = run else {
            return other(out, spot, What::NoRoom);
        };
        match Attempt::of_record(&record, &run, spot) {
            Some(attempt) => out.attempts.push(attempt),
            None => other(out, spot, What::Record(run.index, Box::new(record))),
        }
        self.run = Some(run);
    }

    fn known(&self, id: u64) -> Option<Arc<Run>> {
        match &self.run {
            Some(run) if run.id == id => Some(Arc::clone(run)),
            _ => self.shared.registry.meet(id),
        }
    }
}

fn other(out: &mut Scanned, location: BlockLocation, what: What) {
    out.others.push(Other {
        after: out.attempts.len(),
        location,
        received: 0,
        what,
    });
}

fn foreign(out: &mut Scanned, text: &[u8], location: BlockLocation) {
    let after = out.attempts.len();
    if let Some(last) = out.others.last_mut()
        && last.after == after
        && let What::Foreign(foreign) = &mut last.what
    {
        foreign.count += 1;
        return;
    }
    let foreign = Foreign {
        count: 1,
        note: None,
        text: text.to_vec(),
    };
    other(out, location, What::Foreign(foreign));
}

/// A part of a line that is not one record as a whole.
#[expect(
    clippy::large_enum_variant,
    reason = "a piece is handed on at once, and never stored"
)]
enum Piece<'a> {
    Record(Record),
    Damaged(&'a [u8]),
}

/// Finds the records inside a line: behind a fragment, or joined because a newline is lost.
fn pieces<'a>(line: &'a [u8], mut each: impl FnMut(Piece<'a>)) {
    let mut starts = record::starts(line);
    if starts.first() != Some(&0) {
        starts.insert(0, 0);
    }
    for (i, start) in starts.iter().enumerate() {
        let end = starts.get(i + 1).copied();
        let segment = &line[*start..end.unwrap_or(line.len())];
        match record_at_start(segment) {
            Some((record, length)) => {
                each(Piece::Record(record));
                let rest = &segment[length..];
                if rest.len() > 1 {
                    each(Piece::Damaged(rest));
                }
            }
            None => each(Piece::Damaged(segment)),
        }
    }
}

/// How many marks of an end are tried: a line has one, and a hostile one as many as it likes.
const MARKS_MAX: usize = 4;

/// The record at the start of `bytes`, with whatever behind it, and its length.
fn record_at_start(bytes: &[u8]) -> Option<(Record, usize)> {
    if let Some(record) = record::read(bytes) {
        return Some((record, bytes.len()));
    }
    let (mark, length): (&[u8], usize) = if bytes.first() == Some(&b'{') {
        (b"\"sum\":\"", 17)
    } else {
        (b" sum=", SUM_LEN)
    };
    bytes
        .windows(mark.len())
        .enumerate()
        .filter(|(_, window)| *window == mark)
        .take(MARKS_MAX)
        .find_map(|(at, _)| {
            let end = at + length;
            Some((record::read(bytes.get(..end)?)?, end))
        })
}
