//! The differences that are found, gathered into ranges as they are met.
//!
//! Counts stay exact; of each kind only the first ranges are kept, so that a log in which every line is wrong takes no more
//! memory than another.

use std::{collections::HashMap, ops::Range};

use super::{record::Producer, verdict::Change};

/// Where a line stands: which input, and which line of it, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// The input.
    pub file: u32,
    /// The line.
    pub line: u64,
}

/// What is wrong with lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
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
    /// Values of the counter, not lines: they are there again.
    CounterAgain,
    /// The counter does not rise.
    CounterFell,
}

impl Kind {
    /// The name of the difference that they are, as [`Counts`](super::verdict::Counts) has it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::Reordered | Self::TimeFell => "reordered",
            Self::Altered => "altered",
            Self::Truncated => "truncated",
            Self::Unexpected => "unexpected",
            Self::Late => "late",
            Self::Books | Self::CounterAgain | Self::CounterFell => "books",
        }
    }
}

/// How many kinds there are.
const KINDS: usize = Kind::CounterFell as usize + 1;

/// What is to be said besides numbers and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// Nothing.
    None,
    /// What a "Log gap" says, and where the producer's first line behind the gap stands.
    Lost {
        /// The program itself said that they are lost.
        announced: bool,
        /// Where the next line stands.
        before: Option<Location>,
    },
    /// Why, in words, and what the line says.
    Words(String, String),
    /// What was changed.
    Changes(Vec<Change>),
}

/// Lines of one producer that follow each other and share a difference.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Who logged them, as far as that can be told; several where it may be any of them.
    pub producers: Vec<Producer>,
    /// Their numbers; none where they cannot be known.
    pub numbers: Option<Range<u64>>,
    /// How many there are.
    pub count: u64,
    /// Where the first stands.
    pub at: Option<Location>,
    /// What is to be said besides.
    pub detail: Detail,
}

impl Entry {
    /// So many lines of which nobody can tell whose they are, or what concerns no line.
    pub(super) fn unnamed(count: u64, at: Option<Location>, detail: Detail) -> Self {
        Self {
            producers: Vec::new(),
            numbers: None,
            count,
            at,
            detail,
        }
    }

    /// The lines of a producer with these numbers.
    pub(super) fn of(
        producer: Producer,
        numbers: Range<u64>,
        at: Option<Location>,
        detail: Detail,
    ) -> Self {
        Self {
            producers: vec![producer],
            count: numbers.end - numbers.start,
            numbers: Some(numbers),
            at,
            detail,
        }
    }
}

/// How many ranges of a kind are kept for a run.
pub(super) const KEPT_MAX: usize = 1000;

/// All differences of a run, or of none.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    kept: [Vec<Entry>; KINDS],
    counts: [u64; KINDS],
    /// Of each kind and producer the entry that a neighbour may be added to.
    open: HashMap<(Kind, Producer), usize>,
}

impl Findings {
    /// Adds the lines of `producer` with these numbers, of which the first stands at `at`. If they follow those before of
    /// their kind and producer, they are added to them; otherwise `detail` is asked what else is to be said.
    pub(super) fn add(
        &mut self,
        kind: Kind,
        producer: Producer,
        numbers: Range<u64>,
        at: Option<Location>,
        detail: impl FnOnce() -> Detail,
    ) {
        let count = numbers.end - numbers.start;
        let kept = &mut self.kept[kind as usize];
        if let Some(entry) = self.open.get(&(kind, producer)).map(|i| &mut kept[*i])
            && let Some(before) = &mut entry.numbers
            && before.end == numbers.start
        {
            before.end = numbers.end;
            entry.count += count;
            self.counts[kind as usize] += count;
            return;
        }
        if kept.len() < KEPT_MAX {
            self.open.insert((kind, producer), kept.len());
        } else {
            self.open.remove(&(kind, producer));
        }
        self.add_alone(kind, count, || Entry::of(producer, numbers, at, detail()));
    }

    /// Adds so many lines that follow each other and that nothing predicts.
    pub(super) fn unexpected(
        &mut self,
        count: u64,
        why: &str,
        at: Location,
        text: impl FnOnce() -> String,
    ) {
        self.add_alone(Kind::Unexpected, count, || {
            Entry::unnamed(count, Some(at), Detail::Words(why.into(), text()))
        });
    }

    /// Adds lines of which nothing else is to be said.
    pub(super) fn add_plain(
        &mut self,
        kind: Kind,
        producer: Producer,
        numbers: Range<u64>,
        at: Location,
    ) {
        self.add(kind, producer, numbers, Some(at), || Detail::None);
    }

    /// Adds one line of which nothing else is to be said.
    pub(super) fn add_line(&mut self, kind: Kind, producer: Producer, seq: u64, at: Location) {
        self.add_plain(kind, producer, seq..seq.saturating_add(1), at);
    }

    /// Adds what is never joined with another.
    pub(super) fn add_alone(&mut self, kind: Kind, count: u64, entry: impl FnOnce() -> Entry) {
        let total = &mut self.counts[kind as usize];
        *total = total.saturating_add(count);
        let kept = &mut self.kept[kind as usize];
        if kept.len() < KEPT_MAX {
            kept.push(entry());
        }
    }

    /// Counts lines of which nothing more is known.
    pub(super) fn count_more(&mut self, kind: Kind, count: u64) {
        self.counts[kind as usize] += count;
    }

    /// How many lines, or balances, are of this kind.
    pub(super) fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// The first ranges of this kind.
    pub(super) fn kept(&self, kind: Kind) -> &[Entry] {
        &self.kept[kind as usize]
    }

    /// About how many bytes they take.
    pub(super) fn memory(&self) -> u64 {
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
        let mut add = |seq| {
            findings.add(Kind::Duplicated, worker, seq..seq + 1, None, || {
                Detail::None
            })
        };
        (5..9).chain([20]).for_each(&mut add);
        (0..4000).for_each(|n| add(100 + 2 * n));
        assert_eq!(findings.count(Kind::Duplicated), 4005);
        let kept = findings.kept(Kind::Duplicated);
        assert_eq!(kept.len(), KEPT_MAX);
        assert_eq!((&kept[0].numbers, kept[0].count), (&Some(5..9), 4));
    }
}
