//! What can still be read of a record that is not whole.

use std::collections::HashSet;

use memchr::memmem;

use crate::{
    audit::records::{
        fields::{of_broken_json, of_text},
        find::fields_of,
        record::{self, Producer, Record, hex8},
        scanned::{Suspect, value_of},
        shape::differences,
    },
    log::{
        event::{Event, OPTIONAL},
        line::parse_stamp,
    },
    plan::Position,
};

/// What can still be read of a suspect.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    pub fields: Vec<(String, String)>,
    /// They came as keys and values that can be read.
    pub keyed: bool,
    pub stamp: Option<u64>,
    pub run: Option<u64>,
    pub workers: Vec<u32>,
    pub main: bool,
    pub seq: Option<u64>,
    pub iteration: Option<u64>,
    pub attempt: Option<u64>,
    pub counter: Option<u64>,
    pub sum: Option<u32>,
    /// It begins as a record does.
    pub begins: bool,
    /// It ends as a record does.
    pub ends: bool,
    /// A field of it comes once more: a part of another line follows.
    pub spliced: bool,
}

impl Hints {
    /// What can be read of a suspect.
    pub(super) fn of(suspect: &Suspect) -> Self {
        let (bytes, json) = (&suspect.bytes, suspect.json);
        let (begins, ends) = (suspect.begins(), ends(bytes, json));
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        // What is whole though nothing stands behind it is as if the next field began.
        match bytes.last() {
            Some(b'"') if json => text += ",\"",
            Some(b',') if json => text += "\"",
            _ => {}
        }
        let mut fields = fields_of(suspect);
        let keyed = !fields.is_empty();
        if !keyed {
            fields = match json {
                true => of_broken_json(&text),
                false => of_text(&text, begins),
            };
        }
        // The last one may go on behind the end, but for a blank; a checksum is whole by its length.
        let goes_on = !ends && (json || !text.ends_with(' '));
        fields.pop_if(|(name, value)| goes_on && (name != "sum" || value.len() < 8));
        // Where a part of another line follows, the first part says which line it is, but for the field that was cut there.
        let mut met = HashSet::new();
        let again = fields
            .iter()
            .position(|(name, _)| !name.is_empty() && !met.insert(name.as_str()))
            .filter(|_| begins && ends);
        let own = again.map_or(&fields[..], |again| &fields[..again - 1]);
        let value = |name: &str| value_of(own, name);
        let whole = |name: &str| value(name)?.parse::<u64>().ok();
        let thread = value("thread").unwrap_or_default();
        let named = Producer::named(thread).and_then(Producer::worker);
        let worker = whole("worker").and_then(|worker| u32::try_from(worker).ok());
        let other = named.filter(|named| worker != Some(*named));
        let run = value("run").filter(|run| run.len() == 16);
        let run = run.and_then(|run| u64::from_str_radix(run, 16).ok());
        Self {
            stamp: value("timestamp").and_then(parse_stamp),
            run,
            // The end of a line of main has a run, and no worker.
            main: thread == "main"
                || thread.is_empty() && run.is_some() && value("worker").is_none(),
            workers: worker.into_iter().chain(other).collect(),
            seq: whole("seq"),
            iteration: whole("iteration"),
            attempt: whole("attempt"),
            counter: whole("counter"),
            sum: value("sum").and_then(|sum| hex8(sum.as_bytes())),
            begins,
            ends,
            spliced: again.is_some(),
            fields,
            keyed,
        }
    }

