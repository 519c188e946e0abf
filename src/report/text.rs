//! How the page writes numbers, shares, times, and what a log brings along; and round values for axes.

use std::path::Path;

use crate::{
    log::line::displayed,
    plan::format::{Seconds, counted},
};

/// How much of any text that a log brings along is shown.
const TEXT_MAX: usize = 300;

/// A count, its thousands set apart.
pub(super) fn count(value: u64) -> String {
    match value {
        0..1000 => value.to_string(),
        _ => format!("{},{:03}", count(value / 1000), value % 1000),
    }
}

/// A count of things.
pub(super) fn plural(value: u64, noun: &str) -> String {
    counted(count(value), noun)
}

/// A share of a whole, in percent; a dash of nothing.
pub(super) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "–".into();
    }
    match part / whole * 100.0 {
        p if p > 0.0 && p < 0.1 => "<0.1%".into(),
        p if p >= 10.0 || p == 0.0 => format!("{p:.0}%"),
        p => format!("{p:.1}%"),
    }
}

/// A length of time in microseconds.
pub(super) fn micros(value: u64) -> String {
    let seconds = value as f64 / 1e6;
    if seconds < 600.0 {
        return Seconds(seconds).to_string().replace("us", "µs");
    }
    let length = std::time::Duration::from_secs(seconds.round() as u64);
    humantime::format_duration(length).to_string()
}

/// A value on an axis, in the prefix that suits it and with the decimals that it needs.
pub(super) fn rate(value: f64) -> String {
    let (value, prefix) = match value {
        v if v >= 1e6 => (v / 1e6, "M"),
        v if v >= 1e4 => (v / 1e3, "k"),
        v => (v, ""),
    };
    match value {
        v if v >= 10.0 || v.fract() == 0.0 => count(v.round() as u64) + prefix,
        v => format!("{v:.1}{prefix}"),
    }
}

/// A text that a log or a file name brings along: what would act on a display is escaped, and what is long is cut.
pub(super) fn shown(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => displayed(Path::new(&text[..end])) + "…",
        None => displayed(Path::new(text)),
    }
}

/// Round values from 0 to `end`, about `wanted` of them: their step is 1, 2 or 5 times a power of ten.
pub(super) fn ticks(end: f64, wanted: f64) -> Vec<f64> {
    if end.is_nan() || end <= 0.0 {
        return vec![0.0];
    }
    let raw = end / wanted;
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
    let step = steps.into_iter().find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let count = (end / step * 1.000_001).floor() as u64;
    (0..=count).map(|i| i as f64 * step).collect()
}

/// Round times from 0 to `end`, in microseconds, each with how it is written. Minutes and hours are divided by sixty.
pub(super) fn time_ticks(end: f64) -> Vec<(f64, String)> {
    let (unit, name) = match end {
        e if e >= 3.0 * 3600e6 => (3600e6, "h"),
        e if e >= 600e6 => (60e6, "min"),
        e if e >= 1e6 => (1e6, "s"),
        e if e >= 1e3 => (1e3, "ms"),
        _ => (1.0, "µs"),
    };
    let ticks = ticks(end / unit, 6.0).into_iter();
    let round = |tick: f64| (tick * 1000.0).round() / 1000.0;
    ticks
        .map(|tick| (tick * unit, format!("{} {name}", round(tick))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!(
            [(1.0, 3.0), (1.0, 40.0), (1.0, 1e6), (0.0, 0.0)].map(|(a, b)| percent(a, b)),
            ["33%", "2.5%", "<0.1%", "–"]
        );
        assert_eq!([1500, 7_200_000_000].map(micros), ["1.50 ms", "2h"]);
        assert_eq!(
            [1_250_000.0, 37.0, 2000.0].map(rate),
            ["1.2M", "37", "2,000"]
        );
    }

    #[test]
    fn ticks_are_round_and_within_the_axis() {
        assert_eq!(ticks(10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.0, 5.0), [0.0]);
        for end in [0.003, 1.0, 7.3, 1e9] {
            let ticks = ticks(end, 5.0);
            assert!((3..=7).contains(&ticks.len()), "{end}: {ticks:?}");
            assert!(
                ticks.iter().all(|tick| *tick <= end * 1.001),
                "{end}: {ticks:?}"
            );
        }
    }

    #[test]
    fn what_a_log_brings_along_is_bounded_and_cannot_act() {
        let hostile = "<b>\u{1b}[31m\u{202e}".to_owned() + &"x".repeat(1 << 20);
        let shown = shown(&hostile);
        assert!(
            shown.len() < 2 * TEXT_MAX && shown.ends_with('…'),
            "{shown}"
        );
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
}
