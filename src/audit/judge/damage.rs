//! Records that are not whole: which they were, and what is wrong with them.
//!
//! A record is put right by trial, and held against the record that the plan has in its place: where the checksum bears one
//! of them out, the difference of the two, field by field, is what was changed, for certain. Else what can still be read of it
//! may name it.

use std::{mem, ops::Range};

use super::{
    Judge,
    changes::{changes, unsure_changes},
    hints::{self, Hints},
    repair::{REPAIR, repair},
};
use crate::{
    audit::{
        account::damaged::{DamagedLine, NO_LINE},
        records::{
            block::EARLY_BYTES,
            marks::has_marks,
            record::{self, Producer, Record},
            scanned::{HOLE_MIN, Suspect},
            shape::differences,
        },
        verdict::{
            Finding, Kind, Range as Lines,
            excerpt::excerpt,
            findings::{KEPT_MAX, Location},
        },
    },
    log::event::Event,
    plan::Position,
};

/// After so many suspects in a row that could not be put right no more is tried: a pipeline has rewritten them all.
pub(crate) const FAILURES_MAX: u32 = 16;
/// What is left for plans whatever is repaired.
const RESERVE: u64 = 1 << 26;
/// A number that lies further beyond those of its thread is none of them.
const AHEAD_MAX: u64 = 1 << 20;

