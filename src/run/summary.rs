//! The summary: what a run came to, for people and for programs, and the exit code that says it shortest.

use std::{collections::BTreeMap, fmt, iter, process::ExitCode, time::Duration};

use anyhow::Context;
use serde::Serialize;

use crate::{
    log::{
        event::Reason,
        line::displayed,
        report::SinkReport,
        stream::{self, Standard, complain},
    },
    observe::error_tracking::Delivery,
    plan::format::{Seconds, counted},
    plan::workload::{GroupId, Limit},
    run::balance,
    run::config::{RunConfig, SummaryFormat},
    run::outcome::RunOutcome,
    shutdown::{Cause, Stop},
    work::figures::Distribution,
};

/// A run's figures, in the order in which they are told.
#[derive(Debug, Serialize)]
struct Summary<'a> {
    run: String,
    /// finished, stopped or panicked.
    reason: &'static str,
    /// What stopped the run: a signal's name, `duration` or `failure`.
    stopped_by: Option<String>,
    seed: u64,
    /// Which part of a larger run this was.
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    /// The larger run.
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    replay: &'a str,
    operations: Operations,
    /// Requests for operations by the status code of their answer, where operations were asked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    requests: &'a BTreeMap<u16, u64>,
    failed_attempts: u64,
    retries: u64,
    counter: u64,
    data_length: u64,
    dropped_items: u64,
    workers: u32,
    workers_ended_early: u64,
    workers_stuck: usize,
    operation_seconds: Percentiles,
    lock_wait_seconds: Percentiles,
    operations_per_second: f64,
    wall_seconds: f64,
    cpu_seconds: Option<f64>,
    peak_memory_bytes: Option<u64>,
    resident_memory_bytes: Option<u64>,
    threads: Option<u64>,
    open_files: Option<u64>,
    log_file: &'a str,
    log_lines: u64,
    file: SinkReport,
    console: SinkReport,
    /// What became of the errors that were to be reported to Sentry.
    #[serde(skip_serializing_if = "Option::is_none")]
    sentry: Option<Delivery>,
    /// What went wrong; empty in a run that exits with 0.
    problems: &'a [String],
}

/// Operations by how they ended. Planned is the sum of the others; none where there is no limit.
#[derive(Debug, Serialize)]
struct Operations {
    planned: Option<u64>,
    completed: u64,
    abandoned: u64,
    panicked: u64,
    interrupted: u64,
    not_started: Option<u64>,
}

/// A distribution of times, in seconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    p50: f64,
    p90: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

impl Percentiles {
    fn of(times: &Distribution) -> Self {
        let seconds = |nanos: u64| nanos as f64 / 1e9;
        let at = |quantile| seconds(times.quantile(quantile));
        Self {
            p50: at(0.50),
            p90: at(0.90),
            p95: at(0.95),
            p99: at(0.99),
            max: seconds(times.max),
        }
    }
}

/// Prints the summary and says with which code the program ends. `stop` ends the patience with a reader that stalls.
///
/// # Errors
/// Standard output cannot be written.
pub fn conclude(config: &RunConfig, outcome: &RunOutcome, stop: &Stop) -> anyhow::Result<ExitCode> {
    let problems = problems(outcome);
    let summary = Summary::new(config, outcome, &problems);
    // Where the log goes to standard output, nothing else does.
    let to = match config.log.path {
        Some(_) => Standard::Output,
        None => Standard::Error,
    };
    let text = match config.summary {
        SummaryFormat::Text => summary.to_string(),
        SummaryFormat::Json => {
            serde_json::to_string(&summary).context("cannot make the summary")? + "\n"
        }
        SummaryFormat::None => String::new(),
    };
    // What a program reads a person may not see. The text says these itself. A console that was given up
    // would take no word, and hold the end up for it.
    let tells = match config.summary {
        SummaryFormat::Text => false,
        SummaryFormat::Json => to == Standard::Output,
        SummaryFormat::None => true,
    };
    if tells && outcome.log.console.lost == 0 {
        problems.iter().for_each(|problem| complain(problem));
    }
    stream::print(to, text.as_bytes(), stop)
        .with_context(|| format!("cannot write the summary to {to}"))?;
    Ok(match outcome.stopped_by {
        _ if !problems.is_empty() => ExitCode::FAILURE,
        Some(Cause::Signal(number)) => ExitCode::from(128 + number as u8),
        _ => ExitCode::SUCCESS,
    })
}

