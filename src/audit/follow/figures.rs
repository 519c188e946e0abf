//! How things stand while a log is followed, for whoever shows or exports it.

use std::time::SystemTime;

use strum::{IntoStaticStr, VariantArray};

use super::since_1970;
use crate::audit::{
    records::scanned::Scanned,
    verdict::{Counts, delay::Delays},
};

/// The state of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, VariantArray, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
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
    /// Runs in each state, in the order of [`RunState`].
    pub runs: [u64; 4],
}

impl Figures {
    /// Takes the time of lines that have just come. Those that were logged before it began may have been there for long.
    pub(super) fn arrived(&mut self, scanned: &Scanned) {
        let now = since_1970(SystemTime::now());
        for (_, stamp, received) in scanned.whole() {
            let logged = stamp as f64 / 1e6;
            let live = logged >= self.began;
            let came = if live { now } else { logged };
            self.last_line = self.last_line.filter(|last| *last > came).or(Some(came));
            if received > 0 {
                self.delays.count(stamp, received);
            } else if live {
                self.delays.count(stamp, (now * 1e6) as u64);
            }
        }
    }
}
