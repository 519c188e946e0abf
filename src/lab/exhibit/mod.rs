//! What shows a bug best: made from the logs, the summaries and the dumps of its trial, and from nothing else.

mod interleaving;
mod lines_gone;
mod memory;
mod thread_dump;

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
    /// The exhibit that the table of specimens asks for, if the audit's findings do not say it all. None also where the
    /// bug was not caught.
    pub(super) fn of(trial: &Trial) -> Option<Self> {
        match trial.specimen.exhibit {
            bugs::ExhibitKind::Audit => None,
            bugs::ExhibitKind::Interleaving => interleaving::show(trial),
            bugs::ExhibitKind::LinesGone => lines_gone::show(trial),
            bugs::ExhibitKind::Memory => memory::show(trial),
            bugs::ExhibitKind::ThreadDump => thread_dump::show(trial),
        }
    }
}
