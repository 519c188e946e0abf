//! The plan: what must happen in a run, computed before it does.
//!
//! Each random draw is a pure, portable function of (seed, worker, iteration, attempt, purpose),
//! so any attempt can be computed alone, on any machine, in any order. The worker carries out
//! what [`Plan`] yields and the audit holds the log against the same iterator. Golden values in
//! the tests keep the function in place: to change it is to start a new schema version.

use std::sync::Arc;

use crate::{
    plan::retry,
    plan::workload::{Limit, Micros, Probability, RetryPolicy, TimeScale, Workload},
};

/// One attempt at one operation, and how it must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which one it is.
    pub position: Position,
    /// How it ends.
    pub outcome: Outcome,
}

/// The attempts of one worker, one after the other.
pub type Attempts = Box<dyn Iterator<Item = Attempt> + Send>;

/// How an attempt ends, and what the worker does then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The operation is complete; the worker sleeps for `delay`.
    Success {
        /// Sleep before the next operation.
        delay: Micros,
    },
    /// The attempt failed and is tried again after `delay`.
    Retry {
        /// Sleep before the next attempt.
        delay: Micros,
    },
    /// The attempt failed, and the operation is given up; the worker sleeps for `delay`.
    Abandon {
        /// Sleep before the next operation.
        delay: Micros,
    },
    /// An unexpected error ends the worker.
    Panic(PanicPlace),
}

impl Outcome {
    /// How long the worker sleeps then, if it goes on.
    pub fn delay(self) -> Option<Micros> {
        match self {
            Self::Success { delay } | Self::Retry { delay } | Self::Abandon { delay } => {
                Some(delay)
            }
            Self::Panic(_) => None,
        }
    }
}

/// Where an unexpected error strikes. It is as wide as a delay: so an [`Outcome`] is two words, which go from function to function
/// in registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum PanicPlace {
    /// Before the Processor's lock is asked for.
    BeforeLock,
    /// While the Processor's lock is held, before anything has changed.
    UnderLock,
}

impl PanicPlace {
    /// The words of the panic, which the log repeats.
    pub fn words(self) -> &'static str {
        match self {
            Self::BeforeLock => "simulated panic",
            Self::UnderLock => "simulated panic under the lock",
        }
    }
}

/// What a draw is for; draws for different purposes are independent of each other.
#[derive(Clone, Copy)]
enum Purpose {
    Outcome = 0,
    Jitter = 1,
    Panic = 2,
}

/// The attempts of one worker, in order: an iterator without end where the iterations have none.
///
/// A worker whose attempt panics makes no further one, and neither does its plan.
#[derive(Clone, Debug)]
pub struct Plan {
    rules: Rules,
    next: Option<Position>,
}

/// A place in a worker's plan: which attempt at which operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    /// The operation, counted from 1.
    pub iteration: u64,
    /// The attempt, counted from 1.
    pub attempt: u64,
}

impl Position {
    /// Where every worker begins.
    pub const FIRST: Self = Self {
        iteration: 1,
        attempt: 1,
    };
}

/// The rules by which one worker's attempts are drawn: all that [`Plan`] knows but its position.
#[derive(Clone, Debug)]
pub struct Rules {
    worker_key: u64,
    common: Arc<Common>,
}

/// What the rules of all workers of a run have in common. They share it: an audit has the rules of thousands.
#[derive(Debug)]
struct Common {
    failure_threshold: u64,
    panic_threshold: u64,
    iterations: Limit,
    success_delay: Micros,
    retry: RetryPolicy,
    time_scale: TimeScale,
}

impl Rules {
    /// The rules for worker number `worker`, counted from 0.
    pub fn new(workload: &Workload, worker: u32) -> Self {
        Self::of(workload)(worker)
    }

    /// The rules for each worker, by its number.
    pub fn of(workload: &Workload) -> impl Fn(u32) -> Self + use<> {
        let seed_key = absorb(0, workload.seed);
        let common = Arc::new(Common {
            failure_threshold: threshold(workload.failure_rate),
            panic_threshold: threshold(workload.panic_rate),
            iterations: workload.iterations,
            success_delay: workload.time_scale.apply(workload.success_delay),
            retry: workload.retry,
            time_scale: workload.time_scale,
        });
        move |worker| Self {
            worker_key: absorb(seed_key, u64::from(worker)),
            common: Arc::clone(&common),
        }
    }

    /// How the attempt at `position` ends.
    pub fn outcome(&self, position: Position) -> Outcome {
        let common = &*self.common;
        if common.panic_threshold > 0 {
            let draw = self.draw(position, Purpose::Panic);
            if uniform(draw) < common.panic_threshold {
                // The lowest bits have no part in the comparison: one of them is free to choose the place.
                return Outcome::Panic(if draw & 1 == 0 {
                    PanicPlace::BeforeLock
                } else {
                    PanicPlace::UnderLock
                });
            }
        }
        if uniform(self.draw(position, Purpose::Outcome)) >= common.failure_threshold {
            return Outcome::Success {
                delay: common.success_delay,
            };
        }
        let jittered = common.retry.jitter != Probability::ZERO;
        let share = if jittered {
            fraction(self.draw(position, Purpose::Jitter))
        } else {
            0.0
        };
        retry::decide(&common.retry, common.time_scale, position.attempt, share)
    }

