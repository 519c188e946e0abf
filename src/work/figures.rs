//! Figures that one thread writes and any thread reads, at the price of a plain store.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// A histogram that divides each power of two into so many buckets is right to 1 in 16.
pub(crate) const FINE: u64 = 16;
/// One that has a bucket for each power of two: small enough to have thousands of it.
pub(crate) const COARSE: u64 = 1;
/// Values from 2^48 on (78 hours in nanoseconds) share the last bucket.
const POWERS: usize = 48;

/// Times, mostly in nanoseconds, counted in buckets whose width grows with their value: each power of two has `STEPS` of them, which
/// is a power of two as well.
#[derive(Debug)]
pub struct Histogram<const STEPS: u64 = FINE> {
    buckets: Box<[Count]>,
    sum: Count,
    max: Count,
}

impl<const STEPS: u64> Default for Histogram<STEPS> {
    fn default() -> Self {
        Self {
            buckets: (0..buckets(STEPS)).map(|_| Count::default()).collect(),
            sum: Count::default(),
            max: Count::default(),
        }
    }
}

impl<const STEPS: u64> Histogram<STEPS> {
    /// Counts one time.
    #[inline]
    pub fn record(&self, nanos: u64) {
        self.buckets[bucket(STEPS, nanos)].add(1);
        self.sum.add(nanos);
        self.max.raise_to(nanos);
    }
}

/// Times that one thread has, or the histograms of many, added up.
#[derive(Clone, Debug)]
pub struct Distribution<const STEPS: u64 = FINE> {
    buckets: Vec<u64>,
    /// How many times were counted.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
    /// The longest; 0 if there is none.
    pub max: u64,
}

impl<const STEPS: u64> Default for Distribution<STEPS> {
    fn default() -> Self {
        Self {
            buckets: vec![0; buckets(STEPS)],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl<const STEPS: u64> Distribution<STEPS> {
    /// Counts one time.
    pub fn record(&mut self, time: u64) {
        self.buckets[bucket(STEPS, time)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(time);
        self.max = self.max.max(time);
    }

    /// Adds what `histogram` holds now.
    pub fn add(&mut self, histogram: &Histogram<STEPS>) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            let times = bucket.get();
            *total += times;
            self.count += times;
        }
        self.sum = self.sum.wrapping_add(histogram.sum.get());
        self.max = self.max.max(histogram.max.get());
    }

    /// The buckets that are not empty: the first value of each, the first behind it, and how many times it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let start = |i: usize| i.checked_sub(1).map_or(0, |i| last_of(STEPS, i) + 1);
        let counted = self.buckets.iter().enumerate();
        counted
            .filter(|(_, count)| **count > 0)
            .map(move |(i, count)| (start(i), start(i + 1), *count))
    }

    /// How many times are shorter than 2^`power`.
    pub fn below(&self, power: u32) -> u64 {
        self.buckets[..bucket(STEPS, 1 << power)].iter().sum()
    }

    /// The time that the share `quantile` (0 to 1) of all times does not exceed, rounded up by 1 in `STEPS`
    /// at most; 0 if there is none.
    pub fn quantile(&self, quantile: f64) -> u64 {
        let rank = ((quantile * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let mut seen = 0;
        for (i, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= rank {
                return last_of(STEPS, i).min(self.max);
            }
        }
        self.max
    }
}

/// How many buckets there are.
const fn buckets(steps: u64) -> usize {
    (POWERS + 1 - steps.ilog2() as usize) * steps as usize
}

/// The bucket of a value: exact up to `steps`, then so many buckets for each power of two.
#[inline]
fn bucket(steps: u64, value: u64) -> usize {
    if value < steps {
        return value as usize;
    }
    let power = value.ilog2() - steps.ilog2();
    let step = (value >> power) & (steps - 1);
    let index = (u64::from(power) + 1) * steps + step;
    (index as usize).min(buckets(steps) - 1)
}

/// The largest value of a bucket.
fn last_of(steps: u64, bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / steps, bucket as u64 % steps);
    if power == 0 {
        step
    } else {
        ((steps + step + 1) << (power - 1)) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_that_ends_close_above_it() {
        let mut value: u64 = 0;
        while value < 1 << 47 {
            let last = last_of(FINE, bucket(FINE, value));
            assert!(
                last >= value && last - value <= value / FINE,
                "{value} is told as {last}"
            );
            assert_eq!(bucket(FINE, last), bucket(FINE, value));
            assert_eq!(bucket(FINE, last + 1), bucket(FINE, value) + 1);
            value = value * 9 / 8 + 1;
        }
        assert_eq!(bucket(FINE, u64::MAX), buckets(FINE) - 1);
    }

    #[test]
    fn both_histograms_agree_at_the_powers_of_two() {
        let (fine, coarse) = (Histogram::<FINE>::default(), Histogram::<COARSE>::default());
        let values: Vec<u64> = (0..40)
            .flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1])
            .collect();
        for value in &values {
            fine.record(*value);
            coarse.record(*value);
        }
        let (mut all, mut total) = (
            Distribution::<FINE>::default(),
            Distribution::<COARSE>::default(),
        );
        all.add(&fine);
        total.add(&coarse);
        for power in 0..45 {
            let exact = values.iter().filter(|value| **value < 1 << power).count() as u64;
            assert_eq!(
                (all.below(power), total.below(power)),
                (exact, exact),
                "{power}"
            );
        }
        assert_eq!((total.count, total.sum), (all.count, all.sum));
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let histograms: [Histogram; 2] = Default::default();
        for value in 1..=1000 {
            histograms[value % 2].record(value as u64 * 1000);
        }
        let mut all: Distribution = Distribution::default();
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
                told >= exact && told <= exact + exact / FINE,
                "{quantile}: {told}"
            );
        }
        assert_eq!(Distribution::<FINE>::default().quantile(0.5), 0);
    }
}
