//! How things stand while a log is followed, for whoever shows or exports it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::audit::verdict::{Counts, delay::Delays};

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Its lines come.
    Running,
    /// It has no end, and no line of it came for longer than patience.
    Silent,
    /// Its end is there.
    Ended,
    /// Its "Run started" is not there.
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

/// The bounds of the delays that are counted, as powers of two of a microsecond: from a millisecond to four minutes.
const POWERS: std::ops::RangeInclusive<u32> = 10..=28;

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
    /// Lines that took no longer than so many seconds.
    pub delays: Vec<(f64, u64)>,
    /// Lines whose delay is known.
    pub delayed: u64,
    /// How long they took together, in seconds.
    pub delay_sum: f64,
    /// 99 of 100 took no longer, in seconds; none if no line's delay is known.
    pub delay_p99: Option<f64>,
    /// When it began, in seconds since 1970.
    pub began: f64,
    /// When the last line came, in seconds since 1970; none if none did.
    pub last_line: Option<f64>,
    /// Runs in each state, in the order of [`RunState::ALL`].
    pub runs: [u64; 4],
}

impl Figures {
    /// Takes over what is known of delays.
    pub fn set_delays(&mut self, delays: &Delays) {
        let seconds = |micros: u64| micros as f64 / 1e6;
        let times = delays.times().cloned().unwrap_or_default();
        self.delays = POWERS
            .map(|power| (seconds(1 << power), times.below(power)))
            .collect();
        self.delayed = times.count;
        self.delay_p99 = delays.summary().map(|summary| seconds(summary.p99_us));
        self.delay_sum = seconds(times.sum);
    }
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
