//! Records in any bytes. A record is found by marks that hardly anything else has, and proved by its checksum; how it came there
//! does not matter.
//!
//! Text is looked for where it stands; what is not explained by that is read as JSON, then with its escapes undone, each
//! layer in the same way again. Where marks are left that nothing explains, there is a suspect.

use std::{iter, mem, ops::Range, sync::Arc};

use memchr::memmem;

use super::{
    decode::{ESCAPES, Escape, SURE, backslashes, has_colours},
    fields::{self, Keyed},
    keyed::{Frame, TRIES_MAX, Walked, Walker},
    marks::{RecordMark, has_marks, marks, named, names_a_thread, text_starts},
    record::{JSON_START, Record, SUM_LEN, begins_plain_or_escaped, hex8, record},
    scanned::{Framed, Suspect},
    suspect::{SUM, suspect},
};
use crate::log::line::{Line, checksum};

/// Escapes may lie in each other.
const DEPTH_MAX: u32 = 4;
/// Something that was found.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Where it stands in the bytes that were searched.
    pub span: Range<usize>,
    /// It stands there as it is, not escaped: where it ends the next one may be read.
    pub plain: bool,
    /// What it explains besides.
    around: Option<Range<usize>>,
    /// The frame of a document that it came in.
    pub frame: Option<Range<usize>>,
    /// What it is.
    pub what: HitKind,
}

impl Hit {
    /// Whether it is a record whose checksum holds.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.what, HitKind::Whole(_))
    }

    /// Whether it is an object that has some of a record's fields, but no checksum.
    pub(crate) fn is_object_without_sum(&self) -> bool {
        let HitKind::Suspect(Suspect { bytes, .. }) = &self.what else {
            return false;
        };
        bytes.starts_with(b"{") && bytes.ends_with(b"}") && !self.reaches_its_end()
    }

    /// Whether it is more than the beginning of a record.
    fn reaches_its_end(&self) -> bool {
        match &self.what {
            HitKind::Whole(_) => true,
            HitKind::Suspect(suspect) => memmem::find(&suspect.bytes, b"sum").is_some(),
        }
    }

    /// The same, where what was searched begins so much earlier.
    fn moved(mut self, by: usize) -> Self {
        let spans = iter::once(&mut self.span);
        for span in spans.chain(&mut self.around).chain(&mut self.frame) {
            *span = by + span.start..by + span.end;
        }
        self
    }

    /// Whether both are the same, be it whole or damaged.
    fn is_same(&self, other: &Self) -> bool {
        match (&self.what, &other.what) {
            (HitKind::Whole(one), HitKind::Whole(other)) => one == other,
            (HitKind::Suspect(one), HitKind::Suspect(other)) => one.bytes == other.bytes,
            _ => false,
        }
    }
}

/// What was found.
#[derive(Debug)]
pub(crate) enum HitKind {
    /// A record whose checksum holds.
    Whole(Box<Record>),
    /// Something like a record.
    Suspect(Suspect),
}

/// Finds records.
#[derive(Debug, Default)]
pub(crate) struct Finder {
    walker: Walker,
}

impl Finder {
    /// Finds the records in the line at the start of `bytes`, and in what follows it if a document goes on there. Hits come in
    /// order. Returns how much was searched.
    pub(crate) fn find(&mut self, bytes: &[u8], line: usize, hits: &mut Vec<Hit>) -> usize {
        self.layer(bytes, line, 0, hits)
    }

