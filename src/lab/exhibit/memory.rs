//! Memory over completed operations, with the bug and without, from the samples in both logs: measured, judged and drawn.

use serde_json::json;

use super::Exhibit;
use crate::{
    lab::{records::LogRecord, trial::Trial},
    log::event::{Event, Known},
};

/// More memory for each further operation than this, and it rises. What the honest program takes does not depend on
/// their number.
const RISE_BYTES_MIN: f64 = 32.0;
/// Columns and rows of the chart.
const WIDTH: u64 = 60;
const HEIGHT: u64 = 10;

/// What the samples of one run tell: operations that were completed, and bytes that were resident.
#[derive(Clone, Debug)]
pub(in crate::lab) struct Memory(Vec<(u64, u64)>);

impl Memory {
    /// The samples among the lines of a run.
    pub(in crate::lab) fn of(records: &[LogRecord]) -> Self {
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

    /// Whether memory rises with the operations, if that can be told.
    pub(in crate::lab) fn rises(&self) -> Option<bool> {
        let bytes = self.bytes_per_operation()?;
        Some(bytes >= RISE_BYTES_MIN)
    }

    /// By how much memory grows with each further operation, once a third of them are done: by then whatever is needed
    /// once is there. None where there are no two such samples.
    fn bytes_per_operation(&self) -> Option<f64> {
        let last = *self.0.last()?;
        let first = *self.0.iter().find(|(counter, _)| *counter >= last.0 / 3)?;
        let operations = last.0.checked_sub(first.0).filter(|n| *n > 0)?;
        Some((last.1 as f64 - first.1 as f64) / operations as f64)
    }

    /// The most that a sample of the first `operations` has; 0 if there is none.
    fn peak(&self, operations: u64) -> u64 {
        let samples = self.0.iter().filter(|(counter, _)| *counter <= operations);
        samples.map(|(_, bytes)| *bytes).max().unwrap_or(0)
    }
}

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let [broken, fixed] = [&trial.broken, &trial.fixed].map(|run| Memory::of(&run.records));
    let (rise, flat) = (broken.bytes_per_operation()?, fixed.bytes_per_operation()?);
    let peaks = [&broken, &fixed].map(|memory| memory.peak(u64::MAX));
    let [at_the_end, at_most] = peaks.map(|bytes| bytes as f64 / 1e6);
    Some(Exhibit {
        brief: format!(
            "With the bug each further operation costs {rise:.0} bytes that never come back: {at_the_end:.1} MB at the end. \
             The fixed program has {at_most:.1} MB, and {:.1} bytes more for each operation.",
            flat.max(0.0)
        ),
        lines: draw(&broken, &fixed),
        reading: "Both runs did the same work. A program that works on for ever may take as much memory as it \
                  likes, but not more for each operation: a line that rises here has no end but that of the memory."
            .into(),
        data: json!({
            "bytes_per_operation": rise,
            "bytes_per_operation_fixed": flat,
            "peak_bytes": peaks[0],
            "peak_bytes_fixed": peaks[1],
        }),
    })
}

/// Both in one chart, a line of text each row.
fn draw(broken: &Memory, fixed: &Memory) -> Vec<String> {
    let operations = [broken, fixed].map(|memory| memory.0.last().map_or(0, |last| last.0));
    let operations = operations.into_iter().max().unwrap_or(0);
    let top = broken.peak(operations).max(fixed.peak(operations)).max(1);
    let row_of = |memory: &Memory, column: u64| {
        let bytes = memory.peak(operations * (column + 1) / WIDTH);
        (bytes * HEIGHT).div_ceil(top).max(1)
    };
    let mut lines = vec!["MB resident".to_owned()];
    for row in (1..=HEIGHT).rev() {
        let mark = |column| match (row_of(broken, column) == row, row_of(fixed, column) == row) {
            (true, _) => 'o',
            (false, true) => '-',
            (false, false) => ' ',
        };
        let marks: String = (0..WIDTH).map(mark).collect();
        let megabytes = (top * row) as f64 / HEIGHT as f64 / 1e6;
        lines.push(format!("{megabytes:>5.0} |{}", marks.trim_end()));
    }
    lines.extend([
        format!("    0 +{}", "-".repeat(WIDTH as usize)),
        format!("{:>8}{operations:>38} operations completed", 0),
        String::new(),
        "o with the bug    - the fixed program".to_owned(),
    ]);
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
        assert_eq!(line(|n| 3_000_000 + 90 * n).rises(), Some(true));
        assert_eq!(line(|_| 3_000_000).rises(), Some(false));
        let only_at_first = line(|n| 3_000_000 + 100 * n.min(5000));
        assert_eq!(only_at_first.rises(), Some(false));
        let too_few_samples = Memory(vec![(0, 1), (900, 1 << 30)]);
        assert_eq!(too_few_samples.rises(), None);
        assert_eq!(Memory(Vec::new()).rises(), None);
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
