//! How long lines took from their producer to where the pipeline noted their arrival.

use serde::{Deserialize, Serialize};

/// Delays of lines in microseconds, counted in buckets whose width grows with their value.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    /// Empty as long as no line has a second time.
    buckets: Vec<u64>,
    count: u64,
    sum: u64,
    min: i64,
    max: i64,
}

/// Each power of two is divided into this many buckets: a value read from one is right to 1 in 16.
const STEPS: u64 = 16;
const BUCKETS: usize = 61 * STEPS as usize;

/// What the delays of a run's lines come to, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DelaySummary {
    /// Lines with a second time.
    pub lines: u64,
    /// Half of the lines took no longer.
    pub p50_us: u64,
    /// Nine of ten took no longer.
    pub p90_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
    /// The shortest; below zero where a line arrived before it was logged, by the clocks.
    pub min_us: i64,
}

impl Delays {
    /// Counts a line that was logged and received at these times, and returns its delay.
    pub fn count(&mut self, logged: u64, received: u64) -> i64 {
        let delay = received.wrapping_sub(logged) as i64;
        if self.buckets.is_empty() {
            self.buckets.resize(BUCKETS, 0);
            (self.min, self.max) = (delay, delay);
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(delay.max(0) as u64);
        self.min = self.min.min(delay);
        self.max = self.max.max(delay);
        self.buckets[bucket(delay.max(0) as u64)] += 1;
        delay
    }

    /// What they come to; none if no line has a second time.
    pub fn summary(&self) -> Option<DelaySummary> {
        (self.count > 0).then(|| DelaySummary {
            lines: self.count,
            p50_us: self.quantile(50),
            p90_us: self.quantile(90),
            p99_us: self.quantile(99),
            max_us: self.max.max(0) as u64,
            min_us: self.min,
        })
    }

    /// How many took no longer than so many microseconds, a power of two.
    pub fn up_to(&self, micros: u64) -> u64 {
        let below = self.buckets.iter().take(bucket(micros));
        below.sum()
    }

    /// All delays together, in microseconds.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    fn quantile(&self, percent: u64) -> u64 {
        let rank = (self.count * percent).div_ceil(100);
        let mut seen = 0;
        let full = self.buckets.iter().position(|lines| {
            seen += lines;
            seen >= rank
        });
        full.map_or(0, last_of).min(self.max.max(0) as u64)
    }
}

fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let power = value.ilog2() - STEPS.ilog2();
    (u64::from(power) * STEPS + (value >> power)) as usize
}

/// The highest value of a bucket.
fn last_of(bucket: usize) -> u64 {
    let (power, step) = (bucket as u64 / STEPS, bucket as u64 % STEPS);
    match power.checked_sub(1) {
        None => step,
        Some(power) => ((STEPS + step + 1) << power) - 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_right_to_one_in_sixteen() {
        let mut delays = Delays::default();
        assert_eq!(delays.summary(), None);
        (1..=1000).for_each(|n| {
            delays.count(5, 5 + n * 1000);
        });
        delays.count(1_000_000, 0);
        let summary = delays.summary().unwrap();
        let near = |found: u64, exact: u64| found >= exact && found <= exact + exact / 16 + 1;
        assert!(near(summary.p50_us, 500_000), "{summary:?}");
        assert!(near(summary.p90_us, 900_000), "{summary:?}");
        assert_eq!((summary.max_us, summary.min_us), (1_000_000, -1_000_000));
        for value in [0, 15, 16, 17, 1 << 40, u64::MAX >> 1] {
            assert!(last_of(bucket(value)) >= value && bucket(value) < BUCKETS);
        }
    }
}
