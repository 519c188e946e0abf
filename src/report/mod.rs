//! The report: a log as a page to look at, or as a trace to walk through.
//!
//! ```text
//! audit (reads, judges) -> spans (what each line adds) -> collector, history of each run -> section -> page
//!                                |                                                           '- charts, findings, words
//!                                '-> trace (trace events, as they are read)
//! ```
//!
//! The audit reads and judges; the report only watches it and draws. Its size has a bound, whatever the log's: time is kept
//! in columns, workers in rows, findings up to a number. Nothing here knows the command line.

mod chart;
mod collector;
mod config;
mod findings;
mod history;
mod operation_times;
mod page;
mod section;
mod series;
mod spans;
mod text;
mod timeline;
mod trace;
mod words;

use std::{path::Path, process::ExitCode};

use anyhow::{Context, Result};

pub use self::config::{ReportConfig, ReportFormat};
use self::{
    collector::{Collector, RUNS_MAX},
    section::Section,
    trace::Trace,
};
use crate::{
    audit::{self, AuditConfig, Input, Observer, Select, Verdict},
    bugs::Specimen,
    errors::{in_words, unless_closed},
    files::Pending,
    log::{
        line::displayed,
        stream::{complain, print_out},
    },
    plan::workload::Workload,
};

/// How lnav is to read the JSON log; it knows the text log by itself.
const LNAV_FORMAT: &str = include_str!("lnav.json");
/// So many columns of time are drawn in all, however many runs there are: it bounds the page.
const COLUMNS_ALL: usize = 1440;

/// Makes the report, and says in a line what it came to where it does not go to standard output itself. A log that cannot be
/// read ends with 2, a report that cannot be written with 1.
pub fn run(config: &ReportConfig) -> ExitCode {
    match write(&config.output, |file| make(config, file)) {
        Ok(told) => {
            if let Some(name) = name(&config.output) {
                // A reader that has seen enough may close its end.
                let _ = print_out(
                    "what the report came to",
                    format!("{name}: {told}\n").as_bytes(),
                );
            }
            ExitCode::SUCCESS
        }
        Err((error, code)) => {
            complain(&in_words(&error));
            ExitCode::from(code)
        }
    }
}

/// Makes the report; what it came to, in a line.
fn make(config: &ReportConfig, file: &mut Pending) -> Result<String> {
    let (audit, select) = (&config.audit, config.audit.select);
    let judge = |observer: &mut dyn Observer| audit::run_observed(audit, Some(observer));
    match config.format {
        ReportFormat::Html => {
            let mut collector = Collector::default();
            let verdict = judge(&mut collector)?;
            let files: Vec<String> = audit.inputs.iter().map(Input::name).collect();
            let sections = sections(&verdict, collector, &files, config.replay);
            file.write(page::of_log(&verdict, &sections, &files).as_bytes());
            Ok(words::in_a_line(&verdict))
        }
        ReportFormat::Trace if select == Select::Last => Err(anyhow::anyhow!(
            "--run last: a trace is written while the log is read, and which run is the last shows at its end; give the run's id"
        )),
        ReportFormat::Trace => {
            let mut trace = Trace::new(file);
            let verdict = judge(&mut trace)?;
            trace.finish();
            Ok(words::in_a_line(&verdict))
        }
        ReportFormat::Lnav => {
            file.write(LNAV_FORMAT.as_bytes());
            Ok("a format file for lnav".into())
        }
    }
}

/// The lab's page: of each specimen the logs of its broken and its fixed run.
///
/// # Errors
/// A log cannot be read, or the page cannot be written.
pub fn run_lab(
    logs: Vec<(&'static Specimen, [Input; 2])>,
    seed: u64,
    output: &Path,
    replay: fn(&Workload) -> String,
) -> Result<()> {
    let mut numbers = 1..;
    let mut section = |log: Input| -> Result<Section> {
        let files = [log.name()];
        let mut collector = Collector::default();
        let verdict = audit::run_observed(&AuditConfig::new(vec![log]), Some(&mut collector))?;
        let sections = sections(&verdict, collector, &files, replay).into_iter();
        let numbered = sections.zip(&mut numbers).next();
        let (section, number) = numbered.context("a run has left no log")?;
        Ok(Section { number, ..section })
    };
    let mut pairs = Vec::new();
    for (specimen, [broken, fixed]) in logs {
        pairs.push((specimen, [section(broken)?, section(fixed)?]));
    }
    let page = page::of_lab(&pairs, seed);
    let written = write(output, |file| {
        file.write(page.as_bytes());
        Ok(())
    });
    written.map_err(|(error, _)| error)
}

/// What people call the file that a report goes to; nothing for standard output.
fn name(output: &Path) -> Option<String> {
    (output != Path::new("-")).then(|| displayed(output))
}

/// Writes what `make` makes, so that under the file's name stands the whole of it, or what stood there before. An error comes
/// with the exit code that it stands for.
fn write<T>(
    output: &Path,
    make: impl FnOnce(&mut Pending) -> Result<T>,
) -> Result<T, (anyhow::Error, u8)> {
    let cannot = || {
        let name = name(output).unwrap_or_else(|| "standard output".into());
        format!("the report cannot be written to {name}; choose another place for it")
    };
    let opened = match name(output) {
        Some(_) => Pending::open(output).and_then(Pending::gone_at_signal),
        None => Ok(Pending::stdout()),
    };
    let mut file = opened.with_context(cannot).map_err(|error| (error, 1))?;
    let made = make(&mut file).map_err(|error| (error, 2))?;
    let kept = unless_closed(file.keep()).with_context(cannot);
    kept.map(|()| made).map_err(|error| (error, 1))
}

/// Verdict and history of each run, brought together.
fn sections(
    verdict: &Verdict,
    collector: Collector,
    files: &[String],
    replay: fn(&Workload) -> String,
) -> Vec<Section> {
    let columns_max = COLUMNS_ALL / verdict.runs.len().clamp(2, RUNS_MAX);
    let backwards = collector.backwards;
    let (mut runs, places) = collector.finish();
    let sections = (1..).zip(&verdict.runs).map(|(number, run)| {
        let id = u64::from_str_radix(&run.run, 16).ok();
        let mut seen = id.and_then(|id| runs.remove(&id));
        let mut history = seen.as_mut().and_then(|seen| seen.history.as_mut());
        if let Some(history) = &mut history {
            history.settle(run, backwards);
            history.columns.narrow(columns_max);
        }
        let workload = history.and_then(|history| history.workload.as_ref());
        Section {
            number,
            replay: workload.map(replay),
            findings: findings::list(&run.findings, files, &places),
            verdict: run.clone(),
            seen,
        }
    });
    sections.collect()
}
