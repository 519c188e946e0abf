//! Times in the forms in which others write them: what a pipeline makes of a record's own time, and the time of its own that
//! it puts beside a record.

use std::{ops::Range, time::UNIX_EPOCH};

use humantime::parse_rfc3339_weak;

use super::{
    record::{few_digits, level_word, starts_here},
    shape::{STAMP, differences, shaped},
};
use crate::log::line::{STAMP_LEN, parse_stamp, stamp_text};

const MICROS: u64 = 1_000_000;

/// Bytes of the part of a stamp that stays the same for a second: `2026-11-23T17:42:00.`.
const SECOND_LEN: usize = 20;

/// Reads times, most of which share their second with the one before.
#[derive(Debug, Default)]
pub(crate) struct StampReader {
    second: [u8; SECOND_LEN],
    micros: u64,
}

impl StampReader {
    /// The time that a stamp tells.
    #[inline]
    pub(crate) fn stamp(&mut self, stamp: &[u8; STAMP_LEN]) -> Option<u64> {
        let (time, behind) = stamp.split_first_chunk()?;
        (behind == b"Z").then(|| self.time(time))?
    }

    /// The time at the start of `bytes`, in microseconds since 1970, whatever its precision.
    #[inline]
    pub(crate) fn at(&mut self, bytes: &[u8]) -> Option<u64> {
        let usual = bytes.split_first_chunk().and_then(|(time, behind)| {
            let mut behind = behind.iter().skip_while(|byte| byte.is_ascii_digit());
            (behind.next() == Some(&b'Z') && time[10] == b'T').then(|| self.time(time))?
        });
        usual.or_else(|| at(bytes))
    }

    /// A time to the microsecond.
    #[inline]
    fn time(&mut self, time: &[u8; STAMP_LEN - 1]) -> Option<u64> {
        let (second, micros) = time.split_first_chunk::<SECOND_LEN>()?;
        if *second != self.second {
            let whole = [second.as_slice(), b"000000Z"].concat();
            self.micros = parse_stamp(str::from_utf8(&whole).ok()?)?;
            self.second = *second;
        }
        let &[a, b, c, d, e, f] = micros.first_chunk()?;
        let (micros, digits) = few_digits([a, b, c, d, e, f, b' ', b' ']);
        (digits == 6).then_some(self.micros + micros)
    }
}

/// The time of a record, as the log writes it, out of any form that keeps all of it.
pub(crate) fn normal_stamp(text: &str) -> Option<String> {
    if text.len() == STAMP_LEN && parse_stamp(text).is_some() {
        return Some(text.to_owned());
    }
    // One character that differs may be the damage.
    let damaged = text.len() == STAMP_LEN && differences(text.as_bytes(), STAMP) == 1;
    let read = read(text.as_bytes()).filter(|(time, _)| time.exact && !damaged);
    let (time, length) = read?;
    let rest = text[length..].trim_start();
    (rest.is_empty() || rest == "UTC").then(|| stamp_text(time.micros))
}

/// A time, and whether it was given to less than a microsecond or to more.
struct Time {
    micros: u64,
    exact: bool,
}

/// The time at the start of `bytes`, and how many bytes it takes: RFC 3339 with any precision and zone, with a blank for
/// the `T` and perhaps without a zone, or seconds, milli-, micro- or nanoseconds since 1970.
fn read(bytes: &[u8]) -> Option<(Time, usize)> {
    let start = bytes.iter().take(20);
    match start.take_while(|b| b.is_ascii_digit()).count() {
        4 => calendar(bytes),
        digits => epoch(bytes, digits),
    }
}

/// The time at the start of `bytes`, in microseconds since 1970, whatever its precision.
fn at(bytes: &[u8]) -> Option<u64> {
    Some(read(bytes)?.0.micros)
}

