//! The audit's findings as the page lists them: in words, with their place in the log and on the timeline.

use super::{collector::Places, text::shown};
use crate::audit::{Finding, Kind, Location, Producer, change_words, headline};

/// How many findings of a kind are listed of a run.
pub(super) const LISTED_MAX: usize = 20;

/// A finding, ready to be shown.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) kind: &'static str,
    /// Which lines it concerns, and where they are.
    pub(super) words: String,
    /// What was changed, or what stands in the log.
    pub(super) details: String,
    pub(super) worker: Option<u32>,
    /// When it was, where that can be told.
    pub(super) stamp: Option<u64>,
}

/// The first findings of each kind.
pub(super) fn list(findings: &[Finding], files: &[String], places: &Places) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for finding in findings {
        let same = listed
            .iter()
            .filter(|other| other.kind == finding.kind.name());
        if same.count() < LISTED_MAX {
            listed.push(of(finding, files, places));
        }
    }
    listed
}

fn of(finding: &Finding, files: &[String], places: &Places) -> Listed {
    let author = Producer::named(&finding.lines.author);
    let at = finding.at.as_ref().and_then(|place| {
        let file = files.iter().position(|name| *name == place.file)?;
        Some(Location {
            file: u32::try_from(file).ok()?,
            line: place.line,
        })
    });
    Listed {
        kind: finding.kind.name(),
        words: shown(&headline(finding)),
        details: match finding.kind {
            Kind::Altered => {
                let changes = finding.changes.iter();
                let changes = changes.map(|change| shown(&change_words(change)));
                changes.collect::<Vec<_>>().join("\n")
            }
            _ => shown(&finding.text),
        },
        worker: author.and_then(Producer::worker),
        stamp: at.and_then(|at| places.time_of(at)),
    }
}
