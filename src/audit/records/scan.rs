//! One block of the input: each of its records read, its checksum verified, its outcome held against the plan.
//!
//! Most records are written exactly as the program writes them, and have the same around them as the one before: those are
//! read at once. All others are looked for. Blocks are scanned by all cores at once and know nothing of each other.

use std::{
    borrow::Cow,
    ops::Range,
    sync::{Arc, LazyLock},
};

use memchr::memmem::{self, Finder as Word};

use super::{
    attempt::AttemptRecord,
    block::{Block, BlockLocation},
    decode::doubled_quotes,
    exact,
    find::{Finder, Hit, HitKind, opens},
    gap::Gaps,
    keyed,
    marks::{has_marks, may_hold_record, next_text},
    notes, parts,
    record::{JSON_START, LEVEL_WIDTH, Record, has_stamp_shape, starts_here, tells_ours},
    scanned::{Foreign, HOLE_MIN, Note, Other, Scanned, Suspect, What},
    suspect::{suspect, without_newline},
    times::beside,
};
use crate::{
    audit::registry::{Registry, Run},
    log::{event::Event, line::STAMP_LEN},
};

/// A block has fewer records than this, be they damaged: what is beyond must not cost memory.
const SUSPECTS_MAX: usize = 8192;
/// What is kept of a foreign line.
const FOREIGN_MAX: usize = 1024;
/// A longer line is searched piece by piece.
const WINDOW: usize = 16 * 1024;
/// A record does not reach over so much.
const OVERLAP: usize = 4096;
/// What a JSON record begins with in a JSON string.
pub(crate) const ESCAPED_START: &str = "{\\\"timestamp\\\":\\\"";
/// How much around a record is searched for the time that a pipeline put there.
const AROUND_MAX: usize = 512;

/// Scans blocks, one after the other.
pub(crate) struct Scanner<'a> {
    registry: &'a Registry,
    /// The run of the record before, which mostly is this record's as well.
    run: Option<Arc<Run>>,
    exact: exact::Reader,
    finder: Finder,
    gaps: Gaps,
    /// What stands in front of the first record of the input, if anything does.
    prefix: Gaps,
    /// Where the last record of this block ends, if it stands there as it is.
    last: Option<Last>,
    file: u32,
    /// What is known of the block.
    continues: bool,
    /// What is not whole in an input that was rewritten is not looked at, as long as no run was met.
    brief: bool,
    /// There is something in it by which a record is known.
    marked: bool,
}

/// The last record.
#[derive(Clone, Copy)]
struct Last {
    end: usize,
    /// Where the pipeline's own time stands behind it.
    received_at: Option<usize>,
    /// It is the last of the attempts.
    is_attempt: bool,
}

impl<'a> Scanner<'a> {
    /// A scanner that has seen nothing yet.
    pub(crate) fn new(registry: &'a Registry) -> Self {
        Self {
            registry,
            run: None,
            exact: exact::Reader::default(),
            finder: Finder::default(),
            gaps: Gaps::default(),
            prefix: Gaps::default(),
            last: None,
            file: u32::MAX,
            continues: false,
            brief: false,
            marked: false,
        }
    }

    /// Scans a block into `out`.
    pub(crate) fn scan(&mut self, block: &Block, out: &mut Scanned) {
        out.attempts.clear();
        out.others.clear();
        (out.lines, out.brief) = (0, false);
        self.last = None;
        self.continues = block.continues;
        self.brief = block.rewritten && self.registry.count() == 0;
        if self.file != block.file {
            self.file = block.file;
            self.gaps.clear();
            self.prefix.clear();
            if !block.prefix.is_empty() {
                let line = [b"\n", &block.prefix[..]].concat();
                self.prefix.learn(&line, [None; 2]);
            }
        }
        let bytes = block.bytes();
        let hopeless = self.brief && !may_hold_record(bytes);
        self.marked = !hopeless || has_marks(bytes);
        let mut at = 0;
        while at < bytes.len() {
            at = match hopeless {
                true => self.pass_over(block, at, out),
                false => self
                    .exact(bytes, at, out)
                    .unwrap_or_else(|| self.search(block, at, out)),
            };
        }
    }

