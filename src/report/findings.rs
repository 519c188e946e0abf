//! The audit's findings as the page lists them: in words, with their place in the log and on the timeline.

use std::collections::HashMap;

use super::{collector::Places, text::shown};
use crate::audit::{Finding, Kind, Location, Producer, change_words};

/// How many findings of a kind are listed of a run.
pub(super) const LISTED_MAX: usize = 20;

/// A finding, and when it was, where that can be told.
pub(super) type Dated = (Finding, Option<u64>);

/// The first findings of each kind.
pub(super) fn list(findings: &[Finding], files: &[String], places: &Places) -> Vec<Dated> {
    let mut listed: HashMap<Kind, usize> = HashMap::new();
    let mut is_listed = |finding: &&Finding| {
        let number = listed.entry(finding.kind).or_default();
        *number += 1;
        *number <= LISTED_MAX
    };
    let time = |finding: &Finding| {
        let place = finding.at.as_ref()?;
        let file = files.iter().position(|name| *name == place.file)?;
        let (file, line) = (u32::try_from(file).ok()?, place.line);
        places.time_of(Location { file, line })
    };
    let first = findings.iter().filter(|finding| is_listed(finding));
    first.map(|one| (one.clone(), time(one))).collect()
}

/// What was changed, or what stands in the log.
pub(super) fn details(finding: &Finding) -> String {
    if finding.kind != Kind::Altered {
        return shown(&finding.text);
    }
    let changes = finding.changes.iter().map(change_words);
    let changes: Vec<String> = changes.map(|change| shown(&change)).collect();
    changes.join("\n")
}

/// The worker that it concerns, if it is one's.
pub(super) fn worker(finding: &Finding) -> Option<u32> {
    Producer::named(&finding.lines.author)?.worker()
}
