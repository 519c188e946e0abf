//! What was found in the blocks, in the order of the input, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted, damaged lines are
//! given to a run, inputs that stand on their head are noticed, and memory is watched over.

mod causes;
pub(super) mod conclude;
mod damage;
mod evidence;
mod group;
pub(super) mod merge;
pub(super) mod observer;
mod repair;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    sync::Arc,
};

use self::{
    conclude::Folded, damage::Diagnosis, evidence::Evidence, group::same_run, observer::Observer,
};
use super::{
    account::{
        arrivals::Arrival,
        cursor::Budget,
        run::{DamagedLine, NO_LINE, RunAccount},
        time_order::TimedLine,
    },
    config::AuditConfig,
    input::source::Input,
    records::{
        attempt::AttemptRecord,
        block::{Block, BlockLocation, EARLY_BYTES},
        record::{Producer, Record},
        scan::Scanner,
        scanned::{Foreign, Note, Scanned, Suspect, What},
    },
    registry::{Registry, Run},
    verdict::{
        Change, Finding, Kind, Range, RunVerdict,
        findings::{Findings, Location, Names},
    },
};
use crate::plan::workload::{Shard, Workload};

/// What is held back until its run is known.
enum HeldBack {
    Attempt(AttemptRecord),
    Record(Box<Record>, u64),
}

impl HeldBack {
    fn producer(&self) -> Producer {
        match self {
            Self::Attempt(attempt) => Producer::Worker(attempt.worker),
            Self::Record(record, _) => record.author,
        }
    }
}

/// Takes in blocks, in order.
pub(crate) struct Judge<'a> {
    pub registry: &'a Registry,
    /// What is to be audited, and how strictly.
    pub config: &'a AuditConfig,
    /// The names of the inputs.
    pub names: Names,
    /// The accounts, in the order of the registry; none of a run whose account is closed.
    pub accounts: Vec<Option<Box<RunAccount>>>,
    /// What is said of the runs whose accounts were closed last.
    pub closed: VecDeque<RunVerdict>,
    /// What the runs come to that are only counted.
    pub folded: Folded,
    /// Steps of plans that may still be computed.
    pub budget: Budget,
    /// How many suspects in a row could not be put right.
    pub failures: u32,
    /// What belongs to no run.
    pub strays: Findings,
    /// Records of runs that there was no room for.
    pub no_room: u64,
    /// Lines so far.
    pub lines: u64,
    /// What else there is to see.
    pub evidence: Evidence,
    /// The input that is read has its newest lines first.
    backwards: bool,
    /// The input that is read, and how far each is: those that are followed take turns.
    file: u32,
    pub inputs: BTreeMap<u32, Reached>,
    /// Newlines of the input in front of the block.
    lines_before: u64,
    blocks: u64,
    /// Runs whose "Run started" has not come yet: a log may have more runs than blocks, and most are known when they are met.
    to_open: Vec<u32>,
    /// Their records.
    held: Vec<(u32, HeldBack, Location)>,
    /// Damaged lines in front of all that tell of a run.
    early: Vec<(Suspect, Location)>,
    /// How many bytes came among these so far.
    early_bytes: usize,
    observer: Option<&'a mut dyn Observer>,
}

/// How far an input is read.
#[derive(Debug, Default)]
pub(crate) struct Reached {
    /// Newlines so far.
    lines: u64,
    /// Records so far, and lines that are none.
    pub records: u64,
    pub others: u64,
    /// Lines in front of the first record, or behind the last so far, that have not what stands in front of records: how many, and
    /// those of them that are held back, since they may be a header.
    outside: u64,
    header: Vec<(Foreign, Location)>,
    /// The run of the last line that could be read.
    last_run: Option<u32>,
    /// The newest lines come first.
    pub backwards: bool,
}

/// A header and what a tool prints at the end have no more lines than this.
const HEADER_MAX: u64 = 16;
/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 28;
const STEPS_A_LINE: u64 = 64;
/// So many places of a rate limit's notes are kept.
const PLACES_MAX: usize = 1000;
/// Of so many closed accounts it is kept what is said of each.
const CLOSED_MAX: usize = 1000;

