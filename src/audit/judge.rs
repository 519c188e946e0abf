//! What was found in the blocks, in the order of the input, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted, damaged lines are
//! given to a run, inputs that stand on their head are noticed, and memory is watched over.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    iter, mem,
    sync::Arc,
};

use super::{
    account::{Damage, NO_LINE, RunAccount, Strictness, Surroundings},
    attempt::Attempt,
    block::{Block, BlockLocation},
    config::AuditConfig,
    cursor::Budget,
    damage::{Diagnosis, Diagnostician},
    findings::{Findings, Kind, Location, Names},
    group::same_run,
    observer::Observer,
    record::{Producer, Record, starts_here},
    registry::Run,
    scanned::{Foreign, Note, Other, Scanned, Suspect, What},
    settled::Settled,
    shared::Shared,
    source::Input,
    time_order::{EARLY_MAX, TimedLine},
    verdict::Place,
};
use crate::plan::workload::{Shard, Workload};

/// What is held back until its run is known.
enum Held {
    Attempt(Attempt),
    Record(Box<Record>, u64),
}

/// What the log shows besides records: it may tell why some are missing.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    /// How many NUL bytes lie in a hole, and where.
    pub hole: Option<(u64, Place)>,
    /// Notes of a limit on the rate of lines.
    pub dropped: Option<Dropped>,
    /// The first piece that could not be read as a record, and where it stands.
    pub unreadable: Option<(String, Place)>,
    /// Inputs that stand on their head.
    pub backwards: BTreeSet<u32>,
    /// Of each input how many records it holds, and how many lines that are none.
    pub inputs: BTreeMap<u32, (u64, u64)>,
}

/// What notes say of lines that a limit on their rate dropped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropped {
    /// How many notes there are.
    pub notes: u64,
    /// How many lines they speak of; 0 where none says a number.
    pub lines: u64,
    /// Where the first stands.
    pub at: Location,
}

impl Dropped {
    fn first(at: Location) -> Self {
        Self {
            notes: 0,
            lines: 0,
            at,
        }
    }
}

/// Takes in blocks, in order.
pub(super) struct Judge<'a> {
    shared: &'a Shared,
    /// What is to be audited, and how strictly.
    pub config: &'a AuditConfig,
    /// The names of the inputs.
    pub names: Names,
    /// The accounts, in the order of the registry; none of a run that is settled.
    pub accounts: Vec<Option<Box<RunAccount>>>,
    /// What came of the runs whose accounts were closed before the end.
    pub settled: Settled,
    /// Steps of plans that may still be computed.
    pub budget: Budget,
    /// How many suspects in a row could not be put right.
    failures: u32,
    /// There were more suspects than could be looked at closely.
    pub worn_out: bool,
    /// What belongs to no run.
    pub strays: Findings,
    /// Records of runs that there was no room for.
    pub no_room: u64,
    /// Lines so far.
    pub lines: u64,
    /// What else there is to see.
    pub evidence: Evidence,
    how: Strictness,
    file: u32,
    input: Reached,
    /// How far the other inputs are read: those that are followed take turns.
    others: HashMap<u32, Reached>,
    blocks: u64,
    /// Runs whose "Run started" has not come yet.
    to_open: Vec<u32>,
    /// Their records.
    held: Vec<(u32, Held, Location)>,
    observer: Option<&'a mut dyn Observer>,
}

/// How far an input is read.
#[derive(Debug, Default)]
struct Reached {
    /// Newlines before the block.
    lines: u64,
    /// The run of the last line that could be read.
    last_run: Option<u32>,
    /// The last block ended within a line that is damaged there.
    in_damage: bool,
    /// The newest lines come first.
    backwards: bool,
    /// The last lines before the block, with their runs, where blocks are as short as a followed log brings them.
    recent: VecDeque<(u32, TimedLine)>,
    /// There were more of them.
    recent_cut: bool,
}

/// So many of an input's last lines are kept, to tell which lines are out of order.
const RECENT_MAX: usize = 4 * EARLY_MAX;

