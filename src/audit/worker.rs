//! The account of one worker: which of its planned attempts the log holds, in which order.
//!
//! As long as its lines come in order the account is a [`Walk`] along the plan; what is missing behind it
//! is a set, and what comes out of order finds its place by an [`Index`]. This file must not know files,
//! nor what other workers do.

use super::{
    attempt::{Attempt, Kind},
    record::Record,
    route::{Budget, Index, Located, Walk},
    seen::SparseSet,
    spans::Location,
};
use crate::{
    log::event::Event,
    plan::workload::Micros,
    plan::{Outcome, Position, Rules},
};

/// A gap that is longer than this is not walked through on the chance that the line behind it is true.
const SHORT: u64 = 64;

/// What an attempt's line is to its worker's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is the next one, or one that had not been seen.
    New {
        /// The first sequence number that was passed over, when some were.
        gap_from: Option<u64>,
    },
    /// It is there already.
    Duplicate,
    /// The plan has something else there.
    OffPlan,
    /// It is too far from the other lines to be judged.
    TooFar,
}

/// A worker's account.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Behind the highest attempt that was seen.
    pub walk: Walk,
    /// Attempts before `walk` that were not seen.
    pub missing: SparseSet,
    /// Lines that are there, but not as they should be: damaged, or off the plan.
    pub claimed: SparseSet,
    /// "Worker ended" lines, different from each other.
    pub ends: Vec<End>,
    /// The counter of the highest success.
    pub counter: u64,
    index: Option<Box<Index>>,
    /// One more than the highest sequence number in this file.
    high: u64,
    file: u32,
}

/// A "Worker ended" line.
#[derive(Clone, Debug)]
pub struct End {
    /// Its number, which is how many attempts there were.
    pub seq: u64,
    /// What it says.
    pub event: Event,
    /// Its checksum, which tells copies from others.
    pub sum: u32,
    /// Where it stands.
    pub at: Location,
}

/// How many different "Worker ended" lines of one worker are kept.
const ENDS_MAX: usize = 4;

impl Worker {
    /// The account of a worker of which nothing was seen.
    pub fn new() -> Self {
        Self {
            walk: Walk::START,
            missing: SparseSet::default(),
            claimed: SparseSet::default(),
            ends: Vec::new(),
            counter: 0,
            index: None,
            high: 0,
            file: 0,
        }
    }

    /// About how many bytes the account takes.
    pub fn memory(&self) -> u64 {
        size_of::<Self>() as u64
            + self.missing.memory()
            + self.claimed.memory()
            + self.index.as_ref().map_or(0, |index| index.memory())
            + (self.ends.len() * 200) as u64
    }

    /// Takes in an attempt whose outcome is the plan's.
    #[inline]
    pub fn accept(
        &mut self,
        attempt: &Attempt,
        rules: &Rules,
        budget: &mut Budget,
        entries_max: usize,
    ) -> Accepted {
        if attempt.seq == self.walk.seq && self.walk.position == Some(attempt.position) {
            self.walk
                .pass(rules, attempt.position, outcome(attempt.kind));
            return Accepted::New { gap_from: None };
        }
        self.accept_elsewhere(attempt, rules, budget, entries_max)
    }

    /// Takes in an attempt that is not the next one.
    #[cold]
    fn accept_elsewhere(
        &mut self,
        attempt: &Attempt,
        rules: &Rules,
        budget: &mut Budget,
        entries_max: usize,
    ) -> Accepted {
        let next = self.walk.seq;
        if attempt.seq > next && attempt.seq - next <= SHORT {
            let mut walk = self.walk;
            if walk.go_to(rules, attempt.seq, budget)
                && walk.seq == attempt.seq
                && walk.position == Some(attempt.position)
            {
                self.walk = walk;
                return self.step_over(next, attempt, rules);
            }
        }
        // Cheap bounds first: no operation has less than one attempt.
        if attempt.position.iteration - 1 > attempt.seq {
            return Accepted::OffPlan;
        }
        match self
            .index(entries_max)
            .locate(rules, attempt.position, budget)
        {
            Located::At(seq) if seq == attempt.seq => {}
            Located::TooFar => return Accepted::TooFar,
            _ => return Accepted::OffPlan,
        }
        if attempt.seq < next {
            return if self.missing.remove(attempt.seq) {
                Accepted::New { gap_from: None }
            } else {
                Accepted::Duplicate
            };
        }
        if !self.walk.go_to(rules, attempt.seq, budget) {
            // What was walked through so far was not seen.
            self.missing.insert_range(next..self.walk.seq);
            return Accepted::TooFar;
        }
        self.step_over(next, attempt, rules)
    }

    /// Goes past an attempt that the walk has reached after leaving out those from `next`.
    fn step_over(&mut self, next: u64, attempt: &Attempt, rules: &Rules) -> Accepted {
        self.missing.insert_range(next..attempt.seq);
        self.walk
            .pass(rules, attempt.position, outcome(attempt.kind));
        Accepted::New {
            gap_from: (next < attempt.seq).then_some(next),
        }
    }

    /// Notes that a line with this number stands in the file; says whether a later one stands before it.
    #[inline]
    pub fn arrives_late(&mut self, seq: u64, file: u32) -> bool {
        if self.file != file {
            self.file = file;
            self.high = 0;
        }
        let late = seq < self.high;
        self.high = self.high.max(seq.saturating_add(1));
        late
    }

    /// Takes in a "Worker ended"; none if there is no other like it, else whether it is a copy.
    pub fn accept_end(&mut self, record: &Record, event: &Event, at: Location) -> Option<bool> {
        if self
            .ends
            .iter()
            .any(|end| end.sum == record.sum && end.seq == record.seq)
        {
            return Some(true);
        }
        if self.ends.len() == ENDS_MAX {
            return Some(false);
        }
        self.ends.push(End {
            seq: record.seq,
            event: event.clone(),
            sum: record.sum,
            at,
        });
        None
    }

    /// The attempt that the plan has at this number.
    pub fn planned(
        &mut self,
        seq: u64,
        rules: &Rules,
        budget: &mut Budget,
        entries_max: usize,
    ) -> Option<Position> {
        if seq == self.walk.seq {
            return self.walk.position;
        }
        self.index(entries_max).position(rules, seq, budget)
    }

    /// The number that the plan gives to this attempt.
    pub fn locate(
        &mut self,
        position: Position,
        rules: &Rules,
        budget: &mut Budget,
        entries_max: usize,
    ) -> Option<u64> {
        match self.index(entries_max).locate(rules, position, budget) {
            Located::At(seq) => Some(seq),
            Located::Nowhere | Located::TooFar => None,
        }
    }

    fn index(&mut self, entries_max: usize) -> &mut Index {
        self.index
            .get_or_insert_with(|| Box::new(Index::new(entries_max)))
    }
}

/// An outcome of this kind; delays do not matter to the walk.
fn outcome(kind: Kind) -> Outcome {
    let delay = Micros::ZERO;
    match kind {
        Kind::Success => Outcome::Success { delay },
        Kind::Retry => Outcome::Retry { delay },
        Kind::Abandon => Outcome::Abandon { delay },
        Kind::Panic => Outcome::Panic(crate::plan::Place::BeforeLock),
    }
}
