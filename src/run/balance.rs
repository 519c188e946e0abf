//! The books: figures that must agree, because different parts of the program counted the same thing.

use crate::{plan::workload::Limit, run::RunOutcome};

/// What does not balance, in words; nothing in an honest run.
pub fn imbalances(outcome: &RunOutcome) -> Vec<String> {
    let RunOutcome {
        account,
        totals,
        processor,
        log,
        workload,
        ..
    } = outcome;
    let mut found = Vec::new();
    let mut pair = |left: &str, left_value: u64, right: &str, right_value: u64| {
        if left_value != right_value {
            found.push(format!(
                "{left} ({left_value}) differs from {right} ({right_value})"
            ));
        }
    };
    pair(
        "the Processor's counter",
        processor.counter,
        "the completed operations",
        account.completed,
    );
    pair(
        "completed operations as counted",
        totals.completed,
        "those in the accounts",
        account.completed,
    );
    pair(
        "abandoned operations as counted",
        totals.abandoned,
        "those in the accounts",
        account.abandoned,
    );
    pair(
        "unexpected errors as counted",
        totals.panicked,
        "those in the accounts",
        account.panicked,
    );
    pair(
        "failed attempts as counted",
        totals.failed_attempts,
        "those in the accounts",
        account.failed_attempts,
    );
    pair(
        "retries as counted",
        totals.retries,
        "those in the accounts",
        account.retries,
    );
    pair(
        "operation times",
        totals.operation_time.count,
        "operations that ended",
        account.completed + account.abandoned,
    );
    pair(
        "lock waits",
        totals.lock_wait.count,
        "completed operations",
        account.completed,
    );
    pair(
        "the data length",
        processor.data_len,
        "the counter within the data limit",
        processor.counter.min(workload.data_limit.or_max()),
    );
    pair(
        "data length and dropped items",
        processor.data_len + processor.dropped,
        "the counter",
        processor.counter,
    );
    pair(
        "items in order",
        u64::from(processor.data_in_order),
        "what they must be",
        1,
    );
    pair(
        "operations begun",
        account.begun,
        "operations by how they ended",
        account.completed + account.abandoned + account.panicked + account.interrupted,
    );
    if let (Limit::At(each), Limit::At(not_started)) = (workload.iterations, outcome.not_started) {
        let planned = each.saturating_mul(workload.threads.into());
        pair(
            "planned operations",
            planned,
            "begun and not started",
            account.begun.saturating_add(not_started),
        );
    }
    if !outcome.requests.is_empty() {
        let answered = |code| outcome.requests.get(&code).copied().unwrap_or(0);
        pair(
            "requests answered with 200",
            answered(200),
            "completed operations",
            account.completed,
        );
        pair(
            "requests answered with 500",
            answered(500),
            "unexpected errors",
            account.panicked,
        );
    }
    pair(
        "lines logged",
        log.lines,
        "lines written to the file or lost",
        log.file.lines + log.file.lost,
    );
    found
}