/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 28;
const STEPS_A_LINE: u64 = 64;

impl<'a> Judge<'a> {
    /// A judge that has seen nothing, and shows each record to `observer`.
    pub(super) fn new(
        shared: &'a Shared,
        config: &'a AuditConfig,
        observer: Option<&'a mut dyn Observer>,
    ) -> Self {
        let names = Names(config.inputs.iter().map(Input::name).collect());
        Self {
            shared,
            config,
            accounts: Vec::new(),
            settled: Settled::default(),
            budget: Budget(STEPS_FREE),
            failures: 0,
            worn_out: false,
            strays: Findings::new(names.clone()),
            names,
            no_room: 0,
            lines: 0,
            evidence: Evidence::default(),
            how: Strictness {
                joins: config.follow,
                any_order: config.any_order,
                backwards: false,
                max_delay: config.max_delay,
            },
            file: u32::MAX,
            input: Reached::default(),
            others: HashMap::new(),
            blocks: 0,
            to_open: Vec::new(),
            held: Vec::new(),
            observer,
        }
    }

    /// Takes in a block; false when memory is at its limit.
    pub(super) fn take(&mut self, block: &Block, scanned: &Scanned) -> bool {
        let first_block = block.file != self.file && self.turn_to(block.file, scanned);
        let bytes = block.bytes();
        // Lines are counted where they begin.
        self.lines += u64::from(scanned.lines) + u64::from(!block.continues);
        self.lines -= u64::from(bytes.ends_with(b"\n"));
        self.budget.0 = self
            .budget
            .0
            .saturating_add(u64::from(scanned.lines) * STEPS_A_LINE);
        self.meet_runs();
        if self.memory_held() > self.config.memory {
            return false;
        }
        let goes_on = block.continues && self.input.in_damage;
        // Taken out, so that the place can look at it while accounts change.
        let recent = mem::take(&mut self.input.recent);
        let mut here = Here {
            scanned,
            block: bytes,
            attempt: 0,
            other: 0,
            file: self.file,
            base: self.input.lines + 1,
            whole: first_block || self.config.follow && !self.input.recent_cut,
            recent: &recent,
        };
        for (i, other) in scanned.others.iter().enumerate() {
            self.attempts(&mut here, other.after);
            if !(goes_on && i == 0 && is_rest(other)) {
                self.other(&here, other);
            }
            here.other = i + 1;
        }
        self.attempts(&mut here, scanned.attempts.len());
        let last = scanned.others.last();
        self.input.in_damage = matches!(
            last.map(|l| &l.what),
            Some(What::Suspect(_) | What::Foreign(_))
        ) && last.is_some_and(|last| last.after == scanned.attempts.len())
            && !bytes.ends_with(b"\n");
        self.input.recent = recent;
        if self.config.follow {
            self.keep_recent(scanned);
        }
        self.input.lines += u64::from(scanned.lines);
        self.blocks += 1;
        !self.blocks.is_multiple_of(16) || self.memory_used() <= self.config.memory
    }

    /// Goes on with another input; true where it is read for the first time.
    fn turn_to(&mut self, file: u32, scanned: &Scanned) -> bool {
        let next = self.others.remove(&file);
        let first = next.is_none();
        let before = mem::replace(&mut self.input, next.unwrap_or_default());
        self.others.insert(self.file, before);
        self.file = file;
        // Lines that arrive while they are logged come in the order of time.
        if first && !self.config.follow && stands_on_its_head(scanned) {
            self.input.backwards = true;
            self.evidence.backwards.insert(file);
        }
        self.how.backwards = self.input.backwards;
        if let (Some(observer), true) = (&mut self.observer, first) {
            observer.begins(self.how.backwards);
        }
        first
    }