/// `2026-11-23T17:42:00.123456789+01:00`.
fn calendar(bytes: &[u8]) -> Option<(Time, usize)> {
    let second = bytes.first_chunk::<19>()?;
    matches!(second[10], b'T' | b' ').then_some(())?;
    let time = parse_rfc3339_weak(str::from_utf8(second).ok()?).ok()?;
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (fraction, exact, length) = fraction(&bytes[19..])?;
    let (offset, zone) = zone(&bytes[19 + length..]).unwrap_or_default();
    let micros = seconds.checked_add_signed(-offset)? * MICROS + fraction;
    Some((Time { micros, exact }, 19 + length + zone))
}

/// A point and the digits behind it, as microseconds, whether nothing is lost by that, and how many bytes they take. There need
/// be none.
fn fraction(bytes: &[u8]) -> Option<(u64, bool, usize)> {
    let Some((b'.' | b',', behind)) = bytes.split_first() else {
        return Some((0, true, 0));
    };
    let length = behind.iter().take_while(|b| b.is_ascii_digit()).count();
    let digits = &behind[..length];
    let digit = |i: usize| digits.get(i).map_or(0, |b| u64::from(b - b'0'));
    let micros = (0..6).fold(0, |n, i| n * 10 + digit(i));
    let exact = digits.iter().skip(6).all(|b| *b == b'0');
    Some((micros, exact, if length > 0 { 1 + length } else { 0 }))
}

/// A zone's distance from UTC in seconds, and how many bytes it takes; none where none is given.
fn zone(bytes: &[u8]) -> Option<(i64, usize)> {
    let blank = usize::from(bytes.first() == Some(&b' '));
    let sign = match bytes.get(blank)? {
        b'Z' => return Some((0, 1 + blank)),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let bytes = &bytes[blank..];
    let two = |at: usize| {
        let digits = bytes.get(at..at + 2)?;
        let digits: [u8; 2] = digits.try_into().ok()?;
        let number = |b: u8| b.is_ascii_digit().then_some(i64::from(b) - 48);
        Some(number(digits[0])? * 10 + number(digits[1])?)
    };
    let hours = two(1)?;
    let colon = usize::from(bytes.get(3) == Some(&b':'));
    let minutes = two(3 + colon)?;
    Some((sign * (hours * 3600 + minutes * 60), blank + 5 + colon))
}

/// `1795455720.223456`, or whole milli-, micro- or nanoseconds.
fn epoch(bytes: &[u8], digits: usize) -> Option<(Time, usize)> {
    let whole = std::str::from_utf8(bytes.get(..digits)?).ok()?;
    let whole: u64 = whole.parse().ok()?;
    // What is divided by: the years 2001 to 2286.
    let (multiply, divide) = match digits {
        10 => (MICROS, 1),
        13 => (1000, 1),
        16 => (1, 1),
        19 => (1, 1000),
        _ => return None,
    };
    let (fraction, exact, length) = fraction(&bytes[digits..])?;
    let time = Time {
        micros: whole * multiply / divide + fraction * multiply / MICROS / divide,
        exact: whole.is_multiple_of(divide) && (exact || multiply == MICROS),
    };
    Some((time, digits + length))
}

/// Lines whose times are all written otherwise, and the levels behind them, with what this program writes instead; none where there
/// is nothing like that. `2026-11-23 17:42:00,000123 INFO` is `2026-11-23T17:42:00.000123Z  INFO`.
pub(crate) fn restored(bytes: &[u8]) -> Option<Vec<u8>> {
    const OTHER: &[u8; STAMP_LEN - 1] = b"dddd-dd-dd?dd:dd:dd?dddddd";
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64);
    let mut from = 0;
    for colon in memchr::memchr_iter(b':', bytes) {
        let Some(start) = colon.checked_sub(13).filter(|start| *start >= from) else {
            continue;
        };
        let Some(stamp) = bytes[start..].first_chunk::<{ STAMP_LEN - 1 }>() else {
            break;
        };
        if !shaped(stamp, OTHER) || !b"Tt _".contains(&stamp[10]) || !b".,".contains(&stamp[19]) {
            continue;
        }
        out.extend_from_slice(&bytes[from..start]);
        out.extend_from_slice(stamp);
        let end = out.len();
        (out[end - 16], out[end - 7]) = (b'T', b'.');
        out.push(b'Z');
        from = start + stamp.len();
        from += zone(&bytes[from..]).map_or(0, |(_, length)| length);
        if let Some(level) = level_word(&bytes[from..]).filter(|level| level.start > 0) {
            out.resize(out.len() + 6 - level.len(), b' ');
            from += level.start;
        }
    }
    (from > 0).then(|| {
        out.extend_from_slice(&bytes[from..]);
        out
    })
}

