//! The books: figures that must agree, because different parts of the program counted the same thing.

use crate::{plan::workload::Limit, run::outcome::RunOutcome};

/// What does not balance, in words; nothing in an honest run.
pub(super) fn imbalances(outcome: &RunOutcome) -> Vec<String> {
    let counted = outcome.totals.account.figures().into_iter();
    let twice = counted
        .zip(outcome.closing.account.figures())
        .filter(|(counted, told)| counted != told)
        .map(|((name, counted), (_, told))| {
            format!("{name} as counted ({counted}) differs from that in the accounts ({told})")
        });
    let related = related(outcome)
        .into_iter()
        .filter(|((_, value), (_, other_value))| value != other_value)
        .map(|((name, value), (other, other_value))| {
            format!("{name} ({value}) differs from {other} ({other_value})")
        });
    let in_order = outcome.processor.data_in_order;
    let disorder = (!in_order).then(|| "the Processor's items are not the newest in order".into());
    twice.chain(related).chain(disorder).collect()
}

/// What a figure counts, and its value.
type Figure = (&'static str, u64);

/// Figures that must be equal, for one of them follows from others.
fn related(outcome: &RunOutcome) -> Vec<(Figure, Figure)> {
    let (workload, log, totals) = (&outcome.workload, &outcome.log, &outcome.totals);
    let (account, not_started) = (outcome.closing.account, outcome.closing.not_started);
    let (processor, begun) = (outcome.processor, outcome.workers.done.begun);
    let counter = ("the counter", processor.counter);
    let completed = ("completed operations", account.completed);
    let ended = account.completed + account.abandoned;
    let ended = ("operations that ended", ended);
    let times = ("operation times", totals.operation_time.count);
    let waits = ("lock waits", totals.lock_wait.count);
    let data = ("the data length", processor.data_len);
    let limited = processor.counter.min(workload.data_limit.or_max());
    let limited = ("the counter within the data limit", limited);
    let kept_or_dropped = processor.data_len + processor.dropped;
    let kept_or_dropped = ("data length and dropped items", kept_or_dropped);
    let by_ending = ("operations by how they ended", account.begun());
    let written_or_lost = log.file.lines + log.file.lost;
    let written_or_lost = ("lines written to the file or lost", written_or_lost);
    let mut pairs = vec![
        (counter, completed),
        (times, ended),
        (waits, completed),
        (data, limited),
        (kept_or_dropped, counter),
        (("operations begun", begun), by_ending),
        (("lines logged", log.lines), written_or_lost),
    ];
    if let (Limit::At(planned), Limit::At(left)) = (workload.operations(), not_started) {
        let all = ("begun and not started", begun.saturating_add(left));
        pairs.push((("planned operations", planned), all));
    }
    // What was done and not logged is answered with 500.
    if !outcome.requests.is_empty() && log.file.errors == 0 && log.file.lost == 0 {
        let answered = |code| outcome.requests.get(&code).copied().unwrap_or(0);
        let panicked = ("unexpected errors", account.panicked);
        pairs.push((("requests answered with 200", answered(200)), completed));
        pairs.push((("requests answered with 500", answered(500)), panicked));
    }
    pairs
}