    /// Keeps the last lines of a block, for what the next one may have to say of them.
    fn keep_recent(&mut self, scanned: &Scanned) {
        let (none, recent) = (VecDeque::new(), &mut self.input.recent);
        let here = Here {
            scanned,
            block: &[],
            attempt: 0,
            other: 0,
            file: self.file,
            base: self.input.lines + 1,
            whole: false,
            recent: &none,
        };
        let mut place = (scanned.attempts.len(), scanned.others.len());
        let lines = iter::from_fn(|| here.step_back(&mut place));
        let mut last: Vec<_> = lines.flatten().take(RECENT_MAX).collect();
        last.reverse();
        recent.extend(last);
        let more = recent.len().saturating_sub(RECENT_MAX);
        self.input.recent_cut |= more > 0 || scanned.attempts.len() > RECENT_MAX;
        recent.drain(..more);
    }

    /// About how many bytes the accounts take.
    pub(super) fn memory_used(&self) -> u64 {
        let accounts = self.accounts.iter().flatten();
        accounts.map(|account| account.memory()).sum()
    }

    fn meet_runs(&mut self) {
        let fallback = self.config.fallback.as_ref();
        let mut to_open = mem::take(&mut self.to_open);
        for run in self.shared.registry.behind(self.accounts.len()) {
            if fallback.is_some() && run.known().is_none() {
                self.shared.registry.adopt(&run, fallback);
            }
            let account = Box::new(RunAccount::new(run, self.config.memory, &self.names));
            if !account.open {
                to_open.push(self.accounts.len() as u32);
            }
            self.accounts.push(Some(account));
        }
        for run in to_open {
            let account = self.accounts[run as usize].as_mut();
            let Some(account) = account.filter(|account| account.run.known().is_some()) else {
                self.to_open.push(run);
                continue;
            };
            **account = RunAccount::new(Arc::clone(&account.run), self.config.memory, &self.names);
            self.release(run);
        }
    }

    /// Gives up hoping for the "Run started" of a run.
    pub(super) fn give_up(&mut self, run: &Run) {
        self.shared
            .registry
            .adopt(run, self.config.fallback.as_ref());
        self.meet_runs();
    }

    /// About how many bytes the lines take that are held back of runs whose "Run started" has not come yet.
    pub(super) fn memory_held(&self) -> u64 {
        (self.held.len() * size_of::<(u32, Held, Location)>()) as u64
    }

    /// Closes the account of a run, and lets go of what is kept of it.
    pub(super) fn close(&mut self, run: u32) -> Option<Box<RunAccount>> {
        let account = self.accounts[run as usize].take()?;
        self.shared.registry.release(&account.run);
        Some(account)
    }

    /// Judges what was held back of a run that is known now.
    fn release(&mut self, run: u32) {
        let held = mem::take(&mut self.held).into_iter();
        let (now, later) = held.partition(|(of, ..)| *of == run);
        self.held = later;
        for (_, held, at) in now {
            match held {
                Held::Attempt(attempt) => self.attempt(attempt, at, &Nowhere),
                Held::Record(record, received) => self.record(run, &record, received, at, &Nowhere),
            }
        }
    }

