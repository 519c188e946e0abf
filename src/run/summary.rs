//! The summary: what a run came to, for people and for programs, and the exit code that says it shortest.
//!
//! There is one form, the JSON; what people read is drawn from it.

use std::{process::ExitCode, time::Duration};

use serde_json::{Value, json};

use crate::{
    figures::Distribution,
    log::{
        event::Reason,
        line::displayed,
        stream::{Patience, Standard},
    },
    plan::format::{Seconds, counted},
    plan::workload::Limit,
    run::balance,
    run::config::{RunConfig, SummaryFormat},
    run::outcome::RunOutcome,
    shutdown::Cause,
};

/// What stands in the JSON form only where there is something to be told.
const LEFT_OUT: [&str; 4] = ["shard", "group", "requests", "sentry"];

/// The form for people: lines with places that are filled from the JSON form.
const TEXT: &str = include_str!("summary.txt");

/// Prints the summary and says with which code the program ends. A reader that stalls is waited for as far as `patience` goes.
pub(super) fn conclude(config: &RunConfig, outcome: &RunOutcome, patience: &Patience) -> ExitCode {
    let problems = problems(outcome);
    let summary = json(outcome, &config.replay, &problems);
    // Where the log goes to standard output, nothing else does.
    let to = match config.log.path {
        Some(_) => Standard::Output,
        None => Standard::Error,
    };
    let text = match config.summary {
        SummaryFormat::Text => text(&summary),
        SummaryFormat::Json => format!("{summary}\n"),
        SummaryFormat::None => String::new(),
    };
    // A console that was given up would take no word, and hold the end up for it.
    let complain = |text: &str| {
        if outcome.log.console.lost == 0 {
            patience.complain(text);
        }
    };
    // What a program reads a person may not see. The text says these itself.
    let tells = match config.summary {
        SummaryFormat::Text => false,
        SummaryFormat::Json => to == Standard::Output,
        SummaryFormat::None => true,
    };
    if tells {
        problems.iter().for_each(|problem| complain(problem));
    }
    let printed = patience.print(to, text.as_bytes());
    if let Err(error) = &printed {
        complain(&format!("cannot write the summary to {to}: {error}"));
    }
    match outcome.stopped_by {
        _ if printed.is_err() || !problems.is_empty() => ExitCode::FAILURE,
        Some(Cause::Signal(number)) => ExitCode::from(128 + number as u8),
        _ => ExitCode::SUCCESS,
    }
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
    if outcome.processor_is_stuck {
        problems.push(
            "the Processor's lock is never released; its figures are those that a worker told last"
                .into(),
        );
    }
    let panicked = outcome.closing.account.panicked;
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
        let path = shown("/log_file", &json!(outcome.log.path));
        problems.push(format!(
            "the log could not be written to {path} ({errors}); missing: {lines}"
        ));
    }
    let imbalances = balance::imbalances(outcome).into_iter();
    problems.extend(imbalances.map(|pair| format!("the books do not balance: {pair}")));
    problems
}

