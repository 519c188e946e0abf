//! What is left of a record that is not whole: where it begins and ends, and what it was before it was escaped.

use std::{ops::Range, sync::LazyLock};

use memchr::memmem;

use super::{
    decode::{backslashes, doubled_quotes},
    marks::{RecordMark, named},
    record::{JSON_START, LEVELS, SUM_LEN, Words, has_stamp_shape, level_word, words},
    scanned::Suspect,
    shape::{STAMP, differences},
};
use crate::log::line::STAMP_LEN;

/// What is kept of a suspect: the rest would only cost memory.
const SUSPECT_MAX: usize = 64 * 1024;

/// The mark of an end.
pub(super) static SUM: LazyLock<memmem::Finder<'static>> =
    LazyLock::new(|| memmem::Finder::new(" sum="));

/// A suspect, and where it stands in `bytes`, in front of which a quote may stand, and in which a line of text may begin.
pub(crate) fn suspect(bytes: &[u8], quoted: bool, line: Option<usize>) -> (Range<usize>, Suspect) {
    let json = line.is_none() && is_keyed(bytes);
    let span = match json {
        true => json_span(bytes),
        false => text_span(bytes, line),
    };
    // The cell of a table ends with the quote that it begins with, and doubles those within.
    let quoted = match span.start.checked_sub(1) {
        Some(before) => bytes[before] == b'"',
        None => quoted,
    };
    let rest = &bytes[span.start..];
    let is_cell = quoted && (!json || rest.starts_with(b"{\"\""));
    let cell = is_cell.then(|| cell_end(rest)).flatten();
    let cell = cell.map(|end| span.start + end);
    // What stands behind a checksum is not the record's; one character of it may be too much.
    let cell = cell.filter(|end| json || *end <= span.end + 1);
    let span = span.start..cell.unwrap_or(span.end);
    let mut found = bytes[span.clone()][..span.len().min(SUSPECT_MAX)].to_vec();
    if cell.is_some() {
        found = doubled_quotes(&found);
    }
    // One escaped quote may be the damage; most of them are escaped in a string.
    let escaped = || memmem::find_iter(&found, b"\\\"").count();
    if json && escaped() * 2 > memchr::memchr_iter(b'"', &found).count() {
        found = backslashes(&found);
    }
    // The judge goes by the bytes.
    let suspect = Suspect {
        bytes: found,
        json,
        ..Suspect::default()
    };
    (span, suspect)
}

impl Suspect {
    /// Whether it begins as a record does, however short it is.
    pub(crate) fn begins(&self) -> bool {
        let bytes = &self.bytes[..];
        if self.json || bytes.starts_with(b"{") {
            return bytes.starts_with(b"{") || differences(bytes, JSON_START) <= 1;
        }
        if bytes.len() <= STAMP_LEN {
            return !bytes.is_empty() && has_stamp_shape(bytes);
        }
        // One character of the stamp may have been changed; that of another program goes on behind it.
        differences(bytes, STAMP) <= 2 && (bytes[STAMP_LEN - 1] == b'Z' || bytes[STAMP_LEN] == b' ')
    }
}

/// Where the quote stands that ends a cell; none if quotes are not doubled in it, but escaped.
fn cell_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr(b'"', &bytes[at..])?;
        if at > 0 && bytes[at - 1] == b'\\' {
            return None;
        }
        match bytes.get(at + 1) {
            Some(b'"') => at += 2,
            // It is one of the cell's own, which a change has made.
            Some(byte) if byte.is_ascii_alphanumeric() => return None,
            _ => return Some(at),
        }
    }
}

/// Whether this is what is left of keys and values, and not of a line of text.
fn is_keyed(bytes: &[u8]) -> bool {
    static KEYS: Words = LazyLock::new(|| {
        words(
            "sum\"|run\"|seq\"|level\"|sum\\\"|run\\\"|seq\\\"|level\\\"|\"thread\"|{\"timestamp\":\"",
        )
    });
    let in_text = |mark: RecordMark| {
        let before = mark.at.checked_sub(1).map(|at| bytes[at]);
        before == Some(b' ') && bytes.get(mark.at + 3) == Some(&b'=')
    };
    if memchr::memchr(b'"', bytes).is_none() || named(bytes).any(in_text) {
        return JSON_START.starts_with(bytes);
    }
    KEYS.find(bytes).is_some() || JSON_START.starts_with(bytes)
}

/// From the brace in front of the first key to the one behind the last.
fn json_span(bytes: &[u8]) -> Range<usize> {
    static KEYS: Words = LazyLock::new(|| {
        words("\"timestamp|\"level|\"thread|\"message|\"run|\"seq|\"sum|\"attempt")
    });
    let mut places = KEYS.find_iter(bytes).map(|key| key.start() + 1);
    let first = places.next().unwrap_or(0);
    let last = places.last().unwrap_or(first);
    // Where the brace itself is damaged there is one character for it, and one in front of it is closed; what stands directly
    // behind the brace may be the damage.
    let closed = |at: &usize| {
        let within = bytes.get(at + 2..first).unwrap_or_default();
        memchr::memchr(b'}', within).is_some()
    };
    let brace = memchr::memrchr(b'{', &bytes[..first]).filter(|at| !closed(at));
    let start = brace.unwrap_or(first.saturating_sub(2));
    // What stands directly behind a name closes nothing.
    let name = memchr::memchr(b'"', &bytes[last..]).map_or(0, |n| n + 1);
    let closes = |n: &usize| {
        *n > name
            && matches!(
                bytes[(last + n).saturating_sub(1)],
                b'"' | b'0'..=b'9' | b' ' | b'\n'
            )
    };
    let end = memchr::memchr_iter(b'}', &bytes[last..]).find(closes);
    let end = end.map_or(without_newline(bytes).len(), |n| last + n + 1);
    start..end.max(start)
}

/// A line without what ends it.
pub(crate) fn without_newline(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// From the time, though it be damaged, to the checksum.
fn text_span(bytes: &[u8], line: Option<usize>) -> Range<usize> {
    let start = line.or_else(|| damaged_start(bytes)).unwrap_or(0);
    let end = match SUM.find_iter(bytes).last() {
        Some(at) => (at + SUM_LEN).min(bytes.len()),
        None => bytes.len(),
    };
    let end = if end > start { end } else { bytes.len() };
    start..start + without_newline(&bytes[start..end]).len()
}

/// Where a time stands with a level behind it, of whose characters three are damaged at most.
fn damaged_start(bytes: &[u8]) -> Option<usize> {
    let last = bytes.len().min(4096).checked_sub(STAMP_LEN)?;
    let places = (0..=last).filter_map(|at| {
        let (stamp, level) = bytes[at..].split_at(STAMP_LEN);
        let wrong = Some(differences(stamp, STAMP)).filter(|wrong| *wrong < 4)?;
        // Another level is one change, whatever its length.
        let shapes = LEVELS.iter().map(|shape| differences(level, shape));
        let level = shapes.chain(level_word(level).map(|_| 1)).min()?;
        Some((wrong + level, at))
    });
    let near = places.filter(|(wrong, _)| *wrong < 4);
    near.min().map(|(_, at)| at)
}