    /// One layer: text, documents, whatever is escaped in it, and the suspects that are left.
    fn layer(&mut self, bytes: &[u8], line: usize, depth: u32, hits: &mut Vec<Hit>) -> usize {
        let text = &bytes[..line];
        let mut open: Vec<RecordMark> = text_starts(text).collect();
        texts(text, &open, hits);
        let opened = hits.is_empty() && opens(text);
        open.extend(named(text));
        explain(&mut open, hits);
        // A terminal's colours may stand within whatever a record is known by.
        let coloured = || hits.is_empty() && has_colours(text);
        if open.is_empty() && depth < DEPTH_MAX && coloured() {
            self.unescaped(text, 0..line, &ESCAPES[..1], depth, hits);
        }
        if !opened && open.is_empty() {
            return line;
        }
        // A terminal's colours, a page's tags and blanks may stand within a document's strings, which would be read with them.
        let begins_sure = || {
            let other = || memchr::memchr2(0xc2, 0xe2, text).is_some();
            memchr::memchr2(0x1b, b'<', text).is_some() || other()
        };
        if !opened && begins_sure() {
            self.escaped(text, &ESCAPES[..SURE], &mut open, depth, hits);
        }
        let mut end = line;
        if opened || !open.is_empty() {
            end = self.documents(bytes, line, opened, depth, hits);
            if end > line {
                let known = explained(hits);
                let mut more = Vec::new();
                let behind = &bytes[line..end];
                texts(behind, &text_starts(behind).collect::<Vec<_>>(), &mut more);
                let more = more.into_iter().map(|hit| hit.moved(line));
                hits.extend(more.filter(|hit| !covers(&known, hit.span.start)));
                open = marks(&bytes[..end]).collect();
            }
            explain(&mut open, hits);
            self.escaped(&bytes[..end], &ESCAPES, &mut open, depth, hits);
        }
        suspects(&bytes[..end], &open, hits);
        hits.sort_by_key(|hit| hit.span.start);
        end
    }

    /// Documents: from each bracket that one may begin with.
    fn documents(
        &mut self,
        bytes: &[u8],
        line: usize,
        opened: bool,
        depth: u32,
        hits: &mut Vec<Hit>,
    ) -> usize {
        let slice = if opened { bytes } else { &bytes[..line] };
        let (mut at, mut end, mut tries) = (0, line, 0);
        let mut broken = None;
        let mut walker = mem::take(&mut self.walker);
        while let Some(start) =
            memchr::memchr2(b'{', b'[', &slice[at.min(end)..end]).map(|n| at + n)
        {
            let (mut done, before) = (start, hits.len());
            let walked = walker.walk(slice, start, |frame| {
                done = frame.span.end;
                self.in_frame(frame, slice, depth, hits);
            });
            if broken == Some(start) {
                // The brace is the damage: what stands in front of it belongs to what is not whole behind it.
                let mut index = 0..;
                hits.retain(|hit| index.next() < Some(before) || hit.is_whole());
            }
            match walked {
                Walked::Closed(behind) => {
                    at = behind;
                    // What closes on a later line takes in that line.
                    if behind > end {
                        end = behind
                            + memchr::memchr(b'\n', &slice[behind..])
                                .map_or(slice.len() - behind, |n| n + 1);
                    }
                }
                Walked::Broken(place, frame) => {
                    // The lines in front of the one where it broke are done.
                    let lines = memchr::memrchr(b'\n', &slice[..place]).map_or(0, |n| n + 1);
                    end = end.max(lines);
                    // What it has shown of a frame that broke later is not shown again.
                    at = done.max(frame.max(start) + 1);
                    broken = Some(place);
                    tries += 1;
                }
            }
            if tries > TRIES_MAX || at >= end {
                break;
            }
        }
        self.walker = walker;
        end
    }

