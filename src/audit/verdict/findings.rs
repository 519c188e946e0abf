//! The differences that are found, gathered into ranges as they are met.
//!
//! Counts stay exact; of each kind only the first ranges are kept, so that a log in which every line is wrong takes no more
//! memory than another.

use std::{collections::HashMap, ops, sync::Arc};

use super::{Counts, Finding, Place, Range};
use crate::audit::records::record::Producer;

/// Where a line stands: which input, and which line of it, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The input.
    pub file: u32,
    /// The line.
    pub line: u64,
}

/// What is wrong with lines, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// They are not there.
    Lost,
    /// They are there once more.
    Duplicated,
    /// They stand behind later ones of their producer.
    Reordered,
    /// They stand behind later ones of other producers.
    TimeFell,
    /// They were changed.
    Altered,
    /// They are there in part.
    Truncated,
    /// They are there, and should not.
    Unexpected,
    /// They took too long to arrive.
    Late,
    /// A balance does not hold.
    Books,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Lost,
        Self::Duplicated,
        Self::Reordered,
        Self::TimeFell,
        Self::Altered,
        Self::Truncated,
        Self::Unexpected,
        Self::Late,
        Self::Books,
    ];

    /// The name of the difference that they are, as [`Counts`] has it.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// The names of all kinds.
const NAMES: [&str; Kind::ALL.len()] = [
    "lost",
    "duplicated",
    "reordered",
    "reordered",
    "altered",
    "truncated",
    "unexpected",
    "late",
    "books",
];

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
    names: Names,
    kept: [Vec<Finding>; Kind::ALL.len()],
    counts: [u64; Kind::ALL.len()],
    /// Of each kind and producer what a neighbour may be added to, and which number that would have.
    open: HashMap<(Kind, Producer), (usize, u64)>,
    /// Of each producer what does not balance in numbers that follow each other: which finding says so, and the first and
    /// the next of the numbers.
    open_books: HashMap<Producer, (usize, ops::Range<u64>)>,
}

impl Findings {
    /// No differences, in inputs with these names.
    pub(crate) fn new(names: &Names) -> Self {
        Self {
            names: names.clone(),
            ..Self::default()
        }
    }

    /// Adds the lines of `producer` with these numbers, of which nothing else is to be said.
    pub(crate) fn add_lines(
        &mut self,
        kind: Kind,
        producer: Producer,
        numbers: ops::Range<u64>,
        at: Location,
    ) {
        self.add_joined(kind, producer, numbers, at, |range, at| match kind {
            Kind::Late => Finding::Late { range, at },
            Kind::Duplicated => Finding::Duplicated { range, at },
            _ => Finding::Reordered {
                range,
                at,
                time_only: kind == Kind::TimeFell,
            },
        });
    }

    /// Adds one line of which nothing else is to be said.
    pub(crate) fn add_line(&mut self, kind: Kind, producer: Producer, seq: u64, at: Location) {
        self.add_lines(kind, producer, seq..seq.saturating_add(1), at);
    }

    /// Adds the lines of `producer` with these numbers, of which the first stands at `at`. If they follow those before of
    /// their kind and producer, they are added to them; otherwise `make` is asked what there is to be said.
    pub(crate) fn add_joined(
        &mut self,
        kind: Kind,
        producer: Producer,
        numbers: ops::Range<u64>,
        at: Location,
        make: impl FnOnce(Range, Place) -> Finding,
    ) {
        let count = numbers.end - numbers.start;
        let kept = &mut self.kept[kind as usize];
        let open = self.open.entry((kind, producer)).or_insert((usize::MAX, 0));
        if open.1 == numbers.start
            && let Some(before) = kept.get_mut(open.0)
        {
            before.extend(count);
        } else {
            open.0 = kept.len();
            if kept.len() < KEPT_MAX {
                let range = Range::of(producer, numbers.clone());
                kept.push(make(range, self.names.place(at)));
            }
        }
        open.1 = numbers.end;
        self.counts[kind as usize] += count;
    }

    /// Adds so many lines that follow each other and that nothing predicts.
    pub(crate) fn unexpected(
        &mut self,
        count: u64,
        why: &str,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        self.add(Kind::Unexpected, count, |names| Finding::Unexpected {
            why: why.into(),
            count,
            at: names.place(at),
            text: text(),
        });
    }

    /// Adds what does not balance, and where that shows.
    pub(crate) fn books(&mut self, at: Option<Location>, what: impl FnOnce() -> String) {
        self.add(Kind::Books, 1, |names| Finding::Books {
            what: what(),
            at: at.map(|at| names.place(at)),
        });
    }

