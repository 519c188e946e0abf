//! One block of the input: each of its lines read, its checksum verified, its outcome held against the plan.
//!
//! Blocks are scanned by all cores at once and know nothing of each other: what depends on the lines
//! before (order, gaps, totals) is none of this file's business.

use std::{io::BufRead, sync::Arc};

use super::{
    attempt::{Attempt, BlockSpot},
    exact,
    record::{self, Record, SUM_LEN},
    registry::Run,
    repair::{REPAIR, may_be_run_started, repair},
    shared::Shared,
    unwrap::{Wrapping, unwrap},
};
use crate::{log::event::Event, plan::workload::Workload};

/// Something other than an attempt's line that verifies.
#[derive(Clone, Debug)]
pub struct Odd {
    /// How many attempts stand before it in the block.
    pub after: usize,
    /// Where it stands.
    pub spot: BlockSpot,
    /// What it is.
    pub what: What,
}

/// What stands in a line.
#[derive(Clone, Debug)]
pub enum What {
    /// A line whose checksum holds, of a run by its place in the registry.
    Told(u32, Box<Record>),
    /// Bytes that are no line, or no longer one.
    Damaged(Vec<u8>),
    /// The newline behind the record before is not there; these bytes are.
    Joined(Vec<u8>),
    /// So many pieces that are no lines, and that nobody looks at.
    Noise(u64),
    /// A line of a run that there is no room for.
    Homeless,
}

/// What a block holds.
#[derive(Debug, Default)]
pub struct Scanned {
    /// The attempts, in the order of the file.
    pub attempts: Vec<Attempt>,
    /// All else, in the order of the file.
    pub odds: Vec<Odd>,
    /// How many newlines there are.
    pub lines: u32,
    /// There is a line of a run that is not known yet: the block must be scanned again.
    pub unresolved: bool,
}

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
    /// Every "Run started" is known: an unknown run has none, and gets this configuration, if any.
    adopting: Option<Option<&'a Workload>>,
}

impl<'a> Scanner<'a> {
    /// A scanner that has seen nothing yet.
    pub fn new(shared: &'a Shared) -> Self {
        Self {
            shared,
            run: None,
            exact: exact::Reader::new(),
            wrapping: Wrapping::default(),
            adopting: None,
        }
    }

    /// A scanner that knows that an unknown run has no "Run started", and gives it this configuration.
    pub fn adopting(shared: &'a Shared, fallback: Option<&'a Workload>) -> Self {
        Self {
            adopting: Some(fallback),
            ..Self::new(shared)
        }
    }

    /// Scans a block of whole lines into `out`.
    pub fn scan(&mut self, block: &[u8], out: &mut Scanned) {
        out.attempts.clear();
        out.odds.clear();
        out.lines = 0;
        out.unresolved = false;
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
        let spot = BlockSpot {
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
        let spot = BlockSpot {
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
    fn unwrapped(&mut self, outer: &[u8], spot: BlockSpot, out: &mut Scanned) {
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
            Piece::Damaged(_) if out.odds.len() >= ODDS_MAX => noise(out, spot),
            Piece::Damaged(bytes) => {
                let bytes = &bytes[..bytes.len().min(DAMAGED_MAX)];
                self.repaired_start(bytes);
                odd(out, spot, What::Damaged(bytes.to_vec()));
            }
            Piece::Joined(bytes) => odd(out, spot, What::Joined(bytes.to_vec())),
        });
    }

    /// A damaged "Run started" still says what is expected of its run, if it can be repaired.
    fn repaired_start(&self, bytes: &[u8]) {
        if !may_be_run_started(bytes) || !self.shared.bear(REPAIR) {
            return;
        }
        if let Some(record) = repair(bytes)
            && let Some(event @ Event::RunStarted { .. }) = &record.event
        {
            self.shared.registry.start(record.run, event);
        }
    }

    fn told(&mut self, record: Record, spot: BlockSpot, out: &mut Scanned) {
        let registry = &self.shared.registry;
        let run = match &record.event {
            Some(event @ Event::RunStarted { .. }) => match registry.start(record.run, event) {
                Some(run) => run,
                None => return odd(out, spot, What::Homeless),
            },
            _ => match (self.known(record.run), self.adopting) {
                (Some(run), _) => run,
                (None, Some(fallback)) => match registry.adopt(record.run, fallback) {
                    Some(run) => run,
                    None => return odd(out, spot, What::Homeless),
                },
                (None, None) => {
                    out.unresolved = true;
                    return;
                }
            },
        };
        match Attempt::of_record(&record, &run, spot) {
            Some(attempt) => out.attempts.push(attempt),
            None => odd(out, spot, What::Told(run.index, Box::new(record))),
        }
        self.run = Some(run);
    }

    fn known(&self, id: u64) -> Option<Arc<Run>> {
        match &self.run {
            Some(run) if run.id == id => Some(Arc::clone(run)),
            _ => self.shared.registry.get(id),
        }
    }
}

fn odd(out: &mut Scanned, spot: BlockSpot, what: What) {
    out.odds.push(Odd {
        after: out.attempts.len(),
        spot,
        what,
    });
}

fn noise(out: &mut Scanned, spot: BlockSpot) {
    match out.odds.last_mut().map(|odd| &mut odd.what) {
        Some(What::Noise(count)) => *count += 1,
        _ => odd(out, spot, What::Noise(1)),
    }
}

/// A part of a line that is not one record as a whole.
enum Piece<'a> {
    Record(Record),
    Damaged(&'a [u8]),
    Joined(&'a [u8]),
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
                    each(Piece::Joined(b""));
                    each(Piece::Damaged(rest));
                } else if end.is_some() || !rest.is_empty() {
                    each(Piece::Joined(rest));
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
