//! `hifi plan`: prints what must happen in a run, before it does.

use std::{
    io::{self, BufWriter, Write},
    ops::Range,
    process::ExitCode,
};

use anyhow::Context;
use humantime::format_duration;
use serde::Serialize;

use super::{
    Attempt, Outcome, Plan, Position,
    format::{TextOrJson, counted},
    workload::{Micros, Shard, Workload},
};
use crate::errors::unless_closed;

/// An attempt as `hifi plan --format json` prints it, named as in the log.
#[derive(Serialize)]
struct PlannedAttempt {
    worker: u32,
    seq: u64,
    iteration: u64,
    attempt: u64,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    delay_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

/// Prints the plan of `workers`. A reader that has seen enough may close its end.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub fn print(
    workload: &Workload,
    workers: Range<u32>,
    format: TextOrJson,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = match format {
        TextOrJson::Text => print_text(&mut out, workload, workers),
        TextOrJson::Json => print_json(&mut out, workload, workers),
    };
    unless_closed(printed.and_then(|()| out.flush())).context("cannot write the plan")?;
    Ok(ExitCode::SUCCESS)
}

/// How an attempt ends, in a word as the log has it and in words for people, which go on with the delay; and the error.
fn ending(attempt: Attempt) -> (&'static str, &'static str, Option<&'static str>) {
    match attempt.outcome {
        Outcome::Success { .. } => ("success", "succeeds, then sleeps", None),
        Outcome::Retry { .. } => ("retry", "fails, is tried again after", None),
        Outcome::Abandon { .. } => ("abandon", "fails, is abandoned, then sleeps", None),
        Outcome::Panic(place) => ("panic", "ends the worker:", Some(place.words())),
    }
}

fn print_json(out: &mut impl Write, workload: &Workload, workers: Range<u32>) -> io::Result<()> {
    for worker in workers {
        for (attempt, seq) in Plan::new(workload, worker).zip(0..) {
            let (outcome, _, error) = ending(attempt);
            let planned = PlannedAttempt {
                worker,
                seq,
                iteration: attempt.position.iteration,
                attempt: attempt.position.attempt,
                outcome,
                delay_us: attempt.outcome.delay().map(|delay| delay.0),
                error,
            };
            serde_json::to_writer(&mut *out, &planned)?;
            writeln!(out)?;
        }
    }
    Ok(())
}

fn print_text(out: &mut impl Write, workload: &Workload, workers: Range<u32>) -> io::Result<()> {
    let shard = match (workload.shard, workload.workers()) {
        (Shard::WHOLE, _) => String::new(),
        (shard, all) => format!(
            ", shard {shard} (Worker-{} to Worker-{})",
            all.start,
            all.end - 1
        ),
    };
    let threads = counted(workload.threads, "worker");
    let iterations = counted(workload.iterations, "iteration");
    writeln!(
        out,
        "Plan of seed {}{shard}: {threads}, {iterations} each",
        workload.seed
    )?;
    let mut longest = (Micros::ZERO, workers.start);
    for worker in workers {
        let mut slept = Micros::ZERO;
        for attempt in Plan::new(workload, worker) {
            let (_, words, error) = ending(attempt);
            let delay = attempt.outcome.delay().unwrap_or_default();
            slept = Micros(slept.0.saturating_add(delay.0));
            let delay = || format_duration(delay.into()).to_string();
            let end = error.map_or_else(delay, str::to_owned);
            let Position { iteration, attempt } = attempt.position;
            writeln!(
                out,
                "Worker-{worker} iteration={iteration} attempt={attempt} {words} {end}"
            )?;
        }
        longest = longest.max((slept, worker));
    }
    let (slept, worker) = longest;
    let length = format_duration(slept.into());
    writeln!(out, "Worker-{worker} sleeps longest: {length} in all")
}
