//! Numbers, shares and times as the page writes them, and round values for axes.

use crate::plan::format::Seconds;

/// A count, its thousands set apart.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count of things.
pub(super) fn plural(value: u64, noun: &str) -> String {
    let s = if value == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(value))
}

/// A share of a whole, in percent; a dash of nothing.
pub(super) fn percent(part: f64, whole: f64) -> String {
    if whole <= 0.0 {
        return "–".into();
    }
    let percent = part / whole * 100.0;
    match percent {
        p if p > 0.0 && p < 0.1 => "<0.1%".into(),
        p if p >= 10.0 || p == 0.0 => format!("{p:.0}%"),
        p => format!("{p:.1}%"),
    }
}

/// A length of time in microseconds.
pub(super) fn micros(value: u64) -> String {
    nanos(value.saturating_mul(1000))
}

/// A length of time in nanoseconds.
pub(super) fn nanos(value: u64) -> String {
    let seconds = value as f64 / 1e9;
    if seconds >= 600.0 {
        let length = std::time::Duration::from_secs(seconds.round() as u64);
        return humantime::format_duration(length).to_string();
    }
    Seconds(seconds).to_string().replace("us", "µs")
}

/// Something per second, in the prefix that suits it.
pub(super) fn rate(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{}M", short(v / 1e6)),
        v if v >= 1e4 => format!("{}k", short(v / 1e3)),
        v => short(v),
    }
}

/// A number with the decimals that it needs.
fn short(value: f64) -> String {
    match value {
        v if v >= 1000.0 => count(v.round() as u64),
        v if v >= 10.0 || v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
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

/// A time on an axis that is `end` long, both in microseconds, in the unit of the whole axis.
pub(super) fn on_axis(value: f64, end: f64) -> String {
    let (unit, name) = match end {
        e if e >= 3.0 * 3600e6 => (3600e6, "h"),
        e if e >= 600e6 => (60e6, "min"),
        e if e >= 1e6 => (1e6, "s"),
        e if e >= 1e3 => (1e3, "ms"),
        _ => (1.0, "µs"),
    };
    let value = (value / unit * 1000.0).round() / 1000.0;
    format!("{value} {name}")
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
        assert_eq!(percent(1.0, 3.0), "33%");
        assert_eq!(percent(1.0, 40.0), "2.5%");
        assert_eq!(percent(1.0, 1e6), "<0.1%");
        assert_eq!(percent(0.0, 0.0), "–");
        assert_eq!(micros(1500), "1.50 ms");
        assert_eq!(micros(7_200_000_000), "2h");
        assert_eq!(rate(1_250_000.0), "1.2M");
        assert_eq!(rate(37.0), "37");
        assert_eq!(on_axis(1_500_000.0, 4e6), "1.5 s");
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
}
