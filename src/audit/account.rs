//! The account of one run while its log is read: its workers, its main thread, its counter, its time.
//!
//! Lines come in one by one, in the order of the file; what they add up to is for `books` to say. This
//! file must not know blocks, nor other runs.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    attempt::{Attempt, Kind},
    record::{Producer, Record},
    registry::Run,
    route::Budget,
    seen::SparseSet,
    spans::{Location, Spans},
    verdict::Change,
    worker::{Accepted, Worker},
};
use crate::{log::event::Event, plan::Position};

/// How many findings of a kind that are no ranges are kept for a run.
pub const KEPT_MAX: usize = 1000;

/// A line that was altered, or cut short.
#[derive(Clone, Debug)]
pub struct Damage {
    /// Which line it was, as far as that can be told.
    pub slot: Option<(Producer, u64)>,
    /// What was changed; none for a line that was cut short.
    pub changes: Option<Vec<Change>>,
    /// The checksum says that the changes are these and no others.
    pub sure: bool,
    /// Where it stands.
    pub at: Location,
    /// What is there.
    pub text: String,
}

/// A line that nothing predicts.
#[derive(Clone, Debug)]
pub struct Stray {
    /// Why it should not be there.
    pub why: &'static str,
    /// How many of its kind follow each other.
    pub count: u64,
    /// Where it stands.
    pub at: Location,
    /// What it says.
    pub text: String,
}

/// Values of the run's counter.
#[derive(Debug)]
pub struct Counters {
    /// One more than the highest value.
    pub next: u64,
    /// Values below it that were not seen.
    pub missing: SparseSet,
    /// Values that were seen again.
    pub doubled: Spans,
    /// Successes whose counter does not rise along their worker.
    pub falling: Spans,
}

/// What a line of the main thread was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MainKind {
    /// An event that belongs to the account: it has its place.
    Account,
    /// An event that may stand anywhere.
    Free,
    /// The only one that may stand behind "Run ended".
    Gap,
    /// A line that is damaged, but was there.
    Claimed,
}

/// A line of the main thread.
#[derive(Clone, Copy, Debug)]
pub struct MainLine {
    /// What it was.
    pub kind: MainKind,
    /// Its checksum.
    pub sum: u32,
    /// Where it stands.
    pub at: Location,
}

/// The main thread's lines.
#[derive(Debug, Default)]
pub struct Main {
    /// All of them, by their number.
    pub lines: BTreeMap<u64, MainLine>,
    /// "Run started" stands at number 0.
    pub started: bool,
    /// Numbers of the lines that tell of a worker's thread.
    pub threads: BTreeMap<u32, u64>,
    /// The worker whose thread could not be started.
    pub refused: Option<u32>,
    /// "Total operations completed".
    pub operations: Option<(u64, u64, Location)>,
    /// "Total data processed".
    pub data: Option<(u64, u64, Location)>,
    /// "Run ended".
    pub ended: Option<(u64, Event, Location)>,
    /// "Log gap" events.
    pub gaps: Vec<(Event, Location)>,
    high: u64,
    file: u32,
}

/// Where a gap was noticed.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Whose.
    pub author: Producer,
    /// The first number that is missing.
    pub first: u64,
    /// The first that is there again.
    pub end: u64,
    /// Where that stands.
    pub at: Location,
}

/// Why a damaged line is unexpected.
pub const NO_LINE: &str = "no line of the program, or none any more";

/// One run's account.
#[derive(Debug)]
pub struct Account {
    /// What is known of the run beforehand.
    pub run: Arc<Run>,
    /// That was known when the account was opened.
    pub open: bool,
    /// Lines of the run that were read.
    pub lines: u64,
    /// Its workers; empty if it has no plan.
    pub workers: Vec<Worker>,
    /// Its main thread.
    pub main: Main,
    /// Its counter.
    pub counters: Counters,
    /// Lines that are there once more.
    pub duplicated: Spans,
    /// Lines that stand behind later ones; marked where only their time tells.
    pub reordered: Spans,
    /// Attempts that are not the plan's.
    pub off_plan: Spans,
    /// Other lines that nothing predicts.
    pub strays: Vec<Stray>,
    /// How many there are of them.
    pub stray_count: u64,
    /// Damaged lines.
    pub damage: Vec<Damage>,
    /// How many altered lines there are beyond those.
    pub altered_more: u64,
    /// How many truncated ones.
    pub truncated_more: u64,
    /// Where gaps were noticed.
    pub openings: Vec<Opening>,
    /// Attempts that were too far off to be judged.
    pub too_far: u64,
    /// Time stamp of the first line.
    pub first_stamp: Option<u64>,
    /// Time stamp and place of the last line.
    pub last: Option<(u64, Location)>,
    /// How long an index of a worker's plan may be.
    pub entries_max: usize,
}

