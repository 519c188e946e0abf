//! The plan cursor: a worker's way through its plan, and what the attempts up to there add up to.
//!
//! A [`PlanCursor`] goes with the log and costs nothing but itself. A [`PlanFinder`] finds the attempt of any number, for lines that
//! stand out of order. Both pay for the steps of plans that they compute: that [`Budget`] is the one bound on what
//! a line, whatever it claims, can make the audit do.

use std::{cell::Cell, collections::BTreeMap};

use crate::{
    log::account::Account,
    plan::{Outcome, Position, Rules},
};

/// How much may still be computed; it grows with what was read.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Cell<u64>);

impl Budget {
    /// A budget of so many steps.
    pub(crate) fn new(steps: u64) -> Self {
        Self(Cell::new(steps))
    }

    /// How many steps are left.
    pub(crate) fn left(&self) -> u64 {
        self.0.get()
    }

    /// Allows more steps.
    pub(crate) fn grow(&self, steps: u64) {
        self.0.set(self.left().saturating_add(steps));
    }

    /// Pays for `steps`; false when they are not to be had.
    pub(crate) fn pay(&self, steps: u64) -> bool {
        let rest = self.left().checked_sub(steps);
        self.0.set(rest.unwrap_or(self.left()));
        rest.is_some()
    }

    /// Pays for so many numbers in a set, which are kept as ranges.
    pub(crate) fn pay_for_numbers(&self, count: u64) -> bool {
        self.pay(count >> 9)
    }
}

/// A place in a worker's plan, reached step by step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PlanCursor {
    /// The sequence number of the next attempt.
    pub seq: u64,
    /// The next attempt; none when the plan is at its end.
    pub position: Option<Position>,
    /// What the attempts so far add up to.
    pub account: Account,
}

impl PlanCursor {
    /// Where every worker begins.
    pub(crate) const START: Self = Self {
        seq: 0,
        position: Some(Position::FIRST),
        account: Account::ZERO,
    };

    /// Goes past the attempt at `position`, which ends with `outcome`.
    #[inline]
    pub(crate) fn pass(&mut self, rules: &Rules, position: Position, outcome: Outcome) {
        self.account.count(position.attempt, outcome);
        self.seq += 1;
        self.position = rules.after(position, outcome);
    }

    /// Goes on to sequence number `seq` or to the plan's end; false when the budget does not reach.
    pub(crate) fn go_to(&mut self, rules: &Rules, seq: u64, budget: &Budget) -> bool {
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

/// Finds the attempt of any sequence number, by the plan alone.
#[derive(Clone, Debug)]
pub(crate) struct PlanFinder {
    /// Some attempts by their numbers, from which others are reached.
    landmarks: BTreeMap<u64, Position>,
    /// How far they lie from each other; doubled whenever there are too many.
    stride: u64,
}

/// The distance of landmarks at first, and how many there may be.
const STRIDE: u64 = 16;
const LANDMARKS_MAX: usize = 1 << 16;

impl PlanFinder {
    /// A finder that has not looked at the plan yet.
    pub(crate) fn new() -> Self {
        Self {
            landmarks: BTreeMap::from([(0, Position::FIRST)]),
            stride: STRIDE,
        }
    }

    /// About how many bytes it takes.
    pub(crate) fn memory(&self) -> u64 {
        (self.landmarks.len() * 40 + size_of::<Self>()) as u64
    }

    /// Notes where an attempt is.
    pub(crate) fn note(&mut self, seq: u64, position: Position) {
        self.landmarks.insert(seq, position);
        if self.landmarks.len() > LANDMARKS_MAX {
            self.stride *= 2;
            self.landmarks.retain(|seq, _| seq % self.stride == 0);
        }
    }

    /// The attempt with the number `seq`; none past the plan's end or out of the budget's reach.
    pub(crate) fn position(
        &mut self,
        rules: &Rules,
        seq: u64,
        budget: &Budget,
    ) -> Option<Position> {
        let landmark = self.landmarks.range(..=seq).next_back()?;
        let (mut at, mut position) = (*landmark.0, *landmark.1);
        while at < seq {
            budget.pay(1).then_some(())?;
            position = rules.after(position, rules.outcome(position))?;
            at += 1;
            if at % self.stride == 0 {
                self.note(at, position);
            }
        }
        Some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        audit::simulate::{self, Dice},
        plan::{Plan, workload::Limit},
    };

    #[test]
    fn cursor_and_finder_agree_with_the_plan() {
        for (failure_rate, panic_rate) in [("0", "0"), ("0.3", "0"), ("0.9", "0.00001"), ("1", "0")]
        {
            let mut workload = simulate::workload(7, 3, 12_000);
            workload.failure_rate = failure_rate.parse().unwrap();
            workload.panic_rate = panic_rate.parse().unwrap();
            let rules = Rules::new(&workload, 2);
            let budget = Budget::new(1 << 40);
            let mut cursor = PlanCursor::START;
            let mut positions = Vec::new();
            for (seq, attempt) in Plan::new(&workload, 2).enumerate() {
                positions.push(attempt.position);
                assert_eq!(cursor.position, Some(positions[seq]));
                assert!(cursor.go_to(&rules, seq as u64 + 1, &budget));
            }
            assert_eq!(cursor.position, None);
            let mut dice = Dice(3);
            let length = positions.len() as u64;
            let mut finder = PlanFinder::new();
            for i in 0..3 * length.min(3000) {
                // Up, down, and anywhere.
                let seq = [i % length, length - 1 - i % length, dice.roll(length)][i as usize % 3];
                let found = finder.position(&rules, seq, &budget);
                assert_eq!(found, Some(positions[seq as usize]), "{seq}");
            }
            assert_eq!(finder.position(&rules, length, &budget), None);
        }
    }

    #[test]
    fn a_plan_without_end_stops_at_the_budget() {
        let mut workload = simulate::workload(7, 1, 1);
        workload.iterations = Limit::Unlimited;
        let rules = Rules::new(&workload, 0);
        let budget = Budget::new(100_000);
        let mut finder = PlanFinder::new();
        assert_eq!(finder.position(&rules, 1 << 60, &budget), None);
        let mut cursor = PlanCursor::START;
        assert!(!cursor.go_to(&rules, 1 << 60, &budget));
    }
}
