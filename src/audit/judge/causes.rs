//! What probably made the differences: said only where the evidence points at it.

use super::evidence::{Dropped, Evidence};
use crate::audit::{
    account::run::RunAccount,
    verdict::{Counts, Finding, Kind, LikelyCause, Place, findings::Findings},
};

/// Behind a place where lines are missing, one of the producers goes on within so many lines.
const NEAR_MAX: u64 = 100;

/// The likely causes of what was found in a run.
pub(crate) fn causes(account: &RunAccount, evidence: &Evidence) -> Vec<LikelyCause> {
    let found = &account.findings;
    let causes = [
        ("lost", lost(account, evidence)),
        ("duplicated", duplicated(account)),
        ("truncated", truncated(account, found)),
    ];
    causes
        .into_iter()
        .filter_map(|(kind, text)| {
            let kind = kind.into();
            Some(LikelyCause { kind, text: text? })
        })
        .collect()
}

fn lost(account: &RunAccount, evidence: &Evidence) -> Option<String> {
    let Counts {
        lost, announced, ..
    } = account.findings.counts;
    if lost == 0 {
        return None;
    }
    if announced == lost {
        return Some(
            "the log file could not be written for a while, and the program said so".into(),
        );
    }
    if announced > 0 {
        let text = "in part the log file could not be written, and the program said so; the rest is lost otherwise";
        return Some(text.into());
    }
    if evidence.dropped.notes > 0 {
        return Some(rate_limit(evidence.dropped));
    }
    let entries = account.findings.kept(Kind::Lost);
    if let Some((bytes, at)) = &evidence.hole
        && entries.iter().any(|entry| is_behind(entry, at))
    {
        return Some(format!(
            "a hole in the file: there are {bytes} NUL bytes at line {}, as a crash or a truncated copy leaves them",
            at.line
        ));
    }
    if shown_once(account) {
        let text =
            "lines with equal time stamps are there once each: something takes them for copies";
        return Some(text.into());
    }
    if is_head(entries) {
        let cut = account.findings.kept(Kind::Truncated);
        let in_mid_line = cut
            .iter()
            .any(|cut| cut.at.as_ref().is_some_and(|at| at.line == 1));
        return Some(match in_mid_line {
            true => "reading began in the middle of a line, as at an offset that belongs to another file".into(),
            false => "the beginning is missing: a part that was rotated away and not given, or a reader that came late"
                .into(),
        });
    }
    None
}

fn rate_limit(
    Dropped {
        notes,
        lines,
        first,
    }: Dropped,
) -> String {
    let dropped = match lines {
        0 => "lines were dropped".into(),
        1 => "1 line was dropped".into(),
        lines => format!("{lines} lines were dropped"),
    };
    let told = match notes {
        1 => format!("line {first} says"),
        _ => format!("{notes} notes, the first in line {first}, say"),
    };
    format!("a limit on the rate of lines: {told} that {dropped}")
}

/// Whether the line that shows a loss stands so soon behind this place that the loss may lie there.
fn is_behind(lost: &Finding, place: &Place) -> bool {
    let soon = place.line..=place.line + NEAR_MAX;
    lost.at
        .as_ref()
        .is_some_and(|next| next.file == place.file && soon.contains(&next.line))
}

/// Whether no two lines that follow each other share their time stamp though so many lines in so little time would.
fn shown_once(account: &RunAccount) -> bool {
    let (Some(first), Some((last, _))) = (account.arrivals.first_stamp, account.arrivals.last)
    else {
        return false;
    };
    // Of lines that come at random at a mean distance of d, one in d + 1 shares its stamp with the one before.
    let distance = last.abs_diff(first) / account.lines.max(1);
    account.arrivals.same_stamp == 0 && account.lines / (distance + 1) >= 20
}

/// Whether of main and each other producer that is concerned it is the first lines, and no others.
fn is_head(findings: &[Finding]) -> bool {
    let mut lines = findings.iter().map(|found| &found.lines);
    lines.clone().all(|lines| lines.first == Some(0)) && lines.any(|lines| lines.author == "main")
}

fn duplicated(account: &RunAccount) -> Option<String> {
    let entries = account.findings.kept(Kind::Duplicated);
    let count = account.findings.counts.duplicated;
    let (first, last) = account.copies?;
    // Whatever is sent or read again as a whole is there without a line between that is new.
    if count < 2 || last - first >= count {
        return None;
    }
    Some(match is_head(entries) {
        true => "the log was read again from its beginning".into(),
        false => format!("a block of {count} lines that was sent or read again as a whole"),
    })
}

fn truncated(account: &RunAccount, found: &Findings) -> Option<String> {
    let (shortest, longest) = account.cut_lengths?;
    (found.counts.truncated > 2 && shortest == longest)
        .then(|| format!("a limit on the length of lines: each of them is cut at {shortest} bytes"))
}
