//! The workload: what a run does, in validated form.
//!
//! Everything that decides which lines a run must log stands here and nothing else does, so a
//! [`Workload`] is what the "Run started" line carries and what the audit reads back from it.
//! Each value is a type that holds only what is allowed, with one way to read it ([`FromStr`])
//! and one to write it ([`Display`]), which the command line and the log share.

use std::{ops::Range, str::FromStr, time::Duration};

use derive_more::Display;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The most workers a run may have.
pub const THREADS_MAX: u32 = 4096;

/// The most shards that a run may be divided into: the numbers of all workers together fit into 32 bits.
pub const SHARDS_MAX: u32 = 65_536;

/// The longest that the id of a group may be.
const GROUP_LEN_MAX: usize = 128;

/// All that decides what must happen in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Decides every outcome.
    pub seed: u64,
    /// Number of workers, 1 to [`THREADS_MAX`].
    pub threads: u32,
    /// Which part of a larger run this is.
    pub shard: Shard,
    /// What ties the shards of one run together; none for a run that stands alone.
    pub group: Option<GroupId>,
    /// Operations per worker.
    pub iterations: Limit,
    /// Chance that one attempt fails.
    pub failure_rate: Probability,
    /// Sleep after a success, before scaling.
    pub success_delay: Micros,
    /// When a failed attempt is tried again, and after how long.
    pub retry: RetryPolicy,
    /// Multiplies every delay.
    pub time_scale: TimeScale,
    /// Chance that an attempt hits an unexpected error.
    pub panic_rate: Probability,
    /// No operation is started after this long.
    pub duration: Option<Micros>,
    /// Items kept in memory; the oldest are dropped.
    pub data_limit: Limit,
}

impl Workload {
    /// The numbers of the workers. Each shard has its own, counted through the whole run.
    pub fn workers(&self) -> Range<u32> {
        let first = self.shard.index * self.threads;
        first..first + self.threads
    }

    /// The operations that all workers together have to do.
    pub fn operations(&self) -> Limit {
        match self.iterations {
            Limit::Unlimited => Limit::Unlimited,
            Limit::At(each) => Limit::At(each.saturating_mul(self.threads.into())),
        }
    }
}

/// One of the parts that a run is divided into, each for a process of its own.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[display("{index}/{count}")]
pub struct Shard {
    index: u32,
    count: u32,
}

impl Shard {
    /// A run in one part.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Part `index`, counted from 0, of `count`, if there is such a part.
    pub fn new(index: u32, count: u32) -> Option<Self> {
        (index < count && count <= SHARDS_MAX).then_some(Self { index, count })
    }

    /// Which of the parts, counted from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many parts there are.
    pub fn count(self) -> u32 {
        self.count
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let shard = text
            .split_once('/')
            .and_then(|(index, count)| Self::new(index.parse().ok()?, count.parse().ok()?));
        shard.ok_or_else(|| {
            format!("I/N is needed, such as 2/8: N shards, at most {SHARDS_MAX}, of which this is number I, from 0 to N-1")
        })
    }
}

/// The id that the shards of one run have in common.
#[derive(Clone, Debug, Display, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupId(String);

impl FromStr for GroupId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:/".contains(c);
        if (1..=GROUP_LEN_MAX).contains(&text.len()) && text.chars().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(format!(
                "1 to {GROUP_LEN_MAX} letters, digits and characters of -_.:/ are needed, such as a job's id"
            ))
        }
    }
}

/// When a failed attempt is tried again, and after how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Retries per operation before it is abandoned.
    pub max_retries: u32,
    /// Delay before the first retry, and after an operation that was abandoned at once.
    pub delay: Micros,
    /// How the delay grows from attempt to attempt.
    pub backoff: Backoff,
    /// Upper bound of the delay, before scaling.
    pub max_delay: Micros,
    /// The part of the delay that is random.
    pub jitter: Probability,
}

/// How the delay grows from one failed attempt of an operation to the next.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, strum::Display, EnumString, IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "lowercase")]
pub enum Backoff {
    /// The same delay each time.
    Fixed,
    /// Twice the delay each time.
    Exponential,
}

/// A count that may be without bound.
#[derive(Clone, Copy, Debug, Display, PartialEq, Eq)]
pub enum Limit {
    /// No bound.
    #[display("unlimited")]
    Unlimited,
    /// At most this many.
    At(u64),
}

impl Limit {
    /// Whether `count` has reached the limit.
    pub fn reached_by(self, count: u64) -> bool {
        matches!(self, Self::At(limit) if count >= limit)
    }

    /// The bound as a number; `u64::MAX` stands for none, which no count reaches.
    pub fn or_max(self) -> u64 {
        match self {
            Self::Unlimited => u64::MAX,
            Self::At(limit) => limit,
        }
    }

    /// What is left of it after `count`.
    pub fn after(self, count: u64) -> Self {
        match self {
            Self::Unlimited => Self::Unlimited,
            Self::At(limit) => Self::At(limit.saturating_sub(count)),
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Self::Unlimited);
        }
        match text.parse() {
            Ok(limit) => Ok(Self::At(limit)),
            Err(_) => Err(format!(
                "a whole number from 0 to {}, or unlimited, is needed",
                u64::MAX
            )),
        }
    }
}

