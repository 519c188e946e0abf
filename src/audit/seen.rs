//! Sets of sequence numbers that cost memory only where they are in disorder.
//!
//! A log in order leaves these sets empty. What is in them is kept as pages of bits, and whole
//! pages of members, such as those of a file's lost head, as ranges. This file must not know what the numbers mean.

use std::{collections::BTreeMap, ops::Range};

const PAGE: u64 = 1024;
const WORDS: usize = (PAGE / 64) as usize;

/// A set of numbers, compact where its members lie together.
#[derive(Clone, Debug, Default)]
pub struct SparseSet {
    /// Pages of which some numbers are members.
    pages: BTreeMap<u64, [u64; WORDS]>,
    /// Pages of which all numbers are: from first to (exclusive) end.
    full: BTreeMap<u64, u64>,
    len: u64,
}

impl SparseSet {
    /// How many members there are.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// About how many bytes the set takes.
    pub fn memory(&self) -> u64 {
        // A node of the map is at worst half empty.
        (self.pages.len() * (WORDS * 8 + 8) * 2 + self.full.len() * 32) as u64
    }

    /// Adds a number; says whether it is new. The highest of all numbers counts as the one before it,
    /// so that every range has an end.
    pub fn insert(&mut self, number: u64) -> bool {
        let number = number.min(u64::MAX - 1);
        let (page, bit) = (number / PAGE, number % PAGE);
        if self.full_run(page).is_some() {
            return false;
        }
        let words = self.pages.entry(page).or_insert([0; WORDS]);
        let new = set_bits(words, bit, bit + 1) == 1;
        self.len += u64::from(new);
        if new && words.iter().all(|w| *w == u64::MAX) {
            self.pages.remove(&page);
            self.full.insert(page, page + 1);
        }
        new
    }

    /// Adds numbers of which none is a member yet.
    pub fn insert_range(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        self.len += range.end - range.start;
        let (first, last) = (range.start / PAGE, (range.end - 1) / PAGE);
        let (from, to) = (range.start % PAGE, (range.end - 1) % PAGE + 1);
        if first == last {
            self.set(first, from, to);
            return;
        }
        self.set(first, from, PAGE);
        self.set(last, 0, to);
        if first + 1 < last {
            self.full.insert(first + 1, last);
        }
    }

    fn set(&mut self, page: u64, from: u64, to: u64) {
        let words = self.pages.entry(page).or_insert([0; WORDS]);
        set_bits(words, from, to);
        if words.iter().all(|w| *w == u64::MAX) {
            self.pages.remove(&page);
            self.full.insert(page, page + 1);
        }
    }

    /// Whether `number` is a member.
    pub fn contains(&self, number: u64) -> bool {
        let (page, bit) = (number / PAGE, number % PAGE);
        match self.pages.get(&page) {
            Some(words) => words[(bit / 64) as usize] >> (bit % 64) & 1 == 1,
            None => self.full_run(page).is_some(),
        }
    }

    /// Takes a number out; says whether it was a member.
    #[inline]
    pub fn remove(&mut self, number: u64) -> bool {
        if self.len == 0 {
            return false;
        }
        let (page, bit) = (number / PAGE, number % PAGE);
        let taken = self.pages.get_mut(&page).map(|words| take_bit(words, bit));
        let (was, emptied) = match taken {
            Some(taken) => taken,
            None if self.break_up(page) => return self.remove(number),
            None => return false,
        };
        self.len -= u64::from(was);
        if emptied {
            self.pages.remove(&page);
        }
        was
    }

    /// The run of full pages that holds `page`.
    fn full_run(&self, page: u64) -> Option<(u64, u64)> {
        let (&first, &end) = self.full.range(..=page).next_back()?;
        (page < end).then_some((first, end))
    }

    /// Turns a full page into a page of bits; says whether it was full.
    fn break_up(&mut self, page: u64) -> bool {
        let Some((first, end)) = self.full_run(page) else {
            return false;
        };
        self.full.remove(&first);
        if first < page {
            self.full.insert(first, page);
        }
        if page + 1 < end {
            self.full.insert(page + 1, end);
        }
        self.pages.insert(page, [u64::MAX; WORDS]);
        true
    }

