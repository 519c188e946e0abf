//! Lines of a run that are there, but not as they should be, and whose checksum does not say what they were.

use crate::audit::{
    records::record::Producer,
    verdict::{
        Change, Kind, Range,
        findings::{Findings, Location},
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
    pub(super) fn kind(&self) -> Kind {
        match self.is_cut {
            true => Kind::Truncated,
            false => Kind::Altered,
        }
    }

    /// Adds it to the findings.
    pub(crate) fn tell(self, findings: &mut Findings) {
        let line = self
            .line
            .map(|(of, seq)| Range::of(of.thread(), seq..seq.saturating_add(1)));
        let (kind, lines) = (self.kind(), line.unwrap_or(Range::unnamed(1)));
        findings.add(kind, lines, Some(self.at), |found| {
            match self.line.is_some() && !self.changes.is_empty() {
                true => found.changes = self.changes,
                false => found.text = self.text,
            };
        });
    }
}
