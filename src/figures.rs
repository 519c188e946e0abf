//! Figures that one thread writes and any thread reads, at the price of a plain store.

use std::{
    array,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// A number that one thread alone writes. Who sees it sees what that thread had written before.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds `n`. Without a second writer, load and store need not be one step.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Sets the number.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    /// The number as it was written last.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.set(value);
        }
    }
}

/// Each power of two has so many buckets: a time is told rightly to 1 in 16.
const STEPS: usize = 16;
/// Values from 2^48 on (78 hours in nanoseconds) share the last bucket.
const POWERS: usize = 48 + 1 - STEPS.ilog2() as usize;

/// Times, mostly in nanoseconds, counted in buckets whose width grows with their value.
#[derive(Debug)]
pub struct Histogram {
    /// The buckets of each power of two, from the first time on that is counted there: there are thousands of histograms,
    /// and the times of one lie close together.
    powers: [OnceLock<Box<Power>>; POWERS],
    sum: Count,
    max: Count,
}

/// The buckets of a power of two. Memory that threads share lies on both sides of them: without an alignment they would
/// share cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Power([Count; STEPS]);

impl Default for Histogram {
    fn default() -> Self {
        Self {
            powers: array::from_fn(|_| OnceLock::new()),
            sum: Count::default(),
            max: Count::default(),
        }
    }
}

impl Histogram {
    /// Counts one time.
    #[inline]
    pub fn record(&self, nanos: u64) {
        let bucket = bucket(nanos);
        self.powers[bucket / STEPS].get_or_init(Box::default).0[bucket % STEPS].add(1);
        self.sum.add(nanos);
        self.max.raise_to(nanos);
    }
}

/// Times that one thread has, or the histograms of many, added up.
#[derive(Clone, Debug)]
pub struct Distribution {
    buckets: Vec<u64>,
    /// How many times were counted.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The longest; 0 if there is none.
    pub max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            buckets: vec![0; POWERS * STEPS],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl Distribution {
    /// Counts one time.
    pub fn record(&mut self, time: u64) {
        self.buckets[bucket(time)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        self.max = self.max.max(time);
    }

    /// Adds what `histogram` holds now.
    pub fn add(&mut self, histogram: &Histogram) {
        for (totals, counts) in self.buckets.chunks_mut(STEPS).zip(&histogram.powers) {
            let counts = counts.get().into_iter().flat_map(|power| &power.0);
            for (total, count) in totals.iter_mut().zip(counts) {
                let times = count.get();
                *total += times;
                self.count += times;
            }
        }
        self.sum = self.sum.wrapping_add(histogram.sum.get());
        self.max = self.max.max(histogram.max.get());
    }

    /// The buckets that are not empty: the first value of each, the first behind it, and how many times it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let start = |i: usize| i.checked_sub(1).map_or(0, |i| last_of(i) + 1);
        let counted = self.buckets.iter().enumerate();
        counted
            .filter(|(_, count)| **count > 0)
            .map(move |(i, count)| (start(i), start(i + 1), *count))
    }

    /// How many times are shorter than 2^`power`.
    pub fn below(&self, power: u32) -> u64 {
        self.buckets[..bucket(1 << power)].iter().sum()
    }

    /// The time that the share `quantile` (0 to 1) of all times does not exceed, rounded up by 1 in 16
    /// at most; 0 if there is none.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let rank = ((quantile * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (i, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return last_of(i).min(self.max);
            }
        }
        self.max
    }
}

/// The bucket of a value: exact up to [`STEPS`], then so many buckets for each power of two.
#[inline]
fn bucket(value: u64) -> usize {
    let power = (value | 1).ilog2().saturating_sub(STEPS.ilog2());
    let index = power as usize * STEPS + (value >> power) as usize;
    index.min(POWERS * STEPS - 1)
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let power = (bucket / STEPS).saturating_sub(1);
    let step = bucket - power * STEPS;
    ((step as u64 + 1) << power) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_close_above_it() {
        let mut value: u64 = 0;
        while value < 1 << 47 {
            let last = last_of(bucket(value));
            assert!(
                last >= value && last - value <= value / STEPS as u64,
                "{value} is told as {last}"
            );
            assert_eq!(bucket(last), bucket(value));
            assert_eq!(bucket(last + 1), bucket(value) + 1);
            value = value * 9 / 8 + 1;
        }
        assert_eq!(bucket(u64::MAX), POWERS * STEPS - 1);
    }

    #[test]
    fn times_below_a_power_of_two_are_told_exactly() {
        let histogram = Histogram::default();
        let values: Vec<u64> = (0..40)
            .flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1])
            .collect();
        values.iter().for_each(|value| histogram.record(*value));
        let mut all = Distribution::default();
        all.add(&histogram);
        for power in 0..45 {
            let exact = values.iter().filter(|value| **value < 1 << power).count() as u64;
            assert_eq!(all.below(power), exact, "{power}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let histograms: [Histogram; 2] = Default::default();
        for value in 1..=1000 {
            histograms[value % 2].record(value as u64 * 1000);
        }
        let mut all = Distribution::default();
        histograms.iter().for_each(|h| all.add(h));
        assert_eq!(
            (all.count, all.sum, all.max),
            (1000, 500_500_000, 1_000_000)
        );
        for (quantile, exact) in [
            (0.5, 500_000),
            (0.9, 900_000),
            (0.99, 990_000),
            (1.0, 1_000_000),
        ] {
            let told = all.quantile(quantile);
            assert!(
                told >= exact && told <= exact + exact / STEPS as u64,
                "{quantile}: {told}"
            );
        }
        assert_eq!(Distribution::default().quantile(0.5), 0);
    }
}
