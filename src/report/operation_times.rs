//! How long operations took: a histogram over a logarithmic axis, with the usual quantiles.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{
    chart::{HEIGHT, Ticks, chart, drawing, value_ticks},
    text::{micros, plural, round_time},
};
use crate::work::figures::Distribution;

/// What is shorter than the log's stamps can tell, in nanoseconds, stands at the left edge.
const SHORTEST: u64 = 700;

/// Draws the histogram.
pub(super) fn draw(times: &Distribution) -> Markup {
    let Some((first, _, _)) = times.buckets().next() else {
        return html! { p.note { "No operation's lines are whole from its first attempt to its last." } };
    };
    let axis = LogAxis::new(first, times.max);
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)];
    let quantiles = quantiles.map(|(name, quantile)| {
        let time = times.quantile(quantile);
        (name, resolved(time), axis.percent(time))
    });
    let [p50, p90, p99] = &quantiles;
    let told = format!(
        "Operation times, retries included, of {}: p50 {}, p90 {}, p99 {}, at most {}.",
        plural(times.count, "operation"),
        p50.1,
        p90.1,
        p99.1,
        resolved(times.max),
    );
    let most = times.buckets().map(|(_, _, count)| count).max();
    let most = most.unwrap_or(1) as f64;
    let content = html! { path.done d=(bars(times, axis, most)) {} };
    let plot = html! {
        div.quantiles aria-hidden="true" { @for (name, time, place) in &quantiles {
            // Near the right edge the words stand on the left of their line.
            span.before[*place > 75.0] style=(format!("left:{place:.2}%")) { b { (name) } " " (time) }
        } }
        div.plot {
            (drawing(HEIGHT, HEIGHT, &told, &content))
            @for (_, _, place) in &quantiles { i.quantile style=(format!("left:{place:.2}%")) {} }
        }
    };
    let (x, y) = (axis.ticks(), value_ticks(most, most));
    html! { (chart("histogram", "operations", &y, &x, &plot)) figcaption { (told) } }
}

/// A time in nanoseconds as far as the log's stamps, whole microseconds, tell it.
fn resolved(nanos: u64) -> String {
    match nanos {
        0..1000 => "<1 µs".into(),
        _ => micros(nanos / 1000),
    }
}

fn bars(times: &Distribution, axis: LogAxis, most: f64) -> String {
    let mut path = String::new();
    let unit = HEIGHT as f64 / 100.0;
    for (from, to, count) in times.buckets() {
        let left = axis.percent(from) * unit;
        let right = (axis.percent(to) * unit).max(left + 3.0);
        let top = HEIGHT as f64 - (count as f64 / most * HEIGHT as f64).max(2.0);
        let _ = write!(path, "M{left:.1} {HEIGHT}V{top:.0}H{right:.1}V{HEIGHT}z");
    }
    path
}

/// An axis of nanoseconds on which each power of ten takes the same room.
#[derive(Clone, Copy)]
struct LogAxis {
    /// Both ends, as logarithms.
    low: f64,
    high: f64,
}

impl LogAxis {
    fn new(first: u64, last: u64) -> Self {
        let log = |nanos: u64| (nanos.max(SHORTEST) as f64).log10();
        // A single value stands in the middle.
        Self {
            low: log(first) - 0.1,
            high: log(last) + 0.1,
        }
    }

    fn percent(self, nanos: u64) -> f64 {
        let place = ((nanos.max(1) as f64).log10() - self.low) / (self.high - self.low);
        (place * 100.0).clamp(0.0, 100.0)
    }

    /// The powers of ten within it; where they are few, twice and five times each as well.
    fn ticks(self) -> Ticks {
        let steps: &[u64] = match self.high - self.low {
            powers if powers > 3.0 => &[1],
            _ => &[1, 2, 5],
        };
        let powers = self.low.floor() as u32..=self.high.ceil() as u32;
        let powers = powers.map(|power| 10_u64.saturating_pow(power));
        let all =
            powers.flat_map(|power| steps.iter().map(move |step| power.saturating_mul(*step)));
        let within = |tick: &u64| (self.low..=self.high).contains(&(*tick as f64).log10());
        let within = all.filter(within);
        within
            .map(|tick| (self.percent(tick), round_time(tick as f64 / 1e3)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logarithmic_axis_has_round_ticks() {
        let axis = LogAxis::new(10_000_000, 2_000_000_000);
        let words: Vec<String> = axis.ticks().into_iter().map(|(_, words)| words).collect();
        assert_eq!(
            words.join(", "),
            "10 ms, 20 ms, 50 ms, 100 ms, 200 ms, 500 ms, 1 s, 2 s"
        );
        assert!(axis.percent(10_000_000) < axis.percent(2_000_000_000));
    }
}
