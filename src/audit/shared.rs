//! What all scanners and the judge share: the runs that were met, and the trouble that may still be taken.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::registry::Registry;

/// How much trouble is taken over damaged lines in all: seconds, not hours, of a log that is nothing else.
const PATIENCE: u64 = 200_000;

/// What all blocks share.
#[derive(Debug)]
pub struct Shared {
    /// The runs met so far.
    pub registry: Registry,
    /// How much trouble may still be taken over damaged lines.
    patience: AtomicU64,
    /// Trouble was refused: there were more damaged lines than could be looked at closely.
    pub worn_out: AtomicBool,
}

impl Shared {
    /// Room for runs that take `memory` bytes, and all of the patience.
    pub fn new(memory: u64) -> Self {
        Self {
            registry: Registry::new(memory),
            patience: AtomicU64::new(PATIENCE),
            worn_out: AtomicBool::new(false),
        }
    }

    /// Takes trouble over a damaged line, if there is still some to be taken.
    pub fn bear(&self, trouble: u64) -> bool {
        let take = |left: u64| left.checked_sub(trouble);
        let order = Ordering::Relaxed;
        let taken = self.patience.fetch_update(order, order, take).is_ok();
        if !taken {
            self.worn_out.store(true, order);
        }
        taken
    }
}
