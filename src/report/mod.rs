//! The report: a log as a page to look at, or as a trace to walk through.
//!
//! ```text
//! audit (reads, judges) -> collector -> history of each run -> section -> page
//!      |                      '- steps, series                  '- chart, timeline, findings, table, words
//!      '-> trace (trace events, as they are read)
//! ```
//!
//! The audit reads and judges; the report only watches it and draws. Its size has a bound, whatever the log's: time is kept
//! in columns, workers in rows, findings up to a number. Nothing here knows the command line.

mod chart;
mod collector;
mod config;
mod findings;
mod history;
mod lnav;
mod output;
mod page;
mod section;
mod series;
mod steps;
mod table;
mod timeline;
mod trace;
mod units;
mod words;

use anyhow::Result;

pub use self::config::{Failure, Output, ReportConfig, ReportFormat};
use self::{
    collector::{Collector, Gathered, RUNS_MAX},
    history::History,
    page::Pair,
    section::Section,
    trace::Trace,
};
use crate::{
    audit::{self, AuditConfig, Finding, Input, RunVerdict, Select, Verdict},
    bugs::Specimen,
    plan::workload::Workload,
};

/// So many columns of time are drawn in all, however many runs there are: it bounds the page.
const COLUMNS_ALL: u64 = 1440;

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
    let told = match config.format {
        ReportFormat::Html => {
            let mut collector = Collector::new(select);
            let verdict = audit::run_observed(audit, progress, Some(&mut collector));
            let verdict = verdict.map_err(Failure::Input)?;
            let files: Vec<String> = audit.inputs.iter().map(Input::name).collect();
            let told = words::in_a_line(&verdict);
            let sections = sections(&verdict, collector.finish(), &files, config.replay);
            file.write(page::of_log(&verdict, &sections, &files).as_bytes());
            told
        }
        ReportFormat::Trace => {
            let mut trace = Trace::new(&mut file, select);
            let verdict = audit::run_observed(audit, progress, Some(&mut trace));
            trace.finish();
            words::in_a_line(&verdict.map_err(Failure::Input)?)
        }
        ReportFormat::Lnav => {
            file.write(lnav::FORMAT.as_bytes());
            "a format file for lnav".into()
        }
    };
    file.keep().map_err(Failure::Output)?;
    Ok(config.output.name().map(|name| format!("{name}: {told}")))
}

/// The lab's page: it is given the logs of each specimen's broken and fixed run, as they come.
#[derive(Debug)]
pub struct LabReport {
    pairs: Vec<Pair>,
    replay: fn(&Workload) -> String,
}

impl LabReport {
    /// A page without specimens.
    pub fn new(replay: fn(&Workload) -> String) -> Self {
        Self {
            pairs: Vec::new(),
            replay,
        }
    }

    /// Adds a specimen, with the logs of both runs.
    ///
    /// # Errors
    /// A log cannot be read.
    pub fn add(&mut self, specimen: &'static Specimen, broken: Input, fixed: Input) -> Result<()> {
        let number = self.pairs.len() * 2;
        let broken = self.section(broken, number + 1)?;
        let fixed = self.section(fixed, number + 2)?;
        self.pairs.push(Pair {
            specimen,
            broken,
            fixed,
        });
        Ok(())
    }

    /// Writes the page.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, seed: u64, output: &Output) -> Result<()> {
        let mut file = output.open()?;
        file.write(page::of_lab(&self.pairs, seed).as_bytes());
        file.keep()
    }

    fn section(&self, log: Input, number: usize) -> Result<Section> {
        let files = [log.name()];
        let mut collector = Collector::new(Select::All);
        let audit = AuditConfig::new(vec![log]);
        let verdict = audit::run_observed(&audit, &mut |_, _| {}, Some(&mut collector))?;
        let sections = sections(&verdict, collector.finish(), &files, self.replay);
        let mut section = sections
            .into_iter()
            .next()
            .ok_or_else(|| anyhow::anyhow!("a run has left no log"))?;
        section.number = number;
        Ok(section)
    }
}

/// Verdict and history of each run, brought together.
fn sections(
    verdict: &Verdict,
    mut gathered: Gathered,
    files: &[String],
    replay: fn(&Workload) -> String,
) -> Vec<Section> {
    let histories = gathered
        .runs
        .values()
        .filter(|(_, history)| history.is_some());
    let columns_max = COLUMNS_ALL / (histories.count() as u64).clamp(2, RUNS_MAX as u64);
    let sections = (1..).zip(&verdict.runs).map(|(number, run)| {
        let id = u64::from_str_radix(&run.run, 16).ok();
        let seen = id.and_then(|id| gathered.runs.remove(&id));
        let (brief, history) = seen.unzip();
        let mut history = history.flatten();
        if let Some(history) = &mut history {
            settle(history, run, gathered.backwards);
            history.align(columns_max);
        }
        let workload = history
            .as_ref()
            .and_then(|history| history.workload.as_ref());
        Section {
            number,
            replay: workload.map(replay),
            findings: findings::list(&run.findings, files, &gathered.places),
            verdict: run.clone(),
            brief,
            history,
        }
    });
    sections.collect()
}

/// Corrects what a history took for lost by what the audit found.
fn settle(history: &mut History, run: &RunVerdict, backwards: bool) {
    if run.counts.lost == 0 {
        return history.nothing_is_lost();
    }
    let ends = run.findings.iter().filter_map(|finding| match finding {
        Finding::Lost { range, .. } => Some((findings::worker(&range.author)?, range.last? + 1)),
        _ => None,
    });
    history.finish(ends, backwards);
}
