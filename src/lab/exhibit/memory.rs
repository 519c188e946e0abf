//! Memory over completed operations, with the bug and without, from the samples in both logs: drawn.

use super::Exhibit;
use crate::lab::{memory::Memory, trial::Trial};

/// Columns and rows of the chart.
const WIDTH: u64 = 60;
const HEIGHT: u64 = 10;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let [broken, fixed] = [&trial.broken, &trial.fixed].map(|run| &run.seen.memory);
    let (rise, flat) = (broken.bytes_per_operation()?, fixed.bytes_per_operation()?);
    let peaks = [broken, fixed].map(|memory| memory.peak(u64::MAX) as f64 / 1e6);
    let [at_the_end, at_most] = peaks;
    Some(Exhibit {
        brief: format!(
            "With the bug each further operation costs {rise:.0} bytes that never come back: {at_the_end:.1} MB at the end. \
             The fixed program has {at_most:.1} MB, and {:.1} bytes more for each operation.",
            flat.max(0.0)
        ),
        lines: draw(broken, fixed),
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
