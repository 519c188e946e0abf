//! `hifi plan`: prints what must happen in a run, before it does.

use std::{
    io::{self, BufWriter, ErrorKind, Write},
    ops::Range,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use serde::Serialize;

use crate::{
    plan::format::counted,
    plan::workload::{Micros, Shard, Workload},
    plan::{Attempt, Outcome, Plan},
};

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

impl PlannedAttempt {
    fn new(worker: u32, seq: u64, attempt: Attempt) -> Self {
        let (outcome, error) = match attempt.outcome {
            Outcome::Success { .. } => ("success", None),
            Outcome::Retry { .. } => ("retry", None),
            Outcome::Abandon { .. } => ("abandon", None),
            Outcome::Panic(place) => ("panic", Some(place.words())),
        };
        Self {
            worker,
            seq,
            iteration: attempt.iteration,
            attempt: attempt.number,
            outcome,
            delay_us: attempt.outcome.delay().map(|delay| delay.0),
            error,
        }
    }
}

/// The form of a printed plan.
#[derive(Clone, Copy, Debug)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Prints the plan of `workers`. A reader that has seen enough may close its end.
///
/// # Errors
/// Standard output cannot be written for another reason.
pub fn print(
    workload: &Workload,
    workers: Range<u32>,
    format: PlanFormat,
) -> anyhow::Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = match format {
        PlanFormat::Text => print_text(&mut out, workload, workers),
        PlanFormat::Json => print_json(&mut out, workload, workers),
    };
    match printed.and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the plan")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn print_json(out: &mut impl Write, workload: &Workload, workers: Range<u32>) -> io::Result<()> {
    for worker in workers {
        for (attempt, seq) in Plan::new(workload, worker).zip(0..) {
            serde_json::to_writer(&mut *out, &PlannedAttempt::new(worker, seq, attempt))?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn print_text(out: &mut impl Write, workload: &Workload, workers: Range<u32>) -> io::Result<()> {
    write!(out, "Plan of seed {}", workload.seed)?;
    if workload.shard != Shard::WHOLE {
        let all = workload.workers();
        let (first, last) = (all.start, all.end - 1);
        write!(
            out,
            ", shard {} (Worker-{first} to Worker-{last})",
            workload.shard
        )?;
    }
    writeln!(
        out,
        ": {}, {} each",
        counted(workload.threads, "worker"),
        counted(workload.iterations, "iteration"),
    )?;
    let mut longest = (Micros::ZERO, workers.start);
    for worker in workers {
        let mut slept = Micros::ZERO;
        for attempt in Plan::new(workload, worker) {
            write!(
                out,
                "Worker-{worker} iteration={} attempt={} ",
                attempt.iteration, attempt.number
            )?;
            let (words, delay) = match attempt.outcome {
                Outcome::Success { delay } => ("succeeds, then sleeps", delay),
                Outcome::Retry { delay } => ("fails, is tried again after", delay),
                Outcome::Abandon { delay } => ("fails, is abandoned, then sleeps", delay),
                Outcome::Panic(place) => {
                    writeln!(out, "ends the worker: {}", place.words())?;
                    continue;
                }
            };
            writeln!(out, "{words} {}", humantime::format_duration(delay.into()))?;
            slept = Micros(slept.0.saturating_add(delay.0));
        }
        longest = longest.max((slept, worker));
    }
    let (slept, worker) = longest;
    let length = humantime::format_duration(Duration::from(slept));
    writeln!(out, "Worker-{worker} sleeps longest: {length} in all")
}
