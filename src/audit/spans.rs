//! Differences that concern one line each, gathered into ranges as they are met.
//!
//! Counts stay exact; of the ranges only the first are kept, so that a log in which every line is out of place
//! takes no more memory than another. This file must not know what the differences are.

use std::collections::HashMap;

use super::record::Producer;

/// Where a line stands: which input, and which line of it, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Location {
    /// The input.
    pub file: u32,
    /// The line.
    pub line: u64,
}

/// How many ranges of a kind are kept for a run.
pub const SPANS_MAX: usize = 1000;

/// Consecutive lines of one author that share a difference.
#[derive(Clone, Debug)]
pub struct Span {
    /// Who logged them.
    pub author: Producer,
    /// The first sequence number.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Where the first stands.
    pub at: Location,
    /// What distinguishes this range from its neighbours.
    pub note: Option<Box<(String, String)>>,
    /// Marks ranges that must not be joined with others.
    pub mark: bool,
}

/// Ranges, and how many lines they stand for.
#[derive(Clone, Debug, Default)]
pub struct Spans {
    /// The first ranges.
    pub kept: Vec<Span>,
    /// How many lines in all, kept or not.
    pub count: u64,
    last_of: HashMap<Producer, usize>,
}

impl Spans {
    /// Adds a line. A line that follows the one before of its author extends that one's range; otherwise
    /// `note` is asked for the words of a new one.
    pub fn add(
        &mut self,
        author: Producer,
        seq: u64,
        at: Location,
        mark: bool,
        note: impl FnOnce() -> Option<Box<(String, String)>>,
    ) {
        self.count += 1;
        if let Some(span) = self.last_of.get(&author).map(|i| &mut self.kept[*i])
            && span.last.checked_add(1) == Some(seq)
            && span.mark == mark
        {
            span.last = seq;
            return;
        }
        if self.kept.len() < SPANS_MAX {
            self.last_of.insert(author, self.kept.len());
            self.kept.push(Span {
                author,
                first: seq,
                last: seq,
                at,
                note: note(),
                mark,
            });
        } else {
            self.last_of.remove(&author);
        }
    }
}
