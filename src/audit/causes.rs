//! What probably made the differences: said only where the evidence points at it.

use super::{
    account::RunAccount,
    findings::{Entry, Findings, Kind, Location},
    judge::Evidence,
    record::Producer,
    verdict::{Cause, RunVerdict},
};

/// The likely causes of what was found in a run.
pub fn causes(account: &RunAccount, run: &RunVerdict, evidence: &Evidence) -> Vec<Cause> {
    let found = &account.findings;
    let causes = [
        ("lost", lost(account, run, evidence)),
        ("duplicated", duplicated(found)),
        ("truncated", truncated(account, found)),
    ];
    causes
        .into_iter()
        .filter_map(|(kind, text)| {
            let kind = kind.into();
            Some(Cause { kind, text: text? })
        })
        .collect()
}

fn lost(account: &RunAccount, run: &RunVerdict, evidence: &Evidence) -> Option<String> {
    let counts = &run.counts;
    if counts.lost == 0 {
        return None;
    }
    if counts.announced == counts.lost {
        return Some(
            "the log file could not be written for a while, and the program said so".into(),
        );
    }
    if counts.announced > 0 {
        let text = "in part the log file could not be written, and the program said so; the rest is lost otherwise";
        return Some(text.into());
    }
    if let Some((lines, at)) = evidence.dropped {
        let many = lines.map_or_else(|| "lines".to_owned(), |lines| format!("{lines} lines"));
        return Some(format!(
            "a limit on the rate of lines: line {} says that {many} were dropped",
            at.line
        ));
    }
    if let Some((bytes, at)) = evidence.hole {
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
    let lost = account.findings.kept(Kind::Lost);
    if is_head(lost) && lost.iter().any(|entry| entry.producers == [Producer::Main]) {
        let cut = account.findings.kept(Kind::Truncated);
        let in_mid_line = cut
            .iter()
            .any(|entry| entry.at.is_some_and(|at| at.line == 1));
        return Some(match in_mid_line {
            true => "reading began in the middle of a line, as at an offset that belongs to another file".into(),
            false => "the beginning is missing: a part that was rotated away and not given, or a reader that came late"
                .into(),
        });
    }
    None
}

/// Whether no two lines that follow each other share their time stamp though so many lines in so little time would.
fn shown_once(account: &RunAccount) -> bool {
    let (Some(first), Some((last, _))) = (account.first_stamp, account.last) else {
        return false;
    };
    // Of lines that come at random at a mean distance of d, one in d + 1 shares its stamp with the one before.
    let distance = last.abs_diff(first) / account.lines.max(1);
    account.same_stamp == 0 && account.lines / (distance + 1) >= 20
}

/// Whether of each producer the first lines are concerned, and no others.
fn is_head(entries: &[Entry]) -> bool {
    let starts = |entry: &Entry| {
        entry
            .numbers
            .as_ref()
            .is_some_and(|numbers| numbers.start == 0)
    };
    !entries.is_empty() && entries.iter().all(starts)
}

fn duplicated(found: &Findings) -> Option<String> {
    let entries = found.kept(Kind::Duplicated);
    let count = found.count(Kind::Duplicated);
    if is_head(entries)
        && entries
            .iter()
            .any(|entry| entry.producers == [Producer::Main])
    {
        return Some("the log was read again from its beginning".into());
    }
    // All in one place: a block was repeated, not single lines.
    let places: Vec<Location> = entries.iter().filter_map(|entry| entry.at).collect();
    let first = places.iter().map(|at| at.line).min()?;
    let last = places.iter().map(|at| at.line).max()?;
    let together = places.iter().all(|at| at.file == places[0].file) && last - first < count;
    let one_each = entries.iter().enumerate().all(|(i, entry)| {
        entries[..i]
            .iter()
            .all(|other| other.producers != entry.producers)
    });
    (count > 1 && together && one_each)
        .then(|| format!("a block of {count} lines that was sent or read again as a whole"))
}

fn truncated(account: &RunAccount, found: &Findings) -> Option<String> {
    let (shortest, longest) = account.cut_lengths?;
    (found.count(Kind::Truncated) > 2 && shortest == longest)
        .then(|| format!("a limit on the length of lines: each of them is cut at {shortest} bytes"))
}
