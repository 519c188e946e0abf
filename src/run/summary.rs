//! The summary: what a run came to, for people and for programs, and the exit code that says it shortest.

use std::{fmt, iter, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use serde_json::{Value, json};

use crate::{
    log::{
        event::Reason,
        line::displayed,
        stream::{self, Standard, complain},
    },
    observe::error_tracking::Delivery,
    plan::format::{Seconds, counted},
    plan::workload::Limit,
    run::balance,
    run::config::{RunConfig, SummaryFormat},
    run::outcome::RunOutcome,
    shutdown::{Cause, Stop},
    work::figures::Distribution,
};

/// What a run came to, to be told in one form or another.
struct Summary<'a> {
    config: &'a RunConfig,
    outcome: &'a RunOutcome,
    /// What went wrong; empty in a run that exits with 0.
    problems: &'a [String],
}

/// What stands in the JSON form only where there is something to be told.
const LEFT_OUT: [&str; 4] = ["shard", "group", "requests", "sentry"];

/// Prints the summary and says with which code the program ends. `stop` ends the patience with a reader that stalls.
///
/// # Errors
/// Standard output cannot be written.
pub fn conclude(
    config: &RunConfig,
    outcome: &RunOutcome,
    stop: &Arc<Stop>,
) -> anyhow::Result<ExitCode> {
    let problems = problems(outcome);
    let summary = Summary {
        config,
        outcome,
        problems: &problems,
    };
    // Where the log goes to standard output, nothing else does.
    let to = match config.log.path {
        Some(_) => Standard::Output,
        None => Standard::Error,
    };
    let text = match config.summary {
        SummaryFormat::Text => summary.to_string(),
        SummaryFormat::Json => format!("{}\n", summary.json()),
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
    Ok(match outcome.figures.stopped_by {
        _ if !problems.is_empty() => ExitCode::FAILURE,
        Some(Cause::Signal(number)) => ExitCode::from(128 + number as u8),
        _ => ExitCode::SUCCESS,
    })
}

/// What was lost or broken, in words. Abandoned operations are simulated, and normal.
fn problems(outcome: &RunOutcome) -> Vec<String> {
    let mut problems = Vec::new();
    problems.extend(outcome.workers.refused.clone());
    if let Some(stall) = &outcome.stall {
        problems.push(format!(
            "no worker made progress for {:.1?} though none slept, so the run was ended",
            stall.after
        ));
        let deadlocks = stall.deadlocks.iter();
        problems.extend(deadlocks.map(|cycle| format!("deadlock: {cycle}")));
    }
    let stuck = &outcome.workers.stuck;
    if !stuck.is_empty() {
        let names: Vec<_> = stuck.iter().map(|n| format!("Worker-{n}")).collect();
        let names = names.join(", ");
        problems.push(format!(
            "never ended, so their accounts are missing: {names}"
        ));
    }
    if outcome.figures.processor_is_stuck {
        problems.push(
            "the Processor's lock is never released; its figures are those that a worker told last"
                .into(),
        );
    }
    let panicked = outcome.figures.closing.account.panicked;
    if panicked > 0 {
        let workers = counted(panicked, "worker");
        problems.push(format!("ended by an unexpected error: {workers}"));
    }
    let own = outcome.errors_of_its_own;
    if own > 0 {
        problems.push(format!(
            "unexpected errors of the program itself: {own}; standard error has told where"
        ));
    }
    problems.extend(outcome.metrics_file.clone());
    let file = outcome.log.file;
    if file.errors > 0 || file.lost > 0 {
        let (errors, lines) = (counted(file.errors, "error"), counted(file.lost, "line"));
        problems.push(format!(
            "the log file could not be written ({errors}); missing: {lines}"
        ));
    }
    let imbalances = balance::imbalances(outcome).into_iter();
    problems.extend(imbalances.map(|pair| format!("the books do not balance: {pair}")));
    problems
}

/// A heading, which stands once for several counts, a count, and what was counted.
type Row = (&'static str, String, String);

fn row(heading: &'static str, count: impl ToString, words: impl Into<String>) -> Row {
    (heading, count.to_string(), words.into())
}

impl Summary<'_> {
    /// The figures in the order in which they are told.
    fn json(&self) -> Value {
        let outcome = self.outcome;
        let (workload, figures, usage) = (&outcome.workload, &outcome.figures, outcome.usage);
        let (account, processor) = (figures.closing.account, figures.processor);
        let (requests, at_work) = (&outcome.requests, outcome.workers.usage_at_work);
        let mut json = json!({
            "run": self.run(),
            "reason": figures.closing.reason.word(),
            "stopped_by": self.stopped_by(),
            "seed": workload.seed,
            "shard": workload.group.as_ref().map(|_| workload.shard),
            "group": workload.group,
            "replay": self.config.replay,
            "operations": {
                "planned": number(workload.operations()),
                "completed": account.completed,
                "abandoned": account.abandoned,
                "panicked": account.panicked,
                "interrupted": account.interrupted,
                "not_started": number(figures.closing.not_started),
            },
            "requests": (!requests.is_empty()).then_some(requests),
            "failed_attempts": account.failed_attempts,
            "retries": account.retries,
            "counter": processor.counter,
            "data_length": processor.data_len,
            "dropped_items": processor.dropped,
            "workers": workload.threads,
            "workers_ended_early": outcome.workers.done.ended_early,
            "workers_stuck": outcome.workers.stuck.len(),
            "operation_seconds": Value::from_iter(percentiles(&figures.totals.operation_time)),
            "lock_wait_seconds": Value::from_iter(percentiles(&figures.totals.lock_wait)),
            "operations_per_second": self.operations_per_second(),
            "wall_seconds": self.wall_seconds(),
            "cpu_seconds": usage.cpu.map(|cpu| cpu.as_secs_f64()),
            "peak_memory_bytes": usage.peak_memory,
            "resident_memory_bytes": usage.memory,
            "threads": at_work.threads,
            "open_files": at_work.open_files,
            "log_file": outcome.log.path,
            "log_lines": outcome.log.lines,
            "file": outcome.log.file,
            "console": outcome.log.console,
            "sentry": outcome.sentry,
            "problems": self.problems,
        });
        if let Some(json) = json.as_object_mut() {
            json.retain(|name, value| !(value.is_null() && LEFT_OUT.contains(&&**name)));
        }
        json
    }

    fn run(&self) -> String {
        format!("{:016x}", self.outcome.run)
    }

    /// What stopped the run: a signal's name, `duration` or `failure`.
    fn stopped_by(&self) -> Option<String> {
        let figures = &self.outcome.figures;
        let by_duration = figures.closing.reason == Reason::Stopped;
        match figures.stopped_by {
            Some(cause) => Some(cause.to_string()),
            None => by_duration.then(|| "duration".into()),
        }
    }

    fn wall_seconds(&self) -> f64 {
        Duration::from_nanos(self.outcome.nanos).as_secs_f64()
    }

    fn operations_per_second(&self) -> f64 {
        match self.wall_seconds() {
            wall if wall > 0.0 => self.outcome.figures.closing.account.completed as f64 / wall,
            _ => 0.0,
        }
    }

    /// How the run ended, in a line that is the last: it stays in sight where the rest does not fit the screen.
    fn headline(&self) -> String {
        let reason = self.outcome.figures.closing.reason;
        let how = match (self.stopped_by().as_deref(), reason) {
            (Some("duration"), Reason::Stopped) => "ended by its --duration".to_owned(),
            (Some(by), Reason::Stopped) => format!("INTERRUPTED by {by}"),
            (Some(by), _) => format!("{reason}, and stopped by {by}"),
            (None, _) => reason.to_string(),
        };
        let (run, wall) = (self.run(), Seconds(self.wall_seconds()));
        format!("Run {run} {how} after {wall}")
    }

    fn counts(&self) -> Vec<Row> {
        let outcome = self.outcome;
        let (closing, processor) = (outcome.figures.closing, outcome.figures.processor);
        let account = closing.account;
        let mut rows = vec![
            row("Operations", outcome.workload.operations(), "planned"),
            row("", account.completed, "completed"),
            row("", account.abandoned, "abandoned"),
            row("", account.panicked, "ended by an unexpected error"),
            row("", account.interrupted, "interrupted"),
            row("", closing.not_started, "not started"),
        ];
        let headings = iter::once("Requests").chain(iter::repeat(""));
        for ((code, count), heading) in outcome.requests.iter().zip(headings) {
            rows.push(row(heading, count, format!("answered with {code}")));
        }
        rows.extend([
            row("Attempts", account.failed_attempts, "failed"),
            row("", account.retries, "retries"),
            row("Processor", processor.counter, "counter"),
            row("", processor.data_len, "data length"),
            row("", processor.dropped, "items dropped by the data limit"),
            row("Workers", outcome.workload.threads, "in all"),
            row("", outcome.workers.done.ended_early, "ended early"),
        ]);
        rows
    }

    fn log_rows(&self) -> Vec<Row> {
        let log = &self.outcome.log;
        let mut rows = vec![row("Log", log.lines, "lines logged")];
        let log_file = displayed(log.path.as_ref());
        for (name, sink) in [(&*log_file, log.file), ("the console", log.console)] {
            let (lost, errors) = (sink.lost, counted(sink.errors, "error"));
            let words = format!("written to {name}, {lost} lost, {errors}");
            rows.push(row("", sink.lines, words));
        }
        if let Some(Delivery { errors, delivered }) = self.outcome.sentry {
            let left = errors.saturating_sub(delivered);
            rows.push(row("Sentry", errors, "errors"));
            rows.push(row("", delivered, format!("of them reported, {left} not")));
        }
        rows
    }
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = self.outcome;
        let (workload, totals, usage) = (&outcome.workload, &outcome.figures.totals, outcome.usage);
        let at_work = outcome.workers.usage_at_work;
        write_rows(f, &self.counts())?;
        let of_all = percentiles(&totals.operation_time);
        let names = of_all.map(|(name, _)| format!(" {name:>9}")).concat();
        writeln!(f, "\n{:15}{names}", "")?;
        for (heading, times) in [
            ("Operation time", of_all),
            ("Lock wait", percentiles(&totals.lock_wait)),
        ] {
            let times = times.map(|(_, time)| format!(" {:>9}", Seconds(time).to_string()));
            writeln!(f, "{heading:<15}{}", times.concat())?;
        }
        writeln!(f)?;
        write_rows(f, &self.log_rows())?;
        let pace = self.operations_per_second();
        write!(f, "Pace            {pace:>12.1} operations/s")?;
        if let (Some(cpu), Some(memory)) = (usage.cpu, usage.peak_memory) {
            let (cpu, memory) = (Seconds(cpu.as_secs_f64()), memory as f64 / 1e6);
            write!(f, ", {cpu} CPU, {memory:.1} MB peak memory")?;
        }
        if let (Some(threads), Some(files)) = (at_work.threads, at_work.open_files) {
            write!(f, "\nProcess         {threads:>12} threads, ")?;
            write!(f, "{files} open files at the last worker's start")?;
        }
        writeln!(f, "\nSeed            {}", workload.seed)?;
        if let Some(group) = &workload.group {
            writeln!(f, "Shard           {} of group {group}", workload.shard)?;
        }
        writeln!(f, "Replay          {}", self.config.replay)?;
        for problem in self.problems {
            writeln!(f, "PROBLEM         {problem}")?;
        }
        writeln!(f, "\n{}", self.headline())
    }
}

