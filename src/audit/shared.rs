//! What all scanners and the judge share: the runs that were met.

use super::registry::Registry;

/// What all blocks share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The runs met so far.
    pub registry: Registry,
}

impl Shared {
    /// Room for runs that take `memory` bytes.
    pub(super) fn new(memory: u64) -> Self {
        Self {
            registry: Registry::new(memory),
        }
    }
}
