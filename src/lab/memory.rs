//! The memory of a run over its completed operations, from the samples in its log.

/// More memory for each further operation than this, and it rises. What the honest program takes does not depend on
/// their number.
const RISE_BYTES_MIN: f64 = 32.0;

/// What the samples of one run tell: operations that were completed, and bytes that were resident.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(pub Vec<(u64, u64)>);

impl Memory {
    /// Whether memory rises with the operations, if that can be told.
    pub(super) fn rises(&self) -> Option<bool> {
        let bytes = self.bytes_per_operation()?;
        Some(bytes >= RISE_BYTES_MIN)
    }

    /// By how much memory grows with each further operation, once a third of them are done: by then whatever is needed
    /// once is there. None where there are no two such samples.
    pub(super) fn bytes_per_operation(&self) -> Option<f64> {
        let last = *self.0.last()?;
        let first = *self.0.iter().find(|(counter, _)| *counter >= last.0 / 3)?;
        let operations = last.0.checked_sub(first.0).filter(|n| *n > 0)?;
        Some((last.1 as f64 - first.1 as f64) / operations as f64)
    }

    /// The most that a sample of the first `operations` has; 0 if there is none.
    pub(super) fn peak(&self, operations: u64) -> u64 {
        let samples = self.0.iter().filter(|(counter, _)| *counter <= operations);
        samples.map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: impl Fn(u64) -> u64) -> Memory {
        Memory((0..=20).map(|n| (n * 1000, bytes(n * 1000))).collect())
    }

    #[test]
    fn what_rises_is_told_from_what_is_flat() {
        assert_eq!(line(|n| 3_000_000 + 90 * n).rises(), Some(true));
        assert_eq!(line(|_| 3_000_000).rises(), Some(false));
        let only_at_first = line(|n| 3_000_000 + 100 * n.min(5000));
        assert_eq!(only_at_first.rises(), Some(false));
        let too_few_samples = Memory(vec![(0, 1), (900, 1 << 30)]);
        assert_eq!(too_few_samples.rises(), None);
        assert_eq!(Memory(Vec::new()).rises(), None);
    }
}