impl Account {
    /// The account of a run of which nothing was read. `memory` is what all runs together may take.
    pub fn new(run: Arc<Run>, memory: u64) -> Self {
        let threads = run.workload().map_or(0, |workload| workload.threads);
        let entries = memory / 4 / 8 / u64::from(threads.max(1));
        Self {
            open: run.known().is_some(),
            lines: 0,
            workers: (0..threads).map(|_| Worker::new()).collect(),
            main: Main::default(),
            counters: Counters {
                next: 1,
                missing: SparseSet::default(),
                doubled: Spans::default(),
                falling: Spans::default(),
            },
            duplicated: Spans::default(),
            reordered: Spans::default(),
            off_plan: Spans::default(),
            strays: Vec::new(),
            stray_count: 0,
            damage: Vec::new(),
            altered_more: 0,
            truncated_more: 0,
            openings: Vec::new(),
            too_far: 0,
            first_stamp: None,
            last: None,
            entries_max: (entries as usize).clamp(16, 1 << 18) & !1,
            run,
        }
    }

    /// About how many bytes the account takes.
    pub fn memory(&self) -> u64 {
        let workers: u64 = self.workers.iter().map(Worker::memory).sum();
        workers
            + self.counters.missing.memory()
            + (self.main.lines.len() * 100) as u64
            + ((self.strays.len() + self.damage.len()) * 400) as u64
            + 1024
    }

    /// Thinks again about damaged lines of which it is not sure what they were: they cannot have been lines
    /// that are there undamaged.
    pub fn reconsider_damage(&mut self) {
        let mut damage = std::mem::take(&mut self.damage);
        damage.retain_mut(|damage| {
            if damage.sure || !damage.slot.is_some_and(|slot| self.holds(slot)) {
                return true;
            }
            damage.slot = None;
            if damage.changes.is_some() {
                self.stray(NO_LINE, damage.at, || std::mem::take(&mut damage.text));
            }
            damage.changes.is_none()
        });
        self.damage = damage;
    }

    /// Whether the line with this number was seen undamaged.
    fn holds(&self, (author, seq): (Producer, u64)) -> bool {
        match author {
            Producer::Main => {
                let line = self.main.lines.get(&seq);
                line.is_some_and(|line| line.kind != MainKind::Claimed)
            }
            Producer::Worker(worker) => self.workers.get(worker as usize).is_some_and(|worker| {
                worker.ends.iter().any(|end| end.seq == seq)
                    || seq < worker.walk.seq && !worker.missing.contains(seq)
            }),
        }
    }

    /// Whether no line of the run was seen behind this place.
    pub fn ends_at(&self, at: Location) -> bool {
        self.last
            .is_none_or(|(_, last)| last.file == at.file && last.line <= at.line)
    }

    /// Takes in an attempt's line; `text` gives its words, should they be needed as evidence.
    #[inline]
    pub fn attempt(
        &mut self,
        attempt: &Attempt,
        at: Location,
        budget: &mut Budget,
        text: impl FnOnce() -> String,
    ) {
        self.lines += 1;
        let author = Producer::Worker(attempt.worker);
        let (Some(worker), Some(rules)) = (
            self.workers.get_mut(attempt.worker as usize),
            self.run.rules(attempt.worker),
        ) else {
            if self.run.workload().is_some() {
                self.stray("the run has no such worker", at, text);
            }
            return;
        };
        let accepted = if attempt.planned == Some(true) {
            worker.accept(attempt, rules, budget, self.entries_max)
        } else {
            Accepted::OffPlan
        };
        match accepted {
            Accepted::New { gap_from } => {
                let late = worker.arrives_late(attempt.seq, at.file);
                if let Some(first) = gap_from {
                    self.gap(author, first, attempt.seq, at);
                }
                self.in_time(author, attempt.seq, attempt.stamp, late, at);
                if attempt.kind == Kind::Success {
                    self.count(attempt, late, at);
                }
            }
            Accepted::Duplicate => self.duplicate(author, attempt.seq, at),
            Accepted::OffPlan => self.leave_plan(attempt, at, budget, text),
            Accepted::TooFar => self.too_far += 1,
        }
    }

