//! The books: figures that must agree, because different parts of the program counted the same thing.

use crate::{
    log::account::Closing,
    plan::workload::Limit,
    run::outcome::{FinalFigures, RunOutcome},
};

/// Two figures that must be equal: what each is, and its value.
type Pair = ((&'static str, u64), (&'static str, u64));

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
        .filter(|((_, left), (_, right))| left != right)
        .map(|((left, left_value), (right, right_value))| {
            format!("{left} ({left_value}) differs from {right} ({right_value})")
        });
    twice.chain(related).collect()
}

/// Figures of which one follows from others.
fn related(outcome: &RunOutcome) -> Vec<Pair> {
    let RunOutcome {
        figures,
        log,
        workload,
        ..
    } = outcome;
    let FinalFigures {
        totals, processor, ..
    } = figures;
    let Closing {
        account,
        not_started,
        ..
    } = figures.closing;
    let begun = outcome.workers.done.begun;
    let ended = account.completed + account.abandoned;
    let within_limit = processor.counter.min(workload.data_limit.or_max());
    let kept_or_dropped = processor.data_len + processor.dropped;
    let written_or_lost = log.file.lines + log.file.lost;
    let mut pairs = vec![
        (
            ("the Processor's counter", processor.counter),
            ("the completed operations", account.completed),
        ),
        (
            ("operation times", totals.operation_time.count),
            ("operations that ended", ended),
        ),
        (
            ("lock waits", totals.lock_wait.count),
            ("completed operations", account.completed),
        ),
        (
            ("the data length", processor.data_len),
            ("the counter within the data limit", within_limit),
        ),
        (
            ("data length and dropped items", kept_or_dropped),
            ("the counter", processor.counter),
        ),
        (
            ("items in order", u64::from(processor.data_in_order)),
            ("what they must be", 1),
        ),
        (
            ("operations begun", begun),
            ("operations by how they ended", account.begun()),
        ),
        (
            ("lines logged", log.lines),
            ("lines written to the file or lost", written_or_lost),
        ),
    ];
    if let (Limit::At(planned), Limit::At(not_started)) = (workload.operations(), not_started) {
        pairs.push((
            ("planned operations", planned),
            ("begun and not started", begun.saturating_add(not_started)),
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
