//! The run's clock: the wall clock once, at the start, and from there the monotonic one.
//!
//! A step of the wall clock moves no time stamp and no duration.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::ensure;
use nix::time::ClockId;

/// A point of a run's time, in nanoseconds since its clock was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp(pub u64);

impl Stamp {
    /// The latest time that there is.
    pub const MAX: Self = Self(u64::MAX);

    /// Nanoseconds since `earlier`; 0 if that is later.
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The time `duration` later.
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

/// 9999-12-31T23:59:59.999999Z, in microseconds since 1970.
pub const STAMP_MICROS_MAX: u64 = 253_402_300_799_999_999;

/// A clock that never runs backwards and whose reading can be told as a time of day.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// Nanoseconds of the system's monotonic clock.
    start: u64,
    start_micros: u64,
}

impl Clock {
    /// A clock that starts now. A wall clock before 1970 counts as 1970.
    pub fn start() -> Self {
        Self::start_at(SystemTime::now())
    }

    fn start_at(wall: SystemTime) -> Self {
        let wall = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self {
            start: monotonic_nanos(),
            start_micros: u64::try_from(wall.as_micros()).unwrap_or(0),
        }
    }

    /// Whether the system's clock can be told as a time stamp.
    ///
    /// # Errors
    /// It is past the year 9999, the last that a time stamp has room for.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.start_micros <= STAMP_MICROS_MAX,
            "the system's clock is past the year 9999, which no time stamp has room for; set it"
        );
        Ok(())
    }

    /// The time now.
    #[inline]
    pub fn now(&self) -> Stamp {
        Stamp(monotonic_nanos() - self.start)
    }

    /// A stamp as microseconds since 1970.
    #[inline]
    pub fn micros(&self, stamp: Stamp) -> u64 {
        self.start_micros + stamp.0 / 1000
    }
}

/// The system's monotonic clock. `Instant` reads the same, but to subtract one from another costs more than the reading.
#[inline]
fn monotonic_nanos() -> u64 {
    let time = ClockId::CLOCK_MONOTONIC.now();
    let time = time.expect("every system that the program runs on has a monotonic clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_past_the_year_9999_is_refused() {
        let last = UNIX_EPOCH + Duration::from_micros(STAMP_MICROS_MAX);
        assert!(Clock::start_at(last).check().is_ok());
        let late = Clock::start_at(last + Duration::from_micros(1));
        assert!(late.check().unwrap_err().to_string().contains("year 9999"));
    }
}
