//! The audit's findings as the page lists them: in words, with their place in the log and on the timeline.

use super::collector::Places;
use crate::{
    audit::{Finding, Location, Place, Producer, change_words, headline},
    log::line::displayed,
};

/// How many findings of a kind are listed of a run.
const LISTED_MAX: usize = 20;
/// How much of any text that a log brings along is shown.
const TEXT_MAX: usize = 300;

/// A finding, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) kind: &'static str,
    /// Which lines it concerns, and where they are.
    pub(super) words: String,
    /// What was changed, or what stands in the log.
    pub(super) details: String,
    pub(super) worker: Option<u32>,
    /// When it was, where that can be told.
    pub(super) stamp: Option<u64>,
    /// How many more of its kind there are behind it that are not listed.
    pub(super) more: u64,
}

/// The first findings of each kind.
pub(super) fn list(findings: &[Finding], files: &[String], places: &Places) -> Vec<Listed> {
    let mut listed: Vec<Listed> = Vec::new();
    for finding in findings {
        let one = of(finding, files, places);
        let same = listed.iter().filter(|other| other.kind == one.kind);
        if same.count() < LISTED_MAX {
            listed.push(one);
        } else if let Some(last) = listed.iter_mut().rfind(|other| other.kind == one.kind) {
            last.more += 1;
        }
    }
    listed
}

fn of(finding: &Finding, files: &[String], places: &Places) -> Listed {
    let lines = finding.lines().unwrap_or_default();
    let place = finding.place();
    Listed {
        kind: finding.kind(),
        worker: lines.split(':').next().and_then(worker),
        words: shown(&headline(finding)),
        details: match finding {
            Finding::Altered { changes, .. } => {
                let changes = changes.iter().map(|change| shown(&change_words(change)));
                changes.collect::<Vec<_>>().join("\n")
            }
            Finding::Truncated { text, .. } | Finding::Unexpected { text, .. } => shown(text),
            _ => String::new(),
        },
        stamp: place.and_then(|place| time_of(place, files, places)),
        more: 0,
    }
}

/// The number of the worker with this name.
pub(super) fn worker(author: &str) -> Option<u32> {
    Producer::named(author)?.worker()
}

fn time_of(place: &Place, files: &[String], places: &Places) -> Option<u64> {
    let file = files.iter().position(|name| *name == place.file)?;
    places.time_of(Location {
        file: u32::try_from(file).ok()?,
        line: place.line,
    })
}

/// A text that a log or a file name brings along: what would act on a display is escaped, and what is long is cut.
pub(super) fn shown(text: &str) -> String {
    let cut = text.char_indices().nth(TEXT_MAX).map(|(end, _)| end);
    let text = displayed(text[..cut.unwrap_or(text.len())].as_ref());
    match cut {
        Some(_) => text + "…",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_brings_along_is_bounded_and_cannot_act() {
        let hostile = "<b>\u{1b}[31m\u{202e}".to_owned() + &"x".repeat(1 << 20);
        let shown = shown(&hostile);
        assert!(
            shown.len() < 2 * TEXT_MAX && shown.ends_with('…'),
            "{shown}"
        );
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}
