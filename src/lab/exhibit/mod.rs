//! What shows a bug best: made from the logs, the summaries and the dumps of its trial, and from nothing else.

mod counters;
mod interleaving;
mod lines_gone;
mod memory;
mod plan_beside_log;
mod thread_dump;

use anyhow::Context;

use super::trial::Trial;
use crate::bugs;

/// Something to look at.
#[derive(Debug)]
pub(super) struct Exhibit {
    /// What it shows, in a sentence or two.
    pub brief: String,
    /// The thing itself: lines of text that are laid out already.
    pub lines: Vec<String>,
}

impl Exhibit {
    /// The exhibit that the table of specimens asks for.
    ///
    /// # Errors
    /// The trial does not show what it should.
    pub(super) fn of(trial: &Trial) -> anyhow::Result<Self> {
        let exhibit = match trial.specimen.exhibit {
            bugs::ExhibitKind::Interleaving => interleaving::show(trial),
            bugs::ExhibitKind::Counters => counters::show(trial),
            bugs::ExhibitKind::PlanBesideLog => plan_beside_log::show(trial),
            bugs::ExhibitKind::LinesGone => lines_gone::show(trial),
            bugs::ExhibitKind::Memory => memory::show(trial),
            bugs::ExhibitKind::ThreadDump => thread_dump::show(trial),
        };
        exhibit.with_context(|| {
            format!(
                "the run with {} does not show it; it was: {}",
                trial.specimen.name, trial.broken.command
            )
        })
    }
}
