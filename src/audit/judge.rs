//! The blocks' lines, in the order of the file, handed to the accounts of their runs.
//!
//! This is the one place that sees lines of all runs one after the other: here line numbers are counted,
//! damaged lines are given to a run, and memory is watched over.

use std::sync::Arc;

use super::{
    Observer,
    account::{Account, Damage, NO_LINE, Stray},
    attempt::{Attempt, BlockSpot},
    diagnose::{self, Diagnosis},
    input::Block,
    record::{Author, starts_here},
    registry::Run,
    route::Budget,
    scan::{Odd, Scanned, What},
    shared::Shared,
    spans::Spot,
    verdict::Change,
};

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
    /// The last attempt or other line that was read, for the case that its newline is lost.
    last_slot: Option<(Author, u64)>,
    /// The last block ended within a line that is damaged there.
    in_damage: bool,
    observer: Option<&'a mut dyn Observer>,
}

/// Steps that are allowed whatever is read, and steps for each line that is read.
const STEPS_FREE: u64 = 1 << 27;
const STEPS_A_LINE: u64 = 64;

impl<'a> Judge<'a> {
    /// A judge that has seen nothing, takes at most `memory` bytes, and shows each record to `observer`.
    pub fn new(shared: &'a Shared, memory: u64, observer: Option<&'a mut dyn Observer>) -> Self {
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
            last_slot: None,
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
            self.last_slot = None;
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
        let goes_on = block.continues && self.in_damage;
        let mut done = 0;
        for (i, odd) in scanned.odds.iter().enumerate() {
            self.attempts(&scanned.attempts[done..odd.after], bytes);
            done = odd.after;
            if !(goes_on && i == 0 && is_rest(odd)) {
                self.odd(odd, bytes, scanned);
            }
        }
        self.attempts(&scanned.attempts[done..], bytes);
        let last = scanned.odds.last().map(|odd| &odd.what);
        self.in_damage = matches!(last, Some(What::Damaged(_) | What::Noise(_)))
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
            self.accounts.push(Account::new(run, self.memory));
        }
    }

    fn spot(&self, spot: BlockSpot) -> Spot {
        Spot {
            file: self.file,
            line: self.line_base + u64::from(spot.line) + 1,
        }
    }

    fn attempts(&mut self, attempts: &[Attempt], block: &[u8]) {
        let (file, base) = (self.file, self.line_base + 1);
        for attempt in attempts {
            let at = Spot {
                file,
                line: base + u64::from(attempt.spot.line),
            };
            let account = &mut self.accounts[attempt.run as usize];
            if let Some(observer) = &mut self.observer {
                observer.attempt(&account.run, attempt, at);
            }
            account.attempt(attempt, at, &mut self.budget, || {
                line_at(block, attempt.spot)
            });
        }
        if let Some(last) = attempts.last() {
            self.last_run = Some(last.run);
            self.last_slot = Some((Author::Worker(last.worker), last.seq));
        }
    }

    #[cold]
    fn odd(&mut self, odd: &Odd, block: &[u8], scanned: &Scanned) {
        let at = self.spot(odd.spot);
        match &odd.what {
            What::Told(run, record) => {
                self.last_run = Some(*run);
                self.last_slot = Some((record.author, record.seq));
                let account = &mut self.accounts[*run as usize];
                if let Some(observer) = &mut self.observer {
                    observer.event(&account.run, record, at);
                }
                account.told(record, at, || line_at(block, odd.spot));
            }
            What::Joined(found) => self.joined(found, at),
            What::Damaged(bytes) => {
                let next_run = scanned.attempts.get(odd.after).map(|attempt| attempt.run);
                self.damaged(bytes, next_run, at);
            }
            What::Noise(count) => {
                self.stray(*count, None, NO_LINE, at, || line_at(block, odd.spot))
            }
            What::Homeless => self.homeless += 1,
        }
    }

    /// The newline behind the last line that was read is lost.
    fn joined(&mut self, found: &[u8], at: Spot) {
        let Some(run) = self.last_run else {
            return;
        };
        self.accounts[run as usize].damaged(Damage {
            slot: self.last_slot,
            changes: Some(vec![Change {
                field: "newline".into(),
                expected: Some("\\n".into()),
                found: excerpt(found),
            }]),
            sure: true,
            at,
            text: String::new(),
        });
    }

    fn damaged(&mut self, bytes: &[u8], next_run: Option<u32>, at: Spot) {
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
                self.last_slot = slot;
                let account = &mut self.accounts[run as usize];
                account.damaged(Damage {
                    slot,
                    changes: Some(changes),
                    sure: true,
                    at,
                    text: text(),
                });
                let spot = BlockSpot { line: 0, offset: 0 };
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
        at: Spot,
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
fn is_rest(odd: &Odd) -> bool {
    odd.after == 0
        && odd.spot.offset == 0
        && matches!(&odd.what, What::Damaged(bytes) if !starts_here(bytes))
}

/// The line at a spot of a block, as evidence.
fn line_at(block: &[u8], spot: BlockSpot) -> String {
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