/// What was lost or broken, in words. Abandoned operations are simulated, and normal.
fn problems(outcome: &RunOutcome) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(outcome.refused.clone());
    if let Some(stall) = &outcome.stall {
        problems.push(format!(
            "no worker made progress for {:.1?} though none slept, so the run was ended",
            stall.after
        ));
        problems.extend(
            stall
                .deadlocks
                .iter()
                .map(|cycle| format!("deadlock: {cycle}")),
        );
    }
    if !outcome.stuck.is_empty() {
        let names: Vec<String> = outcome
            .stuck
            .iter()
            .map(|worker| format!("Worker-{worker}"))
            .collect();
        problems.push(format!(
            "never ended, so their accounts are missing: {}",
            names.join(", ")
        ));
    }
    if outcome.processor_is_stuck {
        problems.push(
            "the Processor's lock is never released; its figures are those that a worker told last"
                .into(),
        );
    }
    if outcome.closing.account.panicked > 0 {
        problems.push(format!(
            "ended by an unexpected error: {}",
            counted(outcome.closing.account.panicked, "worker")
        ));
    }
    if outcome.errors_of_its_own > 0 {
        problems.push(format!(
            "unexpected errors of the program itself: {}; standard error has told where",
            outcome.errors_of_its_own
        ));
    }
    problems.extend(outcome.metrics_file.clone());
    let file = outcome.log.file;
    if file.errors > 0 || file.lost > 0 {
        problems.push(format!(
            "the log file could not be written ({}); missing: {}",
            counted(file.errors, "error"),
            counted(file.lost, "line")
        ));
    }
    problems.extend(
        balance::imbalances(outcome)
            .into_iter()
            .map(|pair| format!("the books do not balance: {pair}")),
    );
    problems
}

impl<'a> Summary<'a> {
    fn new(config: &'a RunConfig, outcome: &'a RunOutcome, problems: &'a [String]) -> Self {
        let RunOutcome {
            closing,
            done,
            workload,
            totals,
            processor,
            log,
            ..
        } = outcome;
        let account = closing.account;
        let wall = Duration::from_nanos(outcome.nanos).as_secs_f64();
        let number = |limit| match limit {
            Limit::Unlimited => None,
            Limit::At(n) => Some(n),
        };
        Self {
            run: format!("{:016x}", outcome.run),
            reason: closing.reason.word(),
            stopped_by: match outcome.stopped_by {
                Some(cause) => Some(cause.to_string()),
                None => (closing.reason == Reason::Stopped).then(|| "duration".into()),
            },
            seed: workload.seed,
            shard: workload.group.as_ref().map(|_| workload.shard.to_string()),
            group: workload.group.as_ref().map(GroupId::to_string),
            replay: &config.replay,
            operations: Operations {
                planned: number(workload.operations()),
                completed: account.completed,
                abandoned: account.abandoned,
                panicked: account.panicked,
                interrupted: account.interrupted,
                not_started: number(closing.not_started),
            },
            requests: &outcome.requests,
            failed_attempts: account.failed_attempts,
            retries: account.retries,
            counter: processor.counter,
            data_length: processor.data_len,
            dropped_items: processor.dropped,
            workers: workload.threads,
            workers_ended_early: done.ended_early,
            workers_stuck: outcome.stuck.len(),
            operation_seconds: Percentiles::of(&totals.operation_time),
            lock_wait_seconds: Percentiles::of(&totals.lock_wait),
            operations_per_second: if wall > 0.0 {
                account.completed as f64 / wall
            } else {
                0.0
            },
            wall_seconds: wall,
            cpu_seconds: outcome.usage.cpu.map(|cpu| cpu.as_secs_f64()),
            peak_memory_bytes: outcome.usage.peak_memory,
            resident_memory_bytes: outcome.usage.memory,
            threads: outcome.usage_at_work.threads,
            open_files: outcome.usage_at_work.open_files,
            log_file: &outcome.log.path,
            log_lines: log.lines,
            file: log.file,
            console: log.console,
            sentry: outcome.sentry,
            problems,
        }
    }
}

