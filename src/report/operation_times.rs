//! How long operations took: how many took how long, and the usual quantiles.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::{
    chart::bars,
    text::{micros, plural},
};
use crate::figures::Distribution;

/// Where the rows of a power of ten begin, and where its last one ends.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// A power of ten, and which of its steps; none of what is shorter than the log's stamps, whole microseconds, can tell.
type Row = Option<(u32, usize)>;

/// Draws the table.
pub(super) fn draw(times: &Distribution) -> Markup {
    if times.count == 0 {
        return html! { p.note { "No operation's lines are whole from its first attempt to its last." } };
    }
    let mut rows: BTreeMap<Row, u64> = BTreeMap::new();
    for (_, behind, found) in times.buckets() {
        *rows.entry(row(behind - 1)).or_default() += found;
    }
    let at = |quantile| resolved(times.quantile(quantile));
    let told = format!(
        "Operation times, retries included, of {}: p50 {}, p90 {}, p99 {}, at most {}.",
        plural(times.count, "operation"),
        at(0.50),
        at(0.90),
        at(0.99),
        resolved(times.max),
    );
    let rows = rows
        .into_iter()
        .map(|(row, found)| (range(row), found, None));
    let table = bars(&["took", "operations", "share"], times.count, rows);
    html! { (table) figcaption { (told) } }
}

/// A time in nanoseconds as far as the log's stamps tell it.
fn resolved(nanos: u64) -> String {
    match nanos {
        0..1000 => "<1 µs".into(),
        _ => micros(nanos / 1000),
    }
}

/// The row of a time in nanoseconds.
fn row(nanos: u64) -> Row {
    let micros = nanos / 1000;
    let power = micros.checked_ilog10()?;
    let steps = micros as f64 / 10_f64.powf(power.into());
    let step = STEPS.iter().rposition(|step| *step <= steps)?;
    Some((power, step))
}

/// The times of a row.
fn range(row: Row) -> String {
    let Some((power, step)) = row else {
        return "under 1 µs".into();
    };
    let time = |step: f64| match step * 10_f64.powf(power.into()) {
        long if long >= 1e6 => format!("{} s", long / 1e6),
        long if long >= 1e3 => format!("{} ms", long / 1e3),
        short => format!("{short} µs"),
    };
    format!("{} to {}", time(STEPS[step]), time(STEPS[step + 1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_is_in_the_row_that_says_so() {
        for (micros, expected) in [
            (0, "under 1 µs"),
            (1, "1 µs to 2 µs"),
            (99, "50 µs to 100 µs"),
            (1500, "1 ms to 2 ms"),
            (700_000, "500 ms to 1 s"),
            (500_000, "500 ms to 1 s"),
            (1_999_999, "1 s to 2 s"),
            (3_600_000_000, "2000 s to 5000 s"),
        ] {
            assert_eq!(range(row(micros * 1000)), expected);
        }
    }
}