    /// Reads a record in exact form that has the same in front of it as one of those before; returns where it ends.
    #[inline(always)]
    fn exact(&mut self, bytes: &[u8], at: usize, out: &mut Scanned) -> Option<usize> {
        let last = self.last.filter(|last| last.end == at)?;
        let run = self.run.as_deref()?;
        for number in 0..self.gaps.len() {
            let Some(met) = self.gaps.met(number, &bytes[at..]) else {
                continue;
            };
            let start = at + met.length;
            let Some((mut attempt, length)) = self.exact.read(&bytes[start..], run) else {
                continue;
            };
            self.gaps.prefer(number);
            out.lines += met.newlines;
            if met.received[0] > 0
                && last.is_attempt
                && let Some(before) = out.attempts.last_mut()
            {
                before.received = met.received[0];
            }
            attempt.location = out.location(start);
            attempt.planned = attempt.is_planned(run);
            attempt.received = met.received[1];
            out.attempts.push(attempt);
            let end = start + length;
            self.last = Some(Last {
                end,
                received_at: None,
                is_attempt: true,
            });
            return Some(end);
        }
        None
    }

    /// Looks for records in the rest of the line, or in a part of a long one; returns how far that went.
    #[cold]
    fn search(&mut self, block: &Block, at: usize, out: &mut Scanned) -> usize {
        let rest = &block.bytes()[at..];
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
        let last = self.last.as_mut().filter(|last| last.end == at);
        let behind_record = last.is_some();
        // What was read in exact form has its time only if what follows was met before.
        if let Some(last) = last.filter(|last| last.is_attempt && last.received_at.is_none())
            && let Some((place, time)) = self.gaps.behind(rest)
            && let Some(before) = out.attempts.last_mut()
        {
            before.received = time;
            last.received_at = Some(at + place);
        }
        let start = memchr::memrchr(b'\n', &block.bytes()[..at]).map_or(0, |n| n + 1);
        if let Some((joined, length)) = parts::joined(&block.bytes()[start..], at + line - start) {
            return self.pieces(&joined, length, block.bytes(), start, out);
        }
        let hopeless = |line| !opens(line) && !may_hold_record(line);
        if self.brief && !behind_record && hopeless(&rest[..line]) {
            return self.pass_over(block, at, out);
        }
        let window = line.min(WINDOW);
        let mut hits = Vec::new();
        let mut end = self.finder.find(rest, window, &mut hits);
        // A record may be longer than that: a line is looked at as a whole once, where it begins.
        let whole = |hits: &[Hit]| hits.iter().any(Hit::is_whole);
        if window < line && !whole(&hits) && (at == 0 || block.bytes()[at - 1] == b'\n') {
            let mut all = Vec::new();
            let far = self.finder.find(rest, line, &mut all);
            if !all.is_empty() {
                self.take(all, block.bytes(), at, at + far, out);
                return at + far;
            }
        }
        if window < line {
            end = piecewise(&mut hits, window);
        }
        // What a pipeline took out of the record in front stands behind it.
        if let Some(sum) = sum_at_end(&block.bytes()[..at]) {
            let next = hits.iter().find(|hit| hit.is_whole());
            let next = next.map_or(end, |hit| hit.span.start);
            let taken_out = memmem::rfind(&rest[..next], sum).unwrap_or(0);
            hits.retain(|hit| {
                hit.is_whole() || hit.span.start >= taken_out && !hit.is_object_without_sum()
            });
        }
        if hits.is_empty() && !block.framed {
            // Each line of another program's document is one of its lines.
            end = end.min(line);
        }
        if hits.is_empty() && !behind_record {
            self.no_record(&rest[..end.min(line)], block, at, out);
            if end == line {
                out.lines += u32::from(rest[..line].ends_with(b"\n"));
                return at + end;
            }
        }
        self.take(hits, block.bytes(), at, at + end, out);
        match self.last {
            // What follows the record is like what stood between those before: the next one may be read at once.
            Some(last)
                if last.end > at
                    && last.end < at + end
                    && self.gaps.begin(&block.bytes()[last.end..]) =>
            {
                out.lines -= newlines(&block.bytes()[last.end..at + end]);
                last.end
            }
            _ => at + end,
        }
    }