    /// Adds what does not balance at a number of `producer`'s: `what` says it of one number, or of those from one to another.
    pub(crate) fn books_of(
        &mut self,
        producer: Producer,
        number: u64,
        at: Location,
        what: impl Fn(&str) -> String,
    ) {
        let books = &mut self.kept[Kind::Books as usize];
        let place = books.len();
        let open = self.open_books.entry(producer);
        let (place, numbers) = open.or_insert((place, number..number));
        if numbers.end == number
            && numbers.start < number
            && let Some(Finding::Books { what: before, .. }) = books.get_mut(*place)
        {
            numbers.end += 1;
            *before = what(&format!("{}-{number}", numbers.start));
            self.counts[Kind::Books as usize] += 1;
            return;
        }
        (*place, *numbers) = (books.len(), number..number.saturating_add(1));
        self.books(Some(at), || what(&number.to_string()));
    }

    /// Adds what is never joined with another.
    pub(crate) fn add(&mut self, kind: Kind, count: u64, finding: impl FnOnce(&Names) -> Finding) {
        let kept = &mut self.kept[kind as usize];
        let total = &mut self.counts[kind as usize];
        *total = total.saturating_add(count);
        if kept.len() < KEPT_MAX {
            kept.push(finding(&self.names));
        }
    }

    /// Counts lines of which nothing more is known.
    pub(crate) fn count_more(&mut self, kind: Kind, count: u64) {
        self.counts[kind as usize] += count;
    }

    /// Forgets all of a kind.
    pub(crate) fn forget(&mut self, kind: Kind) {
        self.kept[kind as usize].clear();
        self.counts[kind as usize] = 0;
    }

    /// Takes a line out of the lost ones; false if it was not lost.
    pub(crate) fn take_back(&mut self, producer: Producer, seq: u64) -> bool {
        let (thread, kept) = (producer.thread(), &mut self.kept[Kind::Lost as usize]);
        let has = |finding: &Finding| {
            let range = finding.range();
            range.is_some_and(|range| {
                range.author == thread && range.first <= Some(seq) && range.last >= Some(seq)
            })
        };
        let Some(place) = kept.iter().position(has) else {
            return false;
        };
        let whole = kept.remove(place);
        let (first, last) = whole.range().map_or((None, None), |r| (r.first, r.last));
        let parts = [
            first.map(|first| first..seq),
            last.map(|last| seq + 1..last + 1),
        ];
        for part in parts
            .into_iter()
            .rev()
            .flatten()
            .filter(|part| !part.is_empty())
        {
            let mut rest = whole.clone();
            if let Finding::Lost { range, .. } = &mut rest {
                *range = Range::of(producer, part);
            }
            kept.insert(place, rest);
        }
        self.counts[Kind::Lost as usize] -= 1;
        true
    }

    /// How many lines, or balances, are of this kind.
    pub(crate) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// How many lines, or balances, are of each kind.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for kind in Kind::ALL {
            counts.count(kind.name(), self.count(kind));
        }
        counts
    }

    /// The first ranges of this kind.
    pub(crate) fn kept(&self, kind: Kind) -> &[Finding] {
        &self.kept[kind as usize]
    }

    /// The first ranges of each kind.
    pub(crate) fn into_kept(self) -> Vec<Finding> {
        self.kept.into_iter().flatten().collect()
    }

    /// About how many bytes they take.
    pub(crate) fn memory(&self) -> u64 {
        let kept: usize = self.kept.iter().map(Vec::len).sum();
        (kept * 400) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_joined_and_all_are_counted() {
        let mut findings = Findings::default();
        let worker = Producer::Worker(1);
        let mut add = |seq| findings.add_line(Kind::Duplicated, worker, seq, Location::default());
        (5..9).chain([20]).for_each(&mut add);
        (0..4000).for_each(|n| add(100 + 2 * n));
        assert_eq!(findings.count(Kind::Duplicated), 4005);
        let kept = findings.kept(Kind::Duplicated);
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!(kept[0].range(), Some(&Range::of(worker, 5..9)));
    }

    #[test]
    fn books_that_follow_each_other_are_said_in_one_sentence() {
        let mut findings = Findings::default();
        for value in [4, 5, 6, 8, u64::MAX] {
            let again = |values: &str| format!("counter {values} again");
            findings.books_of(Producer::Main, value, Location::default(), again);
            findings.books(None, || "something else".into());
        }
        let said = |found: &[Finding]| {
            let what = found.iter().map(|finding| match finding {
                Finding::Books { what, .. } => what.clone(),
                other => panic!("{other:?}"),
            });
            what.filter(|what| what != "something else")
                .collect::<Vec<_>>()
        };
        let last = format!("counter {} again", u64::MAX);
        assert_eq!(findings.count(Kind::Books), 10);
        assert_eq!(
            said(findings.kept(Kind::Books)),
            ["counter 4-6 again", "counter 8 again", &last]
        );
    }
}
