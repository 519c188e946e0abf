//! Figures that one thread writes and any thread reads, at the price of a plain store.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count that one thread alone adds to.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    /// Adds `n`. Without a second writer, load and store need not be one step.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.get().wrapping_add(n), Ordering::Relaxed);
    }

    /// The count so far.
    #[inline]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn raise_to(&self, value: u64) {
        if value > self.get() {
            self.0.store(value, Ordering::Relaxed);
        }
    }
}

/// A value that one thread alone sets. Who sees it sees what that thread had set before.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    /// Sets the value.
    #[inline]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    /// The value as it was set last.
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Each power of two is divided into this many buckets: a value read from one is right to 1 in 16.
const STEPS: u64 = 16;
const STEPS_LOG2: u32 = STEPS.trailing_zeros();
/// Values from 2^48 nanoseconds (78 hours) on share the last bucket.
const POWERS: u64 = 48;
const BUCKETS: usize = ((POWERS - STEPS_LOG2 as u64 + 1) * STEPS) as usize;

/// Times in nanoseconds, counted in buckets whose width grows with their value.
#[derive(Debug)]
pub struct Histogram {
    buckets: Box<[Count]>,
    count: Count,
    sum: Count,
    max: Count,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| Count::default()).collect(),
            count: Count::default(),
            sum: Count::default(),
            max: Count::default(),
        }
    }
}

impl Histogram {
    /// Counts one time.
    #[inline]
    pub fn record(&self, nanos: u64) {
        self.buckets[bucket(nanos)].add(1);
        self.count.add(1);
        self.sum.add(nanos);
        self.max.raise_to(nanos);
    }
}

/// The histograms of many threads, added up.
#[derive(Clone, Debug)]
pub struct Distribution {
    buckets: Vec<u64>,
    /// How many times were counted.
    pub count: u64,
    /// Their sum in nanoseconds.
    pub sum: u64,
    /// The longest in nanoseconds; 0 if there is none.
    pub max: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            count: 0,
            sum: 0,
            max: 0,
        }
    }
}

impl Distribution {
    /// Adds what `histogram` holds now.
    pub fn add(&mut self, histogram: &Histogram) {
        for (total, bucket) in self.buckets.iter_mut().zip(&histogram.buckets) {
            *total += bucket.get();
        }
        self.count += histogram.count.get();
        self.sum = self.sum.wrapping_add(histogram.sum.get());
        self.max = self.max.max(histogram.max.get());
    }

    /// The buckets that are not empty: the first value of each, the first behind it, and how many times it holds.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        let bounds = |i: usize| match i {
            0 => (0, 1),
            i => (last_of(i - 1) + 1, last_of(i) + 1),
        };
        let counted = self.buckets.iter().enumerate();
        counted
            .filter(|(_, count)| **count > 0)
            .map(move |(i, count)| (bounds(i).0, bounds(i).1, *count))
    }

    /// The time in nanoseconds that the share `quantile` (0 to 1) of all times does not exceed, rounded up by 1 in 16
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

/// Times in nanoseconds, counted by their power of two: a small histogram for what thousands of workers keep.
#[derive(Debug)]
pub struct Powers {
    buckets: [Count; POWERS as usize],
    sum: Count,
}

impl Default for Powers {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| Count::default()),
            sum: Count::default(),
        }
    }
}

impl Powers {
    /// Counts one time.
    pub fn record(&self, nanos: u64) {
        let power = nanos.checked_ilog2().map_or(0, |power| power as usize + 1);
        self.buckets[power.min(POWERS as usize - 1)].add(1);
        self.sum.add(nanos);
    }
}

/// Many [`Powers`], added up.
#[derive(Clone, Debug, Default)]
pub struct PowersTotal {
    buckets: Vec<u64>,
    sum: u64,
}

impl PowersTotal {
    /// Adds what `powers` holds now.
    pub fn add(&mut self, powers: &Powers) {
        self.buckets.resize(POWERS as usize, 0);
        for (total, bucket) in self.buckets.iter_mut().zip(&powers.buckets) {
            *total += bucket.get();
        }
        self.sum = self.sum.wrapping_add(powers.sum.get());
    }
}

/// A histogram that can be told with fewer buckets, whose bounds are powers of two.
pub(crate) trait Cumulative {
    /// How many times are shorter than 2^`power` nanoseconds.
    fn below(&self, power: u32) -> u64;
    /// How many there are.
    fn count(&self) -> u64;
    /// Their sum in nanoseconds.
    fn sum(&self) -> u64;
}

impl Cumulative for Distribution {
    fn below(&self, power: u32) -> u64 {
        let end = bucket(1_u64.checked_shl(power).unwrap_or(u64::MAX));
        self.buckets[..end].iter().sum()
    }

    fn count(&self) -> u64 {
        // Not the field: a worker may be between its bucket and its count.
        self.buckets.iter().sum()
    }

    fn sum(&self) -> u64 {
        self.sum
    }
}

impl Cumulative for PowersTotal {
    fn below(&self, power: u32) -> u64 {
        self.buckets.iter().take(power as usize + 1).sum()
    }

    fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    fn sum(&self) -> u64 {
        self.sum
    }
}

/// The bucket of a value: exact up to [`STEPS`], then [`STEPS`] buckets for each power of two.
#[inline]
fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let power = value.ilog2();
    let step = (value >> (power - STEPS_LOG2)) & (STEPS - 1);
    let index = (u64::from(power - STEPS_LOG2) + 1) * STEPS + step;
    (index as usize).min(BUCKETS - 1)
}

/// The largest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    if power == 0 {
        step
    } else {
        ((STEPS + step + 1) << (power - 1)) - 1
    }
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
                last >= value && last - value <= value / STEPS,
                "{value} is told as {last}"
            );
            assert_eq!(bucket(last), bucket(value));
            assert_eq!(bucket(last + 1), bucket(value) + 1);
            value = value * 9 / 8 + 1;
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn both_histograms_agree_at_the_powers_of_two() {
        let (fine, coarse) = (Histogram::default(), Powers::default());
        let values: Vec<u64> = (0..40)
            .flat_map(|p| [(1 << p) - 1, 1 << p, (1 << p) + 1])
            .collect();
        for value in &values {
            fine.record(*value);
            coarse.record(*value);
        }
        let (mut all, mut total) = (Distribution::default(), PowersTotal::default());
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
        assert_eq!((total.count(), total.sum()), (all.count, all.sum));
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_values() {
        let histograms = [Histogram::default(), Histogram::default()];
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
                told >= exact && told <= exact + exact / STEPS,
                "{quantile}: {told}"
            );
        }
        assert_eq!(Distribution::default().quantile(0.5), 0);
    }
}
