//! One block of the input: each of its records read, its checksum verified, its outcome held against the plan.
//!
//! Most records are written exactly as the program writes them, and have the same around them as the one before: those are
//! read at once. All others are looked for. Blocks are scanned by all cores at once and know nothing of each other.

use std::{ops::Range, sync::Arc};

use memchr::memmem;

use super::{
    attempt::AttemptRecord,
    block::{Block, BlockLocation, EARLY_BYTES},
    exact,
    find::{Finder, Hit, HitKind, opens},
    gap::Gaps,
    marks::{has_marks, may_hold_record, next_text},
    parts,
    record::Record,
    scanned::{Foreign, HOLE_MIN, Note, Other, Scanned, Suspect, What},
    times::beside,
};
use crate::{
    audit::registry::{Registry, Run},
    log::event::Event,
};

/// A block has fewer records than this, be they damaged: what is beyond must not cost memory.
const SUSPECTS_MAX: usize = 8192;
/// A longer line is searched piece by piece.
pub(super) const WINDOW: usize = 16 * 1024;
/// A record does not reach over so much.
pub(super) const OVERLAP: usize = 4096;
/// How much around a record is searched for the time that a pipeline put there.
const AROUND_MAX: usize = 512;

/// Scans blocks, one after the other.
pub(crate) struct Scanner<'a> {
    registry: &'a Registry,
    /// The run of the record before, which mostly is this record's as well.
    run: Option<Arc<Run>>,
    exact: exact::Reader,
    finder: Finder,
    pub(super) gaps: Gaps,
    /// What stands in front of the first record of the input, if anything does.
    pub(super) prefix: Gaps,
    file: u32,
}

/// The way through one block.
pub(super) struct Pass<'p, 'a> {
    pub(super) scanner: &'p mut Scanner<'a>,
    pub(super) block: &'p Block,
    pub(super) bytes: &'p [u8],
    pub(super) out: &'p mut Scanned,
    /// Where the last record ends, if it stands there as it is.
    pub(super) last: Option<Last>,
    /// What is not whole in an input that was rewritten is not looked at, as long as no run was met.
    brief: bool,
    /// There is something in the block by which a record is known.
    pub(super) marked: bool,
}

/// The last record.
#[derive(Clone, Copy)]
pub(super) struct Last {
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
            file: u32::MAX,
        }
    }

    /// Scans a block into `out`.
    pub(crate) fn scan(&mut self, block: &Block, out: &mut Scanned) {
        out.attempts.clear();
        out.others.clear();
        (out.lines, out.brief) = (0, false);
        if self.file != block.file {
            self.file = block.file;
            self.gaps.clear();
            self.prefix.clear();
            if !block.prefix.is_empty() {
                let line = [b"\n", &block.prefix[..]].concat();
                self.prefix.learn(&line, [None; 2]);
            }
        }
        let bytes = &block.bytes[..];
        // Without a run so far down most likely all of it is rewritten.
        let brief = block.offset >= EARLY_BYTES as u64 && self.registry.count() == 0;
        let hopeless = brief && !may_hold_record(bytes);
        let mut pass = Pass {
            scanner: self,
            block,
            bytes,
            out,
            last: None,
            brief,
            marked: !hopeless || has_marks(bytes),
        };
        let mut at = 0;
        while at < bytes.len() {
            at = match hopeless {
                true => pass.pass_over(at),
                false => pass.exact(at).unwrap_or_else(|| pass.search(at)),
            };
        }
    }

    fn known(&self, id: u64) -> Option<Arc<Run>> {
        match &self.run {
            Some(run) if run.id == id => Some(Arc::clone(run)),
            _ => self.registry.meet(id),
        }
    }
}

