//! What every form of a verdict tells, in the order in which it is told: section by section, kind by kind.

use strum::VariantArray;

use super::{
    DifferingShard, Finding, GroupVerdict, Kind, LostShard, Place, RunVerdict, Status, Verdict,
    words::{finding_words, paragraph},
};
use crate::plan::format::counted;

/// Of a kind so many differences have words.
const SHOWN_MAX: usize = 100;

/// What is told under one title.
#[derive(Default)]
pub(super) struct Section<'a> {
    /// All that was read, a group or a run.
    pub title: String,
    /// In one line.
    pub head: String,
    /// Why it cannot be told, where it cannot.
    pub unanswered: &'a [String],
    /// What the reader should know besides.
    pub notes: &'a [String],
    /// The run that it is about.
    pub run: Option<&'a RunVerdict>,
    /// Whatever differs was to be accepted.
    pub accepted: bool,
    /// The kinds of differences that there may be.
    pub cases: Vec<Case<'a>>,
}

/// Differences of one kind.
pub(super) struct Case<'a> {
    /// The kind.
    pub name: &'static str,
    /// How many there are.
    pub count: u64,
    /// How many of them are kept.
    pub kept: usize,
    /// The first of them: where each shows, and its words.
    pub shown: Vec<(Option<&'a Place>, String)>,
    /// What probably made them.
    pub causes: Vec<&'a str>,
}

/// All sections of a verdict: all that was read, its groups, its runs.
pub(super) fn sections(verdict: &Verdict) -> Vec<Section<'_>> {
    let whole = Section {
        title: "all inputs".into(),
        head: head(verdict),
        unanswered: &verdict.cannot_tell,
        notes: &verdict.notes,
        accepted: verdict.status == Status::Clean,
        cases: vec![findings(
            "lines of no run",
            verdict.stray_count,
            verdict.strays.iter(),
        )],
        ..Section::default()
    };
    let groups = verdict.groups.iter().map(of_group);
    let runs = verdict.runs.iter().map(of_run);
    [whole].into_iter().chain(groups).chain(runs).collect()
}

/// How the whole verdict stands, in one line.
pub(super) fn head(verdict: &Verdict) -> String {
    let runs = counted(verdict.runs.len(), "run");
    let what = format!("{runs} and {} read", counted(verdict.lines, "line"));
    match verdict.status {
        Status::Clean if accepted(verdict) => {
            format!("CLEAN: {what}; all that is missing or wrong was to be accepted.")
        }
        Status::Clean => format!("CLEAN: {what}; nothing is missing, nothing is wrong."),
        Status::Findings => format!("FINDINGS: {what}; the log is not what it must be."),
        Status::CannotTell => format!("CANNOT TELL: {what}."),
    }
}

/// Whether a clean verdict owes its cleanness to what the options accept.
fn accepted(verdict: &Verdict) -> bool {
    let told = |run: &RunVerdict| {
        !run.notes.is_empty() || run.counts.by_name().into_iter().any(|(_, count)| count > 0)
    };
    verdict.runs.iter().any(told)
}

fn of_group(group: &GroupVerdict) -> Section<'_> {
    let cause = "a node or pod that never started it, a log that was not collected or not given to the audit, or a \
                 shard that was started with another --group";
    let lost = group.lost.iter().map(LostShard::words);
    let lost = Case {
        causes: vec![cause],
        ..shards("lost shards", group.lost_count.into(), lost)
    };
    let differing = group.differing.iter().map(DifferingShard::words);
    let count = group.differing.len() as u64;
    let title = format!("group {}", group.group);
    Section {
        head: format!(
            "{title}: {}, {} of {}, {}, {}, seed {}",
            group.status,
            group.present,
            counted(group.shards, "shard"),
            counted(group.lines, "line"),
            counted(group.workers, "worker"),
            group.seed
        ),
        title,
        notes: &group.notes,
        accepted: group.status == Status::Clean,
        cases: vec![lost, shards("shards of another run", count, differing)],
        ..Section::default()
    }
}

fn of_run(run: &RunVerdict) -> Section<'_> {
    let title = format!("run {}", run.run);
    let lines = counted(run.lines, "line");
    let mut head = format!("{title}: {}, {lines}", run.status);
    if let (Some(threads), Some(seed)) = (run.threads, run.seed) {
        head += &format!(", {}, seed {seed}", counted(threads, "worker"));
    }
    if let Some(workload) = &run.workload {
        head += &format!(", shard {}", workload.shard);
    }
    let cases = Kind::VARIANTS.iter().map(|&kind| {
        let causes = run.causes.iter().filter(|cause| cause.kind == kind);
        Case {
            causes: causes.map(|cause| cause.text.as_str()).collect(),
            ..findings(kind.name(), run.counts.of(kind), run.of_kind(kind))
        }
    });
    Section {
        title,
        head,
        unanswered: run.unanswered(),
        notes: &run.notes,
        run: Some(run),
        accepted: run.status == Status::Clean,
        cases: cases.collect(),
    }
}

fn findings<'a>(
    name: &'static str,
    count: u64,
    found: impl Iterator<Item = &'a Finding> + Clone,
) -> Case<'a> {
    let shown = found.clone().take(SHOWN_MAX);
    Case {
        name,
        count,
        kept: found.count(),
        shown: shown
            .map(|found| (found.at.as_ref(), finding_words(found)))
            .collect(),
        causes: Vec::new(),
    }
}

fn shards(name: &'static str, count: u64, words: impl Iterator<Item = String>) -> Case<'static> {
    let shown: Vec<_> = words
        .map(|words| (None, paragraph("    ", &words)))
        .collect();
    Case {
        name,
        count,
        kept: shown.len(),
        shown,
        causes: Vec::new(),
    }
}