    /// Takes in a line in which there can be no whole record; returns where it ends.
    fn pass_over(&mut self, block: &Block, at: usize, out: &mut Scanned) -> usize {
        let rest = &block.bytes()[at..];
        let end = memchr::memchr(b'\n', rest);
        let line = &rest[..end.map_or(rest.len(), |n| n + 1)];
        if self.marked && has_marks(line) {
            let location = out.location(at);
            out.brief = true;
            self.foreign(line, Some(Note::Unreadable), location, out);
        } else if begins(block, at) {
            self.not_ours(without_newline(line), false, block, at, out);
        }
        out.lines += u32::from(end.is_some());
        at + line.len()
    }

    /// Takes in what was found between `at` and `end`, where hits count from `at`.
    fn take(&mut self, mut hits: Vec<Hit>, bytes: &[u8], at: usize, end: usize, out: &mut Scanned) {
        if !self.brief {
            drop_copies(&mut hits, &bytes[at..]);
        }
        let (mut counted, mut line) = (at, 0..0);
        let mut hits = hits.into_iter().peekable();
        while let Some(hit) = hits.next() {
            let next = hits.peek().map_or(end, |next| at + next.span.start);
            let span = at + hit.span.start..at + hit.span.end;
            let start = span.start.max(counted);
            let before = &bytes[counted..start];
            out.lines += newlines(before);
            counted = start;
            let location = out.location(start);
            hole(before, location, out);
            match hit.what {
                HitKind::Whole(record) => {
                    let frame = hit.frame.as_ref();
                    let frame = frame.map(|frame| at + frame.start..at + frame.end);
                    // What is a document of its own has its line around it.
                    let frame = frame.filter(|frame| *frame != span);
                    let behind = self.last.map_or(0, |last| last.end);
                    // What stands beside an escaped record is escaped as well, where nothing says how far it goes.
                    let around = (hit.plain || hit.frame.is_some())
                        .then(|| around(&span, frame, bytes, behind, next));
                    if !self.is_copy(&record, bytes, span.start, out) {
                        self.whole(*record, span, hit.plain, (bytes, around), location, out);
                    }
                }
                HitKind::Suspect(mut suspect) => {
                    if !line.contains(&start) {
                        line = line_at(bytes, start);
                    }
                    if self.brief {
                        let text = &bytes[line.clone()];
                        out.brief = true;
                        self.foreign(text, Some(Note::Unreadable), location, out);
                        continue;
                    }
                    suspect.line_length = line.len() as u32;
                    self.suspect(suspect, location, out);
                }
            }
        }
        out.lines += newlines(&bytes[counted..end]);
    }

    /// A line without a record: one is cut short there, or it is none of the program's.
    fn no_record(&mut self, line: &[u8], block: &Block, at: usize, out: &mut Scanned) {
        // Where it began it was found to be none of the program's, or had a record.
        if !begins(block, at) {
            return;
        }
        let text = without_newline(line);
        if !block.usual.is_empty() && block.usual.contains(&notes::form(text.trim_ascii_end())) {
            return;
        }
        let prefix = self.gaps.before(text).unwrap_or(0);
        let content = content(text, prefix);
        let mut inner = &content[..];
        // The first lines of all may have something around them that is not known yet.
        let time = last_time(inner);
        // A time at the end of a part of a long line goes on in the next part; behind other times it is a beginning like these.
        let cut = at + line.len() < block.length && !line.ends_with(b"\n");
        if (!cut || has_stamp_shape(inner))
            && time.len() > 4
            && time.len() < STAMP_LEN
            && has_stamp_shape(time)
        {
            inner = time;
        }
        let brace = memchr::memrchr(b'{', inner).map(|at| &inner[at..]);
        if let Some(rest) = brace.filter(|rest| rest.len() > 2 && begins_json(rest, JSON_START)) {
            inner = rest;
        }
        // Otherwise it would have been found.
        let marked = || matches!(content, Cow::Owned(_)) || text.len() >= WINDOW - OVERLAP;
        if begins_like_a_record(inner)
            || prefix > 0 && inner == b"{"
            || marked() && has_marks(inner)
        {
            let (_, mut suspect) = suspect(inner, false, next_text(inner, 0));
            suspect.line_length = text.len() as u32;
            return self.suspect(suspect, out.location(at), out);
        }
        if prefix == 0 || text.len() > prefix {
            self.not_ours(text, prefix > 0, block, at, out);
        }
    }