    /// Takes in the counter of a success.
    #[inline]
    fn count(&mut self, attempt: &Attempt, late: bool, at: Location) {
        let (counters, value) = (&mut self.counters, attempt.value);
        if value == counters.next {
            counters.next += 1;
        } else if value > counters.next {
            counters.missing.insert_range(counters.next..value);
            counters.next = value.saturating_add(1);
        } else if !counters.missing.remove(value) {
            // Ranges of values, not of lines: the author only keeps them together.
            counters
                .doubled
                .add(Producer::Main, value, at, false, || None);
        }
        let worker = &mut self.workers[attempt.worker as usize];
        if late {
            return;
        }
        if value <= worker.counter {
            let author = Producer::Worker(attempt.worker);
            counters
                .falling
                .add(author, attempt.seq, at, false, || None);
        }
        worker.counter = value;
    }

    /// Notes a line's time, and whether it stands behind one that it should precede.
    #[inline]
    fn in_time(&mut self, author: Producer, seq: u64, stamp: u64, late: bool, at: Location) {
        let fell = matches!(self.last, Some((last, spot)) if stamp < last && spot.file == at.file);
        self.last = Some((stamp, at));
        if self.first_stamp.is_none() {
            self.first_stamp = Some(stamp);
        }
        if late || fell {
            self.reordered.add(author, seq, at, !late, || None);
        }
    }

    fn gap(&mut self, author: Producer, first: u64, end: u64, at: Location) {
        if self.openings.len() < KEPT_MAX {
            self.openings.push(Opening {
                author,
                first,
                end,
                at,
            });
        }
    }

    fn duplicate(&mut self, author: Producer, seq: u64, at: Location) {
        self.duplicated.add(author, seq, at, false, || None);
    }

    /// Takes in an attempt that the plan does not have there.
    #[cold]
    fn leave_plan(
        &mut self,
        attempt: &Attempt,
        at: Location,
        budget: &mut Budget,
        text: impl FnOnce() -> String,
    ) {
        let (run, entries_max) = (Arc::clone(&self.run), self.entries_max);
        let worker = &mut self.workers[attempt.worker as usize];
        let author = Producer::Worker(attempt.worker);
        worker.claimed.insert(attempt.seq);
        let Position {
            iteration,
            attempt: number,
        } = attempt.position;
        self.off_plan.add(author, attempt.seq, at, false, || {
            let rules = run.rules(attempt.worker)?;
            let why = match worker.planned(attempt.seq, rules, budget, entries_max) {
                None => "the plan has no such attempt".to_owned(),
                Some(planned) if planned == attempt.position => {
                    "the plan has another outcome for this attempt".to_owned()
                }
                Some(planned) => format!(
                    "the plan has iteration {} attempt {} here, not iteration {iteration} attempt {number}",
                    planned.iteration, planned.attempt
                ),
            };
            Some(Box::new((why, text())))
        });
    }

    /// Takes in a line that nothing predicts.
    pub fn stray(&mut self, why: &'static str, at: Location, text: impl FnOnce() -> String) {
        self.strays(1, why, at, text);
    }

    /// Takes in so many pieces that nothing predicts, which follow each other.
    pub fn strays(
        &mut self,
        count: u64,
        why: &'static str,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        self.stray_count += count;
        if self.strays.len() < KEPT_MAX {
            self.strays.push(Stray {
                why,
                count,
                at,
                text: text(),
            });
        }
    }

    /// Takes in a damaged line.
    pub fn damaged(&mut self, damage: Damage) {
        if let (Some((author, seq)), false) = (damage.slot, damage.sure) {
            self.claim(author, seq, damage.at);
        }
        if self.damage.len() < KEPT_MAX {
            self.damage.push(damage);
        } else if damage.changes.is_some() {
            self.altered_more += 1;
        } else {
            self.truncated_more += 1;
        }
    }

    /// Notes that a line was there, though it cannot be believed.
    fn claim(&mut self, author: Producer, seq: u64, at: Location) {
        match author {
            Producer::Worker(worker) => {
                if let Some(worker) = self.workers.get_mut(worker as usize) {
                    worker.claimed.insert(seq);
                }
            }
            Producer::Main => {
                self.main.lines.entry(seq).or_insert(MainLine {
                    kind: MainKind::Claimed,
                    sum: 0,
                    at,
                });
            }
        }
    }