impl<'a> Judge<'a> {
    /// A judge that has seen nothing, and shows each record to `observer`.
    pub(crate) fn new(
        registry: &'a Registry,
        config: &'a AuditConfig,
        observer: Option<&'a mut dyn Observer>,
    ) -> Self {
        let names = Names(config.inputs.iter().map(Input::name).collect());
        Self {
            registry,
            config,
            accounts: Vec::new(),
            closed: VecDeque::new(),
            folded: Folded::default(),
            budget: Budget::new(STEPS_FREE),
            failures: 0,
            strays: Findings::new(&names),
            names,
            no_room: 0,
            lines: 0,
            evidence: Evidence::default(),
            backwards: false,
            file: u32::MAX,
            inputs: BTreeMap::new(),
            lines_before: 0,
            blocks: 0,
            to_open: Vec::new(),
            held: Vec::new(),
            early: Vec::new(),
            early_bytes: 0,
            observer,
        }
    }

    /// Takes in a block; false when memory is at its limit.
    pub(crate) fn take(&mut self, block: &Block, scanned: &Scanned) -> bool {
        if block.file != self.file {
            self.turn_to(block);
        }
        let bytes = block.bytes();
        // Lines are counted where they begin.
        self.lines += u64::from(scanned.lines) + u64::from(!block.continues);
        self.lines -= u64::from(bytes.ends_with(b"\n"));
        self.budget.grow(u64::from(scanned.lines) * STEPS_A_LINE);
        self.meet_runs();
        if !self.accounts.is_empty() {
            self.judge_early();
        }
        if self.memory_held() > self.config.memory {
            return false;
        }
        let mut closely = Scanned::default();
        let scanned = match scanned.brief && !self.accounts.is_empty() {
            // Now that a run is known, what is damaged may be one of its lines.
            true => {
                let mut scanner = Scanner::new(self.registry);
                scanner.closely = true;
                scanner.scan(block, &mut closely);
                &closely
            }
            false => scanned,
        };
        self.lines_before = self.input().lines;
        let mut taken = 0;
        for (i, other) in scanned.others.iter().enumerate() {
            self.attempts(bytes, &scanned.attempts[taken..other.after]);
            taken = other.after;
            self.other(bytes, scanned, i);
        }
        self.attempts(bytes, &scanned.attempts[taken..]);
        self.input().lines += u64::from(scanned.lines);
        self.blocks += 1;
        !self.blocks.is_multiple_of(16) || self.memory_used() <= self.config.memory
    }

    /// Goes on with another input.
    fn turn_to(&mut self, block: &Block) {
        self.file = block.file;
        self.backwards = block.backwards;
        let first = !self.inputs.contains_key(&block.file);
        self.input().backwards = block.backwards;
        if let (Some(observer), true) = (&mut self.observer, first) {
            observer.begins(block.backwards);
        }
    }

    /// The input that is read.
    fn input(&mut self) -> &mut Reached {
        self.inputs.entry(self.file).or_default()
    }

    /// About how many bytes the accounts take.
    pub(crate) fn memory_used(&self) -> u64 {
        let accounts = self.accounts.iter().flatten();
        accounts.map(|account| account.memory()).sum()
    }

    /// Where something stands in the present block.
    #[inline]
    fn place(&self, location: BlockLocation) -> Location {
        Location {
            file: self.file,
            line: self.lines_before + 1 + u64::from(location.line),
        }
    }

    /// Opens the accounts of runs that are known now, and judges what was held back of them.
    fn meet_runs(&mut self) {
        let fallback = self.config.fallback.as_ref();
        for run in self.registry.behind(self.accounts.len()) {
            if fallback.is_some() && run.known().is_none() {
                self.registry.adopt(&run, fallback);
            }
            let account = RunAccount::new(run, &self.names);
            if !account.open {
                self.to_open.push(account.run.index);
            }
            self.accounts.push(Some(Box::new(account)));
        }
        for run in mem::take(&mut self.to_open) {
            let Some(account) = self.accounts[run as usize].as_mut() else {
                continue;
            };
            if account.run.known().is_none() {
                self.to_open.push(run);
                continue;
            }
            **account = RunAccount::new(Arc::clone(&account.run), &self.names);
            let held = mem::take(&mut self.held).into_iter();
            let (now, later) = held.partition(|(of, ..)| *of == run);
            self.held = later;
            for (_, held, at) in now {
                match held {
                    HeldBack::Attempt(attempt) => self.attempt(&attempt, at, &String::new),
                    HeldBack::Record(record, received) => {
                        self.record(run, &record, received, at, &String::new);
                    }
                }
            }
        }
    }

