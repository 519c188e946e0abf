//! The plan of a worker beside what it logged.

use serde_json::json;

use super::Exhibit;
use crate::{
    lab::{
        records::{self, LogRecord},
        trial::Trial,
    },
    log::event::Event,
    plan::{Attempt, Outcome, Plan},
};

/// Rows that are shown, the first two of which agree where there are as many.
const ROWS: usize = 8;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let workload = records::workload(&run.records)?;
    let planned = |worker| Plan::new(&workload, worker);
    let failures = (0..workload.threads)
        .flat_map(planned)
        .filter(|attempt| !matches!(attempt.outcome, Outcome::Success { .. }))
        .count();
    let logged_failures = run
        .records
        .iter()
        .filter(|record| matches!(record.event, Event::Failed { .. }))
        .count();
    let (worker, first) = (0..workload.threads).find_map(|worker| {
        let mut pairs = planned(worker).zip(attempts_of(&run.records, worker));
        let at =
            pairs.position(|(attempt, record)| Some(plan_words(&attempt)) != log_words(record))?;
        Some((worker, at))
    })?;
    let from = first.saturating_sub(2);
    let mut lines = vec![format!("{:>5}  {:<34}{}", "seq", "the plan", "the log")];
    let pairs = planned(worker).zip(attempts_of(&run.records, worker));
    for (seq, (attempt, record)) in pairs.enumerate().skip(from).take(ROWS) {
        let (plan, log) = (plan_words(&attempt), log_words(record)?);
        let mark = if plan == log { "" } else { "  <--" };
        lines.push(format!("{seq:>5}  {plan:<34}{log}{mark}"));
    }
    let claimed = run.number("/operations/completed");
    Some(Exhibit {
        brief: format!(
            "By the plan of this seed {failures} attempts had to fail; the log tells of {logged_failures}. \
             Worker-{worker} leaves its plan at seq {first}: what had to fail is logged as a success, and never \
             tried again."
        ),
        lines,
        reading: format!(
            "These are lines of Worker-{worker}. The seed decides which attempts fail, so what must be in the log \
             is known before the run. From the first arrow on, nothing is as planned: the failed attempt passes for \
             a success, and the attempts that should have followed never happened. {claimed} operations are said to \
             be completed; nobody can say which of them were."
        ),
        data: json!({
            "planned_failures": failures,
            "logged_failures": logged_failures,
            "worker": worker,
            "first_difference": first,
        }),
    })
}

/// The attempts that a worker logged, in order.
fn attempts_of(records: &[LogRecord], worker: u32) -> impl Iterator<Item = &LogRecord> {
    let of_worker = move |record: &&LogRecord| record.worker == Some(worker);
    records
        .iter()
        .filter(of_worker)
        .filter(|record| log_words(record).is_some())
}

fn plan_words(attempt: &Attempt) -> String {
    let how = match attempt.outcome {
        Outcome::Success { .. } => "success",
        Outcome::Panic(_) => "panic",
        Outcome::Retry { .. } | Outcome::Abandon { .. } => "failure",
    };
    words(attempt.iteration, attempt.number, how)
}

fn log_words(record: &LogRecord) -> Option<String> {
    match record.event {
        Event::Succeeded {
            iteration, attempt, ..
        } => Some(words(iteration, attempt, "success")),
        Event::Failed {
            iteration, attempt, ..
        } => Some(words(iteration, attempt, "failure")),
        Event::Unexpected {
            iteration, attempt, ..
        } => Some(words(iteration, attempt, "panic")),
        _ => None,
    }
}

fn words(iteration: u64, attempt: u64, how: &str) -> String {
    format!("operation {iteration}, attempt {attempt}: {how}")
}
