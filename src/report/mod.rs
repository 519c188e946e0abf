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
mod output;
mod page;
mod section;
mod series;
mod spans;
mod text;
mod timeline;
mod trace;
mod words;

use anyhow::{Context, Result};

use self::{
    collector::{Collector, RUNS_MAX},
    section::Section,
    trace::Trace,
};
pub use self::{
    config::{Failure, Output, ReportConfig, ReportFormat},
    page::Pair,
};
use crate::{
    audit::{self, AuditConfig, Input, Observer, Select, Verdict},
    bugs::Specimen,
    plan::workload::Workload,
};

/// How lnav is to read the JSON log; it knows the text log by itself.
const LNAV_FORMAT: &str = include_str!("lnav.json");
/// So many columns of time are drawn in all, however many runs there are: it bounds the page.
const COLUMNS_ALL: usize = 1440;

/// Makes the report; what it came to, in a line for people, if they are not handed the report itself.
/// `progress` is told how many bytes were read, and how many there are.
///
/// # Errors
/// The log cannot be read, or the report cannot be written.
pub fn run(
    config: &ReportConfig,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Option<String>, Failure> {
    let (audit, select) = (&config.audit, config.audit.select);
    if config.format == ReportFormat::Trace && select == Select::Last {
        return Err(Failure::Input(anyhow::anyhow!(
            "--run last: a trace is written while the log is read, and which run is the last shows at its end; give the run's id"
        )));
    }
    let mut file = config.output.open().map_err(Failure::Output)?;
    let mut judge = |observer: &mut dyn Observer| {
        audit::run_observed(audit, progress, Some(observer)).map_err(Failure::Input)
    };
    let told = match config.format {
        ReportFormat::Html => {
            let mut collector = Collector::new(select);
            let verdict = judge(&mut collector)?;
            let files: Vec<String> = audit.inputs.iter().map(Input::name).collect();
            let sections = sections(&verdict, collector, &files, config.replay);
            file.write(page::of_log(&verdict, &sections, &files).as_bytes());
            words::in_a_line(&verdict)
        }
        ReportFormat::Trace => {
            let mut trace = Trace::new(&mut file, select);
            let verdict = judge(&mut trace);
            trace.finish();
            words::in_a_line(&verdict?)
        }
        ReportFormat::Lnav => {
            file.write(LNAV_FORMAT.as_bytes());
            "a format file for lnav".into()
        }
    };
    config.output.keep(file).map_err(Failure::Output)?;
    Ok(config.output.name().map(|name| format!("{name}: {told}")))
}

/// A specimen for the lab's page, by the logs of its broken and its fixed run. `place` is where on the page it comes.
///
/// # Errors
/// A log cannot be read.
pub fn pair(
    place: usize,
    specimen: &'static Specimen,
    logs: [Input; 2],
    replay: fn(&Workload) -> String,
) -> Result<Pair> {
    let [broken, fixed] = logs.map(|log| {
        let files = [log.name()];
        let mut collector = Collector::new(Select::All);
        let audit = AuditConfig::new(vec![log]);
        let verdict = audit::run_observed(&audit, &mut |_, _| {}, Some(&mut collector))?;
        let section = sections(&verdict, collector, &files, replay)
            .into_iter()
            .next();
        section.context("a run has left no log")
    });
    let (mut broken, mut fixed) = (broken?, fixed?);
    (broken.number, fixed.number) = (place * 2 + 1, place * 2 + 2);
    Ok(Pair {
        specimen,
        broken,
        fixed,
    })
}

/// Writes the lab's page.
///
/// # Errors
/// It cannot be written.
pub fn write_lab(pairs: &[Pair], seed: u64, output: &Output) -> Result<()> {
    let mut file = output.open()?;
    file.write(page::of_lab(pairs, seed).as_bytes());
    output.keep(file)
}

/// Verdict and history of each run, brought together.
fn sections(
    verdict: &Verdict,
    collector: Collector,
    files: &[String],
    replay: fn(&Workload) -> String,
) -> Vec<Section> {
    let columns_max = COLUMNS_ALL / collector.kept.len().clamp(2, RUNS_MAX);
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
