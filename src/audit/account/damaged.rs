//! Lines of a run that are there, but not as they should be, and whose checksum does not say what they were.

use std::collections::HashSet;

use super::run::RunAccount;
use crate::audit::{
    records::record::Producer,
    verdict::{
        Change, Kind, Range,
        findings::{Findings, KEPT_MAX, Location},
    },
};

/// Why a line is unexpected that cannot be made out.
pub(crate) const NO_LINE: &str = "no line of the program, or none any more";

/// A damaged line whose checksum does not say what it was: it was cut short, or more of it was changed than can be undone.
#[derive(Clone, Debug)]
pub(crate) struct DamagedLine {
    /// Which line it was, as far as that can be told.
    pub line: Option<(Producer, u64)>,
    /// It was cut short: it lacks its beginning or its end.
    pub is_cut: bool,
    /// What was changed, where that can be told.
    pub changes: Vec<Change>,
    /// Nothing but its thread names it: its number is that of the thread's next line.
    pub guessed: bool,
    /// How long the line is that it stands in, with all that is around the record.
    pub length: u32,
    /// Where it stands.
    pub at: Location,
    /// What is there.
    pub text: String,
}

impl DamagedLine {
    /// What is wrong with it.
    fn kind(&self) -> Kind {
        match self.is_cut {
            true => Kind::Truncated,
            false => Kind::Altered,
        }
    }

    /// Adds it to the findings.
    pub(crate) fn tell(self, findings: &mut Findings) {
        let line = self
            .line
            .map(|(of, seq)| Range::of(of, seq..seq.saturating_add(1)));
        let (kind, lines) = (self.kind(), line.unwrap_or(Range::unnamed(1)));
        findings.add(kind, lines, Some(self.at), |found| {
            match self.line.is_some() && !self.changes.is_empty() {
                true => found.changes = self.changes,
                false => found.text = self.text,
            };
        });
    }
}

impl RunAccount {
    /// Takes in a damaged line.
    pub(crate) fn damaged(&mut self, damaged: DamagedLine) {
        if let Some((producer, seq)) = damaged.line
            && let Some(sequence) = self.sequence_mut(producer)
        {
            sequence.claimed.insert(seq);
        }
        if damaged.is_cut {
            let (shortest, longest) = self.cut_lengths.get_or_insert((u32::MAX, 0));
            *shortest = damaged.length.min(*shortest);
            *longest = damaged.length.max(*longest);
        }
        if self.damaged.len() < KEPT_MAX {
            self.damaged.push(damaged);
        } else {
            *self.findings.counts.of_mut(damaged.kind()) += 1;
        }
    }

    /// Takes in another part of the line that was damaged last: it may tell which it is.
    pub(crate) fn damaged_further(&mut self, part: DamagedLine) {
        let is_open =
            |line: &mut DamagedLine| line.at == part.at && (line.guessed || line.line.is_none());
        if part.line.is_some()
            && !part.guessed
            && let Some(line) = self.damaged.pop_if(is_open)
        {
            if let Some((producer, seq)) = line.line
                && let Some(sequence) = self.sequence_mut(producer)
            {
                sequence.claimed.remove(seq);
            }
            self.damaged(DamagedLine {
                line: part.line,
                guessed: false,
                ..line
            });
        }
    }

    /// Thinks again about damaged lines: they cannot have been lines that are there, nor, where they are only
    /// guessed, others that are damaged.
    pub(crate) fn reconsider_damaged(&mut self) {
        let mut damaged = std::mem::take(&mut self.damaged);
        let sure = damaged.iter().filter(|line| !line.guessed);
        let sure: HashSet<_> = sure.filter_map(|line| line.line).collect();
        let moved = self.findings.kept(Kind::Reordered).iter();
        let moved: HashSet<_> = moved.map(|found| found.lines.author.clone()).collect();
        for line in &mut damaged {
            let Some((producer, seq)) = line.line else {
                continue;
            };
            let Some(sequence) = self.sequence_mut(producer) else {
                continue;
            };
            let is_taken = line.guessed && sure.contains(&(producer, seq));
            // Where a thread's lines are out of order, its next line need not be the one that was cut short.
            let is_astray = line.guessed && !is_taken && moved.contains(&producer.thread());
            if is_astray {
                sequence.claimed.remove(seq);
            }
            if is_taken || is_astray || sequence.met.holds(seq) {
                line.line = None;
            }
        }
        self.damaged = damaged;
    }
}