    /// The position that follows `position` when that attempt ended with `outcome`.
    pub fn after(&self, position: Position, outcome: Outcome) -> Option<Position> {
        match outcome {
            Outcome::Panic(_) => None,
            Outcome::Retry { .. } => Some(Position {
                attempt: position.attempt + 1,
                ..position
            }),
            Outcome::Success { .. } | Outcome::Abandon { .. } => {
                let done = position.iteration;
                (!self.common.iterations.reached_by(done)).then(|| Position {
                    iteration: done.wrapping_add(1),
                    attempt: 1,
                })
            }
        }
    }

    fn draw(&self, position: Position, purpose: Purpose) -> u64 {
        absorb(
            absorb(self.worker_key, position.iteration),
            position.attempt << 2 | purpose as u64,
        )
    }
}

impl Plan {
    /// The plan of worker number `worker`, counted from 0.
    pub fn new(workload: &Workload, worker: u32) -> Self {
        Self {
            rules: Rules::new(workload, worker),
            next: Some(Position::FIRST),
        }
    }
}

impl Iterator for Plan {
    type Item = Attempt;

    #[inline]
    fn next(&mut self) -> Option<Attempt> {
        let position = self.next?;
        let outcome = self.rules.outcome(position);
        self.next = self.rules.after(position, outcome);
        Some(Attempt { position, outcome })
    }
}

