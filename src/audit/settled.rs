//! The runs whose accounts were closed while their log is still followed: what is said of them, and what came after all.
//!
//! A run that has ended needs no account any more: whatever comes of it then is there already, or was given up. What is said of
//! the latest is kept; those before are only counted, so that a canary of years needs no more memory than one of hours.

use std::{collections::BTreeMap, mem};

use super::{
    account::Damage,
    findings::{Detail, Entry, Findings, Kind, Location},
    record::Producer,
    verdict::{Counts, Finding, RunVerdict, Status},
};

/// Of so many runs it is kept what is said of each.
const KEPT_MAX: usize = 1000;

/// What may still be found of a run whose account is closed.
pub(super) const KINDS: [Kind; 4] = [
    Kind::Duplicated,
    Kind::Reordered,
    Kind::Truncated,
    Kind::Unexpected,
];

/// The runs whose accounts are closed.
#[derive(Debug, Default)]
pub(super) struct Settled {
    runs: BTreeMap<u32, SettledRun>,
    folded: Folded,
    /// What was found of each since it was last asked for; lines that came after all are [`Kind::Late`] here.
    fresh: BTreeMap<u64, Box<Findings>>,
}

/// A run whose account is closed.
#[derive(Debug)]
pub(super) struct SettledRun {
    /// The run's id.
    id: u64,
    /// What was said of it then.
    pub verdict: RunVerdict,
    /// What was found since.
    pub since: Findings,
    /// Lines that came since.
    pub lines: u64,
    /// So many of them had been lost.
    pub taken_back: u64,
}

/// What the runs come to of which no more is kept.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// How many there are.
    pub runs: u64,
    /// Their lines.
    pub lines: u64,
    /// Their differences.
    pub counts: Counts,
    /// Some of them are not clean.
    pub findings: bool,
}

impl Settled {
    /// Takes in what is said of a run; what was said of the oldest may be counted only from now on.
    pub(super) fn insert(&mut self, index: u32, id: u64, verdict: RunVerdict) {
        let run = SettledRun {
            id,
            verdict,
            since: Findings::default(),
            lines: 0,
            taken_back: 0,
        };
        self.runs.insert(index, run);
        if self.runs.len() > KEPT_MAX
            && let Some((_, oldest)) = self.runs.pop_first()
        {
            let folded = &mut self.folded;
            folded.runs += 1;
            folded.lines += oldest.verdict.lines + oldest.lines;
            folded.counts.add(&oldest.verdict.counts);
            for kind in KINDS {
                folded.counts.count(kind.name(), oldest.since.count(kind));
            }
            folded.findings |= oldest.verdict.status == Status::Findings;
        }
    }

    /// What was found of each run since this was last asked for, by the runs' ids.
    pub(super) fn fresh(&mut self) -> BTreeMap<u64, Box<Findings>> {
        mem::take(&mut self.fresh)
    }

    /// How many runs there are.
    pub(super) fn count(&self) -> u64 {
        self.runs.len() as u64 + self.folded.runs
    }

    /// The place in the registry of the run with this id.
    pub(super) fn index(&self, id: u64) -> Option<usize> {
        let mut all = self.runs.iter();
        all.find(|(_, run)| run.id == id)
            .map(|(index, _)| *index as usize)
    }

    /// Hands over a run that is still kept.
    pub(super) fn take(&mut self, index: u32) -> Option<SettledRun> {
        self.runs.remove(&index)
    }

    /// The runs of which no more is kept.
    pub(super) fn folded(&self) -> &Folded {
        &self.folded
    }

    /// Takes in a line of a run whose account is closed: one that had been lost and is behind all others, or else a copy.
    pub(super) fn comes_late(
        &mut self,
        run: u32,
        producer: Producer,
        seq: u64,
        at: Location,
        any_order: bool,
    ) {
        let Some(run) = self.runs.get_mut(&run) else {
            self.folded.counts.duplicated += 1;
            return;
        };
        run.lines += 1;
        let was_lost = run.take_back(&producer.thread(), seq);
        run.taken_back += u64::from(was_lost);
        let fresh = self.fresh.entry(run.id).or_default();
        if was_lost {
            fresh.add_line(Kind::Late, producer, seq, at);
        }
        let kind = match was_lost {
            true => Kind::Reordered,
            false => Kind::Duplicated,
        };
        if !(was_lost && any_order) {
            for findings in [&mut run.since, fresh] {
                findings.add_line(kind, producer, seq, at);
            }
        }
    }

    /// Takes in a record that is not whole, of a run that has all of its lines.
    pub(super) fn damaged(&mut self, run: u32, damage: Damage) {
        self.add(run, Kind::Truncated, 1, damage.at, "", damage.text);
    }

    /// Takes in so many lines that nothing predicts, behind a line of the run.
    pub(super) fn unexpected(
        &mut self,
        run: u32,
        count: u64,
        why: &str,
        at: Location,
        text: String,
    ) {
        self.add(run, Kind::Unexpected, count, at, why, text);
    }

    fn add(&mut self, run: u32, kind: Kind, count: u64, at: Location, why: &str, text: String) {
        let Some(run) = self.runs.get_mut(&run) else {
            self.folded.counts.unexpected += count;
            return;
        };
        let fresh = self.fresh.entry(run.id).or_default();
        for findings in [&mut run.since, fresh] {
            let detail = Detail::Words(why.into(), text.clone());
            findings.add_alone(kind, count, || Entry::unnamed(count, Some(at), detail));
        }
    }
}

impl SettledRun {
    /// Takes a line out of the lost ones; false if it was not lost.
    fn take_back(&mut self, author: &str, seq: u64) -> bool {
        let findings = &mut self.verdict.findings;
        let place = findings.iter().position(|finding| match finding {
            Finding::Lost { range, .. } => {
                let (first, last) = (range.first, range.last);
                range.author == author
                    && first.is_some_and(|first| first <= seq)
                    && last.is_some_and(|last| seq <= last)
            }
            _ => false,
        });
        let Some(place) = place else {
            return false;
        };
        let whole = findings.remove(place);
        let Finding::Lost { range, .. } = &whole else {
            return false;
        };
        let parts = [
            (range.first, seq.checked_sub(1)),
            (Some(seq + 1), range.last),
        ];
        for (first, last) in parts.into_iter().rev() {
            let (Some(first), Some(last)) = (first, last) else {
                continue;
            };
            let mut part = whole.clone();
            if let (Finding::Lost { range, .. }, true) = (&mut part, first <= last) {
                (range.first, range.last) = (Some(first), Some(last));
                range.count = last - first + 1;
                findings.insert(place, part);
            }
        }
        self.verdict.counts.lost -= 1;
        true
    }
}
