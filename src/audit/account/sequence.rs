//! The numbers of one producer's lines: which of them are there, and in which order they came.

use super::{
    numbers::Numbers,
    order::{Moved, Order},
};

/// What there is of a producer's numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sequence {
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
    pub(crate) fn memory(&self) -> u64 {
        self.missing.memory() + self.claimed.memory() + self.order.memory()
    }

    /// The lines that are out of order, if what is missing now is all that ever will be.
    pub(crate) fn settle(&mut self) -> Moved {
        self.order.settle(&self.missing)
    }
}

/// What there is of a producer's lines.
pub(crate) struct Present<'a> {
    /// Which numbers below `next` are there.
    pub sequence: &'a Sequence,
    /// One more than the highest that is there, but for the end.
    pub next: u64,
    /// The number of the end, if that is there.
    pub end: Option<u64>,
    /// Numbers below this one are not asked for.
    pub from: u64,
}

impl Present<'_> {
    /// Whether the line with this number is there undamaged.
    pub(crate) fn holds(&self, seq: u64) -> bool {
        self.end == Some(seq) || seq < self.next && !self.sequence.missing.contains(seq)
    }

    /// Up to which number it is known that there must be lines.
    pub(crate) fn reach(&self) -> u64 {
        self.next.max(self.end.unwrap_or(0))
    }

    /// The numbers below `limit` that are not there, and must be. What is claimed is there, if not as it should be.
    pub(crate) fn absent(&self, limit: u64) -> Numbers {
        let mut absent = self.sequence.missing.clone();
        absent.insert_range(self.next..self.reach());
        absent.subtract(&self.sequence.claimed);
        absent.remove_range(0..self.from);
        absent.remove_range(limit..u64::MAX);
        absent
    }

    /// Whether all lines up to the highest are there.
    pub(crate) fn is_whole(&self) -> bool {
        self.absent(self.reach()).count() == 0
    }

    /// Whether the lines are all there, from the first to the end.
    pub(crate) fn is_complete(&self) -> bool {
        self.end == Some(self.next) && self.is_whole()
    }

    /// Whether not even the numbers that are not asked for are missing.
    pub(crate) fn has_no_hole(&self) -> bool {
        self.sequence.missing.count() == 0 && self.reach() == self.next
    }
}
