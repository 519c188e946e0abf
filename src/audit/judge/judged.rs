//! What is said of one run, as long as more may be found of it.

use crate::audit::{
    config::AuditConfig,
    verdict::{RunVerdict, Status, findings::Findings},
};

/// What is said of a run whose account is closed, and its findings, of which there may still become more.
#[derive(Debug)]
pub(crate) struct Judged {
    pub verdict: RunVerdict,
    pub findings: Findings,
}

impl Judged {
    /// The verdict, where nothing more is to come. `unreadable` says that there are inputs that could not be read.
    pub(crate) fn sum_up(self, config: &AuditConfig, unreadable: bool) -> RunVerdict {
        let mut out = self.verdict;
        out.counts = self.findings.counts;
        out.findings = self.findings.into_kept();
        out.status = status(config, &out, unreadable);
        out
    }
}

/// What the counts come to under the options.
fn status(config: &AuditConfig, run: &RunVerdict, unreadable: bool) -> Status {
    let counts = &run.counts;
    let duplicated = if config.at_least_once {
        0
    } else {
        counts.duplicated
    };
    // What seems lost may stand where nothing can be read.
    let lost = counts.lost > config.allow_lost && !unreadable;
    let others = [
        duplicated,
        counts.reordered,
        counts.altered,
        counts.truncated,
        counts.unexpected,
        counts.late,
        counts.books,
    ];
    if lost || others.iter().any(|count| *count > 0) {
        Status::Findings
    } else if run.cannot_tell.is_empty() && !(unreadable && counts.lost > config.allow_lost) {
        Status::Clean
    } else {
        Status::CannotTell
    }
}
