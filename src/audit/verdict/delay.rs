//! How long lines took from their producer to where the pipeline noted their arrival.

use serde::{Deserialize, Serialize};

use crate::figures::Distribution;

/// Delays of lines in microseconds.
#[derive(Clone, Debug, Default)]
pub struct Delays {
    /// Those below zero count as zero. None as long as no line has a second time.
    times: Option<Distribution>,
    min: i64,
}

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
        self.min = match self.times {
            Some(_) => self.min.min(delay),
            None => delay,
        };
        let times = self.times.get_or_insert_default();
        times.record(delay.max(0) as u64);
        delay
    }

    /// What they come to; none if no line has a second time.
    pub fn summary(&self) -> Option<DelaySummary> {
        let times = self.times.as_ref()?;
        Some(DelaySummary {
            lines: times.count,
            p50_us: times.quantile(0.5),
            p90_us: times.quantile(0.9),
            p99_us: times.quantile(0.99),
            max_us: times.max,
            min_us: self.min,
        })
    }

    /// All of them that are not below zero; none if no line has a second time.
    pub fn times(&self) -> Option<&Distribution> {
        self.times.as_ref()
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
    }
}
