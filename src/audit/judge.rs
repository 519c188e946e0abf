//! The blocks' lines, in the order of the file, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted,
//! damaged lines are given to a run, and memory is watched over.

use std::sync::Arc;

use super::{
    Observer,
    account::{Account, Damage, NO_LINE, Stray},
    attempt::Attempt,
    diagnose::{self, Diagnosis},
    input::Block,
    record::{Record, starts_here},
    registry::Run,
    route::Budget,
    scanned::{BlockLocation, Other, Scanned, What},
    shared::Shared,
    spans::Location,
};
use crate::plan::workload::Workload;

/// What is held back until its run is known.
enum Held {
    Attempt(Attempt),
    Record(Box<Record>),
}

/// How many damaged lines that belong to no run are kept.
const STRAYS_MAX: usize = 1000;

/// Takes in blocks, in order.
pub struct Judge<'a> {
    /// What all blocks share.
    pub shared: &'a Shared,
    memory: u64,
    /// The accounts, in the order of the registry.
    pub accounts: Vec<Account>,
    /// Steps of plans that may still be computed.
    pub budget: Budget,
    /// Damaged lines that belong to no run.
    pub strays: Vec<Stray>,
    /// How many there are.
    pub stray_count: u64,
    /// Lines of runs that there was no room for.
    pub homeless: u64,
    /// Lines so far.
    pub lines: u64,
    file: u32,
    /// Newlines before the block, in this file.
    line_base: u64,
    blocks: u64,
    /// The run of the last line that could be read.
    last_run: Option<u32>,
    /// The configuration of runs whose "Run started" is lost.
    fallback: Option<&'a Workload>,
    /// Records of runs whose "Run started" has not come yet.
    held: Vec<(u32, Held, Location)>,
    /// The last block ended within a line that is damaged there.
    in_damage: bool,
    observer: Option<&'a mut dyn Observer>,
}

/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 27;
const STEPS_A_LINE: u64 = 64;

impl<'a> Judge<'a> {
    /// A judge that has seen nothing, takes at most `memory` bytes, and shows each record to `observer`.
    pub fn new(
        shared: &'a Shared,
        memory: u64,
        fallback: Option<&'a Workload>,
        observer: Option<&'a mut dyn Observer>,
    ) -> Self {
        Self {
            shared,
            memory,
            accounts: Vec::new(),
            budget: Budget(STEPS_FREE),
            strays: Vec::new(),
            stray_count: 0,
            homeless: 0,
            lines: 0,
            file: u32::MAX,
            line_base: 0,
            blocks: 0,
            last_run: None,
            fallback,
            held: Vec::new(),
            in_damage: false,
            observer,
        }
    }

    /// Takes in a block; false when memory is at its limit.
    pub fn take(&mut self, block: &Block, scanned: &Scanned) -> bool {
        if block.file != self.file {
            self.file = block.file;
            self.line_base = 0;
            self.last_run = None;
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
        if (self.held.len() * size_of::<(u32, Held, Location)>()) as u64 > self.memory {
            return false;
        }
        let goes_on = block.continues && self.in_damage;
        let mut done = 0;
        for (i, odd) in scanned.others.iter().enumerate() {
            self.attempts(&scanned.attempts[done..odd.after], bytes);
            done = odd.after;
            if !(goes_on && i == 0 && is_rest(odd)) {
                self.odd(odd, bytes, scanned);
            }
        }
        self.attempts(&scanned.attempts[done..], bytes);
        let last = scanned.others.last().map(|odd| &odd.what);
        self.in_damage = matches!(last, Some(What::Suspect(_) | What::Foreign(_)))
            && done == scanned.attempts.len()
            && !bytes.ends_with(b"\n");
        self.line_base += u64::from(scanned.lines);
        self.blocks += 1;
        !self.blocks.is_multiple_of(16) || self.memory_used() <= self.memory
    }

    /// About how many bytes the accounts take.
    pub fn memory_used(&self) -> u64 {
        self.accounts.iter().map(Account::memory).sum()
    }

    fn meet_runs(&mut self) {
        let runs: Vec<Arc<Run>> = self.shared.registry.all();
        for run in runs.into_iter().skip(self.accounts.len()) {
            if self.fallback.is_some() && run.known().is_none() {
                self.shared.registry.adopt(&run, self.fallback);
            }
            self.accounts.push(Account::new(run, self.memory));
        }
        for i in 0..self.accounts.len() {
            let account = &mut self.accounts[i];
            if !account.open && account.run.known().is_some() {
                *account = Account::new(Arc::clone(&account.run), self.memory);
                self.release(i as u32);
            }
        }
    }

    /// Judges what was held back of a run that is known now.
    fn release(&mut self, run: u32) {
        let (now, later) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(of, ..)| *of == run);
        self.held = later;
        for (_, held, at) in now {
            self.account_for(run, held, at, String::new);
        }
    }

    /// Takes in a record whose run is known.
    fn account_for(&mut self, run: u32, held: Held, at: Location, text: impl FnOnce() -> String) {
        let account = &mut self.accounts[run as usize];
        match held {
            Held::Attempt(mut attempt) => {
                attempt.planned = attempt.is_planned(&account.run);
                if let Some(observer) = &mut self.observer {
                    observer.attempt(&account.run, &attempt, at);
                }
                account.attempt(&attempt, at, &mut self.budget, text);
            }
            Held::Record(record) => {
                match Attempt::of_record(&record, &account.run, BlockLocation::default()) {
                    Some(attempt) => {
                        if let Some(observer) = &mut self.observer {
                            observer.attempt(&account.run, &attempt, at);
                        }
                        account.attempt(&attempt, at, &mut self.budget, text);
                    }
                    None => {
                        if let Some(observer) = &mut self.observer {
                            observer.event(&account.run, &record, at);
                        }
                        account.told(&record, at, text);
                    }
                }
            }
        }
    }

