//! How things stand while a log is followed, for whoever shows or exports it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::verdict::{Counts, delay::Delays};

/// The state of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunState {
    /// Its lines come.
    Running,
    /// It has no end, and no line of it came for longer than patience.
    Silent,
    /// Its end is there.
    Ended,
    /// Its "Run started" is not there.
    #[default]
    Unknown,
}

impl RunState {
    /// All states, with their names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Running, "running"),
        (Self::Silent, "silent"),
        (Self::Ended, "ended"),
        (Self::Unknown, "unknown"),
    ];
}

/// How things stand.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Lines that were read.
    pub lines: u64,
    /// Differences of each kind that were found so far; those taken back are not taken out.
    pub found: Counts,
    /// Lines that were given up and have not come.
    pub lost: u64,
    /// Lines that are missing now, be they given up or not.
    pub missing: u64,
    /// From lines' own times to their arrival.
    pub delays: Delays,
    /// When it began, in seconds since 1970.
    pub began: f64,
    /// When the last line came, in seconds since 1970; none if none did.
    pub last_line: Option<f64>,
    /// Runs in each state, in the order of [`RunState::ALL`].
    pub runs: [u64; 4],
}

/// Figures that one thread sets and another reads.
#[derive(Debug, Default)]
pub struct Board(Mutex<Figures>);

impl Board {
    /// Sets them.
    pub fn set(&self, figures: &Figures) {
        self.lock().clone_from(figures);
    }

    /// Reads them.
    pub fn get(&self) -> Figures {
        self.lock().clone()
    }

    /// Figures are set whole, so poison is of no meaning here.
    fn lock(&self) -> MutexGuard<'_, Figures> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