/// A heading, which stands once for several counts, a count, and what was counted.
type Row = (&'static str, String, String);

impl Summary<'_> {
    /// How the run ended, in a line that is the last: it stays in sight where the rest does not fit the screen.
    fn headline(&self) -> String {
        let how = match self.stopped_by.as_deref() {
            Some("duration") if self.reason == "stopped" => "ended by its --duration".to_owned(),
            Some(by) if self.reason == "stopped" => format!("INTERRUPTED by {by}"),
            Some(by) => format!("{}, and stopped by {by}", self.reason),
            None => self.reason.to_owned(),
        };
        format!(
            "Run {} {how} after {}",
            self.run,
            Seconds(self.wall_seconds)
        )
    }

    fn counts(&self) -> Vec<Row> {
        let or_unlimited = |n: Option<u64>| n.map_or_else(|| "unlimited".into(), |n| n.to_string());
        let ops = &self.operations;
        let row = |heading, count: u64, words: &str| (heading, count.to_string(), words.into());
        let mut rows: Vec<Row> = vec![
            ("Operations", or_unlimited(ops.planned), "planned".into()),
            row("", ops.completed, "completed"),
            row("", ops.abandoned, "abandoned"),
            row("", ops.panicked, "ended by an unexpected error"),
            row("", ops.interrupted, "interrupted"),
            ("", or_unlimited(ops.not_started), "not started".into()),
        ];
        let headings = iter::once("Requests").chain(iter::repeat(""));
        for ((code, count), heading) in self.requests.iter().zip(headings) {
            rows.push(row(heading, *count, &format!("answered with {code}")));
        }
        rows.extend([
            row("Attempts", self.failed_attempts, "failed"),
            row("", self.retries, "retries"),
            row("Processor", self.counter, "counter"),
            row("", self.data_length, "data length"),
            row("", self.dropped_items, "items dropped by the data limit"),
            row("Workers", self.workers.into(), "in all"),
            row("", self.workers_ended_early, "ended early"),
        ]);
        rows
    }

    fn write_sinks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Log             {:>12} lines logged", self.log_lines)?;
        let log_file = displayed(self.log_file.as_ref());
        for (name, sink) in [(&*log_file, &self.file), ("the console", &self.console)] {
            writeln!(
                f,
                "                {:>12} written to {name}, {} lost, {}",
                sink.lines,
                sink.lost,
                counted(sink.errors, "error")
            )?;
        }
        if let Some(Delivery { errors, delivered }) = self.sentry {
            writeln!(f, "Sentry          {errors:>12} errors")?;
            let left = errors.saturating_sub(delivered);
            writeln!(
                f,
                "                {delivered:>12} of them reported, {left} not"
            )?;
        }
        Ok(())
    }

    fn write_usage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Pace            {:>12.1} operations/s",
            self.operations_per_second
        )?;
        if let (Some(cpu), Some(memory)) = (self.cpu_seconds, self.peak_memory_bytes) {
            write!(
                f,
                ", {} CPU, {:.1} MB peak memory",
                Seconds(cpu),
                memory as f64 / 1e6
            )?;
        }
        if let (Some(threads), Some(files)) = (self.threads, self.open_files) {
            write!(
                f,
                "\nProcess         {threads:>12} threads, {files} open files at the last worker's start"
            )?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (heading, count, words) in self.counts() {
            writeln!(f, "{heading:<16}{count:>12} {words}")?;
        }
        writeln!(
            f,
            "\n                      p50       p90       p95       p99       max"
        )?;
        writeln!(f, "Operation time  {}", self.operation_seconds)?;
        writeln!(f, "Lock wait       {}\n", self.lock_wait_seconds)?;
        self.write_sinks(f)?;
        self.write_usage(f)?;
        writeln!(f, "Seed            {}", self.seed)?;
        if let (Some(shard), Some(group)) = (&self.shard, &self.group) {
            writeln!(f, "Shard           {shard} of group {group}")?;
        }
        writeln!(f, "Replay          {}", self.replay)?;
        for problem in self.problems {
            writeln!(f, "PROBLEM         {problem}")?;
        }
        writeln!(f, "\n{}", self.headline())
    }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, value) in [self.p50, self.p90, self.p95, self.p99, self.max]
            .into_iter()
            .enumerate()
        {
            let gap = if i == 0 { "" } else { " " };
            write!(f, "{gap}{:>9}", Seconds(value).to_string())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::Cli,
        log::account::{Account, Closing},
        work::processor::Contents,
    };

    /// A run of no operations, in which nothing went wrong.
    fn outcome() -> RunOutcome {
        let cli = Cli::try_parse_from(["hifi", "--duration", "1s", "-n", "unlimited"]).unwrap();
        RunOutcome {
            run: 7,
            workload: cli.run.workload.into_workload(),
            closing: Closing {
                reason: Reason::Stopped,
                account: Account::ZERO,
                not_started: Limit::Unlimited,
            },
            stopped_by: None,
            done: Default::default(),
            totals: Default::default(),
            processor: Contents {
                counter: 0,
                data_len: 0,
                dropped: 0,
                data_in_order: true,
            },
            log: Default::default(),
            nanos: 0,
            usage: Default::default(),
            usage_at_work: Default::default(),
            refused: None,
            stall: None,
            requests: Default::default(),
            stuck: Vec::new(),
            processor_is_stuck: false,
            metrics_file: None,
            errors_of_its_own: 0,
            sentry: None,
        }
    }

    #[test]
    fn an_error_of_the_program_itself_is_a_problem_wherever_it_strikes() {
        assert_eq!(problems(&outcome()), [""; 0]);
        let errors = RunOutcome {
            errors_of_its_own: 2,
            ..outcome()
        };
        assert_eq!(
            problems(&errors),
            ["unexpected errors of the program itself: 2; standard error has told where"]
        );
    }
}