/// Takes one more word into a key: SplitMix64's step and finaliser (Steele, Lea, Flood: "Fast
/// splittable pseudorandom number generators", 2014, with Stafford's variant 13 of the mixer).
/// For a given key no two words lead to the same result.
fn absorb(key: u64, word: u64) -> u64 {
    let mut z = (key ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The highest 53 bits of a draw, as many as a float holds exactly.
fn uniform(draw: u64) -> u64 {
    draw >> 11
}

/// A draw as a number from 0 to just under 1.
fn fraction(draw: u64) -> f64 {
    uniform(draw) as f64 / (1_u64 << 53) as f64
}

/// How many of the 2^53 values of [`uniform`] count as a hit: none for 0, all for 1.
fn threshold(rate: Probability) -> u64 {
    (rate.get() * (1_u64 << 53) as f64) as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::workload::{Backoff, Shard};

    fn workload(seed: u64, failure_rate: f64, panic_rate: f64) -> Workload {
        Workload {
            seed,
            threads: 10,
            shard: Shard::WHOLE,
            group: None,
            iterations: Limit::At(100),
            failure_rate: Probability::new(failure_rate).unwrap(),
            success_delay: Micros(10_000),
            retry: RetryPolicy {
                max_retries: 3,
                delay: Micros(500_000),
                backoff: Backoff::Fixed,
                max_delay: Micros(30_000_000),
                jitter: Probability::ZERO,
            },
            time_scale: TimeScale::REAL,
            panic_rate: Probability::new(panic_rate).unwrap(),
            duration: None,
            data_limit: Limit::At(100_000),
        }
    }

    /// An attempt as `iteration.number` and the first letter and delay of its outcome.
    fn short(attempt: Attempt) -> String {
        let outcome = match attempt.outcome {
            Outcome::Success { delay } => format!("S{delay}"),
            Outcome::Retry { delay } => format!("R{delay}"),
            Outcome::Abandon { delay } => format!("A{delay}"),
            Outcome::Panic(PanicPlace::BeforeLock) => "P before".into(),
            Outcome::Panic(PanicPlace::UnderLock) => "P under".into(),
        };
        let Position { iteration, attempt } = attempt.position;
        format!("{iteration}.{attempt} {outcome}")
    }

    fn shorts(workload: &Workload, worker: u32, count: usize) -> String {
        Plan::new(workload, worker)
            .take(count)
            .map(short)
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// These must never change within a schema version: logs that were written long ago are audited by
    /// them. They were computed by another program from the words in this file.
    #[test]
    fn golden_plans() {
        assert_eq!(absorb(0, 42), 0xbdd7_3226_2feb_6e95);
        assert_eq!(absorb(absorb(0, 42), 7), 0x1606_2d6c_1339_e500);
        assert_eq!(
            shorts(&workload(42, 0.3, 0.0), 0, 7),
            "1.1 S10000, 2.1 R500000, 2.2 R500000, 2.3 S10000, 3.1 S10000, 4.1 S10000, 5.1 S10000"
        );
        let mut jittered = workload(42, 0.5, 0.0);
        jittered.retry.max_retries = 1;
        jittered.retry.jitter = Probability::new(0.5).unwrap();
        assert_eq!(
            shorts(&jittered, 3, 8),
            "1.1 R254380, 1.2 A447478, 2.1 R497608, 2.2 A348554, 3.1 S10000, 4.1 R493613, 4.2 A455662, 5.1 R476832"
        );
        assert_eq!(
            shorts(&workload(u64::MAX, 0.3, 0.05), 4095, 100),
            "1.1 S10000, 2.1 S10000, 3.1 R500000, 3.2 S10000, 4.1 S10000, 5.1 R500000, 5.2 P before"
        );
    }

    #[test]
    fn rates_of_zero_and_one_are_exact() {
        assert!(
            Plan::new(&workload(1, 0.0, 0.0), 0)
                .all(|a| matches!(a.outcome, Outcome::Success { .. }))
        );
        assert!(
            Plan::new(&workload(1, 1.0, 0.0), 0)
                .all(|a| !matches!(a.outcome, Outcome::Success { .. }))
        );
        assert_eq!(Plan::new(&workload(1, 1.0, 0.0), 0).count(), 400);
        assert_eq!(Plan::new(&workload(1, 0.3, 1.0), 0).count(), 1);
    }

    /// Draws of 400,000 attempts: each rate lies within five standard deviations of what was asked for,
    /// which chance alone breaks once in 1.7 million seeds, and this seed is fixed.
    #[test]
    fn rates_are_what_was_asked_for() {
        let check = |name: &str, hits: u64, trials: u64, rate: f64| {
            let (trials, hits) = (trials as f64, hits as f64);
            let deviation = (trials * rate * (1.0 - rate)).sqrt();
            assert!(
                (hits - trials * rate).abs() < 5.0 * deviation,
                "{name}: {hits} of {trials} for {rate}"
            );
        };
        for rate in [0.001, 0.1, 0.3, 0.5, 0.9] {
            let (mut trials, mut failures, mut panics, mut under) = (0, 0, 0, 0);
            for worker in 0..40 {
                let rules = Rules::new(&workload(7, rate, rate), worker);
                let harmless = Rules::new(&workload(7, rate, 0.0), worker);
                for iteration in 1..=10_000 {
                    let position = Position {
                        iteration,
                        attempt: 1 + iteration % 4,
                    };
                    trials += 1;
                    failures += u64::from(!matches!(
                        harmless.outcome(position),
                        Outcome::Success { .. }
                    ));
                    if let Outcome::Panic(place) = rules.outcome(position) {
                        panics += 1;
                        under += u64::from(place == PanicPlace::UnderLock);
                    }
                }
            }
            check("failures", failures, trials, rate);
            check("panics", panics, trials, rate);
            check("panics under the lock", under, panics, 0.5);
        }
    }

    proptest! {
        /// The outcome of an attempt depends on nothing but the seed, the place and the rates: not on the number of workers,
        /// of iterations, of retries or on any delay or limit.
        #[test]
        fn draws_are_independent_of_everything_else(
            seed: u64, worker in 0_u32..4096, threads in 1_u32..4096, iterations in 1_u64..60,
            max_retries in 0_u32..9, delay: u64, scale in 0.0..10.0, limit: u64, place in (1_u64..60, 1_u64..9),
        ) {
            let plain = workload(seed, 0.4, 0.02);
            let mut other = plain.clone();
            other.threads = threads;
            other.iterations = Limit::At(iterations);
            other.retry.max_retries = max_retries;
            other.retry.delay = Micros(delay);
            other.success_delay = Micros(delay / 3);
            other.time_scale = TimeScale::new(scale).unwrap();
            other.data_limit = Limit::At(limit);
            other.duration = Some(Micros(delay));
            let position = Position { iteration: place.0, attempt: place.1 };
            let kind = |outcome| match outcome {
                Outcome::Success { .. } => "success",
                Outcome::Retry { .. } | Outcome::Abandon { .. } => "failure",
                Outcome::Panic(_) => "panic",
            };
            prop_assert_eq!(
                kind(Rules::new(&plain, worker).outcome(position)),
                kind(Rules::new(&other, worker).outcome(position))
            );
        }

        /// The workers of all shards together are those of the whole run, each once, with the same attempts.
        #[test]
        fn the_shards_are_the_whole(seed: u64, threads in 1_u32..9, count in 1_u32..9) {
            let mut whole = workload(seed, 0.4, 0.02);
            whole.threads = threads * count;
            let workers = (0..count).flat_map(|index| {
                let mut part = whole.clone();
                part.threads = threads;
                part.shard = Shard::new(index, count).unwrap();
                part.workers().map(move |worker| (worker, Plan::new(&part, worker).collect::<Vec<_>>()))
            });
            let expected = whole.workers().map(|worker| (worker, Plan::new(&whole, worker).collect::<Vec<_>>()));
            prop_assert_eq!(workers.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }

        /// The iterator yields what the rules say of each position alone, without a gap.
        #[test]
        fn the_plan_is_the_rules_in_order(seed: u64, worker in 0_u32..4096, rate in 0.0..1.0) {
            let workload = workload(seed, rate, 0.001);
            let rules = Rules::new(&workload, worker);
            let mut expected = Some(Position::FIRST);
            for attempt in Plan::new(&workload, worker) {
                prop_assert_eq!(Some(attempt.position), expected);
                prop_assert_eq!(rules.outcome(attempt.position), attempt.outcome);
                expected = rules.after(attempt.position, attempt.outcome);
            }
            prop_assert_eq!(expected, None);
        }
    }
}