impl Pass<'_, '_> {
    /// Reads a record in exact form that has the same in front of it as one of those before; returns where it ends.
    #[inline(always)]
    fn exact(&mut self, at: usize) -> Option<usize> {
        let last = self.last.filter(|last| last.end == at)?;
        let Scanner {
            run, exact, gaps, ..
        } = &mut *self.scanner;
        let run = run.as_deref()?;
        for number in 0..gaps.len() {
            let Some(met) = gaps.met(number, &self.bytes[at..]) else {
                continue;
            };
            let start = at + met.length;
            let Some((mut attempt, length)) = exact.read(&self.bytes[start..], run) else {
                continue;
            };
            gaps.prefer(number);
            self.out.lines += met.newlines;
            if met.received[0] > 0
                && last.is_attempt
                && let Some(before) = self.out.attempts.last_mut()
            {
                before.received = met.received[0];
            }
            attempt.location = self.out.location(start);
            attempt.planned = attempt.is_planned(run);
            attempt.received = met.received[1];
            self.out.attempts.push(attempt);
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
    fn search(&mut self, at: usize) -> usize {
        let bytes = self.bytes;
        let rest = &bytes[at..];
        let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
        let last = self.last.as_mut().filter(|last| last.end == at);
        let behind_record = last.is_some();
        // What was read in exact form has its time only if what follows was met before.
        if let Some(last) = last.filter(|last| last.is_attempt && last.received_at.is_none())
            && let Some((place, time)) = self.scanner.gaps.behind(rest)
            && let Some(before) = self.out.attempts.last_mut()
        {
            before.received = time;
            last.received_at = Some(at + place);
        }
        let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
        if let Some((joined, length)) = parts::joined(&bytes[start..], at + line - start) {
            return self.pieces(&joined, start, start + length);
        }
        let hopeless = |line| !opens(line) && !may_hold_record(line);
        if self.brief && !behind_record && hopeless(&rest[..line]) {
            return self.pass_over(at);
        }
        let window = line.min(WINDOW);
        let mut hits = Vec::new();
        let mut end = self.scanner.finder.find(rest, window, &mut hits);
        // A record may be longer than that: a line is looked at as a whole once, where it begins.
        let whole = |hits: &[Hit]| hits.iter().any(Hit::is_whole);
        if window < line && !whole(&hits) && (at == 0 || bytes[at - 1] == b'\n') {
            let mut all = Vec::new();
            let far = self.scanner.finder.find(rest, line, &mut all);
            if !all.is_empty() {
                self.take(all, at, at + far);
                return at + far;
            }
        }
        if window < line {
            end = piecewise(&mut hits, window);
        }
        // What a pipeline took out of the record in front stands behind it.
        if let Some(sum) = sum_at_end(&bytes[..at]) {
            let next = hits.iter().find(|hit| hit.is_whole());
            let next = next.map_or(end, |hit| hit.span.start);
            let taken_out = memmem::rfind(&rest[..next], sum).unwrap_or(0);
            hits.retain(|hit| {
                hit.is_whole() || hit.span.start >= taken_out && !hit.is_object_without_sum()
            });
        }
        if hits.is_empty() && !self.block.framed {
            // Each line of another program's document is one of its lines.
            end = end.min(line);
        }
        if hits.is_empty() && !behind_record {
            self.no_record(at, at + end.min(line));
            if end == line {
                self.out.lines += u32::from(rest[..line].ends_with(b"\n"));
                return at + end;
            }
        }
        self.take(hits, at, at + end);
        match self.last {
            // What follows the record is like what stood between those before: the next one may be read at once.
            Some(last)
                if last.end > at
                    && last.end < at + end
                    && self.scanner.gaps.begin(&bytes[last.end..]) =>
            {
                self.out.lines -= newlines(&bytes[last.end..at + end]);
                last.end
            }
            _ => at + end,
        }
    }

    /// Takes in what was found between `at` and `end`, where hits count from `at`.
    fn take(&mut self, mut hits: Vec<Hit>, at: usize, end: usize) {
        let bytes = self.bytes;
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
            self.out.lines += newlines(before);
            counted = start;
            let location = self.out.location(start);
            hole(before, location, self.out);
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
                    if !self.is_copy(&record, &span) {
                        self.whole(*record, span, hit.plain, around, location);
                    }
                }
                HitKind::Suspect(mut suspect) => {
                    if !line.contains(&start) {
                        line = line_at(bytes, start);
                    }
                    if self.brief {
                        self.unreadable(&bytes[line.clone()], location);
                        continue;
                    }
                    if is_preview(&bytes[line.clone()], &bytes[span]) {
                        continue;
                    }
                    suspect.line_length = line.len() as u32;
                    self.suspect(suspect, location);
                }
            }
        }
        self.out.lines += newlines(&bytes[counted..end]);
    }

    /// A line that came in parts, put together: its records stand where the first part stands. Those in front may have been read.
    fn pieces(&mut self, joined: &[u8], at: usize, end: usize) -> usize {
        let mut hits = Vec::new();
        self.scanner.finder.find(joined, joined.len(), &mut hits);
        let read = self.records_of_line();
        hits.drain(..read.min(hits.len()));
        for hit in &mut hits {
            hit.span = 0..end - at;
            hit.plain = false;
            hit.frame = None;
        }
        self.take(hits, at, end);
        end
    }

    /// What is left of a record.
    pub(super) fn suspect(&mut self, suspect: Suspect, location: BlockLocation) {
        self.last = None;
        if self.out.others.len() < SUSPECTS_MAX {
            self.out.push(location, 0, What::Suspect(suspect));
        }
    }

    /// Whether this is the last record once more, in the same object of a document or row of a table: some keep the original beside
    /// what they made of it.
    fn is_copy(&self, record: &Record, span: &Range<usize>) -> bool {
        let (attempts, others) = (&self.out.attempts, &self.out.others);
        let same = match others.last().filter(|other| other.after == attempts.len()) {
            Some(Other { what, .. }) => {
                matches!(what, What::Record(_, other) if **other == *record)
            }
            None => attempts.last().is_some_and(|attempt| {
                record.author.worker() == Some(attempt.worker)
                    && (record.seq, record.stamp) == (attempt.seq, attempt.stamp)
            }),
        };
        let between = self
            .last
            .and_then(|last| self.bytes.get(last.end..span.start));
        same && match between {
            Some(between) if parts::same_object(between) => true,
            // Of what is escaped it is not known where it ends.
            between => between.is_none_or(parts::is_separator) && self.is_in_row(span),
        }
    }

    /// Whether there is but one record in front of this one on its line, and none behind it: then they are columns of one row.
    fn is_in_row(&self, span: &Range<usize>) -> bool {
        let line = line_at(self.bytes, span.start);
        let behind = self.bytes.get(span.end..line.end).unwrap_or_default();
        !matches!(self.bytes[line.start], b'{' | b'[')
            && self.records_of_line() == 1
            && !has_marks(behind)
    }

    /// How many records were found on this line so far.
    fn records_of_line(&self) -> usize {
        let line = self.out.lines;
        let attempts = self.out.attempts.iter().rev();
        let attempts = attempts.take_while(|attempt| attempt.location.line == line);
        let others = self.out.others.iter().rev();
        let others = others.take_while(|other| other.location.line == line);
        let others = others.filter(|other| matches!(other.what, What::Record(..)));
        attempts.count() + others.count()
    }

    /// A record whose checksum holds.
    fn whole(
        &mut self,
        record: Record,
        span: Range<usize>,
        plain: bool,
        around: Option<Range<usize>>,
        location: BlockLocation,
    ) {
        let bytes = self.bytes;
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
            let gap = &bytes[last.end..span.start];
            self.scanner.gaps.learn(gap, times);
        }
        let is_attempt = self.told(record, received, location);
        self.last = plain.then_some(Last {
            end: span.end,
            received_at: place.filter(|place| *place >= span.end),
            is_attempt,
        });
    }

    /// Hands over a whole record; says whether it is an attempt's.
    fn told(&mut self, record: Record, received: u64, location: BlockLocation) -> bool {
        let run = match &record.event {
            Some(event @ Event::RunStarted { .. }) => {
                self.scanner.registry.start(record.run, event)
            }
            _ => self.scanner.known(record.run),
        };
        let Some(run) = run else {
            self.out.push(location, 0, What::NoRoom);
            return false;
        };
        let attempt = AttemptRecord::of_record(&record, &run, received, location);
        let is_attempt = attempt.is_some();
        match attempt {
            Some(attempt) => self.out.attempts.push(attempt),
            None => {
                let what = What::Record(run.index, Box::new(record));
                self.out.push(location, received, what);
            }
        }
        self.scanner.run = Some(run);
        is_attempt
    }
}