    /// What a frame of a document holds: a record as fields, or records in its strings. Of a line and the fields that a pipeline
    /// took out of it one is the record, and the other a copy; so is what an object has under two keys, or once more in a list
    /// within it.
    fn in_frame(&mut self, frame: &Frame<'_>, bytes: &[u8], depth: u32, hits: &mut Vec<Hit>) {
        let mut keyed = keyed_hits(frame);
        if keyed.iter().any(Hit::is_whole) {
            let within = |hit: &&mut Hit| frame.span.contains(&hit.span.start);
            for line in hits.iter_mut().filter(within) {
                let all = keyed.len();
                keyed.retain(|fields| !fields.is_same(line));
                if keyed.len() < all {
                    line.around = Some(frame.span.clone());
                }
            }
            return hits.extend(keyed);
        }
        let (mut inner, mut known, mut copies): (Vec<Hit>, _, _) = (Vec::new(), false, false);
        let (mut element, mut others, mut own) = (None, 0, 0);
        let mut strings: Vec<_> = frame.strings().collect();
        // Lists come first: a long one was shown in parts before.
        strings.sort_by_key(|(_, element)| element.is_none());
        for (string, of) in strings {
            let list = of.map(|(list, _)| list);
            if of.is_none() || list != element.map(|(list, _)| list) {
                others = inner.len();
            }
            if of != element {
                own = inner.len();
            }
            element = of;
            let (is_known, mut found) = self.string(bytes, string, &frame.span, depth, hits);
            known |= is_known;
            // The other elements of the same list are no copies.
            let copied = inner[..others].iter().chain(&inner[own.max(others)..]);
            found.retain(|hit| !copied.clone().any(|other| other.is_same(hit)));
            // What was shown before is a copy too, but for the elements of the same list.
            let start = list.map_or(frame.span.end, |list| frame.span_of(list).start);
            let before = frame.span.start..start;
            let is_copy = |hit: &Hit| {
                let mut shown = hits.iter().filter(|hit| before.contains(&hit.span.start));
                shown.any(|other| other.is_same(hit))
            };
            let all = found.len();
            found.retain(|hit| !is_copy(hit));
            copies |= found.len() < all;
            inner.append(&mut found);
        }
        // What stands in the frames within this one.
        let within = |hit: &&mut Hit| frame.span.contains(&hit.span.start);
        let shown: Vec<&mut Hit> = hits.iter_mut().filter(within).collect();
        known |= shown.iter().any(|hit| hit.reaches_its_end());
        if !known && !keyed.is_empty() && !inner.iter().any(Hit::reaches_its_end) {
            return hits.extend(keyed);
        }
        // Copies, and fields that a pipeline took out of them, belong to them.
        if frame.has_ours() || copies {
            let around = |hit: &mut Hit| hit.around = Some(frame.span.clone());
            shown.into_iter().for_each(around);
        }
        hits.append(&mut inner);
    }

    /// What is in a string of a document: a layer of its own. True where it is known already.
    fn string(
        &mut self,
        bytes: &[u8],
        span: Range<usize>,
        frame: &Range<usize>,
        depth: u32,
        hits: &mut Vec<Hit>,
    ) -> (bool, Vec<Hit>) {
        let raw = &bytes[span.clone()];
        if depth >= DEPTH_MAX {
            return (false, Vec::new());
        }
        if !has_marks(raw) {
            // The beginning of a record may be too short to have one.
            let found = begins_plain_or_escaped(raw).then(|| Hit {
                span,
                plain: false,
                around: Some(frame.clone()),
                frame: Some(frame.clone()),
                what: HitKind::Suspect(suspect(&backslashes(raw), false, None).1),
            });
            return (false, found.into_iter().collect());
        }
        let overlaps = |hit: &Hit| hit.span.start < span.end && span.start < hit.span.end;
        if hits.iter().any(overlaps) {
            let known = explained(hits);
            if marks(raw).all(|mark| covers(&known, span.start + mark.at)) {
                let own = hits.iter_mut().filter(|hit| overlaps(hit));
                own.for_each(|hit| hit.around = Some(frame.clone()));
                return (true, Vec::new());
            }
            // Some of what is in it was found as it stands, but not all.
            hits.retain(|hit| !overlaps(hit));
        }
        if memchr::memchr(b'\\', raw).is_none() {
            // It stands there as it is.
            let found = self.inner(raw, depth).into_iter().map(|hit| Hit {
                around: Some(frame.clone()),
                frame: Some(frame.clone()),
                ..hit.moved(span.start)
            });
            return (false, found.collect());
        }
        let inner = self.inner(&backslashes(raw), depth);
        // A JSON line that is escaped, as the fast path knows it.
        let plain = inner.len() == 1 && raw.starts_with(b"{\\\"timestamp");
        let last = memchr::memrchr(b'}', raw).map_or(span.end, |n| span.start + n + 1);
        let place = if plain { span.start..last } else { span };
        let found = inner.into_iter().map(|hit| Hit {
            span: place.clone(),
            plain,
            around: Some(frame.clone()),
            frame: Some(frame.clone()),
            ..hit
        });
        (false, found.collect())
    }

