//! The way of one worker through its plan: where a sequence number stands in it, and what the
//! attempts up to there add up to.
//!
//! A [`Walk`] goes with the log and costs nothing but itself. An [`Index`] is built when lines are out
//! of order, and finds the place of any of them. Steps are paid from a [`Budget`], so that no line, whatever it claims,
//! makes the audit walk for ever. This file must not know lines or files.

use crate::plan::{Outcome, Position, Rules};

/// How many steps of plans may be computed; it grows with what was read.
#[derive(Clone, Copy, Debug)]
pub struct Budget(pub u64);

impl Budget {
    /// Pays for `steps`; false when they are not to be had.
    fn pay(&mut self, steps: u64) -> bool {
        match self.0.checked_sub(steps) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }
}

/// What the attempts so far add up to, in the words of "Worker ended".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Operations that succeeded.
    pub completed: u64,
    /// Operations that were given up.
    pub abandoned: u64,
    /// Whether the last attempt panicked: 0 or 1.
    pub panicked: u64,
    /// Whether the last attempt asks for another that was not made: 0 or 1.
    pub interrupted: u64,
    /// Attempts that failed.
    pub failed_attempts: u64,
    /// Attempts that were not an operation's first.
    pub retries: u64,
}

impl Tally {
    /// How many operations were begun.
    pub fn begun(&self) -> u64 {
        self.completed + self.abandoned + self.panicked + self.interrupted
    }
}

/// A place in a worker's plan, reached step by step.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// The sequence number of the next attempt.
    pub seq: u64,
    /// The next attempt; none when the plan is at its end.
    pub position: Option<Position>,
    /// What the attempts so far add up to.
    pub tally: Tally,
}

impl Walk {
    /// Where every worker begins.
    pub const START: Self = Self {
        seq: 0,
        position: Some(Position::FIRST),
        tally: Tally {
            completed: 0,
            abandoned: 0,
            panicked: 0,
            interrupted: 0,
            failed_attempts: 0,
            retries: 0,
        },
    };

    /// Goes past the attempt at `position`, which ends with `outcome`.
    #[inline]
    pub fn pass(&mut self, rules: &Rules, position: Position, outcome: Outcome) {
        let tally = &mut self.tally;
        tally.retries += u64::from(position.attempt > 1);
        tally.interrupted = 0;
        match outcome {
            Outcome::Success { .. } => tally.completed += 1,
            Outcome::Retry { .. } => {
                tally.failed_attempts += 1;
                tally.interrupted = 1;
            }
            Outcome::Abandon { .. } => {
                tally.failed_attempts += 1;
                tally.abandoned += 1;
            }
            Outcome::Panic(_) => tally.panicked += 1,
        }
        self.seq += 1;
        self.position = rules.after(position, outcome);
    }

    /// Goes on to sequence number `seq` or to the plan's end; false when the budget does not reach.
    pub fn go_to(&mut self, rules: &Rules, seq: u64, budget: &mut Budget) -> bool {
        while self.seq < seq {
            let Some(position) = self.position else {
                return true;
            };
            if !budget.pay(1) {
                return false;
            }
            self.pass(rules, position, rules.outcome(position));
        }
        true
    }
}

/// Where a claimed attempt stands in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Located {
    /// It has this sequence number.
    At(u64),
    /// The plan does not have it.
    Nowhere,
    /// It lies farther than the budget reaches.
    TooFar,
}

/// Finds any attempt's sequence number, and the attempt of any sequence number, by the plan alone.
#[derive(Clone, Debug)]
pub struct Index {
    /// Operations from one entry to the next; doubled whenever the table grows too long.
    stride: u64,
    /// The sequence number of the first attempt of each `stride`-th operation.
    starts: Vec<u64>,
    /// The operation up to which the table reaches, and its first sequence number; none past the plan's end.
    iteration: u64,
    seq: u64,
    ended: bool,
    /// How long the table may grow.
    entries_max: usize,
}

impl Index {
    /// An index that has not looked at the plan yet; its table keeps to `entries_max`, an even number.
    pub fn new(entries_max: usize) -> Self {
        Self {
            entries_max,
            stride: 4,
            starts: Vec::new(),
            iteration: 1,
            seq: 0,
            ended: false,
        }
    }

    /// About how many bytes the index takes.
    pub fn memory(&self) -> u64 {
        (self.starts.capacity() * 8 + 64) as u64
    }