fn write_rows(f: &mut fmt::Formatter<'_>, rows: &[Row]) -> fmt::Result {
    for (heading, count, words) in rows {
        writeln!(f, "{heading:<16}{count:>12} {words}")?;
    }
    Ok(())
}

/// A limit as a number, if it is one.
fn number(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Unlimited => None,
        Limit::At(n) => Some(n),
    }
}

/// What is told of a distribution of times, in seconds.
fn percentiles(times: &Distribution) -> [(&'static str, f64); 5] {
    let at = |quantile| times.quantile(quantile);
    [
        ("p50", at(0.50)),
        ("p90", at(0.90)),
        ("p95", at(0.95)),
        ("p99", at(0.99)),
        ("max", times.max),
    ]
    .map(|(name, nanos)| (name, nanos as f64 / 1e9))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{
        cli::Cli,
        log::account::{Account, Closing},
        run::outcome::FinalFigures,
        work::processor::Contents,
    };

    /// A run of no operations, in which nothing went wrong.
    fn outcome() -> RunOutcome {
        let cli = Cli::try_parse_from(["hifi", "--duration", "1s", "-n", "unlimited"]).unwrap();
        RunOutcome {
            run: 7,
            workload: cli.run.workload.into_workload(),
            figures: FinalFigures {
                closing: Closing {
                    reason: Reason::Stopped,
                    account: Account::ZERO,
                    not_started: Limit::Unlimited,
                },
                stopped_by: None,
                totals: Default::default(),
                processor: Contents {
                    counter: 0,
                    data_len: 0,
                    dropped: 0,
                    data_in_order: true,
                },
                processor_is_stuck: false,
            },
            workers: Default::default(),
            log: Default::default(),
            nanos: 0,
            usage: Default::default(),
            stall: None,
            requests: Default::default(),
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
