//! What one line is to the account that it belongs to: new, there already, or none that can be.

use crate::audit::{records::record::Record, verdict::findings::Location};

/// What a line is to its thread's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// It is the next one, or one that had not been seen.
    New,
    /// It had not been seen, and others from this number on are missing before it.
    BehindGap(u64),
    /// It is there already.
    Duplicate,
    /// It is an attempt in whose place the plan has something else.
    OffPlan,
    /// It cannot be there, and why.
    Unexpected(&'static str),
    /// It is too far from the other lines to be judged.
    TooFar,
}

impl Entered {
    /// Whether it had not been seen.
    pub(crate) fn is_new(self) -> bool {
        matches!(self, Self::New | Self::BehindGap(_))
    }
}

/// What a line is whose worker the run does not have.
pub(crate) const NO_WORKER: Entered = Entered::Unexpected("the run has no such worker");

/// A line that belongs to the run's account, where it stands and which it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<T> {
    /// What it tells.
    pub value: T,
    /// Its number.
    pub seq: u64,
    /// Its checksum, which tells copies from others.
    pub sum: u32,
    /// Where it stands.
    pub at: Location,
}

impl Placed<()> {
    /// A line, and where it stands.
    pub(crate) fn of(record: &Record, at: Location) -> Self {
        let (seq, sum) = (record.seq, record.sum);
        Self {
            value: (),
            seq,
            sum,
            at,
        }
    }

    /// The line with what it tells.
    pub(crate) fn with<T>(self, value: T) -> Placed<T> {
        let Self { seq, sum, at, .. } = self;
        Placed {
            value,
            seq,
            sum,
            at,
        }
    }
}

/// Takes in a line that is there once; another one than is known already cannot be.
pub(crate) fn once<T>(known: &mut Option<Placed<T>>, line: Placed<T>) -> Entered {
    match known {
        None => {
            *known = Some(line);
            Entered::New
        }
        Some(known) if (known.seq, known.sum) == (line.seq, line.sum) => Entered::Duplicate,
        Some(_) => Entered::Unexpected("the run has such a line already, and another"),
    }
}