    /// What is in a text that was escaped, line by line.
    fn inner(&mut self, decoded: &[u8], depth: u32) -> Vec<Hit> {
        let (mut all, mut at) = (Vec::new(), 0);
        while let Some(rest) = decoded.get(at..).filter(|rest| !rest.is_empty()) {
            let line = memchr::memchr(b'\n', rest).map_or(rest.len(), |n| n + 1);
            let mut hits = Vec::new();
            let searched = self.layer(rest, line, depth + 1, &mut hits);
            all.extend(hits.into_iter().map(|hit| hit.moved(at)));
            at += searched;
        }
        all
    }

    /// Whatever has marks that are left open, with its escapes undone in the way that yields whole records, or else in the way
    /// in which most of a record can be read.
    fn escaped(
        &mut self,
        bytes: &[u8],
        escapes: &[Escape],
        open: &mut Vec<RecordMark>,
        depth: u32,
        hits: &mut Vec<Hit>,
    ) {
        if depth >= DEPTH_MAX || open.is_empty() {
            return;
        }
        let mut from = 0;
        let end = bytes.len()..bytes.len();
        for span in explained(hits).into_iter().chain([end]) {
            if open
                .iter()
                .any(|mark| (from..span.start).contains(&mark.at))
            {
                self.unescaped(bytes, from..span.start, escapes, depth, hits);
            }
            from = from.max(span.end);
        }
        explain(open, hits);
    }

    fn unescaped(
        &mut self,
        bytes: &[u8],
        span: Range<usize>,
        escapes: &[Escape],
        depth: u32,
        hits: &mut Vec<Hit>,
    ) {
        let rest = &bytes[span.clone()];
        let (mut most, mut better) = (None, None);
        for (number, escape) in escapes.iter().enumerate() {
            let Some(decoded) = escape.undo(rest).filter(|decoded| decoded != rest) else {
                continue;
            };
            let most = most.get_or_insert_with(|| {
                let mut as_it_is = Vec::new();
                suspects(rest, &marks(rest).collect::<Vec<_>>(), &mut as_it_is);
                readable(&as_it_is).max(-1000)
            });
            let inner = self.inner(&decoded, depth);
            let amount = readable(&inner);
            // An escape that is none may look a little better, where what it takes away is the damage.
            let margin = if number < SURE { -1 } else { 4 };
            if amount > most.saturating_add(margin) {
                (*most, better) = (amount, Some((escape, inner)));
            }
            if *most == WHOLE {
                break;
            }
        }
        let Some((escape, inner)) = better else {
            return;
        };
        let origins = |place: fn(&Hit) -> usize| {
            let mut places: Vec<usize> = inner.iter().map(place).collect();
            places.sort_unstable();
            escape.origins(rest, &places)
        };
        let (starts, ends) = (origins(|hit| hit.span.start), origins(|hit| hit.span.end));
        let spans = starts.into_iter().zip(ends);
        hits.extend(inner.into_iter().zip(spans).map(|(hit, (start, end))| Hit {
            span: span.start + start..span.start + end,
            plain: false,
            around: Some(span.clone()),
            frame: None,
            ..hit
        }));
    }
}

