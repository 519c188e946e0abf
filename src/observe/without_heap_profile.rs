//! What stands in for the heap profile in a build without the feature `heap-profile`: nothing, under the same names.

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
