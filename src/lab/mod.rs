//! The lab: each specimen and the fixed program run side by side, and what there is to learn from it.
//!
//! ```text
//! trial (two runs of this program, two audits) -> exhibit (what shows the bug best) -> page
//! ```
//!
//! Nothing on a page is made up: figures and lines are those of the runs that were made for it, and the source is what the
//! program was compiled from.

mod exhibit;
mod memory;
mod page;
mod records;
mod trial;

use std::{path::PathBuf, process::ExitCode, slice, sync::Arc};

use serde_json::json;

use self::{exhibit::Exhibit, page::Page, trial::Trial};
use crate::{
    audit::Input,
    bugs::{SPECIMENS, Specimen},
    log::stream::{complain, print_out},
    plan::workload::Workload,
    report,
    shutdown::{Cause, Stop},
};

/// What the lab shows, and how.
#[derive(Clone, Debug)]
pub struct LabConfig {
    /// The specimen to be shown; all of them without it.
    pub specimen: Option<&'static Specimen>,
    /// Decides every outcome of the runs.
    pub seed: u64,
    /// One JSON object instead of pages.
    pub json: bool,
    /// Whether pages are coloured.
    pub coloured: bool,
    /// Where a page for a browser goes; nowhere without it.
    pub report: Option<PathBuf>,
    /// The command line that repeats a workload's outcomes.
    pub replay: fn(&Workload) -> String,
}

/// Runs the trials and prints what they show. The exit code says whether every bug was caught, and every fixed run clean.
///
/// # Errors
/// A run cannot be made, or standard output cannot be written.
pub fn run(config: &LabConfig) -> anyhow::Result<ExitCode> {
    let stop = Arc::new(Stop::default());
    let _signals = stop.watch_signals(None, complain)?;
    let specimens = match config.specimen {
        Some(one) => slice::from_ref(one),
        None => SPECIMENS,
    };
    let print = |text: String| print_out("what the lab shows", text.as_bytes());
    let show = |draw: &dyn Fn(&mut Page)| {
        let mut page = Page::new(config.coloured);
        draw(&mut page);
        print(page.text + "\n")
    };
    let (mut found, mut logs) = (Vec::new(), Vec::new());
    if !config.json && specimens.len() > 1 {
        let told = format!(
            "{} bugs, each let loose in a run and caught. Beside it stands the same run of the fixed program, from the same \
             seed ({}).",
            specimens.len(),
            config.seed,
        );
        show(&|page| page.paragraph("", &told))?;
    }
    let mut good = true;
    for specimen in specimens {
        let trial = Trial::run(specimen, config.seed);
        // Where a signal has ended a run, there is nothing to be shown.
        if let Some(Cause::Signal(number)) = stop.cause() {
            return Ok(ExitCode::from(128 + number as u8));
        }
        let trial = trial?;
        let exhibit = Exhibit::of(&trial);
        let conclusion = trial.conclude();
        if config.report.is_some() {
            let runs = [&trial.broken, &trial.fixed];
            let each = runs.map(|run| Input::Bytes(run.log_file.clone(), run.log.clone()));
            logs.push((specimen, each));
        }
        good &= conclusion.caught && conclusion.fixed_is_clean;
        if config.json {
            found.push(json!({
                "name": specimen.name,
                "caught": conclusion.caught,
                "fixed_is_clean": conclusion.fixed_is_clean,
                "broken": trial.broken.figures(),
                "fixed": trial.fixed.figures(),
                "exhibit": exhibit.map(|exhibit| exhibit.brief),
            }));
        } else {
            show(&|page| page.specimen(&trial, exhibit.as_ref(), conclusion))?;
        }
    }
    if config.json {
        let all = json!({"seed": config.seed, "good": good, "specimens": found});
        print(format!("{all}\n"))?;
    } else if !good {
        show(&Page::failed)?;
    }
    if let Some(output) = &config.report {
        report::run_lab(logs, config.seed, output, config.replay)?;
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
