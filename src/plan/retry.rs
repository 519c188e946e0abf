//! The retry decision: pure, from a policy and an attempt's number to what happens next.

use super::{
    Outcome,
    workload::{Backoff, RetryPolicy, TimeScale},
};

/// Decides what follows the failure of attempt number `attempt`, counted from 1: another one, or the operation is given up;
/// then the delay is still slept, as the seed of this program did.
///
/// An operation has one attempt more than it has retries. `share`, from 0 to 1, says how much of
/// the random part of the delay is taken off: jitter shortens a delay and never outgrows its cap.
pub(super) fn decide(policy: &RetryPolicy, scale: TimeScale, attempt: u64, share: f64) -> Outcome {
    let grown = match policy.backoff {
        Backoff::Fixed => policy.delay,
        Backoff::Exponential => policy.delay.doubled(attempt - 1),
    };
    let capped = grown.min(policy.max_delay);
    let delay = match policy.jitter.get() {
        0.0 => capped,
        jitter => capped.scaled(1.0 - jitter * share),
    };
    let delay = scale.apply(delay);
    match attempt <= u64::from(policy.max_retries) {
        true => Outcome::Retry { delay },
        false => Outcome::Abandon { delay },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::workload::{Micros, Probability};

    #[test]
    fn the_table_of_decisions() {
        use Backoff::{Exponential, Fixed};
        let ms = |n: u64| Micros(n * 1000);
        let retry = |n| Outcome::Retry { delay: ms(n) };
        let abandon = |n| Outcome::Abandon { delay: ms(n) };
        for (max_retries, backoff, jitter, attempt, share, expected) in [
            (0, Fixed, 0.0, 1, 0.0, abandon(500)),
            (3, Fixed, 0.0, 1, 0.0, retry(500)),
            (3, Fixed, 0.0, 3, 0.0, retry(500)),
            (3, Fixed, 0.0, 4, 0.0, abandon(500)),
            (9, Exponential, 0.0, 1, 0.0, retry(500)),
            (9, Exponential, 0.0, 2, 0.0, retry(1000)),
            (9, Exponential, 0.0, 6, 0.0, retry(16_000)),
            (9, Exponential, 0.0, 7, 0.0, retry(30_000)),
            (1, Exponential, 0.0, 2, 0.0, abandon(1000)),
            (
                u32::MAX,
                Exponential,
                0.0,
                u64::from(u32::MAX),
                0.0,
                retry(30_000),
            ),
            (3, Fixed, 0.5, 1, 0.0, retry(500)),
            (3, Fixed, 0.5, 1, 0.5, retry(375)),
            (3, Fixed, 1.0, 1, 1.0, retry(0)),
            (9, Exponential, 0.5, 9, 0.5, retry(22_500)),
        ] {
            let jitter = Probability::new(jitter).unwrap();
            let policy = RetryPolicy {
                max_retries,
                delay: ms(500),
                backoff,
                max_delay: ms(30_000),
                jitter,
            };
            assert_eq!(
                decide(&policy, TimeScale::REAL, attempt, share),
                expected,
                "{policy:?}, attempt {attempt}, share {share}"
            );
        }
    }
}
