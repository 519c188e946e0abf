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
        "books" => format!("{} balances wrong", count(all)),
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

/// Each kind of finding, what it is, and what to do about it, the most urgent first.
const KINDS: [(&str, &str, &str); 8] = [
    (
        "lost",
        "lines that must exist and are not in the log",
        "Look on the timeline at where lines are lost: a band through all workers points at one moment (a full disk, a \
         rotation, a restart), scattered lines at something that drops now and then (a rate limit, sampling).",
    ),
    (
        "truncated",
        "lines of which a part is gone",
        "Truncated lines: look for a kill or a full disk at that time, or for a limit on the length of lines.",
    ),
    (
        "altered",
        "lines that were changed",
        "Altered lines: compare the quoted line with what it was; then look at each program that rewrites lines.",
    ),
    (
        "duplicated",
        "lines that are there once more",
        "Duplicated lines: see whether a part was given twice, or whether a shipper delivers at least once \
         (--at-least-once accepts that).",
    ),
    (
        "reordered",
        "lines that stand behind later ones",
        "Reordered lines: look for writers or connections that are merged without regard to time.",
    ),
    (
        "unexpected",
        "lines that nothing predicts",
        "Unexpected lines: see whether another program writes to the log, or whether this one does what it did not plan \
         (hifi plan prints what must happen).",
    ),
    (
        "late",
        "lines that took too long",
        "Late lines: look for where they waited; on the timeline they stand at the time when they were logged.",
    ),
    (
        "books",
        "the program's own accounts do not balance",
        "Accounts that do not balance are a bug in the program that wrote the log, unless lines above are to blame; hifi \
         lab shows the usual ones.",
    ),
];

/// What a kind of finding is.
pub(super) fn meaning(name: &str) -> &'static str {
    let kind = KINDS.iter().find(|(kind, _, _)| *kind == name);
    kind.map_or("", |(_, meaning, _)| meaning)
}

/// What to do next, the most urgent first.
pub(super) fn next_steps(verdict: &Verdict) -> Vec<&'static str> {
    let found = |name: &str| {
        let mut counts = verdict.runs.iter().flat_map(|run| run.counts.by_name());
        counts.any(|(other, count)| other == name && count > 0)
    };
    let groups = || verdict.groups.iter();
    let shards = [
        (
            groups().any(|group| group.lost_count > 0),
            "Lost shards: see whether their nodes or pods have started them, and whether their logs were collected; a shard's \
             replay line makes it anew.",
        ),
        (
            groups().any(|group| !group.differing.is_empty()),
            "Shards of another run: see what differs below; all shards of a group are started with the same options.",
        ),
    ];
    let kinds = KINDS.iter().map(|(kind, _, step)| (found(kind), *step));
    let others = [
        (
            verdict.stray_count > 0,
            "Lines of no run: see whether another program writes to the log (--allow-foreign accepts that).",
        ),
        (
            verdict.status == Status::CannotTell,
            "See below why it cannot be told; a run that was killed is judged with --killed, rotated parts are given together.",
        ),
        (
            verdict.status == Status::Clean,
            "Nothing: the log holds every line that the runs must have logged, and no other.",
        ),
    ];
    let all = shards.into_iter().chain(kinds).chain(others);
    all.filter(|(is_so, _)| *is_so)
        .map(|(_, step)| step)
        .collect()
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