/// What of `bytes` no record explains, though marks are there that are left open.
fn suspects(bytes: &[u8], open: &[RecordMark], hits: &mut Vec<Hit>) {
    let ours = open.iter().filter(|mark| mark.is_ours(bytes));
    let open: Vec<RecordMark> = ours.copied().collect();
    if open.is_empty() {
        return;
    }
    let mut from = 0;
    let end = bytes.len()..bytes.len();
    for span in explained(hits).into_iter().chain([end]) {
        if span.start > from {
            segment(bytes, from..span.start, &open, hits);
        }
        from = from.max(span.end);
    }
}

/// The suspects between two records: each begins where a line of text begins, if one does.
fn segment(bytes: &[u8], span: Range<usize>, marks: &[RecordMark], hits: &mut Vec<Hit>) {
    let marks = marks.iter().filter(|mark| span.contains(&mark.at));
    let starts = marks.clone().filter(|mark| mark.line).map(|mark| mark.at);
    let mut from = span.start;
    for to in starts.chain([span.end]) {
        let piece = from..to;
        from = to;
        let Some(first) = marks.clone().find(|mark| piece.contains(&mark.at)) else {
            continue;
        };
        let quoted = piece.start > 0 && bytes[piece.start - 1] == b'"';
        let line = first.line.then(|| first.at - piece.start);
        let (within, suspect) = suspect(&bytes[piece.clone()], quoted, line);
        hits.push(Hit {
            span: piece.start + within.start..piece.start + within.end,
            plain: false,
            around: Some(piece),
            frame: None,
            what: HitKind::Suspect(suspect),
        });
    }
}

const WHOLE: i64 = 1 << 40;

/// How much can be read of what was found: all, where a record is whole.
fn readable(hits: &[Hit]) -> i64 {
    let amount = |fields: &[(String, String)]| {
        let named = fields.iter().filter(|(name, _)| !name.is_empty()).count() as i64;
        2 * named - fields.len() as i64
    };
    let begins = |hit: &Hit| match &hit.what {
        HitKind::Suspect(suspect) if suspect.bytes.starts_with(b"{") => {
            suspect.bytes.starts_with(JSON_START)
        }
        HitKind::Suspect(suspect) => suspect.begins(),
        HitKind::Whole(_) => false,
    };
    let of = |hit: &Hit| match &hit.what {
        HitKind::Whole(_) => WHOLE,
        HitKind::Suspect(suspect) if !suspect.json => {
            let text = String::from_utf8_lossy(&suspect.bytes);
            let mut fields = fields::of_text(&text, suspect.begins());
            let plain = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
            fields.retain(|(name, _)| !name.is_empty() && plain(name));
            fields.len() as i64
        }
        HitKind::Suspect(suspect) if matches!(suspect.frame, Framed::No) => amount(
            &fields::of_broken_json(&String::from_utf8_lossy(&suspect.bytes)),
        ),
        HitKind::Suspect(suspect) => amount(&fields_of(suspect)),
    };
    let amounts = hits.iter().map(|hit| of(hit) + 8 * i64::from(begins(hit)));
    amounts.max().unwrap_or(i64::MIN)
}

/// The records that are fields of a frame of a document.
fn keyed_hits(frame: &Frame<'_>) -> Vec<Hit> {
    let (mut hits, mut around) = (Vec::new(), None);
    for container in frame.candidates() {
        let Some(keyed) = Keyed::new(frame, container) else {
            continue;
        };
        let span = frame.span_of(container);
        let threaded = names_a_thread(frame.bytes(frame.span.clone()));
        let what = match threaded.then(|| keyed.record()).flatten() {
            Some(record) => HitKind::Whole(Box::new(record)),
            None => {
                let other = frame.as_json(container);
                let framed = match other.is_some() || span == frame.span {
                    true => Framed::Alone,
                    false => Framed::Within(Arc::clone(
                        around.get_or_insert_with(|| frame.bytes(frame.span.clone()).into()),
                    )),
                };
                HitKind::Suspect(Suspect {
                    bytes: other.unwrap_or_else(|| frame.bytes(span.clone()).to_vec()),
                    json: true,
                    frame: framed,
                    ..Suspect::default()
                })
            }
        };
        hits.push(Hit {
            span,
            plain: true,
            around: Some(frame.span.clone()),
            frame: Some(frame.span.clone()),
            what,
        });
    }
    hits
}

