//! What no record was found in: a line of another program, or one that is known for what it is; or the beginning of a record, too
//! short to have anything by which one is known.

use std::{borrow::Cow, sync::LazyLock};

use memchr::memmem::{Finder, find};

use super::{
    block::BlockLocation,
    decode::{ESCAPES, doubled_quotes},
    keyed,
    marks::{has_marks, marks, names_a_thread, next_text},
    notes, parts,
    record::{
        ESCAPED_START, JSON_START, LEVELS, begins_json, begins_plain_or_escaped, has_stamp_shape,
        starts_here, tells_ours,
    },
    scan::{OVERLAP, Pass, Scanner, WINDOW},
    scanned::{Foreign, Note, Other, What},
    suspect::{suspect, without_newline},
};
use crate::log::line::STAMP_LEN;

/// What is kept of a foreign line.
const FOREIGN_MAX: usize = 1024;

impl Pass<'_, '_> {
    /// Takes in a line in which there can be no whole record; returns where it ends.
    pub(super) fn pass_over(&mut self, at: usize) -> usize {
        let rest = &self.bytes[at..];
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.map_or(rest.len(), |n| n + 1)];
        if self.marked && has_marks(line) {
            self.unreadable(line, self.out.location(at));
        } else if self.begins(at) {
            self.not_ours(without_newline(line), false, at);
        }
        self.out.lines += u32::from(end.is_some());
        at + line.len()
    }

    /// Takes in a line without a record: one is cut short there, or it is none of the program's.
    pub(super) fn no_record(&mut self, at: usize, end: usize) {
        // Where it began it was found to be none of the program's, or had a record.
        if !self.begins(at) {
            return;
        }
        let block = self.block;
        let text = without_newline(&self.bytes[at..end]);
        if !block.usual.is_empty() && block.usual.contains(&notes::form(text.trim_ascii_end())) {
            return;
        }
        let Scanner { gaps, prefix, .. } = &*self.scanner;
        // The first lines of all have what stands in front of the first record.
        let prefix = gaps
            .before(text)
            .or_else(|| prefix.before(text))
            .unwrap_or(0);
        let content = content(text, prefix);
        let mut inner = &content[..];
        let brace = memchr::memrchr(b'{', inner).map(|at| &inner[at..]);
        if let Some(rest) = brace.filter(|rest| rest.len() > 2 && begins_json(rest, JSON_START)) {
            inner = rest;
        }
        // Otherwise it would have been found.
        let marked = || matches!(content, Cow::Owned(_)) || text.len() >= WINDOW - OVERLAP;
        if begins_like_a_record(inner)
            || prefix > 0 && inner == b"{"
            || marked() && marks(inner).any(|mark| mark.is_ours(inner))
        {
            let (_, mut suspect) = suspect(inner, false, next_text(inner, 0));
            suspect.line_length = text.len() as u32;
            return self.suspect(suspect, self.out.location(at));
        }
        if prefix == 0 || text.len() > prefix {
            self.not_ours(text, prefix > 0, at);
        }
    }

    /// Whether a line begins there.
    fn begins(&self, at: usize) -> bool {
        match at.checked_sub(1) {
            None => !self.block.continues,
            Some(before) => self.bytes[before] == b'\n',
        }
    }

    /// A line that is none of the program's; what stands in front of records may stand in front of it.
    fn not_ours(&mut self, text: &[u8], prefixed: bool, at: usize) {
        let block = self.block;
        let first = block.offset == 0 && self.out.attempts.is_empty() && self.out.others.is_empty();
        let note = notes::note(text, first);
        let around = || {
            (block.framed || block.offset == 0 && at == 0) && keyed::is_piece(text)
                || block.binary && notes::is_binary(text)
        };
        if parts::is_blank(text) || note.is_none() && around() {
            return;
        }
        let prefix = &self.scanner.prefix;
        let outside = !prefixed && prefix.len() > 0 && prefix.before(text).is_none();
        let note = note.or(outside.then_some(Note::Outside));
        self.foreign(text, note, self.out.location(at));
    }

    /// A line that nobody can read, in the midst of many like it.
    pub(super) fn unreadable(&mut self, line: &[u8], location: BlockLocation) {
        self.out.brief = true;
        self.foreign(line, Some(Note::Unreadable), location);
    }

    /// A line of another program, or one that nobody can read.
    fn foreign(&mut self, text: &[u8], note: Option<Note>, location: BlockLocation) {
        self.last = None;
        let after = self.out.attempts.len();
        if let Some(Other {
            after: last,
            what: What::Foreign(foreign),
            location,
            ..
        }) = self.out.others.last_mut()
            && *last == after
            && (location.offset > 0 || !self.block.continues)
            && foreign.note == note
        {
            foreign.count += 1;
            return;
        }
        let foreign = Foreign {
            count: 1,
            note,
            text: text[..text.len().min(FOREIGN_MAX)].to_vec(),
        };
        self.out.push(location, 0, What::Foreign(foreign));
    }
}

/// What stands in a line behind a known prefix, where that may be the beginning of a record: out of the string or the cell that
/// it stands in, or with its escapes undone.
fn content(text: &[u8], prefix: usize) -> Cow<'_, [u8]> {
    static STARTS: LazyLock<[Finder<'static>; 3]> =
        LazyLock::new(|| ["\"{\"\"", ESCAPED_START, "\":\""].map(Finder::new));
    let [cell, escaped, string] = STARTS.each_ref().map(|start| start.find(text));
    // In a table the quotes of a cell are doubled.
    if let Some(at) = cell {
        let cell = &text[at + 1..];
        return doubled_quotes(cell.strip_suffix(b"\"").unwrap_or(cell)).into();
    }
    let within = (prefix > 0 && text[prefix - 1] == b'"').then_some(prefix);
    // The string of a document that it stands in ends where it does.
    let first = string.map(|at| at + 3).filter(|_| prefix == 0);
    let first = first.filter(|at| (1..STAMP_LEN).contains(&parts::string(&text[*at..]).len()));
    if let Some(at) = escaped.or(within).or(first) {
        return parts::string(&text[at..]).into();
    }
    let begins = |text: &Vec<u8>| next_text(text, 0).is_some() || find(text, JSON_START).is_some();
    let escapes = ESCAPES.iter().filter(|_| names_a_thread(text));
    let mut undone = escapes
        .filter_map(|escape| escape.undo(text))
        .filter(begins);
    undone
        .next()
        .map_or(Cow::Borrowed(&text[prefix..]), Cow::Owned)
}

/// Whether this is the beginning of a record, though too short to have anything by which one is known: no year before 2000 has
/// any, nor one behind 2999.
fn begins_like_a_record(bytes: &[u8]) -> bool {
    begins_plain_or_escaped(bytes)
        || bytes.starts_with(b"2")
            && (begins_level(bytes) || starts_here(bytes) && tells_ours(bytes))
            && has_stamp_shape(bytes)
}

/// Whether there is no more behind a time than a part of what stands in front of a thread.
fn begins_level(bytes: &[u8]) -> bool {
    let behind = bytes.get(STAMP_LEN..).unwrap_or_default();
    LEVELS.iter().any(|level| level.starts_with(behind))
}
