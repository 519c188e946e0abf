//! The plan of a worker beside what it logged.

use super::Exhibit;
use crate::{
    lab::{records::LogRecord, trial::Trial},
    log::event::Event,
    plan::{Attempt, Outcome, Plan},
};

/// Rows that are shown, the first two of which agree where there are as many.
const ROWS: usize = 8;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let workload = run
        .records
        .iter()
        .find_map(|record| record.event.workload())?;
    let rows = |worker| {
        let logged = run
            .records
            .iter()
            .filter_map(move |record| logged(record, worker));
        Plan::new(&workload, worker).map(planned).zip(logged)
    };
    let all_planned = workload
        .workers()
        .flat_map(|worker| Plan::new(&workload, worker));
    let fails = |attempt: &Attempt| !matches!(attempt.outcome, Outcome::Success { .. });
    let planned_failures = all_planned.filter(fails).count();
    let is_failure = |record: &&LogRecord| matches!(record.event, Event::Failed { .. });
    let logged_failures = run.records.iter().filter(is_failure).count();
    let (worker, first) = workload.workers().find_map(|worker| {
        let first = rows(worker).position(|(plan, log)| plan != log)?;
        Some((worker, first))
    })?;
    let mut lines = vec![format!("{:>5}  {:<34}{}", "seq", "the plan", "the log")];
    let shown = rows(worker)
        .enumerate()
        .skip(first.saturating_sub(2))
        .take(ROWS);
    lines.extend(shown.map(|(seq, (plan, log))| {
        let mark = if plan == log { "" } else { "  <--" };
        format!("{seq:>5}  {plan:<34}{log}{mark}")
    }));
    Some(Exhibit {
        brief: format!(
            "By the plan of this seed {planned_failures} attempts had to fail; the log tells of {logged_failures}. \
             Worker-{worker} leaves its plan at seq {first}: what had to fail is logged as a success, and never \
             tried again."
        ),
        lines,
    })
}

fn planned(attempt: Attempt) -> String {
    let how = match attempt.outcome {
        Outcome::Success { .. } => "success",
        Outcome::Panic(_) => "panic",
        Outcome::Retry { .. } | Outcome::Abandon { .. } => "failure",
    };
    words(attempt.position.iteration, attempt.position.attempt, how)
}

/// The attempt that a line of the worker tells of, if it does.
fn logged(record: &LogRecord, worker: u32) -> Option<String> {
    let (iteration, attempt, how) = match record.event {
        Event::Succeeded {
            iteration, attempt, ..
        } => (iteration, attempt, "success"),
        Event::Failed {
            iteration, attempt, ..
        } => (iteration, attempt, "failure"),
        Event::Unexpected {
            iteration, attempt, ..
        } => (iteration, attempt, "panic"),
        _ => return None,
    };
    (record.worker == Some(worker)).then(|| words(iteration, attempt, how))
}

fn words(iteration: u64, attempt: u64, how: &str) -> String {
    format!("operation {iteration}, attempt {attempt}: {how}")
}
