//! The differences that are found, gathered into ranges as they are met.
//!
//! Counts stay exact; of each kind only the first ranges are kept, so that a log in which every line is wrong takes no more
//! memory than another.

use std::{collections::HashMap, ops, sync::Arc};

use strum::VariantArray;

use super::{Counts, Finding, Kind, Place, Range};
use crate::audit::records::record::Producer;

/// Where a line stands: which input, and which line of it, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The input.
    pub file: u32,
    /// The line.
    pub line: u64,
}

/// The names of the inputs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(pub Arc<[String]>);

impl Names {
    /// The name of an input.
    pub(crate) fn input(&self, file: u32) -> String {
        self.0.get(file as usize).cloned().unwrap_or_default()
    }

    /// A place, with the name of its input.
    pub(crate) fn place(&self, at: Location) -> Place {
        Place {
            file: self.input(at.file),
            line: at.line,
        }
    }
}

/// How many ranges of a kind are kept for a run.
pub(crate) const KEPT_MAX: usize = 1000;

/// All differences of a run, or of none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Findings {
    /// The names of the inputs.
    pub names: Names,
    /// How many lines, or balances, are of each kind.
    pub counts: Counts,
    kept: [Vec<Finding>; Kind::VARIANTS.len()],
    /// Of each kind and producer what a neighbour is added to, and which number that would have.
    open: HashMap<(Kind, Producer), (usize, u64)>,
}

impl Findings {
    /// No differences, in inputs with these names.
    pub(crate) fn new(names: &Names) -> Self {
        Self {
            names: names.clone(),
            ..Self::default()
        }
    }

    /// Adds the lines of `producer` with these numbers, of which the first stands at `at`. If they follow those before of
    /// their kind and producer, they are added to them; otherwise `more` says what else there is to be said.
    pub(crate) fn add_lines(
        &mut self,
        kind: Kind,
        producer: Producer,
        numbers: ops::Range<u64>,
        at: Location,
        more: impl FnOnce(&mut Finding),
    ) {
        let count = numbers.end - numbers.start;
        let kept = &mut self.kept[kind as usize];
        let open = self.open.entry((kind, producer)).or_insert((usize::MAX, 0));
        let follows = open.1 == numbers.start;
        open.1 = numbers.end;
        if follows && let Some(before) = kept.get_mut(open.0) {
            before.lines.last = before.lines.last.map(|last| last + count);
            before.lines.count += count;
            *self.counts.of_mut(kind) += count;
        } else {
            open.0 = kept.len();
            self.add(kind, Range::of(producer.thread(), numbers), Some(at), more);
        }
    }

    /// Adds one line in the same way.
    pub(crate) fn add_line(
        &mut self,
        kind: Kind,
        producer: Producer,
        seq: u64,
        at: Location,
        more: impl FnOnce(&mut Finding),
    ) {
        self.add_lines(kind, producer, seq..seq.saturating_add(1), at, more);
    }

    /// Adds so many lines that follow each other and that nothing predicts.
    pub(crate) fn unexpected(
        &mut self,
        count: u64,
        why: &str,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        let lines = Range::unnamed(count);
        self.add(Kind::Unexpected, lines, Some(at), |found| {
            (found.why, found.text) = (why.into(), text());
        });
    }

    /// Adds lines that are never joined with others; `more` says what there is to be said besides.
    pub(crate) fn add(
        &mut self,
        kind: Kind,
        lines: Range,
        at: Option<Location>,
        more: impl FnOnce(&mut Finding),
    ) {
        let total = self.counts.of_mut(kind);
        *total = total.saturating_add(lines.count);
        let kept = &mut self.kept[kind as usize];
        if kept.len() < KEPT_MAX {
            let at = at.map(|at| self.names.place(at));
            let mut found = Finding::new(kind, lines, at);
            more(&mut found);
            kept.push(found);
        }
    }

    /// Takes over what another has of a kind.
    pub(crate) fn take_over(&mut self, kind: Kind, other: &mut Self) {
        *self.counts.of_mut(kind) += other.counts.of(kind);
        self.kept[kind as usize].append(&mut other.kept[kind as usize]);
    }

    /// The first ranges of this kind.
    pub(crate) fn kept(&self, kind: Kind) -> &[Finding] {
        &self.kept[kind as usize]
    }

    /// The first ranges of each kind.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Finding> {
        self.kept.iter().flatten()
    }

    /// About how many bytes they take.
    pub(crate) fn memory(&self) -> u64 {
        self.all().count() as u64 * 400
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_all_are_counted() {
        let mut findings = Findings::default();
        let worker = Producer::Worker(1);
        let at = Location::default();
        let mut add = |seq| findings.add_line(Kind::Duplicated, worker, seq, at, |_| {});
        (5..9).chain([20]).for_each(&mut add);
        (0..4000).for_each(|n| add(100 + 2 * n));
        assert_eq!(findings.counts.duplicated, 4005);
        let kept = findings.kept(Kind::Duplicated);
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept[0].lines, Range::of(worker.thread(), 5..9));
    }
}