    /// Takes in a line that tells of no attempt.
    pub fn told(&mut self, record: &Record, at: Location, text: impl FnOnce() -> String) {
        self.lines += 1;
        if self.run.workload().is_none() {
            return;
        }
        let Some(event) = &record.event else {
            let why = "its checksum holds, but the program has no such event of this author";
            return self.stray(why, at, text);
        };
        match (record.author, event) {
            (Producer::Worker(worker), Event::WorkerEnded { .. }) => {
                self.worker_ended(worker, record, event, at, text);
            }
            (Producer::Main, event) if !matches!(event, Event::WorkerEnded { .. }) => {
                self.main_line(record, event, at, text);
            }
            _ => self.stray("another author logs events of this kind", at, text),
        }
    }

    fn worker_ended(
        &mut self,
        number: u32,
        record: &Record,
        event: &Event,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        let author = Producer::Worker(number);
        let Some(worker) = self.workers.get_mut(number as usize) else {
            return self.stray("the run has no such worker", at, text);
        };
        match worker.accept_end(record, event, at) {
            None => {
                let late = worker.arrives_late(record.seq, at.file);
                self.in_time(author, record.seq, record.stamp, late, at);
            }
            Some(true) => self.duplicate(author, record.seq, at),
            Some(false) => self.stray("its worker has ended before, and otherwise", at, text),
        }
    }

    fn main_line(
        &mut self,
        record: &Record,
        event: &Event,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        let seq = record.seq;
        let known = self.main.lines.get(&seq).copied();
        if let Some(line) = known
            && line.kind != MainKind::Claimed
        {
            return if line.sum == record.sum {
                self.duplicate(Producer::Main, seq, at)
            } else {
                self.stray("another line of main has this number", at, text)
            };
        }
        let kind = match self.main.place(event, seq, self.workers.len() as u64, at) {
            Ok(kind) => kind,
            Err(why) => return self.stray(why, at, text),
        };
        let line = MainLine {
            kind,
            sum: record.sum,
            at,
        };
        self.main.lines.insert(seq, line);
        let late = self.main.arrives_late(seq, at.file);
        self.in_time(Producer::Main, seq, record.stamp, late, at);
    }
}

impl Main {
    /// Enters an event of the main thread, or says why it cannot be there.
    fn place(
        &mut self,
        event: &Event,
        seq: u64,
        threads: u64,
        at: Location,
    ) -> Result<MainKind, &'static str> {
        match event {
            Event::RunStarted { .. } => {
                if seq != 0 {
                    return Err("a run starts with number 0");
                }
                self.started = true;
            }
            Event::ThreadStarted { worker } | Event::ThreadRefused { worker, .. } => {
                let refused = matches!(event, Event::ThreadRefused { .. });
                let Some(number) = u32::try_from(*worker).ok().filter(|_| *worker < threads) else {
                    return Err("the run has no such worker");
                };
                if seq <= *worker {
                    return Err("the threads before it cannot have been started by then");
                }
                if self.threads.contains_key(&number) {
                    return Err("this thread was started before");
                }
                self.threads.insert(number, seq);
                if refused {
                    self.refused = Some(number);
                }
            }
            Event::TotalOperations { count } => {
                if self.operations.is_some() {
                    return Err("this total was given before");
                }
                self.operations = Some((*count, seq, at));
            }
            Event::TotalData { count } => {
                if self.data.is_some() {
                    return Err("this total was given before");
                }
                self.data = Some((*count, seq, at));
            }
            Event::RunEnded { .. } => {
                if self.ended.is_some() {
                    return Err("the run has ended before");
                }
                self.ended = Some((seq, event.clone(), at));
            }
            Event::LogGap { .. } => {
                self.gaps.push((event.clone(), at));
                return Ok(MainKind::Gap);
            }
            _ => return Ok(MainKind::Free),
        }
        Ok(MainKind::Account)
    }

    fn arrives_late(&mut self, seq: u64, file: u32) -> bool {
        if self.file != file {
            self.file = file;
            self.high = 0;
        }
        let late = seq < self.high;
        self.high = self.high.max(seq.saturating_add(1));
        late
    }
}
