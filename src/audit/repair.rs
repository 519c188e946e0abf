//! A damaged line put right by trial: single characters are changed until the checksum holds.
//!
//! This file must not know of which run a line is, nor what its plan has.

use super::record::{self, Record, SUM_LEN, find, hex8};
use crate::log::line::{Line, checksum};

/// How much trouble it is to try every character: a text line takes a millisecond.
pub const REPAIR: u64 = 40;
/// A JSON line takes longer.
pub const REPAIR_JSON: u64 = 400;
/// Longer lines are not repaired by trial: the time grows with the square of the length.
const REPAIR_MAX: usize = 1024;

/// Whether this is what is left of a JSON line: one character that is changed makes no text line look like one.
pub fn is_json(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"") || bytes.ends_with(b"\"}")
}

/// Whether this may be a damaged "Run started".
pub fn may_be_run_started(bytes: &[u8]) -> bool {
    let marks: [&[u8]; 3] = [b"Run started", b" schema=", b"\"schema\":"];
    marks.iter().any(|mark| find(bytes, mark).is_some())
}

/// Puts one character right, so that the checksum holds.
pub fn repair(bytes: &[u8]) -> Option<Record> {
    if bytes.len() > REPAIR_MAX {
        return None;
    }
    if is_json(bytes) {
        repair_json(bytes)
    } else {
        repair_text(bytes)
    }
}

fn repair_text(bytes: &[u8]) -> Option<Record> {
    let (canonical, tail) = bytes.split_at_checked(bytes.len().checked_sub(SUM_LEN)?)?;
    let mut whole = canonical.to_vec();
    let right = format!(" sum={:08x}", checksum(canonical));
    let wrong = right.bytes().zip(tail).filter(|(a, b)| a != *b).count();
    if wrong == 1 {
        whole.extend_from_slice(right.as_bytes());
        return record::read(&whole);
    }
    let sum = tail.strip_prefix(b" sum=").and_then(hex8)?;
    for at in 0..whole.len() {
        let found = whole[at];
        for byte in b' '..=b'~' {
            whole[at] = byte;
            // One in four thousand million lines has the same checksum by chance: it must tell something too.
            if checksum(&whole) == sum
                && let Some(record) = record::read(&[&whole, tail].concat())
                && record.event.is_some()
            {
                return Some(record);
            }
        }
        whole[at] = found;
    }
    None
}

fn repair_json(bytes: &[u8]) -> Option<Record> {
    if let Ok(line) = Line::parse(bytes) {
        let text = format!("{} sum={:08x}", line.canonical(), line.sum);
        if let Some(record) = repair_text(text.as_bytes()) {
            return Some(record);
        }
    }
    let readable = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
    let mut whole = bytes.to_vec();
    for at in 0..whole.len() {
        let found = whole[at];
        let structural = b"\"{}:,.0123456789abcdef";
        let all = readable || matches!(found, b'"' | b'\\') || !found.is_ascii_graphic();
        for byte in b' '..=b'~' {
            if all || structural.contains(&byte) {
                whole[at] = byte;
                if let Some(record) = record::read(&whole).filter(|r| r.event.is_some()) {
                    return Some(record);
                }
            }
        }
        whole[at] = found;
    }
    None
}
