//! Marks: what hardly anything but a record has, whatever form it is in. They say where to look for one, and whether it is worth it.

use std::{iter, sync::LazyLock};

use aho_corasick::Match;
use memchr::memmem;

use super::{
    record::{LEVELS, Words, starts_here, tells_ours, words},
    shape::shaped,
};
use crate::log::line::STAMP_LEN;

/// The value of a mark begins so soon behind its name: OTLP has `", "value": {"string_value": "` between.
const MARK_GAP_MAX: usize = 40;

/// Whether anything of this program may be in `bytes`.
pub(crate) fn has_marks(bytes: &[u8]) -> bool {
    marks(bytes).next().is_some()
}

/// Where something stands that hardly anything but a record has: its time and level, its thread and message, its run, its
/// checksum.
#[derive(Clone, Copy)]
pub(super) struct RecordMark {
    pub at: usize,
    /// A line of text begins there.
    pub line: bool,
}

impl RecordMark {
    /// Whether it may be one of this program's: others begin their lines as it does.
    pub(super) fn is_ours(self, bytes: &[u8]) -> bool {
        !self.line || tells_ours(&bytes[self.at..])
    }
}

/// All of these.
pub(super) fn marks(bytes: &[u8]) -> impl Iterator<Item = RecordMark> {
    text_starts(bytes).chain(named(bytes))
}

/// Where its run or its checksum is named, or its thread with a message behind it.
pub(super) fn named(bytes: &[u8]) -> impl Iterator<Item = RecordMark> {
    static NAMES: Words = LazyLock::new(|| words("run|sum|thread"));
    let has_value = |name: &Match| {
        let rest = &bytes[name.end()..];
        let width = match name.pattern().as_usize() {
            0 => 16,
            1 => 8,
            // Labels are no record.
            _ => return !rest.starts_with(b"=") && is_head(rest),
        };
        begins_word(bytes, name.start())
            && rest.first().is_some_and(|b| !b.is_ascii_alphanumeric())
            && has_hex(rest, width)
            && !is_label(rest, width)
    };
    let names = NAMES.find_iter(bytes).filter(has_value);
    names.map(|name| RecordMark {
        at: name.start(),
        line: false,
    })
}

/// Whether one of this program's threads stands at the start of `bytes`, and a message of its own behind, in whatever form.
fn is_head(bytes: &[u8]) -> bool {
    let near = |bytes: &[u8], word: &[u8]| {
        let near = &bytes[..bytes.len().min(MARK_GAP_MAX)];
        memmem::find(near, word).map(|at| at + word.len())
    };
    let thread = near(bytes, b"Worker").or_else(|| near(bytes, b"main"));
    let message = thread.and_then(|at| Some(at + near(&bytes[at..], b"message")?));
    message.is_some_and(|at| {
        let near = &bytes[at..bytes.len().min(at + MARK_GAP_MAX)];
        MESSAGES.find(near).is_some()
    })
}

/// Whether so many hexadecimal digits stand in `bytes`, soon, with the code of a quote in front at most; decimal ones may be all
/// that is left of such.
fn has_hex(bytes: &[u8], width: usize) -> bool {
    let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let near = &bytes[..bytes.len().min(width + MARK_GAP_MAX)];
    let coded = |word: &[u8]| {
        [&b"22"[..], b"0022", b"2522"]
            .into_iter()
            .any(|code| word.starts_with(code) && word.len() == code.len() + width)
    };
    let mut words = near.split(|byte| !is_hex(byte));
    words.any(|word| word.len() == width || coded(word))
}

/// Whether this is a label that somebody has put in front of a line, out of which he took it: `run="…"`, and the same value
/// comes once more.
fn is_label(bytes: &[u8], width: usize) -> bool {
    let value = bytes.strip_prefix(b"=\"");
    let value = value.and_then(|rest| rest.split_at_checked(width));
    value.is_some_and(|(value, behind)| memmem::find(behind, value).is_some())
}

/// Where lines of text begin.
pub(super) fn text_starts(bytes: &[u8]) -> impl Iterator<Item = RecordMark> {
    let starts = iter::successors(next_text(bytes, 0), |at| next_text(bytes, at + STAMP_LEN));
    starts.map(|at| RecordMark { at, line: true })
}

/// Where the next line of text begins: time and level are there.
pub(crate) fn next_text(bytes: &[u8], from: usize) -> Option<usize> {
    let searched = bytes.get(from..)?;
    memchr::memchr_iter(b'Z', searched)
        .filter_map(|z| (z + 1).checked_sub(STAMP_LEN))
        .map(|start| from + start)
        .find(|start| bytes[*start].is_ascii_digit() && starts_here(&bytes[*start..]))
}

/// Whether one of this program's threads may be named there: it is what others leave out most often.
pub(super) fn names_a_thread(bytes: &[u8]) -> bool {
    static THREADS: Words = LazyLock::new(|| words("Worker|main"));
    THREADS.find(bytes).is_some()
}

/// Whether a whole record may be in `bytes`, in whatever form: whether each part of one is named, and a line of text begins if
/// the checksum is that of one. It is much faster than to find it.
pub(crate) fn may_hold_record(bytes: &[u8]) -> bool {
    static NAMED: [Words; 2] = [
        LazyLock::new(|| words("run|RUN|Run")),
        LazyLock::new(|| words("seq|SEQ|Seq")),
    ];
    let is_keyed = |sum: Match| {
        let behind = &bytes[sum.end()..];
        !behind.starts_with(b"=") || behind.starts_with(b"=>")
    };
    NAMED.iter().all(|words| words.find(bytes).is_some())
        && MESSAGES.find(bytes).is_some()
        && names_a_thread(bytes)
        && sums(bytes).next().is_some()
        && (may_begin_text(bytes) || sums(bytes).any(is_keyed))
}

/// Where a checksum is named. Others call theirs otherwise.
fn sums(bytes: &[u8]) -> impl Iterator<Item = Match> {
    static SUMS: Words = LazyLock::new(|| words("sum|SUM|Sum"));
    SUMS.find_iter(bytes)
        .filter(|sum| begins_word(bytes, sum.start()))
}

/// Whether a name that stands there may be a word of its own: behind a blank, a quote or the code of one, `%22`, `\x22`, `\u0022`,
/// or a colour.
fn begins_word(bytes: &[u8], at: usize) -> bool {
    let before = &bytes[at.saturating_sub(6)..at];
    before.last().is_none_or(|b| !b.is_ascii_alphanumeric())
        || before.iter().any(|b| b"%\\=[".contains(b))
}

/// Whether a line of text may begin somewhere, as it is or escaped: there is a time with a level behind it, or with what neither
/// is a word nor closes a string.
fn may_begin_text(bytes: &[u8]) -> bool {
    memchr::memchr_iter(b'Z', bytes).any(|z| {
        let behind = bytes[z + 1..].trim_ascii_start();
        let level = || {
            LEVELS
                .iter()
                .any(|level| behind.starts_with(level.trim_ascii()))
        };
        let escape = |b: &u8| !b.is_ascii_alphanumeric() && !b"\"')]},".contains(b);
        let micros = bytes[..z].last_chunk::<7>();
        micros.is_some_and(|micros| shaped(micros, b".dddddd"))
            && (behind.first().is_some_and(escape) || level())
    })
}

/// What the program's messages are known by.
static MESSAGES: Words =
    LazyLock::new(|| words("Run|Started|Thread|peration|Unexpected|orker |Total|Log |Sample"));
