//! What the page says in sentences: of verdicts, of what to do next, of the shape of what was seen.

use super::{
    history::{Attempts, Column, History, LOST},
    text::{count, micros, percent, plural},
};
use crate::audit::{self, GroupVerdict, RunVerdict, Status, Verdict};

/// The class of a verdict's colour.
pub(super) fn class(status: Status) -> &'static str {
    match status {
        Status::Clean => "clean",
        Status::Findings => "dirty",
        Status::CannotTell => "unsure",
    }
}

/// A verdict in a word.
pub(super) fn word(status: Status) -> &'static str {
    match status {
        Status::Clean => "✓ CLEAN",
        Status::Findings => "✗ FINDINGS",
        Status::CannotTell => "? CANNOT TELL",
    }
}

/// The verdict on one run.
pub(super) fn of_run(run: &RunVerdict) -> String {
    let found = run.counts.by_name().into_iter().filter(|(_, all)| *all > 0);
    let named = found.map(|(kind, all)| match kind {
        "books" => plural(all, "wrong balance"),
        kind => format!("{} {kind}", count(all)),
    });
    let found: Vec<String> = named.collect();
    let what = match (run.status, found.is_empty()) {
        (Status::Clean, true) => "nothing is missing, nothing is wrong".into(),
        (Status::CannotTell, true) => "see below why".into(),
        _ => found.join(", "),
    };
    format!(
        "{} – {}, {what}.",
        word(run.status),
        plural(run.lines, "line")
    )
}

/// The verdict on the shards of a group.
pub(super) fn of_group(group: &GroupVerdict) -> String {
    let lost = match group.lost_count {
        0 => String::new(),
        lost => format!(", {} lost", count(lost.into())),
    };
    format!(
        "{} – {} of {} are there{lost}; {}, {}, seed {}.",
        word(group.status),
        count(group.present.into()),
        plural(group.shards.into(), "shard"),
        plural(group.lines, "line"),
        plural(group.workers, "worker"),
        group.seed,
    )
}

/// The verdict on all that was read, in a line.
pub(super) fn in_a_line(verdict: &Verdict) -> String {
    let report = audit::report(verdict);
    report.lines().next().unwrap_or_default().to_owned()
}

/// What there is to be said of each kind of finding, under its name, and of the verdict as a whole.
const ADVICE: &str = include_str!("advice.md");

/// The headings of [`ADVICE`], each with its paragraphs.
fn advice() -> impl Iterator<Item = (&'static str, &'static str)> {
    let parts = ADVICE.split("## ").skip(1);
    parts.filter_map(|part| part.trim_end().split_once('\n'))
}

/// What a kind of finding is.
pub(super) fn meaning(name: &str) -> &'static str {
    let mut kinds = advice().filter(|(heading, _)| *heading == name);
    let meaning = kinds.next().and_then(|(_, text)| text.split_once("\n\n"));
    meaning.map_or("", |(meaning, _)| meaning)
}

/// What to do next, the most urgent first.
pub(super) fn next_steps(verdict: &Verdict) -> impl Iterator<Item = &'static str> {
    let (runs, groups) = (verdict.runs.iter(), verdict.groups.iter());
    let is_so = move |heading: &str| match heading {
        "lost shards" => groups.clone().any(|group| group.lost_count > 0),
        "differing shards" => groups.clone().any(|group| !group.differing.is_empty()),
        "strays" => verdict.stray_count > 0,
        "cannot tell" => verdict.status == Status::CannotTell,
        "clean" => verdict.status == Status::Clean,
        kind => {
            let mut counts = runs.clone().flat_map(|run| run.counts.by_name());
            counts.any(|(name, all)| name == kind && all > 0)
        }
    };
    let steps = advice().filter(move |(heading, _)| is_so(heading));
    steps.map(|(_, text)| text.rsplit_once("\n\n").map_or(text, |(_, step)| step))
}

/// Whether lost lines lie together or are scattered; nothing if there are none.
pub(super) fn losses(history: &History) -> Option<String> {
    let (window, columns) = (history.columns.window(), history.columns.iter());
    let attempts: Vec<_> = columns.map(Column::attempts).collect();
    let is_lossy = |attempts: &Attempts| attempts[LOST] > 0;
    let first = attempts.iter().position(is_lossy)?;
    let last = attempts.iter().rposition(is_lossy)?;
    if (last - first) * 3 < window.columns {
        let length = micros((last - first + 1) as u64 * window.width);
        let began = micros(first as u64 * window.width);
        return Some(format!(
            "Lost lines lie together: within {length}, from {began} on."
        ));
    }
    let lossy = attempts.iter().filter(|all| is_lossy(all)).count();
    let busy = attempts.iter().filter(|all| **all != [0; 5]).count();
    let share = percent(lossy as f64, busy as f64);
    Some(format!(
        "Lost lines are scattered: some are missing in {share} of the time."
    ))
}