    /// Gives up hoping for a "Run started" of the runs that were met, and judges what was held back of them.
    pub(super) fn finish(&mut self) {
        let group = self.group();
        for account in self.accounts.iter().flatten() {
            let run = &account.run;
            if run.known().is_none() {
                let shard = group.as_ref();
                let shard = shard.and_then(|group| self.shard(run.index, group));
                let fallback = self.config.fallback.as_ref().or(shard.as_ref());
                self.shared.registry.adopt(run, fallback);
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
        let workers = held.filter_map(|(_, held, _)| match held {
            Held::Attempt(attempt) => Some(attempt.worker),
            Held::Record(record, _) => record.author.worker(),
        });
        let (lowest, highest) =
            workers.fold((u32::MAX, 0), |(low, high), n| (low.min(n), high.max(n)));
        let shard = Workload {
            shard: Shard::new(lowest / group.threads, group.shard.count())?,
            ..group.clone()
        };
        shard.workers().contains(&highest).then_some(shard)
    }

    /// Takes in the attempts of a block up to the one with the index `end`.
    fn attempts(&mut self, here: &mut Here<'_>, end: usize) {
        let attempts = &here.scanned.attempts[here.attempt..end];
        for attempt in attempts {
            let at = here.place(attempt.location);
            let Some(account) = &mut self.accounts[attempt.run as usize] else {
                self.settled.comes_late(
                    attempt.run,
                    Producer::Worker(attempt.worker),
                    attempt.seq,
                    at,
                    self.how.any_order,
                );
                here.attempt += 1;
                continue;
            };
            if account.open && attempt.planned.is_some() {
                if let Some(observer) = &mut self.observer {
                    observer.attempt(&account.run, attempt, at);
                }
                account.attempt(attempt, at, self.how, &mut self.budget, here);
            } else if account.open {
                self.attempt(*attempt, at, here);
            } else {
                self.held.push((attempt.run, Held::Attempt(*attempt), at));
            }
            here.attempt += 1;
        }
        if let Some(last) = attempts.last() {
            self.input.last_run = Some(last.run);
            self.evidence.inputs.entry(self.file).or_default().0 += attempts.len() as u64;
        }
    }

    /// Takes in an attempt that was read when its run was not known.
    #[cold]
    fn attempt(&mut self, mut attempt: Attempt, at: Location, around: &impl Surroundings) {
        let Some(account) = &mut self.accounts[attempt.run as usize] else {
            return;
        };
        attempt.planned = attempt.is_planned(&account.run);
        if let Some(observer) = &mut self.observer {
            observer.attempt(&account.run, &attempt, at);
        }
        account.attempt(&attempt, at, self.how, &mut self.budget, around);
    }

    fn record(
        &mut self,
        run: u32,
        record: &Record,
        received: u64,
        at: Location,
        around: &impl Surroundings,
    ) {
        let Some(account) = &mut self.accounts[run as usize] else {
            let any_order = self.how.any_order;
            return self
                .settled
                .comes_late(run, record.author, record.seq, at, any_order);
        };
        if let Some(attempt) = Attempt::of_record(record, &account.run, BlockLocation::default()) {
            return self.attempt(attempt, at, around);
        }
        if let Some(observer) = &mut self.observer {
            observer.event(&account.run, record, at);
        }
        account.event(record, received, at, self.how, &mut self.budget, around);
    }

    #[cold]
    fn other(&mut self, here: &Here<'_>, other: &Other) {
        let at = here.place(other.location);
        match &other.what {
            What::Record(run, record) => {
                self.input.last_run = Some(*run);
                self.evidence.inputs.entry(self.file).or_default().0 += 1;
                if self.accounts[*run as usize]
                    .as_ref()
                    .is_none_or(|account| account.open)
                {
                    self.record(*run, record, other.received, at, here);
                } else {
                    let held = Held::Record(record.clone(), other.received);
                    self.held.push((*run, held, at));
                }
            }
            What::Suspect(suspect) => {
                let next = here.scanned.attempts.get(other.after);
                let beside = [here.other.wrapping_sub(1), here.other + 1].map(|i| {
                    let there = here.scanned.others.get(i)?;
                    match &there.what {
                        What::Suspect(suspect) if there.after == other.after => Some(&**suspect),
                        _ => None,
                    }
                });
                let beside: Vec<&Suspect> = beside.into_iter().flatten().collect();
                self.suspect(suspect, next.map(|attempt| attempt.run), &beside, at);
            }
            What::Foreign(foreign) => self.foreign(foreign, at),
            What::NoRoom => self.no_room += 1,
        }
    }

    fn suspect(
        &mut self,
        suspect: &Suspect,
        next_run: Option<u32>,
        beside: &[&Suspect],
        at: Location,
    ) {
        let near = self.input.last_run.or(next_run);
        let mut diagnostician = Diagnostician {
            accounts: &mut self.accounts,
            registry: &self.shared.registry,
            budget: &mut self.budget,
            failures: &mut self.failures,
            worn_out: &mut self.worn_out,
        };
        let diagnosis = diagnostician.diagnose(suspect, near, beside);
        let damage = |line, changes: Option<_>, sure| Damage {
            line,
            changes,
            sure,
            guessed: false,
            length: suspect.line_length,
            at,
            text: excerpt(&suspect.bytes),
        };
        match diagnosis {
            Diagnosis::Altered(record, changes) => {
                if let Some(event) = &record.event
                    && event.workload().is_some()
                {
                    // A damaged "Run started" still says what is expected of its run.
                    self.shared.registry.start(record.run, event);
                }
                let Some(run) = self.shared.registry.get(record.run).map(|run| run.index) else {
                    return;
                };
                self.meet_runs();
                self.input.last_run = Some(run);
                let line = Some((record.author, record.seq));
                self.damaged(run, damage(line, Some(changes), true));
                self.record(run, &record, 0, at, &Nowhere);
            }
            Diagnosis::Unsure(run, line, changes) => {
                self.damaged(run, damage(Some(line), Some(changes), false));
            }
            Diagnosis::Truncated(run, line, guessed) => match run {
                Some(run) => {
                    let damage = damage(line, None, false);
                    self.damaged(run, Damage { guessed, ..damage });
                }
                None => self.unexpected(1, NO_LINE, at, &suspect.bytes),
            },
            Diagnosis::Unknown => self.unexpected(1, NO_LINE, at, &suspect.bytes),
        }
    }

    fn damaged(&mut self, run: u32, damage: Damage) {
        match &mut self.accounts[run as usize] {
            Some(account) => account.damaged(damage),
            // Of a run that has all of its lines.
            None => {
                if let Some(findings) = self.settled.findings(run, 1) {
                    let damage = Damage {
                        line: None,
                        ..damage
                    };
                    findings.add(Kind::Truncated, 1, |names| damage.finding(names));
                }
            }
        }
    }

    /// Takes in lines that are not the program's.
    fn foreign(&mut self, foreign: &Foreign, at: Location) {
        let evidence = &mut self.evidence;
        match foreign.note {
            Some(Note::Blank | Note::Banner | Note::Summary) => {}
            Some(Note::Hole(bytes)) => {
                evidence.hole.get_or_insert((bytes, self.names.place(at)));
            }
            Some(Note::Dropped(Some(0))) => {}
            Some(Note::Dropped(lines)) => {
                let dropped = evidence.dropped.get_or_insert(Dropped::first(at));
                dropped.notes += foreign.count;
                let lines = lines.unwrap_or(0).saturating_mul(foreign.count);
                dropped.lines = dropped.lines.saturating_add(lines);
            }
            Some(Note::Compressed) => {
                self.unexpected(
                    foreign.count,
                    "compressed data between the lines",
                    at,
                    &foreign.text,
                );
            }
            None => {
                evidence.inputs.entry(at.file).or_default().1 += foreign.count;
                if !self.config.allow_foreign {
                    self.unexpected(foreign.count, NO_LINE, at, &foreign.text);
                }
            }
        }
    }

    /// Takes in so many lines that nothing predicts, in the midst of a run's lines or of none's.
    fn unexpected(&mut self, count: u64, why: &'static str, at: Location, text: &[u8]) {
        let unreadable = &mut self.evidence.unreadable;
        unreadable.get_or_insert_with(|| (excerpt(text), self.names.place(at)));
        if let Some(run) = self.input.last_run {
            let findings = match &mut self.accounts[run as usize] {
                Some(account) => Some(&mut account.findings),
                None => self.settled.findings(run, count),
            };
            return findings
                .map(|findings| findings.unexpected(count, why, at, || excerpt(text)))
                .unwrap_or_default();
        }
        let why = "it belongs to no run that is known";
        self.strays.unexpected(count, why, at, || excerpt(text));
    }
}

/// Whether the newest lines come first: the numbers of nearly every producer fall.
fn stands_on_its_head(scanned: &Scanned) -> bool {
    let attempts = scanned.attempts.iter().map(|attempt| {
        let producer = Producer::Worker(attempt.worker);
        (attempt.run, producer, attempt.seq)
    });
    let records = scanned.others.iter().filter_map(|other| match &other.what {
        What::Record(run, record) => Some((*run, record.author, record.seq)),
        _ => None,
    });
    let mut last = HashMap::new();
    let (mut rises, mut falls) = (0, 0);
    for (run, producer, seq) in attempts.take(4096).chain(records.take(4096)) {
        if let Some(before) = last.insert((run, producer), seq) {
            rises += u32::from(seq > before);
            falls += u32::from(seq < before);
        }
    }
    falls > 2 && falls > 4 * rises
}

/// Whether this is more of the damage before it, and no line that begins there.
fn is_rest(other: &Other) -> bool {
    other.after == 0
        && other.location.offset == 0
        && match &other.what {
            What::Suspect(suspect) => !starts_here(&suspect.bytes),
            What::Foreign(foreign) => foreign.count == 1,
            _ => false,
        }
}

/// A place in a block.
struct Here<'a> {
    scanned: &'a Scanned,
    block: &'a [u8],
    /// How many attempts, and how many others, stand in front.
    attempt: usize,
    other: usize,
    file: u32,
    /// The number of the block's first line.
    base: u64,
    /// All lines of the input that stand in front of the block are known: these.
    whole: bool,
    recent: &'a VecDeque<(u32, TimedLine)>,
}

impl Here<'_> {
    #[inline]
    fn place(&self, location: BlockLocation) -> Location {
        Location {
            file: self.file,
            line: self.base + u64::from(location.line),
        }
    }

