//! Memory over completed operations, from the samples in a log: measured, judged and drawn.

use std::fmt::Write as _;

use super::records::LogRecord;
use crate::log::event::{Event, Known};

/// More memory for each further operation than this, and it rises. What the honest program takes does not depend on
/// their number.
const RISE_BYTES_MIN: f64 = 32.0;
/// Columns and rows of the chart.
const WIDTH: usize = 60;
const HEIGHT: usize = 10;

/// What the samples of one run tell: operations that were completed, and bytes that were resident.
#[derive(Clone, Debug)]
pub(super) struct Memory(Vec<(u64, u64)>);

impl Memory {
    /// The samples among the lines of a run.
    pub(super) fn of(records: &[LogRecord]) -> Self {
        let samples = records.iter().filter_map(|record| match record.event {
            Event::Sample {
                resident_bytes: Known(Some(bytes)),
                counter,
                ..
            } => Some((counter, bytes)),
            _ => None,
        });
        Self(samples.collect())
    }

    /// Whether memory rises with the operations.
    pub(super) fn rises(&self) -> bool {
        self.bytes_per_operation()
            .is_some_and(|bytes| bytes >= RISE_BYTES_MIN)
    }

    /// By how much memory grows with each further operation, once a third of them are done: by then whatever is needed
    /// once is there. None where there are no two such samples.
    pub(super) fn bytes_per_operation(&self) -> Option<f64> {
        let last = *self.0.last()?;
        let first = *self.0.iter().find(|(counter, _)| *counter >= last.0 / 3)?;
        let operations = last.0.checked_sub(first.0).filter(|n| *n > 0)?;
        Some((last.1 as f64 - first.1 as f64) / operations as f64)
    }

    /// The most that a sample has.
    pub(super) fn peak(&self) -> u64 {
        self.0.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }

    /// How many samples there are.
    pub(super) fn samples(&self) -> usize {
        self.0.len()
    }

    /// The most in each column of a chart that is `operations` wide. A column without a sample has what stands before.
    fn columns(&self, operations: u64) -> [u64; WIDTH] {
        let mut columns = [0; WIDTH];
        for (counter, bytes) in &self.0 {
            let at = (counter * WIDTH as u64 / operations.max(1)).min(WIDTH as u64 - 1);
            let column = &mut columns[at as usize];
            *column = (*column).max(*bytes);
        }
        let mut known = 0;
        for column in &mut columns {
            if *column == 0 {
                *column = known;
            }
            known = *column;
        }
        columns
    }
}

/// Both in one chart, a line of text each row.
pub(super) fn draw(broken: &Memory, fixed: &Memory) -> Vec<String> {
    let operations = [broken, fixed].map(|memory| memory.0.last().map_or(0, |last| last.0));
    let operations = operations[0].max(operations[1]);
    let top = broken.peak().max(fixed.peak()).max(1);
    let (broken, fixed) = (broken.columns(operations), fixed.columns(operations));
    let row_of = |bytes: u64| (bytes * HEIGHT as u64).div_ceil(top).max(1);
    let mut lines = vec!["MB resident".to_owned()];
    for row in (1..=HEIGHT as u64).rev() {
        let mut line = format!("{:>5.0} |", (top * row) as f64 / HEIGHT as f64 / 1e6);
        for (broken, fixed) in broken.iter().zip(fixed) {
            line.push(match (row_of(*broken) == row, row_of(fixed) == row) {
                (true, _) => 'o',
                (false, true) => '-',
                (false, false) => ' ',
            });
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.push(format!("    0 +{}", "-".repeat(WIDTH)));
    let mut scale = format!("{:7}0", "");
    let _ = write!(
        scale,
        "{:>width$} operations completed",
        operations,
        width = WIDTH - 22
    );
    lines.push(scale);
    lines.push(String::new());
    lines.push("o with the bug    - the fixed program".to_owned());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: impl Fn(u64) -> u64) -> Memory {
        Memory((0..=20).map(|n| (n * 1000, bytes(n * 1000))).collect())
    }

    #[test]
    fn what_rises_is_told_from_what_is_flat() {
        assert!(line(|n| 3_000_000 + 90 * n).rises());
        assert!(!line(|_| 3_000_000).rises());
        assert!(
            !line(|n| 3_000_000 + 100 * n.min(5000)).rises(),
            "only at first"
        );
        assert!(
            !Memory(vec![(0, 1), (900, 1 << 30)]).rises(),
            "too few samples"
        );
        assert!(!Memory(Vec::new()).rises());
    }

    #[test]
    fn a_chart_fits_a_terminal() {
        let lines = draw(&line(|n| 3_000_000 + 900 * n), &line(|_| 3_000_000));
        assert!(
            lines.iter().all(|line| line.chars().count() <= 78),
            "{lines:#?}"
        );
        assert!(
            lines[1].ends_with('o') && lines[9].contains("---"),
            "{lines:#?}"
        );
    }
}
