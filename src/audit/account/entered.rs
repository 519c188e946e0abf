//! What one line is to the account that it belongs to: new, there already, or none that can be.

use crate::audit::verdict::findings::Location;

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
}

impl Entered {
    /// Whether it had not been seen.
    pub(crate) fn is_new(self) -> bool {
        matches!(self, Self::New | Self::BehindGap(_))
    }
}

/// What a line is whose worker the run does not have.
pub(crate) const NO_WORKER: Entered = Entered::Unexpected("the run has no such worker");

/// What a line is whose number is so far from all others that it would take too long to say what is between.
pub(crate) const TOO_FAR: Entered =
    Entered::Unexpected("its number is too far from those of all other lines");

/// A line that belongs to the run's account, what it tells and where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placed<T> {
    /// What it tells.
    pub value: T,
    /// Its number.
    pub seq: u64,
    /// Where it stands.
    pub at: Location,
}

/// Takes in a line that is there once; says whether it was there.
pub(crate) fn once<T>(known: &mut Option<Placed<T>>, line: Placed<T>) -> Entered {
    match known {
        Some(_) => Entered::Duplicate,
        None => {
            *known = Some(line);
            Entered::New
        }
    }
}