    /// Gives up hoping for the "Run started" of a run.
    pub(crate) fn give_up(&mut self, run: &Run) {
        self.registry.adopt(run, self.config.fallback.as_ref());
        self.meet_runs();
    }

    /// About how many bytes the lines take that are held back of runs whose "Run started" has not come yet.
    pub(crate) fn memory_held(&self) -> u64 {
        (self.held.len() * size_of::<(u32, HeldBack, Location)>()) as u64
    }

    /// Closes the account of a run that is over. What is said of the latest is kept; those before are only counted, so that
    /// a canary of years needs no more memory than one of hours.
    pub(crate) fn close(&mut self, run: u32) {
        let Some(account) = self.accounts[run as usize].take() else {
            return;
        };
        self.registry.release(&account.run);
        if self.config.select.may_be(account.run.id) {
            let (evidence, budget) = (&self.evidence, &self.budget);
            let run = conclude::judge_run(self.config, *account, evidence, budget, false);
            self.closed.push_back(run);
        }
        if self.closed.len() > CLOSED_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.folded.add(&oldest);
        }
    }

    /// Gives up hoping for a "Run started" of the runs that were met, and judges what was held back of them.
    pub(crate) fn finish(&mut self) {
        self.judge_early();
        let group = self.group();
        for account in self.accounts.iter().flatten() {
            let run = &account.run;
            if run.known().is_none() {
                let shard = group.as_ref();
                let shard = shard.and_then(|group| self.shard(run.index, group));
                let fallback = self.config.fallback.as_ref().or(shard.as_ref());
                self.registry.adopt(run, fallback);
            }
        }
        self.meet_runs();
    }

    /// The configuration of the one group that all shards belong to whose "Run started" was found.
    fn group(&self) -> Option<Workload> {
        let workloads = self
            .accounts
            .iter()
            .flatten()
            .filter_map(|account| account.run.workload());
        let mut shards = workloads.filter(|workload| workload.group.is_some());
        let first = shards.next()?;
        shards
            .all(|other| same_run(first, other))
            .then(|| first.clone())
    }

    /// Which shard of the group a run is whose "Run started" is lost: the numbers of its workers tell.
    fn shard(&self, run: u32, group: &Workload) -> Option<Workload> {
        let held = self.held.iter().filter(|(of, ..)| *of == run);
        let workers = held.filter_map(|(_, held, _)| held.producer().worker());
        let (lowest, highest) =
            workers.fold((u32::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        let shard = Workload {
            shard: Shard::new(lowest / group.threads, group.shard.count())?,
            ..group.clone()
        };
        shard.workers().contains(&highest).then_some(shard)
    }

    /// Takes in attempts of a block that follow each other.
    fn attempts(&mut self, block: &[u8], attempts: &[AttemptRecord]) {
        if !attempts.is_empty() {
            self.end_header();
        }
        for attempt in attempts {
            let text = || line_at(block, attempt.location);
            self.attempt(attempt, self.place(attempt.location), &text);
        }
        if let Some(last) = attempts.last() {
            let input = self.input();
            input.last_run = Some(last.run);
            input.records += attempts.len() as u64;
        }
    }

    #[inline]
    fn attempt(&mut self, attempt: &AttemptRecord, at: Location, text: &impl Fn() -> String) {
        let Some(account) = self.accounts[attempt.run as usize]
            .as_mut()
            .filter(|a| a.open)
        else {
            return self.hold(attempt.run, HeldBack::Attempt(*attempt), at, text);
        };
        let late;
        let attempt = match attempt.planned {
            Some(_) => attempt,
            // It was read when its run was not known.
            None => {
                let planned = attempt.is_planned(&account.run);
                late = AttemptRecord {
                    planned,
                    ..*attempt
                };
                &late
            }
        };
        if let Some(observer) = &mut self.observer {
            observer.attempt(&account.run, attempt, at);
        }
        let arrival = Arrival {
            line: TimedLine {
                stamp: attempt.stamp,
                producer: Producer::Worker(attempt.worker),
                seq: attempt.seq,
                at,
            },
            received: attempt.received,
            config: self.config,
            backwards: self.backwards,
            budget: &self.budget,
            text,
        };
        account.attempt(attempt, arrival);
    }

    fn record(
        &mut self,
        run: u32,
        record: &Record,
        received: u64,
        at: Location,
        text: &impl Fn() -> String,
    ) {
        let Some(account) = self.accounts[run as usize].as_mut().filter(|a| a.open) else {
            let held = HeldBack::Record(Box::new(record.clone()), received);
            return self.hold(run, held, at, text);
        };
        if let Some(attempt) =
            AttemptRecord::of_record(record, &account.run, BlockLocation::default())
        {
            return self.attempt(&attempt, at, text);
        }
        if let Some(observer) = &mut self.observer {
            observer.event(&account.run, record, at);
        }
        let arrival = Arrival {
            line: TimedLine {
                stamp: record.stamp,
                producer: record.author,
                seq: record.seq,
                at,
            },
            received,
            config: self.config,
            backwards: self.backwards,
            budget: &self.budget,
            text,
        };
        account.event(record, arrival);
    }

    /// Holds back a line of a run that is not known yet. Of a run that is over, with its account closed, none is to come.
    #[cold]
    fn hold(&mut self, run: u32, held: HeldBack, at: Location, text: &impl Fn() -> String) {
        match self.accounts[run as usize] {
            Some(_) => self.held.push((run, held, at)),
            None => self.strays.unexpected(1, "its run is over", at, text),
        }
    }

    #[cold]
    fn other(&mut self, block: &[u8], scanned: &Scanned, number: usize) {
        let other = &scanned.others[number];
        let at = self.place(other.location);
        match &other.what {
            What::Record(run, record) => {
                self.end_header();
                let input = self.input();
                input.last_run = Some(*run);
                input.records += 1;
                let text = || line_at(block, other.location);
                self.record(*run, record, other.received, at, &text);
            }
            What::Suspect(suspect) => {
                let next = scanned.attempts.get(other.after);
                if self.waits_for_a_run() {
                    self.early.push((suspect.clone(), at));
                    self.early_bytes += suspect.bytes.len();
                } else {
                    self.judge_early();
                    self.suspect(suspect, next.map(|attempt| attempt.run), at);
                }
            }
            What::Foreign(foreign) => self.foreign(foreign, at),
            What::NoRoom => self.no_room += 1,
        }
    }

    /// Whether damaged lines are held back. A log that is followed is told of at once.
    fn waits_for_a_run(&self) -> bool {
        self.accounts.is_empty() && self.early_bytes <= EARLY_BYTES && !self.config.follow
    }

    /// Judges the damaged lines that were held back until a run is met. Others read ahead: without that it would depend on how far
    /// they were whether such a line's run is known.
    fn judge_early(&mut self) {
        let file = self.file;
        for (suspect, at) in mem::take(&mut self.early) {
            self.file = at.file;
            self.suspect(&suspect, None, at);
        }
        self.file = file;
    }

    fn suspect(&mut self, suspect: &Suspect, next_run: Option<u32>, at: Location) {
        let near = self.input().last_run.or(next_run);
        match self.diagnose(suspect, near) {
            Some(Diagnosis::Altered(record, changes)) => {
                self.altered(suspect, &record, changes, at)
            }
            Some(Diagnosis::Unsure {
                run,
                line,
                changes,
                guessed,
            }) => {
                let account = run.and_then(|run| self.accounts[run as usize].as_mut());
                let Some(account) = account else {
                    return self.no_line(suspect, at);
                };
                account.damaged(DamagedLine {
                    line,
                    changes,
                    guessed,
                    length: suspect.line_length,
                    at,
                    text: excerpt(&suspect.bytes),
                });
            }
            None if self.config.allow_foreign && near.is_some() => self.input().others += 1,
            None => self.no_line(suspect, at),
        }
    }

    /// Takes in a record that was altered, as it was.
    fn altered(&mut self, suspect: &Suspect, record: &Record, changes: Vec<Change>, at: Location) {
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
            return self.no_line(suspect, at);
        };
        let numbers = record.seq..record.seq.saturating_add(1);
        let lines = Range::of(record.author, numbers);
        let say = |found: &mut Finding| found.changes = changes;
        account.findings.add(Kind::Altered, lines, Some(at), say);
        self.input().last_run = Some(run);
        self.record(run, record, 0, at, &String::new);
    }

    /// Takes in what cannot be made out.
    fn no_line(&mut self, suspect: &Suspect, at: Location) {
        self.evidence.of_no_run += u64::from(self.input().last_run.is_none());
        self.unexpected(1, NO_LINE, at, &suspect.bytes);
    }

    /// A record has come: what was held back in front of it was a header only if that record is the first.
    fn end_header(&mut self) {
        let input = self.input();
        input.outside = 0;
        let first = input.records == 0;
        let header = mem::take(&mut input.header);
        if !first {
            self.no_header(header);
        }
    }

    /// Takes in lines that were held back.
    fn no_header(&mut self, lines: Vec<(Foreign, Location)>) {
        for (mut foreign, at) in lines {
            foreign.note = None;
            self.foreign(&foreign, at);
        }
    }

    /// Takes in lines that are not the program's.
    fn foreign(&mut self, foreign: &Foreign, at: Location) {
        let evidence = &mut self.evidence;
        match foreign.note {
            Some(Note::Blank | Note::Banner | Note::Summary) => {}
            Some(Note::Outside) => {
                let input = self.input();
                input.outside += foreign.count;
                input.header.push((foreign.clone(), at));
                if input.outside > HEADER_MAX {
                    let lines = mem::take(&mut input.header);
                    self.no_header(lines);
                }
            }
            Some(Note::Hole(bytes)) => {
                evidence.hole.get_or_insert((bytes, self.names.place(at)));
            }
            Some(Note::Dropped(Some(0))) => {}
            Some(Note::Dropped(lines)) => {
                let dropped = &mut evidence.dropped;
                if dropped.places.len() < PLACES_MAX {
                    dropped.places.push(self.names.place(at));
                }
                dropped.notes += foreign.count;
                let lines = lines.unwrap_or(0).saturating_mul(foreign.count);
                dropped.lines = dropped.lines.saturating_add(lines);
            }
            Some(Note::Compressed) => {
                let why = "compressed data between the lines";
                self.unexpected(foreign.count, why, at, &foreign.text);
            }
            Some(Note::Unreadable) => self.unexpected(foreign.count, NO_LINE, at, &foreign.text),
            None => {
                self.input().others += foreign.count;
                if !self.config.allow_foreign {
                    self.unexpected(foreign.count, NO_LINE, at, &foreign.text);
                }
            }
        }
    }

    /// Takes in so many lines that nothing predicts, in the midst of a run's lines or of none's.
    fn unexpected(&mut self, count: u64, why: &'static str, at: Location, text: &[u8]) {
        let unreadable = &mut self.evidence.unreadable;
        if unreadable.as_ref().is_none_or(|(_, first)| at < *first) {
            *unreadable = Some((excerpt(text), at));
        }
        let run = self.input().last_run;
        let account = run.and_then(|run| self.accounts[run as usize].as_mut());
        let (findings, why) = match account {
            Some(account) => (&mut account.findings, why),
            None => (&mut self.strays, "it belongs to no run that is known"),
        };
        findings.unexpected(count, why, at, || excerpt(text));
    }
}

/// The line of a block that something stands in, as evidence.
fn line_at(block: &[u8], location: BlockLocation) -> String {
    let rest = &block[location.offset as usize..];
    excerpt(rest.split(|b| *b == b'\n').next().unwrap_or(rest))
}

/// How much of a line is shown.
const EXCERPT_MAX: usize = 240;

/// A line as evidence: what could act on a terminal is escaped, and what is too long is cut.
fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_MAX)];
    let text = String::from_utf8_lossy(shown);
    let mut out: String = text
        .chars()
        .flat_map(|c| {
            let plain = c == ' ' || c.is_alphanumeric() || c.is_ascii_punctuation();
            let escaped = (!plain).then(|| c.escape_unicode());
            escaped.into_iter().flatten().chain(plain.then_some(c))
        })
        .collect();
    if shown.len() < bytes.len() {
        out.push('…');
    }
    out
}
