//! The numbers of one producer's lines: which of them are there, and in which order they came.

use super::{
    findings::Location,
    numbers::Numbers,
    order::{Moved, Order},
};

/// What there is of a producer's numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Sequence {
    /// The first number that was seen.
    pub first: Option<u64>,
    /// Numbers below the highest that were not seen.
    pub missing: Numbers,
    /// Numbers of lines that are there, but not as they should be: damaged, or off the plan.
    pub claimed: Numbers,
    /// The order in which the lines arrive in the present input.
    pub order: Order,
}

impl Sequence {
    /// About how many bytes it takes besides itself.
    pub(super) fn memory(&self) -> u64 {
        self.missing.memory() + self.claimed.memory() + self.order.memory()
    }

    /// Takes in the arrival of a line, which `ahead` says to stand in front of lines of which it is not known yet whether
    /// they are missing. Returns lines out of order where some must be settled now.
    #[inline]
    pub(super) fn arrive(
        &mut self,
        seq: u64,
        at: Location,
        backwards: bool,
        ahead: bool,
    ) -> Option<Moved> {
        match ahead {
            true => self.order.arrive_apart(seq, at, backwards, &self.missing),
            false => self.order.arrive(seq, at, backwards, &self.missing),
        }
    }

    /// The lines that are out of order, if what is missing now is all that ever will be.
    pub(super) fn settle(&mut self) -> Moved {
        self.order.settle(&self.missing)
    }
}