/// The figures in the order in which they are told.
fn json(outcome: &RunOutcome, replay: &str, problems: &[String]) -> Value {
    let (workload, closing, usage) = (&outcome.workload, outcome.closing, outcome.usage);
    let (account, processor, totals) = (closing.account, outcome.processor, &outcome.totals);
    let (requests, at_work) = (&outcome.requests, outcome.workers.usage_at_work);
    let wall = Duration::from_nanos(outcome.nanos).as_secs_f64();
    let stopped_by = match outcome.stopped_by {
        Some(cause) => Some(cause.to_string()),
        None => (closing.reason == Reason::Stopped).then(|| "duration".into()),
    };
    let mut json = json!({
        "run": format!("{:016x}", outcome.run),
        "reason": <&str>::from(closing.reason),
        "stopped_by": stopped_by,
        "seed": workload.seed,
        "shard": workload.group.as_ref().map(|_| workload.shard),
        "group": workload.group,
        "replay": replay,
        "operations": {
            "planned": number(workload.operations()),
            "completed": account.completed,
            "abandoned": account.abandoned,
            "panicked": account.panicked,
            "interrupted": account.interrupted,
            "not_started": number(closing.not_started),
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
        "operation_seconds": percentiles(&totals.operation_time),
        "lock_wait_seconds": percentiles(&totals.lock_wait),
        "operations_per_second": if wall > 0.0 { account.completed as f64 / wall } else { 0.0 },
        "wall_seconds": wall,
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
        "problems": problems,
    });
    if let Some(json) = json.as_object_mut() {
        json.retain(|name, value| !(value.is_null() && LEFT_OUT.contains(&&**name)));
    }
    json
}

/// A limit as a number, if it is one.
fn number(limit: Limit) -> Option<u64> {
    match limit {
        Limit::Unlimited => None,
        Limit::At(n) => Some(n),
    }
}

/// What is told of a distribution of times, in seconds.
fn percentiles(times: &Distribution) -> Value {
    let at = |quantile| times.quantile(quantile);
    let nanos = [
        ("p50", at(0.50)),
        ("p90", at(0.90)),
        ("p95", at(0.95)),
        ("p99", at(0.99)),
        ("max", times.max),
    ];
    Value::from_iter(nanos.map(|(name, nanos)| (name, nanos as f64 / 1e9)))
}

/// The summary for people.
fn text(json: &Value) -> String {
    let lines = TEXT.lines().filter_map(|line| filled(line, json));
    let problems = json["problems"].as_array().into_iter().flatten();
    let problems = problems.filter_map(Value::as_str);
    let problems = problems.map(|problem| format!("PROBLEM         {problem}"));
    // It is the last line: it stays in sight where the rest does not fit the screen.
    let how = match (json["stopped_by"].as_str(), json["reason"].as_str()) {
        (Some("duration"), Some("stopped")) => "ended by its --duration",
        (Some(_), Some("stopped")) => "INTERRUPTED by {/stopped_by}",
        (Some(_), _) => "{/reason}, and stopped by {/stopped_by}",
        (None, _) => "{/reason}",
    };
    let headline = filled(
        &format!("\nRun {{/run}} {how} after {{/wall_seconds}}"),
        json,
    );
    let all = lines.chain(problems).chain(headline);
    all.map(|line| line + "\n").collect()
}

/// A line with its places filled; none where the JSON form lacks one of them. A place is a path, and perhaps the columns that it
/// takes, or what is counted.
fn filled(line: &str, json: &Value) -> Option<String> {
    let mut parts = line.split(['{', '}']);
    let mut filled = parts.next()?.to_owned();
    while let (Some(place), Some(words)) = (parts.next(), parts.next()) {
        let (path, form) = place.split_once(':').unwrap_or((place, "0"));
        let value = shown(path, json.pointer(path)?);
        filled += &match form.parse::<usize>() {
            Ok(columns) => format!("{value:>columns$}{words}"),
            Err(_) => counted(value, form) + words,
        };
    }
    Some(filled)
}

/// A value as people read it.
fn shown(path: &str, value: &Value) -> String {
    match (value, value.as_f64()) {
        (Value::Null, _) if path.starts_with("/operations/") => Limit::Unlimited.to_string(),
        (Value::Null, _) => "unknown".into(),
        (Value::String(dash), _) if path == "/log_file" && dash == "-" => "standard output".into(),
        (Value::String(text), _) => displayed(text.as_ref()),
        (Value::Object(codes), _) => {
            let rows = codes.iter().map(|(code, count)| (code, count.to_string()));
            let rows = rows.map(|(code, count)| format!("{count:>12} answered with {code}"));
            rows.collect::<Vec<_>>().join(&format!("\n{:16}", ""))
        }
        (_, Some(seconds)) if path.contains("_seconds") => Seconds(seconds).to_string(),
        (_, Some(bytes)) if path.ends_with("_bytes") => format!("{:.1} MB", bytes / 1e6),
        (_, Some(number)) if value.is_f64() => format!("{number:.1}"),
        _ => value.to_string(),
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
            totals: Default::default(),
            processor: Contents {
                counter: 0,
                data_len: 0,
                dropped: 0,
                data_in_order: true,
            },
            processor_is_stuck: false,
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
