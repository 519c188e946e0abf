//! The numbers of one producer's lines: which of them are there, and in which order they came.

use std::ops::Range;

use super::{
    cursor::Budget,
    entered::{Entered, TOO_FAR},
    numbers::Numbers,
    order::Order,
};

/// Numbers that are there once each, as they are met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met {
    /// One more than the highest.
    pub next: u64,
    /// Numbers below it that were not met.
    pub missing: Numbers,
}

impl Met {
    /// Takes in a number.
    #[inline]
    pub(crate) fn meet(&mut self, number: u64, budget: &Budget) -> Entered {
        if number == self.next && number < u64::MAX {
            self.next += 1;
            return Entered::New;
        }
        self.meet_elsewhere(number, budget)
    }

    #[cold]
    fn meet_elsewhere(&mut self, number: u64, budget: &Budget) -> Entered {
        let next = self.next;
        if number < next {
            return match self.missing.remove(number) {
                true => Entered::New,
                false => Entered::Duplicate,
            };
        }
        if number == u64::MAX || !budget.pay_for_numbers(number - next) {
            return TOO_FAR;
        }
        self.missing.insert_range(next..number);
        self.next = number + 1;
        Entered::BehindGap(next)
    }

    /// Whether a number was met.
    pub(crate) fn holds(&self, number: u64) -> bool {
        number < self.next && !self.missing.contains(number)
    }
}

/// What there is of a producer's numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
    /// The numbers of its lines.
    pub met: Met,
    /// The first that was met.
    pub first: Option<u64>,
    /// Numbers of lines that are there, but not as they should be: damaged, or off the plan.
    pub claimed: Numbers,
    /// The order in which the lines arrive in the present input.
    pub order: Order,
}

impl Sequence {
    /// About how many bytes it takes besides itself.
    pub(crate) fn memory(&self) -> u64 {
        self.met.missing.memory() + self.claimed.memory() + self.order.memory()
    }

    /// The numbers that are not there, and must be. What is claimed is there, if not as it should be.
    pub(crate) fn absent(&self, numbers: Range<u64>) -> Numbers {
        let mut absent = self.met.missing.clone();
        absent.insert_range(self.met.next..numbers.end);
        absent.subtract(&self.claimed);
        absent.remove_range(0..numbers.start);
        absent.remove_range(numbers.end..u64::MAX);
        absent
    }
}
