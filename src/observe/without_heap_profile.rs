//! What stands in for the heap profile in a build without the feature `heap-profile`: nothing, under the same
//! names, so that `main` needs no `cfg`.

/// Whether this is in the program.
pub const BUILT_IN: bool = false;

/// Nothing is profiled.
#[derive(Debug)]
pub struct HeapProfile;

impl HeapProfile {
    /// Does nothing.
    pub fn start() -> Self {
        Self
    }

    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn finish(self) -> anyhow::Result<()> {
        Ok(())
    }
}
