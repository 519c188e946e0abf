//! What was found in the blocks, in the order of the input, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted, damaged lines are
//! given to a run, inputs that stand on their head are noticed, and memory is watched over.

use std::{
    collections::{BTreeSet, HashMap},
    iter, mem,
    sync::Arc,
};

use super::{
    AuditConfig, Observer,
    account::{Account, Damage, NO_LINE, Strictness, Surroundings},
    attempt::Attempt,
    cursor::Budget,
    damage::{Diagnosis, Diagnostician},
    findings::{Detail, Entry, Findings, Kind, Location},
    group::same_run,
    input::Block,
    record::{Producer, Record, starts_here},
    registry::Run,
    scanned::{BlockLocation, Foreign, Note, Other, Scanned, Suspect, What},
    shared::Shared,
    time_order::Line,
};
use crate::plan::workload::{Shard, Workload};

/// What is held back until its run is known.
enum Held {
    Attempt(Attempt),
    Record(Box<Record>, u64),
}

/// What the log shows besides records: it may tell why some are missing.
#[derive(Debug, Default)]
pub struct Evidence {
    /// How many NUL bytes lie in a hole, and where.
    pub hole: Option<(u64, Location)>,
    /// A note that lines were dropped, how many where it says so, and where it stands.
    pub dropped: Option<(Option<u64>, Location)>,
    /// The first piece that could not be read as a record, and where it stands.
    pub unreadable: Option<(String, Location)>,
    /// Inputs that stand on their head.
    pub backwards: BTreeSet<u32>,
    /// Of each input how many records it holds, and how many lines that are none.
    pub inputs: HashMap<u32, (u64, u64)>,
}

/// Takes in blocks, in order.
pub struct Judge<'a> {
    shared: &'a Shared,
    config: &'a AuditConfig,
    /// The accounts, in the order of the registry.
    pub accounts: Vec<Account>,
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
    /// Newlines before the block, in this file.
    line_base: u64,
    blocks: u64,
    /// The run of the last line that could be read.
    last_run: Option<u32>,
    /// Records of runs whose "Run started" has not come yet.
    held: Vec<(u32, Held, Location)>,
    /// The last block ended within a line that is damaged there.
    in_damage: bool,
    observer: Option<&'a mut dyn Observer>,
}

/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 28;
const STEPS_A_LINE: u64 = 64;

impl<'a> Judge<'a> {
    /// A judge that has seen nothing, and shows each record to `observer`.
    pub fn new(
        shared: &'a Shared,
        config: &'a AuditConfig,
        observer: Option<&'a mut dyn Observer>,
    ) -> Self {
        Self {
            shared,
            config,
            accounts: Vec::new(),
            budget: Budget(STEPS_FREE),
            failures: 0,
            worn_out: false,
            strays: Findings::default(),
            no_room: 0,
            lines: 0,
            evidence: Evidence::default(),
            how: Strictness {
                any_order: config.any_order,
                backwards: false,
                max_delay: config.max_delay,
            },
            file: u32::MAX,
            line_base: 0,
            blocks: 0,
            last_run: None,
            held: Vec::new(),
            in_damage: false,
            observer,
        }
    }