/// The record that `bytes` are, in any form.
pub(crate) fn read(bytes: &[u8]) -> Option<Record> {
    if !bytes.starts_with(b"{") {
        let line = Line::parse(bytes).filter(Line::sum_holds);
        return line.and_then(record);
    }
    let mut found = None;
    Walker::default().walk(bytes, 0, |frame| {
        let mut keyed = frame.candidates().filter_map(|at| Keyed::new(frame, at));
        found = found
            .take()
            .or_else(|| keyed.find_map(|keyed| keyed.record()));
    });
    found
}

/// The fields of a suspect that are keys and values, as far as they can be read.
pub(crate) fn fields_of(suspect: &Suspect) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let bytes = match &suspect.frame {
        Framed::No => return found,
        Framed::Alone => &suspect.bytes[..],
        Framed::Within(frame) => frame,
    };
    Walker::default().walk(bytes, 0, |frame| {
        let is_it = |at: &usize| frame.bytes(frame.span_of(*at)) == suspect.bytes;
        let container = frame.candidates().find(is_it);
        if let Some(keyed) = container.and_then(|container| Keyed::new(frame, container)) {
            found = keyed.fields();
        }
    });
    found
}

/// The records that stand in `bytes` as lines of text, whatever is around them, where these are the places in which such may begin.
fn texts(bytes: &[u8], starts: &[RecordMark], hits: &mut Vec<Hit>) {
    let starts = starts.iter().map(|mark| mark.at);
    let limits = starts.clone().skip(1).chain([bytes.len()]);
    let mut from = 0;
    for (start, limit) in starts.zip(limits) {
        if start >= from
            && let Some((record, length)) = text_at(&bytes[start..limit])
        {
            hits.push(Hit {
                span: start..start + length,
                plain: true,
                around: None,
                frame: None,
                what: HitKind::Whole(Box::new(record)),
            });
            from = start + length;
        }
    }
}

/// How many marks of an end are tried: a line has one, and a hostile one as many as it likes.
const MARKS_MAX: usize = 4;

/// The record of text at the start, and how long it is.
fn text_at(bytes: &[u8]) -> Option<(Record, usize)> {
    SUM.find_iter(bytes).take(MARKS_MAX).find_map(|at| {
        let sum = hex8(bytes.get(at + 5..)?)?;
        let length = at + SUM_LEN;
        (checksum(&bytes[..at]) == sum)
            .then(|| Line::parse(&bytes[..length]))?
            .and_then(record)
            .map(|record| (record, length))
    })
}

/// Whether a document goes on behind this line: the last thing in it is open.
pub(crate) fn opens(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let bracket = |byte: Option<&u8>| matches!(byte, Some(b'{' | b'['));
    bracket(line.last()) || bracket(line.first()) && line.last() == Some(&b',')
}

/// What the hits explain, in order, without overlaps.
fn explained(hits: &[Hit]) -> Vec<Range<usize>> {
    let mut spans: Vec<Range<usize>> = hits
        .iter()
        .map(|hit| hit.around.clone().unwrap_or_else(|| hit.span.clone()))
        .collect();
    spans.sort_by_key(|span| span.start);
    spans.dedup_by(|span, before| {
        let overlap = span.start < before.end;
        if overlap {
            before.end = before.end.max(span.end);
        }
        overlap
    });
    spans
}

fn covers(spans: &[Range<usize>], at: usize) -> bool {
    let next = spans.partition_point(|span| span.start <= at);
    spans[..next].last().is_some_and(|span| span.contains(&at))
}

/// Leaves of the marks those that no hit explains.
fn explain(open: &mut Vec<RecordMark>, hits: &[Hit]) {
    if open.is_empty() || hits.is_empty() {
        return;
    }
    let spans = explained(hits);
    open.retain(|mark| !covers(&spans, mark.at));
}