    /// The value of a field.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        value_of(&self.fields, name)
    }

    /// Whether it begins and ends as a record does.
    pub(super) fn is_whole(&self) -> bool {
        self.begins && self.ends
    }

    /// The fields that its message has, if that is one of the program's.
    pub(super) fn names(&self) -> Option<&'static [&'static str]> {
        self.value("message").and_then(Event::field_names)
    }

    /// Whether all fields are there that its message has.
    pub(super) fn is_complete(&self) -> bool {
        let there = |name: &&str| OPTIONAL.contains(name) || self.value(name).is_some();
        self.names().is_some_and(|names| names.iter().all(there))
    }

    /// Which of these attempts it may be: it tells of one, and in nothing that it tells does the plan differ.
    pub(super) fn fits<'a>(&self, planned: &'a [(Position, Record)]) -> Option<&'a Record> {
        let agrees = |told: Option<u64>, planned| told.is_none_or(|told| told == planned);
        let mut fitting = planned.iter().filter(|(position, record)| {
            self.seq == Some(record.seq)
                && self.iteration == Some(position.iteration)
                && agrees(self.attempt, position.attempt)
        });
        fitting.next().map(|(_, record)| record)
    }

    /// Whether they tell more than lines of other programs do.
    pub(super) fn are_of_a_record(&self) -> bool {
        self.run.is_some() || self.seq.is_some() || self.names().is_some()
    }

    /// Whether this may be what comes behind a beginning, of the same line.
    pub(super) fn go_on(&self, begun: &Self) -> bool {
        let differ = |one: Option<u64>, other: Option<u64>| {
            one.is_some_and(|n| other.is_some_and(|m| n != m))
        };
        let worker = |hints: &Self| hints.workers.first().map(|worker| u64::from(*worker));
        !self.begins
            && !differ(begun.run, self.run)
            && !differ(worker(begun), worker(self))
            && !differ(begun.seq, self.seq)
    }

    /// Adds what the beginning of its line tells.
    pub(super) fn complete(&mut self, begun: &Self) {
        self.run = self.run.or(begun.run);
        self.seq = self.seq.or(begun.seq);
        if self.workers.is_empty() {
            (self.main, self.workers) = (begun.main, begun.workers.clone());
        }
    }
}

/// Drops the blanks behind a suspect's end, which are the pipeline's.
pub(super) fn drop_blanks(suspect: &mut Suspect) {
    let trimmed = suspect.bytes.trim_ascii_end();
    if trimmed.len() < suspect.bytes.len() && ends(trimmed, suspect.json) {
        suspect.bytes.truncate(trimmed.len());
    }
}

/// Whether a suspect ends as a record does, give or take a character.
fn ends(bytes: &[u8], json: bool) -> bool {
    if json {
        let tail = bytes[bytes.len().saturating_sub(32)..].iter();
        let tail: Vec<u8> = tail.filter(|b| !b.is_ascii_whitespace()).copied().collect();
        let tail = &tail[tail.len().saturating_sub(18)..];
        let named = || {
            bytes
                .windows(5)
                .any(|key| differences(key, b"\"sum\"") <= 1)
        };
        return tail.len() == 18 && differences(tail, b"?\"sum\":\"????????\"}") <= 1
            || bytes.ends_with(b"}") && named();
    }
    let wrong_at = |tail: &[u8; record::SUM_LEN]| {
        let mark = tail[..5].iter().zip(b" sum=").filter(|(a, b)| a != b);
        let digits = tail[5..].iter().filter(|byte| !byte.is_ascii_hexdigit());
        mark.count() + digits.count()
    };
    bytes.last_chunk().is_some_and(|tail| wrong_at(tail) <= 1) || has_another_sum(bytes)
}

/// Whether the last field of a line of text is a checksum that is none, and no part of one either.
fn has_another_sum(bytes: &[u8]) -> bool {
    let mark = memmem::rfind(bytes, b" sum=");
    let sum = mark.map_or(&[][..], |at| &bytes[at + 5..]);
    let other = |byte: &u8| byte.is_ascii_graphic() && !byte.is_ascii_hexdigit();
    match sum.len() {
        8 => sum.iter().any(other) && sum.iter().all(u8::is_ascii_graphic),
        length => length < 8 && !sum.is_empty() && sum.iter().all(other),
    }
}