/// The names under which pipelines write when they got a record, the more telling ones first. Behind each stand a few
/// characters that are neither letter nor digit, and then the time.
const KEYS: [&[u8]; 11] = [
    b"observedTimeUnixNano",
    b"ingestionTime",
    b"receiveTimestamp",
    b"__REALTIME_TIMESTAMP",
    b"CreateTime",
    b"@timestamp",
    b"timestamp",
    b"_time",
    b"time",
    b"date",
    b"ts",
];

/// The time that a pipeline put beside a record, given where it may stand in front of it and behind it; and its place.
pub(crate) fn beside(
    bytes: &[u8],
    before: Range<usize>,
    behind: Range<usize>,
) -> Option<(usize, u64)> {
    let sides = [behind, before.clone()];
    let keys = KEYS
        .iter()
        .flat_map(|key| sides.clone().map(|side| (*key, side)));
    let mut named = keys.filter_map(|(key, side)| {
        let mut found = memchr::memmem::find_iter(&bytes[side.clone()], key);
        found.find_map(|found| {
            let from = side.start + found + key.len();
            let rest = &bytes[from..side.end];
            let gap = rest.iter().take(8);
            let gap = gap.take_while(|b| !b.is_ascii_alphanumeric()).count();
            let time = at(&rest[gap..]).filter(|_| gap > 0);
            time.map(|time| (from + gap, time))
        })
    });
    // A bare time: every one has its first hyphen at this offset.
    let hyphens = memchr::memchr_iter(b'-', &bytes[before.clone()]);
    let mut bare = hyphens.filter_map(|hyphen| {
        let start = before.start + hyphen.checked_sub(4)?;
        // Of a record that was torn off there the time is its own.
        let own = starts_here(&bytes[start..before.end]);
        (!own).then_some(())?;
        calendar(&bytes[start..before.end]).map(|(time, _)| (start, time.micros))
    });
    named.next().or_else(|| bare.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_known_in_every_form() {
        let stamp = "2026-11-23T17:42:00.123400Z";
        for form in [
            "2026-11-23T17:42:00.123400Z",
            "2026-11-23T17:42:00.1234Z",
            "2026-11-23T17:42:00.123400000Z",
            "2026-11-23T18:42:00.1234+01:00",
            "2026-11-23T12:12:00.1234-0530",
            "2026-11-23 17:42:00.1234",
            "2026-11-23 17:42:00.123400 UTC",
            "2026-11-23 17:42:00.1234+00:00",
            "2026-11-23 17:42:00.1234 +0000 UTC",
            "2026-11-23 17:42:00.1234Z",
            "2026-11-23T17:42:00.123400",
            "2026-11-23T17:42:00,1234Z",
            "1795455720.1234",
            "1795455720123.4",
            "1795455720123400",
            "1795455720123400000",
        ] {
            assert_eq!(normal_stamp(form).as_deref(), Some(stamp), "{form}");
        }
        for other in [
            "",
            "2026-11-23",
            "2026-11-23T17:42:00.123400 ",
            "2026-11-23 17:42:00.123400Z",
            "2026-11-23T17:42:00,123400Z",
            "2026-11-23T17:42:00.123400001Z",
            "2026-13-23T17:42:00.123400Z",
            "179545572",
            "1795455720123400001",
        ] {
            assert_eq!(normal_stamp(other), None, "{other}");
        }
    }
}