    /// Takes in a block; false when memory is at its limit.
    pub fn take(&mut self, block: &Block, scanned: &Scanned) -> bool {
        let first_block = block.file != self.file;
        if first_block {
            self.file = block.file;
            self.line_base = 0;
            self.last_run = None;
            self.how.backwards = stands_on_its_head(scanned);
            if self.how.backwards {
                self.evidence.backwards.insert(block.file);
            }
            if let Some(observer) = &mut self.observer {
                observer.begins(self.how.backwards);
            }
        }
        let bytes = block.bytes();
        // Lines are counted where they begin.
        self.lines += u64::from(scanned.lines) + u64::from(!block.continues);
        self.lines -= u64::from(bytes.ends_with(b"\n"));
        self.budget.0 = self
            .budget
            .0
            .saturating_add(u64::from(scanned.lines) * STEPS_A_LINE);
        self.meet_runs();
        if (self.held.len() * size_of::<(u32, Held, Location)>()) as u64 > self.config.memory {
            return false;
        }
        let goes_on = block.continues && self.in_damage;
        let mut here = Here {
            scanned,
            block: bytes,
            attempt: 0,
            other: 0,
            file: self.file,
            base: self.line_base + 1,
            first_block,
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
        self.in_damage = matches!(
            last.map(|l| &l.what),
            Some(What::Suspect(_) | What::Foreign(_))
        ) && last.is_some_and(|last| last.after == scanned.attempts.len())
            && !bytes.ends_with(b"\n");
        self.line_base += u64::from(scanned.lines);
        self.blocks += 1;
        !self.blocks.is_multiple_of(16) || self.memory_used() <= self.config.memory
    }

    /// About how many bytes the accounts take.
    fn memory_used(&self) -> u64 {
        self.accounts.iter().map(Account::memory).sum()
    }

    fn meet_runs(&mut self) {
        let fallback = self.config.fallback.as_ref();
        let runs: Vec<Arc<Run>> = self.shared.registry.all();
        for run in runs.into_iter().skip(self.accounts.len()) {
            if fallback.is_some() && run.known().is_none() {
                self.shared.registry.adopt(&run, fallback);
            }
            self.accounts.push(Account::new(run, self.config.memory));
        }
        for i in 0..self.accounts.len() {
            let account = &mut self.accounts[i];
            if !account.open && account.run.known().is_some() {
                *account = Account::new(Arc::clone(&account.run), self.config.memory);
                self.release(i as u32);
            }
        }
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
    pub fn finish(&mut self) {
        let group = self.group();
        for i in 0..self.accounts.len() {
            let run = Arc::clone(&self.accounts[i].run);
            if run.known().is_none() {
                let shard = group.as_ref().and_then(|group| self.shard(i as u32, group));
                let fallback = self.config.fallback.as_ref().or(shard.as_ref());
                self.shared.registry.adopt(&run, fallback);
            }
        }
        self.meet_runs();
    }

    /// The configuration of the one group that all shards belong to whose "Run started" was found.
    fn group(&self) -> Option<Workload> {
        let workloads = self
            .accounts
            .iter()
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
            let account = &mut self.accounts[attempt.run as usize];
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
            self.last_run = Some(last.run);
            self.evidence.inputs.entry(self.file).or_default().0 += attempts.len() as u64;
        }
    }

    /// Takes in an attempt that was read when its run was not known.
    #[cold]
    fn attempt(&mut self, mut attempt: Attempt, at: Location, around: &impl Surroundings) {
        let account = &mut self.accounts[attempt.run as usize];
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
        let account = &mut self.accounts[run as usize];
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
                self.last_run = Some(*run);
                self.evidence.inputs.entry(self.file).or_default().0 += 1;
                if self.accounts[*run as usize].open {
                    self.record(*run, record, other.received, at, here);
                } else {
                    let held = Held::Record(record.clone(), other.received);
                    self.held.push((*run, held, at));
                }
            }
            What::Suspect(suspect) => {
                let next = here.scanned.attempts.get(other.after);
                self.suspect(suspect, next.map(|attempt| attempt.run), at);
            }
            What::Foreign(foreign) => self.foreign(foreign, at),
            What::NoRoom => self.no_room += 1,
        }
    }

    fn suspect(&mut self, suspect: &Suspect, next_run: Option<u32>, at: Location) {
        let near = self.last_run.or(next_run);
        let mut diagnostician = Diagnostician {
            accounts: &mut self.accounts,
            registry: &self.shared.registry,
            budget: &mut self.budget,
            failures: &mut self.failures,
            worn_out: &mut self.worn_out,
        };
        let diagnosis = diagnostician.diagnose(suspect, near);
        let damage = |line, changes, sure| Damage {
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
                    self.meet_runs();
                }
                let Some(run) = self.shared.registry.get(record.run).map(|run| run.index) else {
                    return;
                };
                self.last_run = Some(run);
                let line = Some((record.author, record.seq));
                self.accounts[run as usize].damaged(damage(line, Some(changes), true));
                self.record(run, &record, 0, at, &Nowhere);
            }
            Diagnosis::Unsure(run, line, changes) => {
                self.accounts[run as usize].damaged(damage(Some(line), Some(changes), false));
            }
            Diagnosis::Truncated(run, line, guessed) => match run {
                Some(run) => self.accounts[run as usize].damaged(Damage {
                    guessed,
                    ..damage(line, None, false)
                }),
                None => self.unexpected(1, NO_LINE, at, &suspect.bytes),
            },
            Diagnosis::Unknown => self.unexpected(1, NO_LINE, at, &suspect.bytes),
        }
    }

    /// Takes in lines that are not the program's.
    fn foreign(&mut self, foreign: &Foreign, at: Location) {
        let evidence = &mut self.evidence;
        match foreign.note {
            Some(Note::Blank | Note::Banner | Note::Summary) => {}
            Some(Note::Hole(bytes)) => {
                evidence.hole.get_or_insert((bytes, at));
            }
            Some(Note::Dropped(lines)) => {
                evidence.dropped.get_or_insert((lines, at));
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
        unreadable.get_or_insert_with(|| (excerpt(text), at));
        if let Some(run) = self.last_run {
            return self.accounts[run as usize].unexpected(count, why, at, || excerpt(text));
        }
        self.strays.add_alone(Kind::Unexpected, count, || Entry {
            producers: Vec::new(),
            numbers: None,
            count,
            at: Some(at),
            detail: Detail::Words("it belongs to no run that is known".into(), excerpt(text)),
        });
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
    /// Nothing of the input stands in front of the block.
    first_block: bool,
}

impl Here<'_> {
    #[inline]
    fn place(&self, location: BlockLocation) -> Location {
        Location {
            file: self.file,
            line: self.base + u64::from(location.line),
        }
    }

    /// What stands directly in front of so many attempts and others, if it is a record of `run`.
    fn step_back(&self, run: u32, place: &mut (usize, usize)) -> Option<Option<Line>> {
        let (attempts, others) = *place;
        if let Some(found) = others.checked_sub(1).map(|i| &self.scanned.others[i])
            && found.after >= attempts
        {
            place.1 -= 1;
            let What::Record(of, record) = &found.what else {
                return Some(None);
            };
            return Some((*of == run).then(|| Line {
                stamp: record.stamp,
                producer: record.author,
                seq: record.seq,
                at: self.place(found.location),
            }));
        }
        place.0 = attempts.checked_sub(1)?;
        let found = &self.scanned.attempts[place.0];
        Some((found.run == run).then(|| Line {
            stamp: found.stamp,
            producer: Producer::Worker(found.worker),
            seq: found.seq,
            at: self.place(found.location),
        }))
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

    fn before(&self, run: u32) -> impl Iterator<Item = Option<Line>> {
        let mut place = (self.attempt, self.other);
        let mut more = !self.first_block;
        iter::from_fn(move || {
            while let Some(line) = self.step_back(run, &mut place) {
                if line.is_some() {
                    return Some(line);
                }
            }
            mem::take(&mut more).then_some(None)
        })
    }
}

/// What is known of the place of a record that was held back, or that had to be put right.
struct Nowhere;

impl Surroundings for Nowhere {
    fn text(&self) -> String {
        String::new()
    }

    fn before(&self, _: u32) -> impl Iterator<Item = Option<Line>> {
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