    /// A line that is none of the program's; what stands in front of records may stand in front of it.
    fn not_ours(
        &mut self,
        text: &[u8],
        prefixed: bool,
        block: &Block,
        at: usize,
        out: &mut Scanned,
    ) {
        let first = block.offset == 0 && out.attempts.is_empty() && out.others.is_empty();
        let note = notes::note(text, first);
        let around = || {
            (block.framed || block.offset == 0 && at == 0) && keyed::is_piece(text)
                || block.binary && notes::is_binary(text)
        };
        if parts::is_blank(text) || note.is_none() && around() {
            return;
        }
        let outside = !prefixed && self.prefix.len() > 0 && self.prefix.before(text).is_none();
        let note = note.or(outside.then_some(Note::Outside));
        self.foreign(text, note, out.location(at), out);
    }

    /// A line of another program, or one that nobody can read.
    fn foreign(
        &mut self,
        text: &[u8],
        note: Option<Note>,
        location: BlockLocation,
        out: &mut Scanned,
    ) {
        self.last = None;
        let after = out.attempts.len();
        if let Some(Other {
            after: last,
            what: What::Foreign(foreign),
            location,
            ..
        }) = out.others.last_mut()
            && *last == after
            && (location.offset > 0 || !self.continues)
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
        out.push(location, 0, What::Foreign(foreign));
    }

    /// A line that came in parts, put together: its records stand where the first part stands. Those in front may have been read.
    fn pieces(
        &mut self,
        joined: &[u8],
        length: usize,
        bytes: &[u8],
        at: usize,
        out: &mut Scanned,
    ) -> usize {
        let mut hits = Vec::new();
        self.finder.find(joined, joined.len(), &mut hits);
        let attempts = out.attempts.iter().rev();
        let read = attempts
            .take_while(|attempt| attempt.location.line == out.lines)
            .count();
        let others = out.others.iter().rev();
        let others = others.take_while(|other| other.location.line == out.lines);
        let read = read
            + others
                .filter(|other| matches!(other.what, What::Record(..)))
                .count();
        hits.drain(..read.min(hits.len()));
        for hit in &mut hits {
            hit.span = 0..length;
            hit.plain = false;
            hit.frame = None;
        }
        self.take(hits, bytes, at, at + length, out);
        at + length
    }

    fn suspect(&mut self, suspect: Suspect, location: BlockLocation, out: &mut Scanned) {
        self.last = None;
        if out.others.len() >= SUSPECTS_MAX {
            return;
        }
        out.push(location, 0, What::Suspect(suspect));
    }

    /// Whether this is the last record once more, in the same object of a document: some keep the original beside what they
    /// made of it.
    fn is_copy(&self, record: &Record, bytes: &[u8], start: usize, out: &Scanned) -> bool {
        let Some(last) = self.last else {
            return false;
        };
        let same = match (out.attempts.last(), out.others.last()) {
            (Some(attempt), _) if last.is_attempt => {
                record.author.worker() == Some(attempt.worker)
                    && (record.seq, record.stamp) == (attempt.seq, attempt.stamp)
            }
            (
                _,
                Some(Other {
                    what: What::Record(_, other),
                    ..
                }),
            ) => **other == *record,
            _ => false,
        };
        same && last.end <= start && parts::same_object(&bytes[last.end..start])
    }

