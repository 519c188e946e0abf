//! What the page says in sentences: of verdicts, of what to do next, of the shape of what was seen.

use super::{
    history::History,
    units::{count, micros, percent, plural},
};
use crate::audit::{GroupVerdict, RunVerdict, Status, Verdict};

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

/// The verdict on all that was read.
pub(super) fn overall(verdict: &Verdict) -> String {
    let what = match verdict.status {
        Status::Clean => "nothing is missing, nothing is wrong",
        Status::Findings => "the log is not what it must be",
        Status::CannotTell => "whether the log is what it must be cannot be told",
    };
    let runs = plural(verdict.runs.len() as u64, "run");
    format!("{runs} and {} read; {what}.", plural(verdict.lines, "line"))
}

/// What a kind of finding is.
pub(super) fn meaning(kind: &str) -> &'static str {
    match kind {
        "lost" => "lines that must exist and are not in the log",
        "duplicated" => "lines that are there once more",
        "reordered" => "lines that stand behind later ones",
        "altered" => "lines that were changed",
        "truncated" => "lines of which a part is gone",
        "unexpected" => "lines that nothing predicts",
        "late" => "lines that took too long",
        _ => "the program's own accounts do not balance",
    }
}

/// What to do next, the most urgent first.
pub(super) fn next_steps(verdict: &Verdict) -> Vec<&'static str> {
    if verdict.status == Status::Clean {
        return vec![
            "Nothing: the log holds every line that the runs must have logged, and no other.",
        ];
    }
    let any = |kind: &str| {
        let runs = verdict.runs.iter();
        let mut counts = runs.flat_map(|run| run.counts.by_name());
        counts.any(|(name, count)| name == kind && count > 0)
    };
    let mut steps = Vec::new();
    if verdict.groups.iter().any(|group| group.lost_count > 0) {
        steps.push(
            "Lost shards: see whether their nodes or pods have started them, and whether their logs were collected; a shard's replay \
             line makes it anew.",
        );
    }
    if verdict
        .groups
        .iter()
        .any(|group| !group.differing.is_empty())
    {
        steps.push(
            "Shards of another run: see what differs below; all shards of a group are started with the same options.",
        );
    }
    for (kind, step) in [
        (
            "lost",
            "Look on the timeline at where lines are lost: a band through all workers points at one moment (a full disk, \
                  a rotation, a restart), scattered lines at something that drops now and then (a rate limit, sampling).",
        ),
        (
            "truncated",
            "Truncated lines: look for a kill or a full disk at that time, or for a limit on the length of lines.",
        ),
        (
            "altered",
            "Altered lines: compare the quoted line with what it was; then look at each program that rewrites lines.",
        ),
        (
            "duplicated",
            "Duplicated lines: see whether a part was given twice, or whether a shipper delivers at least once \
                        (--at-least-once accepts that).",
        ),
        (
            "reordered",
            "Reordered lines: look for writers or connections that are merged without regard to time.",
        ),
        (
            "unexpected",
            "Unexpected lines: see whether another program writes to the log, or whether this one does what it \
                        did not plan (hifi plan prints what must happen).",
        ),
        (
            "books",
            "Accounts that do not balance are a bug in the program that wrote the log, unless lines above are to blame; \
                   hifi lab shows the usual ones.",
        ),
    ] {
        if any(kind) {
            steps.push(step);
        }
    }
    if verdict.stray_count > 0 {
        steps.push("Lines of no run: see whether another program writes to the log (--allow-foreign accepts that).");
    }
    if verdict.status == Status::CannotTell || steps.is_empty() {
        steps.push("See below why it cannot be told; a run that was killed is judged with --killed, rotated parts are given together.");
    }
    steps
}

/// How evenly the attempts are spread within each `period` columns, the time of a retry; nothing if there are too few.
pub(super) fn waves(columns: &[u64], period: usize) -> String {
    let (mut all, mut busiest, quarter) = (0, 0, period / 4);
    for columns in columns.chunks_exact(period) {
        let here: u64 = columns.iter().sum();
        if here < 40 {
            continue;
        }
        all += here;
        let windows = columns.windows(quarter).map(|window| window.iter().sum());
        busiest += windows.max().unwrap_or(0_u64);
    }
    if all == 0 {
        return String::new();
    }
    let what = match busiest as f64 / all as f64 {
        share if share > 0.6 => "Attempts come in waves",
        share if share > 0.45 => "Attempts come unevenly",
        _ => "Attempts are spread evenly",
    };
    let share = percent(busiest as f64, all as f64);
    format!("{what}: {share} of them fall into one quarter of each retry's delay.")
}

/// Whether lost lines lie together or are scattered; nothing if there are none.
pub(super) fn losses(history: &History) -> Option<String> {
    let with = || {
        history
            .over_time
            .iter()
            .filter(|(_, column)| column.lost > 0)
    };
    let (first, last) = (with().next()?.0, with().last()?.0);
    if (last - first) * 3 < history.length() {
        let length = micros(last - first + history.over_time.width());
        let began = micros(first.saturating_sub(history.first));
        return Some(format!(
            "Lost lines lie together: within {length}, from {began} on."
        ));
    }
    let busy = history
        .over_time
        .iter()
        .filter(|(_, column)| column.all() > 0);
    let share = percent(with().count() as f64, busy.count() as f64);
    Some(format!(
        "Lost lines are scattered: some are missing in {share} of the time."
    ))
}

/// The verdict in a line, for the terminal.
pub(super) fn in_a_line(verdict: &Verdict) -> String {
    let word = word(verdict.status);
    let word = word.split_once(' ').map_or(word, |(_, word)| word);
    format!("{word}: {}", overall(verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_are_told_from_what_is_even_though_it_ebbs_away() {
        let wave = |i: u64| if i % 40 < 8 { 30 } else { 1 };
        let columns = |height: &dyn Fn(u64) -> u64| (0..240).map(height).collect::<Vec<_>>();
        assert!(waves(&columns(&wave), 30).contains("in waves"));
        assert!(waves(&columns(&|i| 300 / (i + 10) + 2), 30).contains("evenly"));
        assert_eq!(waves(&columns(&|i| i % 2), 30), "");
    }
}
