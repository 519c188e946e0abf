//! What probably made the differences: said only where the evidence points at it.

use std::collections::BTreeMap;

use super::evidence::{Dropped, Evidence};
use crate::audit::{
    account::{numbers::Numbers, run::RunAccount},
    verdict::{Counts, Finding, Kind, LikelyCause, Place, findings::Findings},
};

/// The likely causes of what was found in a run.
pub(crate) fn causes(account: &RunAccount, evidence: &Evidence) -> Vec<LikelyCause> {
    let found = &account.findings;
    let causes = [
        (Kind::Lost, lost(account, evidence)),
        (Kind::Duplicated, duplicated(account)),
        (Kind::Truncated, truncated(account, found)),
    ];
    let causes = causes.into_iter();
    causes
        .filter_map(|(kind, text)| Some(LikelyCause { kind, text: text? }))
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
    let entries = account.findings.kept(Kind::Lost);
    // So soon behind the place one of the producers goes on that has lost lines.
    let near = 2 * (account.run.workers().len() as u64 + 1);
    let is_near = |next: &Place, place: &Place| {
        next.file == place.file && (place.line..=place.line + near).contains(&next.line)
    };
    let behind = || entries.iter().filter_map(|entry| entry.at.as_ref());
    let loses_lines = |place: &Place| behind().any(|next| is_near(next, place));
    if evidence.dropped.places.iter().any(loses_lines) {
        return Some(rate_limit(&evidence.dropped));
    }
    if let Some((bytes, at)) = &evidence.hole
        && loses_lines(at)
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

fn rate_limit(dropped: &Dropped) -> String {
    let (notes, lines) = (dropped.notes, dropped.lines);
    let first = dropped.places.first().map_or(0, |place| place.line);
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

/// Whether no two lines that follow each other share their time stamp though so many lines in so little time would.
fn shown_once(account: &RunAccount) -> bool {
    let (Some(first), Some((last, _))) = (account.arrivals.first_stamp, account.arrivals.last)
    else {
        return false;
    };
    // Where the newest come first, the last line seen is the first: that says nothing of the time between.
    let Some(span @ 1..) = last.checked_sub(first) else {
        return false;
    };
    // Of lines that come at random at a mean distance of d, one in d + 1 shares its stamp with the one before.
    let distance = span / account.lines.max(1);
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
        false => block(count, entries),
    })
}

/// A block of lines that came again as a whole, once or several times.
fn block(count: u64, found: &[Finding]) -> String {
    let mut numbers = BTreeMap::<&str, Numbers>::new();
    for lines in found.iter().map(|found| &found.lines) {
        if let Some(range) = lines.numbers() {
            numbers
                .entry(&lines.author)
                .or_default()
                .insert_range(range);
        }
    }
    let distinct: u64 = numbers.values().map(|numbers| numbers.len()).sum();
    let times = count.div_ceil(distinct.max(1));
    let lines = count / times;
    let again = match times {
        1 => String::new(),
        times => format!(", {times} times"),
    };
    format!("a block of {lines} lines that was sent or read again as a whole{again}")
}

fn truncated(account: &RunAccount, found: &Findings) -> Option<String> {
    let (shortest, longest) = account.cut_lengths?;
    (found.counts.truncated > 2 && shortest == longest)
        .then(|| format!("a limit on the length of lines: each of them is cut at {shortest} bytes"))
}