    /// A record whose checksum holds.
    fn whole(
        &mut self,
        record: Record,
        span: Range<usize>,
        plain: bool,
        (bytes, around): (&[u8], Option<Range<usize>>),
        location: BlockLocation,
        out: &mut Scanned,
    ) {
        let time =
            around.and_then(|around| beside(bytes, around.start..span.start, span.end..around.end));
        let (place, received) = (time.map(|time| time.0), time.map_or(0, |time| time.1));
        // A record's beginning, once more, is dropped where it is found together with that record.
        let is_gap = |last: &Last| {
            let gap = bytes.get(last.end..span.start);
            gap.is_some_and(|gap| next_text(gap, 0).is_none())
        };
        if let Some(last) = self.last.filter(|last| plain && is_gap(last)) {
            let own = place.filter(|place| *place < span.start);
            let times = [last.received_at, own]
                .map(|place| place.and_then(|place| place.checked_sub(last.end)));
            self.gaps.learn(&bytes[last.end..span.start], times);
        }
        let is_attempt = self.told(record, received, location, out);
        self.last = plain.then_some(Last {
            end: span.end,
            received_at: place.filter(|place| *place >= span.end),
            is_attempt,
        });
    }

    /// Hands over a whole record; says whether it is an attempt's.
    fn told(
        &mut self,
        record: Record,
        received: u64,
        location: BlockLocation,
        out: &mut Scanned,
    ) -> bool {
        let run = match &record.event {
            Some(event @ Event::RunStarted { .. }) => self.registry.start(record.run, event),
            _ => self.known(record.run),
        };
        let Some(run) = run else {
            out.push(location, 0, What::NoRoom);
            return false;
        };
        let attempt = AttemptRecord::of_record(&record, &run, received, location);
        let is_attempt = attempt.is_some();
        match attempt {
            Some(attempt) => out.attempts.push(attempt),
            None => {
                let what = What::Record(run.index, Box::new(record));
                out.push(location, received, what);
            }
        }
        self.run = Some(run);
        is_attempt
    }

    fn known(&self, id: u64) -> Option<Arc<Run>> {
        match &self.run {
            Some(run) if run.id == id => Some(Arc::clone(run)),
            _ => self.registry.meet(id),
        }
    }
}

/// Whether a line begins there.
fn begins(block: &Block, at: usize) -> bool {
    match at.checked_sub(1) {
        None => !block.continues,
        Some(before) => block.bytes()[before] == b'\n',
    }
}

/// The checksum of the record that ends here, if one does.
fn sum_at_end(bytes: &[u8]) -> Option<&[u8]> {
    let closing = bytes.iter().rev().take_while(|b| b"\"\\}".contains(b));
    let (_, sum) = bytes[..bytes.len() - closing.count()].split_last_chunk::<8>()?;
    sum.iter().all(u8::is_ascii_hexdigit).then_some(&sum[..])
}

/// What the end of a line has in common with a time, but for what closes a string, a cell or a list there.
fn last_time(line: &[u8]) -> &[u8] {
    let closing = line.iter().rev().take_while(|b| b"\"]}) ".contains(b));
    let line = &line[..line.len() - closing.count()];
    let of_a_time = |b: &&u8| b.is_ascii_digit() || b"-T:.Z".contains(b);
    let length = line.iter().rev().take_while(of_a_time).count();
    &line[line.len() - length..]
}

/// What stands in a line behind a known prefix, where that may be the beginning of a record: out of the string or the cell that
/// it stands in.
fn content(text: &[u8], prefix: usize) -> Cow<'_, [u8]> {
    static STARTS: LazyLock<[Word<'static>; 3]> =
        LazyLock::new(|| ["\"{\"\"", ESCAPED_START, "\":\""].map(Word::new));
    let whole = Cow::Borrowed(&text[prefix..]);
    if memchr::memchr(b'"', text).is_none() {
        return whole;
    }
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
    let start = escaped.or(within).or(first);
    start.map_or(whole, |at| parts::string(&text[at..]).into())
}

/// Notes the NUL bytes in what stands in front of a record: a sparse file has them there, and many of them.
fn hole(before: &[u8], location: BlockLocation, out: &mut Scanned) {
    let Some(first) = memchr::memchr(0, before) else {
        return;
    };
    let holes = before[first..].split(|byte| *byte != 0).map(<[u8]>::len);
    let length = holes.max().unwrap_or(0);
    if length >= HOLE_MIN {
        let foreign = Foreign {
            count: 1,
            note: Some(Note::Hole(length as u64)),
            text: Vec::new(),
        };
        out.push(location, 0, What::Foreign(foreign));
    }
}

