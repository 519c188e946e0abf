//! Values over time, in buckets of one width, which doubles whenever the run outgrows them.
//!
//! How long a run lasts is not known while its log is read. A series begins with buckets of a microsecond; when a stamp
//! falls outside of what its buckets can reach, each two neighbours become one. So its size has a bound, and each value
//! stays within one bucket of its time.

use std::collections::VecDeque;

use derive_more::{Deref, DerefMut};

/// What a bucket holds: two of them can be one.
pub(super) trait Merge {
    /// Takes in what the neighbour holds.
    fn merge(&mut self, other: Self);
}

impl<const N: usize> Merge for [u64; N] {
    fn merge(&mut self, other: Self) {
        for (own, more) in self.iter_mut().zip(other) {
            *own += more;
        }
    }
}

/// Buckets of equal width, without gaps, from the earliest to the latest stamp.
#[derive(Debug, Deref, DerefMut)]
pub(super) struct Series<T> {
    /// A bucket is two to the power of this wide, in microseconds.
    doublings: u32,
    /// The number of the first bucket, counted from the year 1970.
    first: u64,
    #[deref]
    #[deref_mut]
    buckets: VecDeque<T>,
    buckets_max: usize,
}

impl<T: Merge + Default> Series<T> {
    /// A series without values, which never has more buckets than this.
    pub(super) fn new(buckets_max: usize) -> Self {
        Self {
            doublings: 0,
            first: 0,
            buckets: VecDeque::new(),
            buckets_max,
        }
    }

    /// The bucket of a stamp.
    #[inline]
    pub(super) fn at(&mut self, stamp: u64) -> &mut T {
        let place = (stamp >> self.doublings).wrapping_sub(self.first);
        let place = match usize::try_from(place) {
            Ok(place) if place < self.buckets.len() => place,
            _ => self.reach(stamp),
        };
        &mut self.buckets[place]
    }

    /// Each part of the time from `from` to `to`, by the bucket that it falls into.
    #[inline]
    pub(super) fn between(&mut self, from: u64, to: u64, mut each: impl FnMut(&mut T, u64)) {
        if from >= to {
            return;
        }
        // Both ends are made to be reached first: the width stays the same afterwards.
        self.at(from);
        self.at(to - 1);
        let mut start = from;
        while start < to {
            let end = (((start >> self.doublings) + 1) << self.doublings).min(to);
            each(self.at(start), end - start);
            start = end;
        }
    }

    /// Makes room for a stamp, and tells its place.
    #[cold]
    fn reach(&mut self, stamp: u64) -> usize {
        loop {
            let number = stamp >> self.doublings;
            if self.buckets.is_empty() {
                self.first = number;
            }
            let first = self.first.min(number);
            let last = (self.first + self.buckets.len() as u64).max(number + 1) - 1;
            if last - first < self.buckets_max as u64 {
                while self.first > first {
                    self.buckets.push_front(T::default());
                    self.first -= 1;
                }
                let length = (last - first + 1) as usize;
                self.buckets.resize_with(length, T::default);
                return (number - first) as usize;
            }
            self.double();
        }
    }

    /// Makes one bucket of each two.
    fn double(&mut self) {
        let mut merged: VecDeque<T> = VecDeque::with_capacity(self.buckets.len() / 2 + 1);
        for (number, bucket) in (self.first..).zip(self.buckets.drain(..)) {
            match merged.back_mut() {
                Some(last) if number % 2 == 1 => last.merge(bucket),
                _ => merged.push_back(bucket),
            }
        }
        self.buckets = merged;
        self.first /= 2;
        self.doublings += 1;
    }

    /// Widens the buckets until there are at most so many.
    pub(super) fn narrow(&mut self, buckets_max: usize) {
        while self.buckets.len() > buckets_max {
            self.double();
        }
    }

    /// The stretch of time that the buckets cover.
    pub(super) fn window(&self) -> Window {
        Window {
            from: self.first << self.doublings,
            width: 1 << self.doublings,
            columns: self.buckets.len(),
        }
    }
}

/// A stretch of time in columns of one width. Times are in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) from: u64,
    pub(super) width: u64,
    pub(super) columns: usize,
}

impl Window {
    pub(super) fn length(self) -> u64 {
        self.width * self.columns as u64
    }

    /// How far into the stretch a stamp lies, in percent.
    pub(super) fn percent(self, stamp: u64) -> f64 {
        let past = stamp.saturating_sub(self.from).min(self.length());
        past as f64 / self.length().max(1) as f64 * 100.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the order of the stamps: nothing is lost, each lies in its bucket, and the buckets are few.
        #[test]
        fn every_stamp_is_counted_in_its_bucket(stamps in prop::collection::vec(0..1_u64 << 50, 1..60)) {
            let mut series = Series::<[u64; 1]>::new(16);
            for stamp in &stamps {
                series.at(*stamp)[0] += 1;
            }
            let Window { from, width, columns } = series.window();
            prop_assert!(columns <= 16);
            for (start, count) in (from..).step_by(width as usize).zip(series.iter()) {
                let within = stamps.iter().filter(|stamp| (start..start + width).contains(stamp));
                prop_assert_eq!(count[0], within.count() as u64);
            }
        }

        /// A stretch of time is divided among the buckets without a rest.
        #[test]
        fn a_stretch_is_divided_without_a_rest(from in 0..1_u64 << 40, length in 0..1_u64 << 30) {
            let mut series = Series::<[u64; 1]>::new(16);
            series.between(from, from + length, |bucket, part| bucket[0] += part);
            prop_assert_eq!(series.iter().map(|part| part[0]).sum::<u64>(), length);
            let width = series.window().width;
            prop_assert!(series.iter().all(|part| part[0] <= width));
        }
    }
}