    /// What stands directly in front of so many attempts and others in the block, if it is a record; and its run.
    fn step_back(&self, place: &mut (usize, usize)) -> Option<Option<(u32, TimedLine)>> {
        let (attempts, others) = *place;
        if let Some(found) = others.checked_sub(1).map(|i| &self.scanned.others[i])
            && found.after >= attempts
        {
            place.1 -= 1;
            let What::Record(run, record) = &found.what else {
                return Some(None);
            };
            let line = TimedLine {
                stamp: record.stamp,
                producer: record.author,
                seq: record.seq,
                at: self.place(found.location),
            };
            return Some(Some((*run, line)));
        }
        place.0 = attempts.checked_sub(1)?;
        let found = &self.scanned.attempts[place.0];
        let line = TimedLine {
            stamp: found.stamp,
            producer: Producer::Worker(found.worker),
            seq: found.seq,
            at: self.place(found.location),
        };
        Some(Some((found.run, line)))
    }
}

impl Surroundings for Here<'_> {
    fn text(&self) -> String {
        let attempt = self.scanned.attempts.get(self.attempt).map(|a| a.location);
        let other = self.scanned.others.get(self.other);
        let location = match other {
            Some(other) if other.after == self.attempt => Some(other.location),
            _ => attempt,
        };
        let rest = &self.block[location.map_or(0, |location| location.offset as usize)..];
        excerpt(rest.split(|b| *b == b'\n').next().unwrap_or(rest))
    }

    fn before(&self, run: u32) -> impl Iterator<Item = Option<TimedLine>> {
        let mut place = (self.attempt, self.other);
        let here = iter::from_fn(move || self.step_back(&mut place)).flatten();
        let lines = here.chain(self.recent.iter().rev().copied());
        let lines = lines.filter(move |(of, _)| *of == run);
        let rest = (!self.whole).then_some(None);
        lines.map(|(_, line)| Some(line)).chain(rest)
    }
}

/// What is known of the place of a record that was held back, or that had to be put right.
struct Nowhere;

impl Surroundings for Nowhere {
    fn text(&self) -> String {
        String::new()
    }

    fn before(&self, _: u32) -> impl Iterator<Item = Option<TimedLine>> {
        iter::once(None)
    }
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
