//! What was found in the blocks, in the order of the input, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted, damaged lines are
//! given to a run, inputs that stand on their head are noticed, and memory is watched over.

mod causes;
mod changes;
pub(super) mod conclude;
mod damage;
mod evidence;
mod foreign;
mod group;
mod hints;
pub(super) mod merge;
pub(super) mod observer;
mod repair;
mod runs;

use std::collections::{BTreeMap, VecDeque};

use self::{
    conclude::Folded, evidence::Evidence, hints::Hints, observer::Observer, runs::HeldBack,
};
use super::{
    account::{arrivals::Arrival, cursor::Budget, run::RunAccount},
    config::AuditConfig,
    input::source::Input,
    records::{
        attempt::AttemptRecord,
        block::{Block, BlockLocation, Cut},
        record::{Producer, Record},
        scan::Scanner,
        scanned::{Foreign, Scanned, Suspect, What},
    },
    registry::Registry,
    verdict::{
        RunVerdict,
        findings::{Findings, Location, Names},
    },
};

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
    /// Lines and bytes so far.
    pub lines: u64,
    pub bytes: u64,
    /// What could not be read to its end.
    pub cut: Vec<Cut>,
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
    /// The damaged beginning of a line, if nothing came behind it: what comes may belong to it.
    beginning: Option<(Location, Hints)>,
    /// The run of the last line that could be read.
    last_run: Option<u32>,
    /// The newest lines come first.
    pub backwards: bool,
}

/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 28;
const STEPS_A_LINE: u64 = 64;
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
            bytes: 0,
            cut: Vec::new(),
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
        let bytes = &block.bytes[..];
        self.cut.extend(block.cut.clone());
        self.bytes += bytes.len() as u64;
        // Lines are counted where they begin.
        let begins = !block.continues && !bytes.is_empty();
        self.lines += u64::from(scanned.lines) + u64::from(begins);
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
                Scanner::new(self.registry).scan(block, &mut closely);
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
        self.input().backwards = block.backwards;
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

    /// Takes in attempts of a block that follow each other.
    fn attempts(&mut self, block: &[u8], attempts: &[AttemptRecord]) {
        if !attempts.is_empty() {
            self.end_header();
        }
        for attempt in attempts {
            let text = &block[attempt.location.offset as usize..];
            self.attempt(attempt, self.place(attempt.location), text);
        }
        if let Some(last) = attempts.last() {
            let input = self.input();
            input.last_run = Some(last.run);
            input.records += attempts.len() as u64;
        }
    }

    #[inline]
    fn attempt(&mut self, attempt: &AttemptRecord, at: Location, text: &[u8]) {
        let Some(account) = self.accounts[attempt.run as usize]
            .as_mut()
            .filter(|a| a.open)
        else {
            return self.hold(attempt.run, HeldBack::Attempt(*attempt), at, text);
        };
        let attempt = match attempt.planned {
            Some(_) => attempt,
            // It was read when its run was not known.
            None => &AttemptRecord {
                planned: attempt.is_planned(&account.run),
                ..*attempt
            },
        };
        if let Some(observer) = &mut self.observer
            && self.config.select.may_be(account.run.id)
        {
            observer.attempt(&account.run, attempt, at, self.backwards);
        }
        let arrival = Arrival {
            producer: Producer::Worker(attempt.worker),
            seq: attempt.seq,
            stamp: attempt.stamp,
            at,
            received: attempt.received,
            config: self.config,
            backwards: self.backwards,
            budget: &self.budget,
            text,
        };
        account.attempt(attempt, &arrival);
    }

    fn record(&mut self, run: u32, record: &Record, received: u64, at: Location, text: &[u8]) {
        let Some(account) = self.accounts[run as usize].as_mut().filter(|a| a.open) else {
            let held = HeldBack::Record(Box::new(record.clone()), received);
            return self.hold(run, held, at, text);
        };
        if let Some(attempt) =
            AttemptRecord::of_record(record, &account.run, received, BlockLocation::default())
        {
            return self.attempt(&attempt, at, text);
        }
        if let Some(observer) = &mut self.observer
            && self.config.select.may_be(account.run.id)
        {
            observer.event(&account.run, record, at, self.backwards);
        }
        let arrival = Arrival {
            producer: record.author,
            seq: record.seq,
            stamp: record.stamp,
            at,
            received,
            config: self.config,
            backwards: self.backwards,
            budget: &self.budget,
            text,
        };
        account.event(record, &arrival);
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
                let text = &block[other.location.offset as usize..];
                self.record(*run, record, other.received, at, text);
            }
            What::Suspect(suspect) => {
                let next = scanned.attempts.get(other.after);
                if self.waits_for_a_run() {
                    self.early.push((suspect.clone(), at));
                    self.early_bytes += suspect.bytes.len();
                } else {
                    self.judge_early();
                    self.suspect(suspect.clone(), next.map(|attempt| attempt.run), at);
                }
            }
            What::Foreign(foreign) => self.foreign(foreign, at),
            What::NoRoom => self.no_room += 1,
        }
    }
}
