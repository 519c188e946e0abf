//! The books: figures that must agree, because different parts of the program counted the same thing.

use crate::{plan::workload::Limit, run::outcome::RunOutcome};

/// What does not balance, in words; nothing in an honest run.
pub(super) fn imbalances(outcome: &RunOutcome) -> Vec<String> {
    let counted = outcome.figures.totals.account.figures().into_iter();
    let twice = counted
        .zip(outcome.figures.closing.account.figures())
        .filter(|(counted, told)| counted != told)
        .map(|((name, counted), (_, told))| {
            format!("{name} as counted ({counted}) differs from that in the accounts ({told})")
        });
    let related = related(outcome)
        .into_iter()
        .filter(|(_, value, _, other_value)| value != other_value)
        .map(|(name, value, other, other_value)| {
            format!("{name} ({value}) differs from {other} ({other_value})")
        });
    twice.chain(related).collect()
}

/// Two figures that must be equal: what each is, and its value.
type Equation = (&'static str, u64, &'static str, u64);

/// Figures of which one follows from others.
fn related(outcome: &RunOutcome) -> Vec<Equation> {
    let (workload, log) = (&outcome.workload, &outcome.log);
    let (totals, processor) = (&outcome.figures.totals, outcome.figures.processor);
    let (account, not_started) = (
        outcome.figures.closing.account,
        outcome.figures.closing.not_started,
    );
    let (completed, begun) = (account.completed, outcome.workers.done.begun);
    let (counter, ended) = (processor.counter, completed + account.abandoned);
    let limited = counter.min(workload.data_limit.or_max());
    let kept_or_dropped = processor.data_len + processor.dropped;
    let written_or_lost = log.file.lines + log.file.lost;
    let (in_order, waits) = (processor.data_in_order.into(), totals.lock_wait.count);
    let timed = totals.operation_time.count;
    let mut pairs = vec![
        ("the counter", counter, "completed operations", completed),
        ("operation times", timed, "operations that ended", ended),
        ("lock waits", waits, "completed operations", completed),
        (
            "the data length",
            processor.data_len,
            "the counter within the data limit",
            limited,
        ),
        (
            "data length and dropped items",
            kept_or_dropped,
            "the counter",
            counter,
        ),
        ("items in order", in_order, "what they must be", 1),
        (
            "operations begun",
            begun,
            "operations by how they ended",
            account.begun(),
        ),
        (
            "lines logged",
            log.lines,
            "lines written to the file or lost",
            written_or_lost,
        ),
    ];
    if let (Limit::At(planned), Limit::At(left)) = (workload.operations(), not_started) {
        let all = begun.saturating_add(left);
        pairs.push(("planned operations", planned, "begun and not started", all));
    }
    if !outcome.requests.is_empty() {
        let answered = |code| outcome.requests.get(&code).copied().unwrap_or(0);
        let (ok, failed) = (answered(200), answered(500));
        pairs.push((
            "requests answered with 200",
            ok,
            "completed operations",
            completed,
        ));
        pairs.push((
            "requests answered with 500",
            failed,
            "unexpected errors",
            account.panicked,
        ));
    }
    pairs
}