    /// Finds the sequence number of the attempt at `position`.
    pub fn locate(&mut self, rules: &Rules, position: Position, budget: &mut Budget) -> Located {
        while !self.ended && self.iteration <= position.iteration {
            if !self.extend(rules, budget) {
                return Located::TooFar;
            }
        }
        if self.ended && position.iteration >= self.iteration {
            return Located::Nowhere;
        }
        let Some((mut iteration, mut seq)) = self.entry((position.iteration - 1) / self.stride)
        else {
            return Located::TooFar;
        };
        loop {
            let Some(operation) = Operation::of(rules, iteration, budget) else {
                return Located::TooFar;
            };
            if iteration == position.iteration {
                return if position.attempt <= operation.attempts {
                    Located::At(seq + position.attempt - 1)
                } else {
                    Located::Nowhere
                };
            }
            seq += operation.attempts;
            iteration += 1;
        }
    }

    /// Finds the attempt with sequence number `seq`; none past the plan's end or out of the budget's reach.
    pub fn position(&mut self, rules: &Rules, seq: u64, budget: &mut Budget) -> Option<Position> {
        while !self.ended && self.seq <= seq {
            if !self.extend(rules, budget) {
                return None;
            }
        }
        if seq >= self.seq {
            return None;
        }
        let entry = self.starts.partition_point(|start| *start <= seq) as u64;
        let (mut iteration, mut start) = self.entry(entry.checked_sub(1)?)?;
        loop {
            let attempts = Operation::of(rules, iteration, budget)?.attempts;
            if seq < start + attempts {
                return Some(Position {
                    iteration,
                    attempt: seq - start + 1,
                });
            }
            start += attempts;
            iteration += 1;
        }
    }

    fn entry(&self, entry: u64) -> Option<(u64, u64)> {
        let start = self.starts.get(usize::try_from(entry).ok()?)?;
        Some((entry * self.stride + 1, *start))
    }

    /// Takes in one more operation; false when the budget does not reach.
    fn extend(&mut self, rules: &Rules, budget: &mut Budget) -> bool {
        let Some(operation) = Operation::of(rules, self.iteration, budget) else {
            return false;
        };
        if (self.iteration - 1).is_multiple_of(self.stride) {
            if self.starts.len() == self.entries_max {
                self.stride *= 2;
                let mut keep = [false, true].into_iter().cycle();
                self.starts.retain(|_| keep.next() == Some(false));
            }
            if (self.iteration - 1).is_multiple_of(self.stride) {
                self.starts.push(self.seq);
            }
        }
        self.seq += operation.attempts;
        self.iteration += 1;
        self.ended = operation.last;
        true
    }
}

/// One operation of the plan.
struct Operation {
    attempts: u64,
    /// No operation follows.
    last: bool,
}

impl Operation {
    fn of(rules: &Rules, iteration: u64, budget: &mut Budget) -> Option<Self> {
        let mut position = Position {
            iteration,
            attempt: 1,
        };
        loop {
            if !budget.pay(1) {
                return None;
            }
            let next = rules.after(position, rules.outcome(position));
            match next {
                Some(next) if next.iteration == iteration => position = next,
                _ => {
                    return Some(Self {
                        attempts: position.attempt,
                        last: next.is_none(),
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{audit::simulate, plan::Plan, plan::workload::Limit};

    #[test]
    fn index_and_walk_agree_with_the_plan() {
        for (failure_rate, panic_rate) in [(0.0, 0.0), (0.3, 0.0), (0.9, 0.001), (1.0, 0.0)] {
            let mut workload = simulate::workload(7, 3, 200);
            workload.failure_rate = failure_rate.to_string().parse().unwrap();
            workload.panic_rate = panic_rate.to_string().parse().unwrap();
            let rules = Rules::new(&workload, 2);
            let mut budget = Budget(1 << 30);
            let mut index = Index::new(8);
            let mut walk = Walk::START;
            let mut last = Position::FIRST;
            for (seq, attempt) in Plan::new(&workload, 2).enumerate() {
                last = Position {
                    iteration: attempt.iteration,
                    attempt: attempt.number,
                };
                let seq = seq as u64;
                assert_eq!(index.position(&rules, seq, &mut budget), Some(last));
                assert_eq!(index.locate(&rules, last, &mut budget), Located::At(seq));
                assert_eq!(walk.position, Some(last));
                assert!(walk.go_to(&rules, seq + 1, &mut budget));
            }
            assert_eq!(walk.position, None);
            assert_eq!(index.position(&rules, walk.seq, &mut budget), None);
            last.iteration += 1;
            assert_eq!(index.locate(&rules, last, &mut budget), Located::Nowhere);
        }
    }

    #[test]
    fn a_plan_without_end_stops_at_the_budget() {
        let mut workload = simulate::workload(7, 1, 1);
        workload.iterations = Limit::Unlimited;
        let rules = Rules::new(&workload, 0);
        let far = Position {
            iteration: 1 << 60,
            attempt: 1,
        };
        let mut budget = Budget(100_000);
        assert_eq!(
            Index::new(8).locate(&rules, far, &mut budget),
            Located::TooFar
        );
        let mut walk = Walk::START;
        assert!(!walk.go_to(&rules, 1 << 60, &mut budget));
    }
}