impl Judge<'_> {
    /// Whether damaged lines are held back. A log that is followed is told of at once.
    pub(super) fn waits_for_a_run(&self) -> bool {
        self.accounts.is_empty() && self.early_bytes <= EARLY_BYTES && !self.config.follow
    }

    /// Judges the damaged lines that were held back until a run is met. Others read ahead: without that it would depend on how far
    /// they were whether such a line's run is known.
    pub(super) fn judge_early(&mut self) {
        let file = self.file;
        for (suspect, at) in mem::take(&mut self.early) {
            self.file = at.file;
            self.suspect(suspect, None, at);
        }
        self.file = file;
    }

    /// Takes in a record that is not whole, or a part of one. `next_run` is the run of the line behind it.
    pub(super) fn suspect(&mut self, mut suspect: Suspect, next_run: Option<u32>, at: Location) {
        if let Some(hole) = hole_in(&suspect.bytes) {
            // A part of one line stands in front of it, and a part of another behind.
            self.hole(hole.len() as u64, at);
            for part in [0..hole.start, hole.end..suspect.bytes.len()] {
                let bytes = suspect.bytes[part].to_vec();
                if has_marks(&bytes) {
                    let part = Suspect {
                        bytes,
                        ..suspect.clone()
                    };
                    self.suspect(part, next_run, at);
                    self.input().beginning = None;
                }
            }
            return;
        }
        let near = self.input().last_run.or(next_run);
        hints::drop_blanks(&mut suspect);
        let (suspect, mut hints) = (&suspect, Hints::of(&suspect));
        let beginning = self.input().beginning.take();
        let goes_on = beginning.filter(|(_, begun)| hints.go_on(begun));
        let at = match &goes_on {
            Some((at, begun)) => {
                hints.complete(begun);
                *at
            }
            None => at,
        };
        let run = self.run_of(&hints, near);
        if goes_on.is_none() && self.is_of_others(suspect, &hints) {
            return self.no_line(suspect, near, at);
        }
        let planned = self.planned(&hints, run);
        let account = run.and_then(|run| self.accounts[run as usize].as_deref());
        // Of those that are only counted nobody asks what was changed.
        let is_counted = account.is_some_and(|of| of.findings.counts.altered >= KEPT_MAX as u64);
        let is_told = is_counted && hints.attempt.is_some() && hints.fits(&planned).is_some();
        if let Some(record) = self.original(suspect, &hints, &planned, is_told) {
            let is_cut = || {
                let whole = record.render(suspect.json).unwrap_or_default();
                suspect.bytes.len() < whole.len() && whole.starts_with(&suspect.bytes)
            };
            if hints.ends || !is_cut() {
                return self.altered(suspect, &hints, record, at);
            }
        }
        let damaged = self.remains(suspect, &hints, &planned, run, at);
        let account = run.and_then(|run| self.accounts[run as usize].as_mut());
        match (account, damaged) {
            (Some(account), Some(part)) if goes_on.is_some() => account.damaged_further(part),
            (Some(account), Some(damaged)) => account.damaged(damaged),
            _ if goes_on.is_some() => {}
            _ => self.no_line(suspect, near, at),
        }
        if !hints.ends && (hints.begins || goes_on.is_some()) {
            self.input().beginning = Some((at, hints));
        }
    }

    /// The record that a suspect was, where the checksum bears that out. Nothing is tried where all that must be told of it is told
    /// without that.
    fn original(
        &mut self,
        suspect: &Suspect,
        hints: &Hints,
        planned: &[(Position, Record)],
        is_told: bool,
    ) -> Option<Record> {
        let mut planned = planned.iter().map(|(_, record)| record);
        if let Some(record) = planned.find(|record| hints.sum.is_some() && record.sum_holds()) {
            return Some(record.clone());
        }
        if !hints.is_whole() || is_told {
            return None;
        }
        let tries = self.failures < FAILURES_MAX && self.budget.left() >= RESERVE;
        if !tries || !self.budget.pay(REPAIR) {
            self.evidence.worn_out = true;
            return None;
        }
        let record = repair(suspect, hints).filter(|record| {
            let starts = matches!(record.event, Some(Event::RunStarted { .. }));
            starts || self.registry.get(record.run).is_some()
        });
        self.failures = match record {
            Some(_) => 0,
            None => self.failures + 1,
        };
        record
    }

    /// The attempts that the plan has for a suspect, logged with the time and the counter that can be read: the one with the number
    /// that it claims, and the next one that its worker is to make.
    fn planned(&mut self, hints: &Hints, run: Option<u32>) -> Vec<(Position, Record)> {
        let account = run.and_then(|run| self.accounts[run as usize].as_deref_mut());
        let Some(account) = account else {
            return Vec::new();
        };
        let mut out = Vec::new();
        for &number in &hints.workers {
            let (Some(rules), Some(worker)) =
                (account.run.rules(number), account.workers.get_mut(number))
            else {
                continue;
            };
            let next = worker.cursor.seq;
            let claimed = hints
                .seq
                .filter(|seq| *seq <= next.saturating_add(AHEAD_MAX));
            let next = Some(next).filter(|seq| claimed != Some(*seq));
            for seq in claimed.into_iter().chain(next) {
                let Some(position) = worker.planned(seq, rules, &self.budget) else {
                    continue;
                };
                let outcome = rules.outcome(position);
                let event = record::attempt_event(position, outcome, hints.counter.unwrap_or(0));
                let record = Record {
                    stamp: hints.stamp.unwrap_or(0),
                    run: account.run.id,
                    author: Producer::Worker(number),
                    seq,
                    event: Some(event),
                    sum: hints.sum.unwrap_or(0),
                };
                out.push((position, record));
            }
        }
        out
    }

    /// What can be said of a suspect whose checksum does not say what it was; none if nothing can.
    fn remains(
        &self,
        suspect: &Suspect,
        hints: &Hints,
        planned: &[(Position, Record)],
        run: Option<u32>,
        at: Location,
    ) -> Option<DamagedLine> {
        let of_others = |id| self.registry.get(id).is_none();
        if !hints.begins && !hints.ends || hints.run.is_some_and(of_others) {
            return None;
        }
        let planned = hints.fits(planned);
        let is_cut = !hints.is_whole();
        let line = match planned {
            Some(record) if is_cut || hints.attempt.is_some() => Some((record.author, record.seq)),
            _ if hints.iteration.is_some() => None,
            _ if is_cut || hints.spliced || hints.is_complete() => self.named(hints, run),
            _ if hints.seq.is_none() && hints.names().is_some() => self.named(hints, run),
            _ => None,
        };
        // A part of one line and a part of another make one that has both ends, and no number that fits.
        if line.is_none() && !is_cut && !hints.are_of_a_record() {
            return None;
        }
        let account = self.accounts[run? as usize].as_deref()?;
        let is_kept = account.damaged.len() < KEPT_MAX;
        let changes = match planned {
            _ if is_cut || line.is_none() || !is_kept => Vec::new(),
            Some(record) => unsure_changes(changes(record, suspect, hints), suspect, hints),
            None => unsure_changes(Vec::new(), suspect, hints),
        };
        let text = is_kept.then(|| excerpt(&suspect.bytes));
        Some(DamagedLine {
            line,
            is_cut,
            changes,
            guessed: hints.seq.is_none(),
            length: suspect.line_length,
            at,
            text: text.unwrap_or_default(),
        })
    }

    /// Which line a suspect is by what can be read of it. Where a line is cut short in front of its number, it is its thread's next.
    fn named(&self, hints: &Hints, run: Option<u32>) -> Option<(Producer, u64)> {
        let account = self.accounts[run? as usize].as_deref()?;
        let producer = match hints.workers[..] {
            [worker] if !hints.main => Producer::Worker(worker),
            [] if hints.main => Producer::Main,
            _ => return None,
        };
        if let Some(seq) = hints.seq {
            return Some((producer, seq));
        }
        // Without its run a line is that of the only one, or of any.
        let of_run = hints.run.is_some() || self.registry.count() == 1;
        let next = match producer {
            Producer::Main => account.main.sequence.met.next,
            Producer::Worker(number) => account.workers.get(number)?.cursor.seq,
        };
        let sequence = account.sequence(producer)?;
        let seq = match self.backwards {
            true => (0..=sequence.order.upcoming()?)
                .rev()
                .find(|seq| !sequence.claimed.contains(*seq))?,
            false => sequence.claimed.absent_from(next),
        };
        (hints.begins && of_run).then_some((producer, seq))
    }

    /// The run that a suspect belongs to: the one that it names, be it under another key, where two lines ran together.
    fn run_of(&self, hints: &Hints, near: Option<u32>) -> Option<u32> {
        // Others read ahead, and may have met runs that have no account yet.
        let has_account = |run: &u32| (*run as usize) < self.accounts.len();
        let known = |run| {
            let run = self.registry.get(run).map(|run| run.index);
            run.filter(has_account)
        };
        let values = hints.fields.iter().map(|(_, value)| value.as_str());
        let elsewhere = || {
            values
                .filter(|value| value.len() == 16)
                .find_map(|value| known(u64::from_str_radix(value, 16).ok()?))
        };
        hints.run.and_then(known).or_else(elsewhere).or(near)
    }

    /// Whether a suspect names a run that cannot be one of these whose id was damaged, nor tells of its start; or names none, and has
    /// no time and no thread of this program's either.
    fn is_of_others(&self, suspect: &Suspect, hints: &Hints) -> bool {
        let Some(id) = hints.run else {
            let bare = hints.stamp.is_none() && hints.workers.is_empty();
            let object = suspect.json && hints.begins;
            // Within a string, its quotation marks may still be escaped.
            let bytes = suspect.bytes.iter().filter(|byte| **byte != b'\\');
            let start: Vec<u8> = bytes.take(4).copied().collect();
            let begins = object && differences(&start, &record::JSON_START[..4]) <= 1;
            return bare && !begins && (object || self.config.allow_foreign && !hints.begins);
        };
        let near = |run: &u64| {
            (0..16)
                .filter(|digit| (id ^ run) >> (4 * digit) & 15 > 0)
                .count()
                < 2
        };
        let mut known = self.accounts.iter().flatten().map(|account| account.run.id);
        let starts = hints.fields.iter().any(|(_, value)| value == "Run started");
        !self.accounts.is_empty() && !starts && !known.any(|run| near(&run))
    }

    /// Takes in a record that was altered, as it was.
    fn altered(&mut self, suspect: &Suspect, hints: &Hints, record: Record, at: Location) {
        if let Some(event) = &record.event
            && event.workload().is_some()
        {
            // A damaged "Run started" still says what is expected of its run.
            self.registry.start(record.run, event);
        }
        let run = self.registry.get(record.run).map(|run| run.index);
        self.meet_runs();
        let account = run.and_then(|run| self.accounts[run as usize].as_mut());
        let (Some(run), Some(account)) = (run, account) else {
            return self.no_line(suspect, None, at);
        };
        let numbers = record.seq..record.seq.saturating_add(1);
        let lines = Lines::of(record.author.thread(), numbers);
        let say = |found: &mut Finding| found.changes = changes(&record, suspect, hints);
        account.findings.add(Kind::Altered, lines, Some(at), say);
        self.input().last_run = Some(run);
        self.record(run, &record, 0, at, &[]);
    }

    /// Takes in what cannot be made out, among the lines of the run `near` it.
    fn no_line(&mut self, suspect: &Suspect, near: Option<u32>, at: Location) {
        if self.config.allow_foreign && near.is_some() {
            self.input().others += 1;
            return;
        }
        self.evidence.of_no_run += u64::from(self.input().last_run.is_none());
        self.unexpected(1, NO_LINE, at, &suspect.bytes);
    }
}

/// The NUL bytes that a hole in a file has left.
fn hole_in(bytes: &[u8]) -> Option<Range<usize>> {
    let hole = memchr::memchr(0, bytes)?..memchr::memrchr(0, bytes)? + 1;
    (hole.len() >= HOLE_MIN).then_some(hole)
}