fn newlines(bytes: &[u8]) -> u32 {
    memchr::memchr_iter(b'\n', bytes).count() as u32
}

/// How far a part of a long line was searched for good: what reaches over its end is found with the next part. What is left of the
/// last record's frame was searched as well, up to what is found with the next part.
fn piecewise(hits: &mut Vec<Hit>, window: usize) -> usize {
    let sure = window - OVERLAP;
    let is_sure = |hit: &Hit| hit.span.start < sure && (hit.span.end < sure || hit.is_whole());
    let next = hits.iter().find(|hit| !is_sure(hit));
    let next = next.map_or(window, |hit| hit.span.start);
    hits.retain(is_sure);
    hits.last().map_or(sure, |hit| {
        let frame = hit.frame.as_ref().map_or(0, |frame| frame.end);
        frame.min(next).max(hit.span.end)
    })
}

/// What belongs to a record: the frame that it came in, or its line, up to the records before and behind it.
fn around(
    span: &Range<usize>,
    frame: Option<Range<usize>>,
    rest: &[u8],
    behind: usize,
    next: usize,
) -> Range<usize> {
    frame.unwrap_or_else(|| {
        let from = span.start.saturating_sub(AROUND_MAX).max(behind);
        let from = from.min(span.start);
        let to = (span.end + AROUND_MAX)
            .min(next.max(span.end))
            .min(rest.len());
        let start = memchr::memrchr(b'\n', &rest[from..span.start]).map_or(from, |n| from + n + 1);
        let end = memchr::memchr(b'\n', &rest[span.end..to]).map_or(to, |n| span.end + n);
        start..end
    })
}

/// Drops what is another record's beginning, or all of it, once more, in the same object of a document: some keep a short form
/// beside it, or the original beside what they made of it.
fn drop_copies(hits: &mut Vec<Hit>, bytes: &[u8]) {
    let is_copy = |copy: &Hit, of: &Hit| {
        let same = match (&copy.what, &of.what) {
            (HitKind::Whole(_), _) => false,
            (HitKind::Suspect(copy), HitKind::Suspect(of)) => of.bytes.starts_with(shortened(copy)),
            (HitKind::Suspect(copy), HitKind::Whole(of)) => {
                let whole = of.render(copy.json).unwrap_or_default();
                whole.starts_with(shortened(copy))
            }
        };
        let between = copy.span.end.min(of.span.end)..copy.span.start.max(of.span.start);
        same && !between.is_empty() && parts::same_object(&bytes[between])
    };
    let mut at = 0;
    while at + 1 < hits.len() {
        if is_copy(&hits[at + 1], &hits[at]) {
            hits.remove(at + 1);
        } else if is_copy(&hits[at], &hits[at + 1]) {
            hits.remove(at);
        } else {
            at += 1;
        }
    }
}

/// What is there of a record that somebody has cut short, without what shows that.
fn shortened(suspect: &Suspect) -> &[u8] {
    let text = suspect.bytes.trim_ascii_end();
    let text = text.strip_suffix("…".as_bytes()).unwrap_or(text);
    text.strip_suffix(b"...").unwrap_or(text)
}

/// Where the line stands that goes through `at`.
fn line_at(bytes: &[u8], at: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    start..memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n)
}

/// Whether these are the brace and a part of the name of a JSON record's time, or all of it and a part of the time.
fn begins_json(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    let begun = length > 1 && start[..length] == bytes[..length];
    begun && has_stamp_shape(&bytes[length..]) && !bytes.ends_with(b"}")
}

/// Whether this is the beginning of a record, though too short to have anything by which one is known: no year before 2000 has
/// any, nor one behind 2999.
fn begins_like_a_record(bytes: &[u8]) -> bool {
    begins_json(bytes, JSON_START)
        || begins_json(bytes, ESCAPED_START.as_bytes())
        || bytes.starts_with(b"2")
            && (bytes.len() <= STAMP_LEN + LEVEL_WIDTH || starts_here(bytes) && tells_ours(bytes))
            && has_stamp_shape(bytes)
}
