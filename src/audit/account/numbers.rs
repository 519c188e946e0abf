//! Sets of sequence numbers and of counter values, which cost memory only where a log is in disorder.
//!
//! A log in order leaves these sets empty. Whole stretches of 65,536 members, such as those of a file's lost head, take a
//! few bytes each.

use std::ops::Range;

use derive_more::{Deref, DerefMut};
use roaring::RoaringTreemap;

/// A set of numbers, compact where its members lie together, and quick where many of them are taken out one by one.
#[derive(Clone, Debug, Default, Deref, DerefMut)]
pub(crate) struct Numbers(
    #[deref]
    #[deref_mut]
    RoaringTreemap,
    u32,
);

/// After so many numbers were taken out the set is put into its best form: stretches with many holes are slow to change.
const REMOVALS: u32 = 4096;

impl Numbers {
    /// About how many bytes the set takes.
    pub(crate) fn memory(&self) -> u64 {
        // What it would take on a disk is what it takes here, but for the containers' own structures.
        let containers = self.0.bitmaps().map(|(_, b)| b.statistics().n_containers);
        let containers: u64 = containers.map(u64::from).sum();
        if containers == 0 {
            return 0;
        }
        containers * 40 + self.0.serialized_size() as u64
    }

    /// Adds the numbers of another set.
    pub(crate) fn extend(&mut self, others: &Self) {
        self.0 |= &others.0;
    }

    /// Takes a number out; says whether it was a member.
    #[inline]
    pub(crate) fn remove(&mut self, number: u64) -> bool {
        let removed = self.0.remove(number);
        self.1 += u32::from(removed);
        if self.1 == REMOVALS {
            self.compact();
        }
        removed
    }

    #[cold]
    fn compact(&mut self) {
        let members = self.0.bitmaps().map(|(high, members)| {
            let mut members = members.clone();
            members.optimize();
            (high, members)
        });
        (self.0, self.1) = (RoaringTreemap::from_bitmaps(members.collect::<Vec<_>>()), 0);
    }

    /// Takes out what is in `others`.
    pub(crate) fn subtract(&mut self, others: &Self) {
        self.0 -= &others.0;
    }

    /// How many of the members lie in `range`.
    pub(crate) fn count_in(&self, range: Range<u64>) -> u64 {
        if range.is_empty() || self.0.is_empty() {
            return 0;
        }
        let before = range.start.checked_sub(1).map_or(0, |n| self.0.rank(n));
        self.0.rank(range.end - 1) - before
    }

    /// The first number from this one on that is no member.
    pub(crate) fn absent_from(&self, number: u64) -> u64 {
        let first = self.ranges_in(number..u64::MAX).next();
        let first = first.filter(|members| members.start == number);
        first.map_or(number, |members| members.end)
    }

    /// The members in `range` as ranges, ascending.
    pub(crate) fn ranges_in(&self, range: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let Range { start, end } = range;
        let of = |(high, members): (u32, _)| (u64::from(high) << 32, members);
        let reach = move |(base, _): &(u64, _)| *base < end && start - start.min(*base) < 1 << 32;
        let parts = self.0.bitmaps().map(of).filter(reach);
        parts.flat_map(move |(base, members)| {
            let mut members = members.iter();
            members.advance_to(start.saturating_sub(base) as u32);
            let ranges = std::iter::from_fn(move || members.next_range());
            let of = move |found: std::ops::RangeInclusive<u32>| {
                base + u64::from(*found.start())..(base + u64::from(*found.end()) + 1).min(end)
            };
            ranges.map(of).take_while(move |found| found.start < end)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Members and ranges are those of a set.
        #[test]
        fn it_is_a_set(
            steps in prop::collection::vec((0_u8..3, 0_u64..6000, 1_u64..3000), 0..60),
            base in prop::sample::select(vec![0_u64, (1 << 32) - 3000]),
            (from, length) in (0_u64..6000, 0_u64..6000),
        ) {
            let (mut set, mut model) = (Numbers::default(), BTreeSet::new());
            for (step, number, length) in steps {
                let number = base + number;
                match step {
                    0 => prop_assert_eq!(set.insert(number), model.insert(number)),
                    1 => prop_assert_eq!(set.remove(number), model.remove(&number)),
                    _ => {
                        set.insert_range(number..number + length);
                        model.extend(number..number + length);
                    }
                }
                prop_assert_eq!(set.contains(number), model.contains(&number));
                prop_assert_eq!(set.len(), model.len() as u64);
            }
            let range = base + from..base + from + length;
            prop_assert_eq!(set.count_in(range.clone()), model.range(range.clone()).count() as u64);
            let members: Vec<u64> = set.ranges_in(range.clone()).flatten().collect();
            prop_assert_eq!(members, model.range(range).copied().collect::<Vec<_>>());
            if base == 0 {
                prop_assert_eq!(Some(set.absent_from(from)), (from..).find(|n| !model.contains(n)));
            }
        }
    }

    #[test]
    fn a_file_without_its_head_costs_next_to_nothing() {
        let mut set = Numbers::default();
        set.insert_range(5..1 << 30);
        assert!(set.memory() < 2_000_000, "{}", set.memory());
        assert!(set.remove(1 << 20));
        assert!(!set.remove(1 << 20));
    }
}