/// Declares a number of which only some values are allowed: which, and what is said of all others.
macro_rules! number {
    ($(#[$doc:meta])* $type:ident, $allowed:expr, $needed:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Display, PartialEq)]
        pub struct $type(f64);

        impl $type {
            /// The number `value`, if it is allowed.
            pub fn new(value: f64) -> Option<Self> {
                // Adding zero turns -0 into 0, which has one way of being written.
                $allowed(&value).then_some(Self(value + 0.0))
            }

            /// The number.
            pub fn get(self) -> f64 {
                self.0
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                text.parse().ok().and_then(Self::new).ok_or_else(|| $needed.into())
            }
        }
    };
}

number! {
    /// A chance or a share, from 0 to 1.
    Probability,
    |value| (0.0..=1.0).contains(value),
    "a number from 0 to 1 is needed, such as 0.3"
}

number! {
    /// The factor that every delay is multiplied with: 0 or more, and finite.
    TimeScale,
    |value: &f64| value.is_finite() && *value >= 0.0,
    "a finite number of 0 or more is needed: 1 is real time, 0 runs without sleeping"
}

impl Probability {
    /// What never happens.
    pub const ZERO: Self = Self(0.0);
}

impl TimeScale {
    /// Delays as they are.
    pub const REAL: Self = Self(1.0);

    /// `delay` times the factor, to the whole microsecond below; it saturates at [`Micros::MAX`].
    pub fn apply(self, delay: Micros) -> Micros {
        if self == Self::REAL {
            delay
        } else {
            delay.scaled(self.0)
        }
    }
}

/// A length of time in whole microseconds. It is written as the number alone: field names carry the unit.
#[derive(
    Clone, Copy, Debug, Default, Display, derive_more::FromStr, PartialEq, Eq, PartialOrd, Ord,
)]
pub struct Micros(pub u64);

impl Micros {
    /// No time at all.
    pub const ZERO: Self = Self(0);
    /// The longest: over half a million years.
    pub const MAX: Self = Self(u64::MAX);

    /// This length times `factor`, which is 0 or more, to the whole microsecond below.
    /// A float that is cast to an integer saturates, and so does this.
    pub fn scaled(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor) as u64)
    }

    /// This length times 2 to the power of `doublings`; it saturates at [`Micros::MAX`].
    pub fn doubled(self, doublings: u64) -> Self {
        let doublings = u32::try_from(doublings).unwrap_or(u32::MAX);
        let factor = 2_u64.saturating_pow(doublings);
        Self(self.0.saturating_mul(factor))
    }
}

impl From<Micros> for Duration {
    fn from(micros: Micros) -> Self {
        Self::from_micros(micros.0)
    }
}

/// In JSON a value stands as the log writes it, and what is read back is only what is allowed.
macro_rules! as_text {
    ($($type:ty),*) => { $(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
            }
        }
    )* };
}

as_text!(
    Backoff,
    GroupId,
    Limit,
    Micros,
    Probability,
    Shard,
    TimeScale
);

/// Reads a duration as people write it (`10ms`, `1.5s`, `2m`, `0`); it saturates at [`Micros::MAX`].
pub fn parse_duration(text: &str) -> Result<Micros, String> {
    match humantime::parse_duration(text) {
        Ok(duration) => Ok(Micros(
            u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        )),
        Err(error) => Err(format!(
            "{error}; a duration is needed, such as 10ms, 1.5s or 2m"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_probability_is_from_zero_to_one() {
        for (text, allowed) in [
            ("0", true),
            ("1", true),
            ("0.3", true),
            ("1.5", false),
            ("-0.1", false),
            ("NaN", false),
            ("inf", false),
            ("x", false),
        ] {
            assert_eq!(text.parse::<Probability>().is_ok(), allowed, "{text}");
        }
        assert_eq!("-0".parse::<Probability>().unwrap().to_string(), "0");
    }

    #[test]
    fn a_shard_is_one_of_its_count() {
        for (text, allowed) in [
            ("0/1", true),
            ("7/8", true),
            ("65535/65536", true),
            ("8/8", false),
            ("0/0", false),
            ("0/65537", false),
            ("-1/8", false),
            ("1", false),
            ("1/2/3", false),
            ("", false),
        ] {
            let shard = text.parse::<Shard>();
            assert_eq!(shard.is_ok(), allowed, "{text}");
            assert!(shard.is_err() || shard.unwrap().to_string() == text);
        }
    }

    #[test]
    fn a_group_can_stand_in_a_log_and_on_a_command_line_as_it_is() {
        for (text, allowed) in [
            ("4711", true),
            ("cluster-a/job_7.2:1", true),
            ("", false),
            ("a b", false),
            ("a\n", false),
            ("\"", false),
            (&"x".repeat(129), false),
        ] {
            assert_eq!(text.parse::<GroupId>().is_ok(), allowed, "{text}");
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, micros) in [
            ("10ms", 10_000),
            ("1.5s", 1_500_000),
            ("2m", 120_000_000),
            ("0", 0),
            ("1us", 1),
            ("2h 30m", 9_000_000_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Micros(micros)), "{text}");
        }
        for text in ["10x", "", "-1s", "10", "1e3s", "ten"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn delays_saturate() {
        assert_eq!(Micros(3).doubled(4), Micros(48));
        assert_eq!(Micros(0).doubled(u64::MAX), Micros(0));
        assert_eq!(Micros(1).doubled(64), Micros::MAX);
        assert_eq!(Micros(2).doubled(63), Micros::MAX);
        assert_eq!(TimeScale(f64::MAX).apply(Micros::MAX), Micros::MAX);
        assert_eq!(TimeScale(0.0).apply(Micros::MAX), Micros::ZERO);
        assert_eq!(
            parse_duration("584554000years").map_or(Micros::MAX, |long| long),
            Micros::MAX
        );
    }
}
