//! The books: figures that must agree, because different parts of the program counted the same thing.

use crate::{plan::workload::Limit, run::outcome::RunOutcome};

/// Two figures that must be equal: what each is, and its value.
type Pair = ((&'static str, u64), (&'static str, u64));

/// What does not balance, in words; nothing in an honest run.
pub fn imbalances(outcome: &RunOutcome) -> Vec<String> {
    let differing = |((left, left_value), (right, right_value)): Pair| {
        (left_value != right_value)
            .then(|| format!("{left} ({left_value}) differs from {right} ({right_value})"))
    };
    let pairs = counted_twice(outcome).into_iter();
    pairs
        .chain(related(outcome))
        .filter_map(differing)
        .collect()
}

/// What the workers' accounts and the counters that anyone may read both count.
fn counted_twice(outcome: &RunOutcome) -> [Pair; 8] {
    let (account, totals) = (&outcome.account, &outcome.totals);
    let ended = account.completed + account.abandoned;
    let twice =
        |counted, total, accounted| ((counted, total), ("those in the accounts", accounted));
    [
        (
            ("the Processor's counter", outcome.processor.counter),
            ("the completed operations", account.completed),
        ),
        twice(
            "completed operations as counted",
            totals.completed,
            account.completed,
        ),
        twice(
            "abandoned operations as counted",
            totals.abandoned,
            account.abandoned,
        ),
        twice(
            "unexpected errors as counted",
            totals.panicked,
            account.panicked,
        ),
        twice(
            "failed attempts as counted",
            totals.failed_attempts,
            account.failed_attempts,
        ),
        twice("retries as counted", totals.retries, account.retries),
        (
            ("operation times", totals.operation_time.count),
            ("operations that ended", ended),
        ),
        (
            ("lock waits", totals.lock_wait.count),
            ("completed operations", account.completed),
        ),
    ]
}

/// Figures of which one follows from others.
fn related(outcome: &RunOutcome) -> Vec<Pair> {
    let RunOutcome {
        account,
        processor,
        log,
        workload,
        ..
    } = outcome;
    let by_end = account.completed + account.abandoned + account.panicked + account.interrupted;
    let mut pairs = vec![
        (
            ("the data length", processor.data_len),
            (
                "the counter within the data limit",
                processor.counter.min(workload.data_limit.or_max()),
            ),
        ),
        (
            (
                "data length and dropped items",
                processor.data_len + processor.dropped,
            ),
            ("the counter", processor.counter),
        ),
        (
            ("items in order", u64::from(processor.data_in_order)),
            ("what they must be", 1),
        ),
        (
            ("operations begun", account.begun),
            ("operations by how they ended", by_end),
        ),
        (
            ("lines logged", log.lines),
            (
                "lines written to the file or lost",
                log.file.lines + log.file.lost,
            ),
        ),
    ];
    if let (Limit::At(each), Limit::At(not_started)) = (workload.iterations, outcome.not_started) {
        pairs.push((
            (
                "planned operations",
                each.saturating_mul(workload.threads.into()),
            ),
            (
                "begun and not started",
                account.begun.saturating_add(not_started),
            ),
        ));
    }
    if !outcome.requests.is_empty() {
        let answered = |code| outcome.requests.get(&code).copied().unwrap_or(0);
        pairs.push((
            ("requests answered with 200", answered(200)),
            ("completed operations", account.completed),
        ));
        pairs.push((
            ("requests answered with 500", answered(500)),
            ("unexpected errors", account.panicked),
        ));
    }
    pairs
}