    /// Shows `each` the members as ranges, ascending; neighbours are joined.
    pub fn each_range(&self, mut each: impl FnMut(Range<u64>)) {
        let mut pending: Option<Range<u64>> = None;
        let mut push = |range: Range<u64>| match &mut pending {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => {
                if let Some(done) = pending.replace(range) {
                    each(done);
                }
            }
        };
        let mut full = self.full.iter().peekable();
        for (page, words) in &self.pages {
            while let Some((first, end)) = full.next_if(|(first, _)| *first < page) {
                push(first * PAGE..end * PAGE);
            }
            bit_ranges(words, |from, to| {
                push(page * PAGE + from..page * PAGE + to);
            });
        }
        for (first, end) in full {
            push(first * PAGE..end * PAGE);
        }
        if let Some(last) = pending {
            each(last);
        }
    }

    /// The first members as at most `count` ranges.
    pub fn first_ranges(&self, count: usize) -> Vec<Range<u64>> {
        let mut out = Vec::new();
        self.each_range(|range| {
            if out.len() < count {
                out.push(range);
            }
        });
        out
    }
}

/// Clears a bit; says whether it was set, and whether it was the last.
fn take_bit(words: &mut [u64; WORDS], bit: u64) -> (bool, bool) {
    let mask = 1_u64 << (bit % 64);
    let word = &mut words[(bit / 64) as usize];
    let was = *word & mask != 0;
    *word &= !mask;
    let emptied = *word == 0 && words.iter().all(|w| *w == 0);
    (was, emptied)
}

/// Sets the bits from `from` to (exclusive) `to`; returns how many of them were not set before.
fn set_bits(words: &mut [u64; WORDS], from: u64, to: u64) -> u32 {
    let mut new = 0;
    for (i, word) in words.iter_mut().enumerate() {
        let base = i as u64 * 64;
        let (low, high) = (from.max(base), to.min(base + 64));
        if low < high {
            let mask = (u64::MAX >> (64 - (high - low))) << (low - base);
            new += (mask & !*word).count_ones();
            *word |= mask;
        }
    }
    new
}

fn bit_ranges(words: &[u64; WORDS], mut each: impl FnMut(u64, u64)) {
    let mut bit = 0;
    while bit < PAGE {
        let word = words[(bit / 64) as usize] >> (bit % 64);
        if word == 0 {
            bit = (bit / 64 + 1) * 64;
            continue;
        }
        let start = bit + u64::from(word.trailing_zeros());
        let ones = (words[(start / 64) as usize] >> (start % 64)).trailing_ones();
        let end = start + u64::from(ones);
        each(start, end);
        bit = end;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The set is a set, whatever is done to it.
        #[test]
        fn it_is_a_set(steps in prop::collection::vec((0_u8..3, 0_u64..6000, 1_u64..3000), 0..60)) {
            let (mut set, mut model) = (SparseSet::default(), BTreeSet::new());
            for (step, number, length) in steps {
                match step {
                    0 => prop_assert_eq!(set.insert(number), model.insert(number)),
                    1 => prop_assert_eq!(set.remove(number), model.remove(&number)),
                    _ if (number..number + length).all(|n| !model.contains(&n)) => {
                        set.insert_range(number..number + length);
                        model.extend(number..number + length);
                    }
                    _ => prop_assert_eq!(set.contains(number), model.contains(&number)),
                }
                prop_assert_eq!(set.len(), model.len() as u64);
            }
            let ranges = set.first_ranges(usize::MAX);
            prop_assert!(ranges.windows(2).all(|w| w[0].end < w[1].start));
            prop_assert_eq!(ranges.into_iter().flatten().collect::<Vec<_>>(), model.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_huge_range_costs_next_to_nothing() {
        let mut set = SparseSet::default();
        set.insert_range(5..1 << 62);
        assert!(set.memory() < 2000);
        assert!(set.remove(1 << 61));
        assert!(!set.remove(1 << 61));
        assert_eq!(set.first_ranges(9), [5..1 << 61, (1 << 61) + 1..1 << 62]);
    }
}