/// The checksum of the record that ends here, if one does.
fn sum_at_end(bytes: &[u8]) -> Option<&[u8]> {
    let closing = bytes.iter().rev().take_while(|b| b"\"\\}".contains(b));
    let (_, sum) = bytes[..bytes.len() - closing.count()].split_last_chunk::<8>()?;
    sum.iter().all(u8::is_ascii_hexdigit).then_some(&sum[..])
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
            (HitKind::Suspect(copy), HitKind::Suspect(of)) => {
                of.bytes.starts_with(shortened(&copy.bytes))
            }
            (HitKind::Suspect(copy), HitKind::Whole(of)) => {
                let whole = of.render(copy.json).unwrap_or_default();
                whole.starts_with(shortened(&copy.bytes))
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
fn shortened(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_end();
    let text = text.strip_suffix("…".as_bytes()).unwrap_or(text);
    text.strip_suffix(b"...").unwrap_or(text)
}

/// Whether this was cut short, and says so, beside the whole of it.
fn is_preview(line: &[u8], text: &[u8]) -> bool {
    let end = text
        .iter()
        .rev()
        .take_while(|b| parts::is_separator(&[**b]));
    let text = &text[..text.len() - end.count()];
    let short = shortened(text);
    short.len() < text.len() && memmem::find_iter(line, short).nth(1).is_some()
}

/// Where the line stands that goes through `at`.
fn line_at(bytes: &[u8], at: usize) -> Range<usize> {
    let start = memchr::memrchr(b'\n', &bytes[..at]).map_or(0, |n| n + 1);
    start..memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |n| at + n)
}