    /// Gives up hoping for a "Run started" of the runs that were met, and judges what was held back of them.
    pub fn finish(&mut self) {
        for i in 0..self.accounts.len() {
            let run = Arc::clone(&self.accounts[i].run);
            if run.known().is_none() {
                self.shared.registry.adopt(&run, self.fallback);
            }
        }
        self.meet_runs();
    }

    fn spot(&self, spot: BlockLocation) -> Location {
        Location {
            file: self.file,
            line: self.line_base + u64::from(spot.line) + 1,
        }
    }

    fn attempts(&mut self, attempts: &[Attempt], block: &[u8]) {
        let (file, base) = (self.file, self.line_base + 1);
        for attempt in attempts {
            let at = Location {
                file,
                line: base + u64::from(attempt.location.line),
            };
            let account = &mut self.accounts[attempt.run as usize];
            if account.open && attempt.planned.is_some() {
                if let Some(observer) = &mut self.observer {
                    observer.attempt(&account.run, attempt, at);
                }
                account.attempt(attempt, at, &mut self.budget, || {
                    line_at(block, attempt.location)
                });
            } else if account.open {
                self.account_for(attempt.run, Held::Attempt(*attempt), at, || {
                    line_at(block, attempt.location)
                });
            } else {
                self.held.push((attempt.run, Held::Attempt(*attempt), at));
            }
        }
        if let Some(last) = attempts.last() {
            self.last_run = Some(last.run);
        }
    }

    #[cold]
    fn odd(&mut self, odd: &Other, block: &[u8], scanned: &Scanned) {
        let at = self.spot(odd.location);
        match &odd.what {
            What::Record(run, record) => {
                self.last_run = Some(*run);
                let held = Held::Record(record.clone());
                if self.accounts[*run as usize].open {
                    self.account_for(*run, held, at, || line_at(block, odd.location));
                } else {
                    self.held.push((*run, held, at));
                }
            }
            What::Suspect(suspect) => {
                let next_run = scanned.attempts.get(odd.after).map(|attempt| attempt.run);
                self.damaged(&suspect.bytes, next_run, at);
            }
            What::Foreign(foreign) => {
                let why = if foreign.text.is_empty() {
                    "an empty line"
                } else {
                    NO_LINE
                };
                self.stray(foreign.count, None, why, at, || excerpt(&foreign.text));
            }
            What::NoRoom => self.homeless += 1,
        }
    }

    fn damaged(&mut self, bytes: &[u8], next_run: Option<u32>, at: Location) {
        let near = self.last_run.or(next_run);
        let diagnosis = diagnose::diagnose(
            bytes,
            &mut self.accounts,
            near,
            self.shared,
            &mut self.budget,
        );
        let text = || excerpt(bytes);
        match diagnosis {
            Diagnosis::Altered {
                run,
                record,
                changes,
            } => {
                let slot = Some((record.author, record.seq));
                self.last_run = Some(run);
                let account = &mut self.accounts[run as usize];
                account.damaged(Damage {
                    slot,
                    changes: Some(changes),
                    sure: true,
                    at,
                    text: text(),
                });
                let spot = BlockLocation::default();
                match Attempt::of_record(&record, &account.run, spot) {
                    Some(attempt) => account.attempt(&attempt, at, &mut self.budget, text),
                    None => account.told(&record, at, text),
                }
            }
            Diagnosis::Unsure { run, slot, changes } => {
                self.accounts[run as usize].damaged(Damage {
                    slot: Some(slot),
                    changes: Some(changes),
                    sure: false,
                    at,
                    text: text(),
                });
            }
            Diagnosis::Truncated { run, slot } => match run.or(near) {
                Some(run) => self.accounts[run as usize].damaged(Damage {
                    slot,
                    changes: None,
                    sure: false,
                    at,
                    text: text(),
                }),
                None => self.stray(1, None, NO_LINE, at, text),
            },
            Diagnosis::Unknown if bytes.is_empty() => {
                self.stray(1, near, "an empty line", at, text)
            }
            Diagnosis::Unknown => self.stray(1, near, NO_LINE, at, text),
        }
    }

    /// Takes in so many pieces that nothing predicts, in the midst of a run's lines or of none's.
    fn stray(
        &mut self,
        count: u64,
        near: Option<u32>,
        why: &'static str,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        if let Some(run) = near.or(self.last_run) {
            return self.accounts[run as usize].strays(count, why, at, text);
        }
        self.stray_count += count;
        if self.strays.len() < STRAYS_MAX {
            self.strays.push(Stray {
                why: "it belongs to no run that is known",
                count,
                at,
                text: text(),
            });
        }
    }
}

/// Whether this is more of the damage before it, and no line that begins there.
fn is_rest(odd: &Other) -> bool {
    odd.after == 0
        && odd.location.offset == 0
        && match &odd.what {
            What::Suspect(suspect) => !starts_here(&suspect.bytes),
            What::Foreign(foreign) => foreign.count == 1,
            _ => false,
        }
}

/// The line at a spot of a block, as evidence.
fn line_at(block: &[u8], spot: BlockLocation) -> String {
    let rest = &block[spot.offset as usize..];
    let line = rest.split(|b| *b == b'\n').next().unwrap_or(rest);
    excerpt(line)
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
