//! The runs whose accounts were closed while their log is still followed: what is said of them, and what came after all.
//!
//! A run that has ended needs no account any more: whatever comes of it then is there already, or was given up. What is said of
//! the latest is kept; those before are only counted, so that a canary of years needs no more memory than one of hours.

use std::{collections::BTreeMap, mem};

use super::judged::Judged;
use crate::audit::{
    config::AuditConfig,
    records::record::Producer,
    verdict::{
        Counts, Kind, Status,
        findings::{Findings, Location},
        told::Told,
    },
};

/// Of so many runs it is kept what is said of each.
const KEPT_MAX: usize = 1000;

/// The runs whose accounts are closed.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    runs: BTreeMap<u32, SettledRun>,
    folded: Folded,
    /// Lines that came after they had been given up: of which runs they are, and which.
    back: Vec<(u64, Producer, u64)>,
}

/// A run whose account is closed.
#[derive(Debug)]
struct SettledRun {
    /// The run's id.
    id: u64,
    judged: Judged,
    told: Told,
    /// So many lines that had been lost have come since.
    taken_back: u64,
}

/// What the runs come to of which no more is kept.
#[derive(Debug, Default)]
pub(crate) struct Folded {
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
    pub(crate) fn insert(&mut self, index: u32, id: u64, judged: Judged, config: &AuditConfig) {
        // What was found until then was told.
        let mut told = Told::default();
        for (kind, _) in Kind::ALL {
            told.news(&judged.findings, kind);
        }
        let run = SettledRun {
            id,
            judged,
            told,
            taken_back: 0,
        };
        self.runs.insert(index, run);
        if self.runs.len() > KEPT_MAX
            && let Some((_, oldest)) = self.runs.pop_first()
        {
            let oldest = oldest.judged.sum_up(config, false);
            self.folded.runs += 1;
            self.folded.lines += oldest.lines;
            self.folded.counts.add(&oldest.counts);
            self.folded.findings |= oldest.status == Status::Findings;
        }
    }

    /// The runs of which it is kept what is said: each one's id, its findings, and what was told of them.
    pub(crate) fn runs(&mut self) -> impl Iterator<Item = (u64, &Findings, &mut Told)> {
        let runs = self.runs.values_mut();
        runs.map(|run| (run.id, &run.judged.findings, &mut run.told))
    }

    /// The lines that came since this was last asked for after they had been given up.
    pub(crate) fn back(&mut self) -> Vec<(u64, Producer, u64)> {
        mem::take(&mut self.back)
    }

    /// How many runs there are.
    pub(crate) fn count(&self) -> u64 {
        self.runs.len() as u64 + self.folded.runs
    }

    /// The place in the registry of the run with this id.
    pub(crate) fn index(&self, id: u64) -> Option<usize> {
        let mut all = self.runs.iter();
        all.find(|(_, run)| run.id == id)
            .map(|(index, _)| *index as usize)
    }

    /// Hands over a run that is still kept.
    pub(crate) fn take(&mut self, index: u32) -> Option<Judged> {
        let mut run = self.runs.remove(&index)?;
        if run.taken_back > 0 {
            run.judged.verdict.notes.push(format!(
                "{} lines came long after its end, when they had been given up for lost",
                run.taken_back
            ));
        }
        Some(run.judged)
    }

    /// The runs of which no more is kept.
    pub(crate) fn folded(&self) -> &Folded {
        &self.folded
    }

    /// What was found of a run, to which `more` lines are to be added; none if no more than its counts is kept.
    pub(crate) fn findings(&mut self, run: u32, more: u64) -> Option<&mut Findings> {
        let run = self.runs.get_mut(&run);
        if run.is_none() {
            self.folded.counts.unexpected += more;
        }
        run.map(|run| &mut run.judged.findings)
    }

    /// Takes in a line of a run whose account is closed: one that had been lost and is behind all others, or else a copy.
    pub(crate) fn comes_late(
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
        let Judged { verdict, findings } = &mut run.judged;
        verdict.lines += 1;
        if !findings.take_back(producer, seq) {
            return findings.add_line(Kind::Duplicated, producer, seq, at);
        }
        run.taken_back += 1;
        self.back.push((run.id, producer, seq));
        if !any_order {
            findings.add_line(Kind::Reordered, producer, seq, at);
        }
    }
}
