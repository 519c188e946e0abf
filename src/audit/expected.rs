//! A line that should stand where a damaged one does.
//!
//! It is written once more as the program writes it, with what the damaged one tells of its time and its counter; where the
//! checksum of such a line is the one that is found, the difference between the two is what was changed, for certain.

use super::{
    account::Account,
    changes::changes,
    record::{self, JSON_START, Producer, Record, SUM_LEN, hex8, number, render, starts_here},
    route::Budget,
    verdict::Change,
};
use crate::{
    log::{
        event::Event,
        line::{STAMP_LEN, parse_stamp, stamp_text},
    },
    plan::{Outcome, Position},
};

/// The line that the plan has for a number, but for its time and its counter.
pub struct Expected {
    run: u64,
    author: Producer,
    seq: u64,
    position: Position,
    outcome: Outcome,
    json: bool,
}

impl Expected {
    /// The line with the number `seq` of worker `number`, in the form that the damaged one has; none if the plan has none.
    pub fn of(
        account: &mut Account,
        number: u32,
        seq: u64,
        json: bool,
        budget: &mut Budget,
    ) -> Option<Self> {
        let entries_max = account.entries_max;
        let rules = account.run.rules(number)?;
        let worker = account.workers.get_mut(number as usize)?;
        let position = worker.planned(seq, rules, budget, entries_max)?;
        Some(Self {
            run: account.run.id,
            author: Producer::Worker(number),
            seq,
            position,
            outcome: rules.outcome(position),
            json,
        })
    }

    /// The whole line, with this time and this counter.
    pub fn render(&self, stamp: u64, counter: u64) -> Vec<u8> {
        render(
            self.run,
            self.author,
            self.seq,
            stamp,
            &record::attempt_event(self.position, self.outcome, counter),
            self.json,
        )
    }

    fn record(&self, stamp: u64, counter: u64, sum: u32) -> Record {
        Record {
            stamp,
            run: self.run,
            author: self.author,
            seq: self.seq,
            event: Some(record::attempt_event(self.position, self.outcome, counter)),
            sum,
        }
    }

    /// The counter that a record of it tells; 0 if it has none.
    pub fn counter_of(&self, record: &Record) -> u64 {
        match record.event {
            Some(Event::Succeeded { counter, .. }) => counter,
            _ => 0,
        }
    }

    fn counts(&self) -> bool {
        matches!(self.outcome, Outcome::Success { .. })
    }

    fn stamp_at(&self) -> usize {
        if self.json { JSON_START.len() } else { 0 }
    }

    /// Bytes from the end of the counter to the end of the line.
    fn tail_len(&self) -> usize {
        if self.json { 18 } else { SUM_LEN }
    }

    /// Bytes of the checksum itself and what stands behind it.
    fn sum_len(&self) -> usize {
        if self.json { 10 } else { 8 }
    }

    /// Bytes in front of the counter, or of the whole line's fixed part.
    fn head_len(&self) -> usize {
        let line = self.render(0, 7);
        line.len() - self.tail_len() - usize::from(self.counts())
    }

    /// The record that `bytes` were, if `sum`, the checksum that is found, bears it out.
    pub fn matching(&self, bytes: &[u8], sum: Option<u32>) -> Option<Record> {
        let at = self.stamp_at();
        let stamp_text = bytes.get(at..at + STAMP_LEN)?;
        let counter_text = match self.counts() {
            true => bytes.get(self.head_len()..bytes.len().checked_sub(self.tail_len())?)?,
            false => b"0",
        };
        let stamp = stamp_of(stamp_text);
        let counter = counter_of(counter_text);
        if let Some(sum) = sum {
            let holds = |stamp, counter| {
                let line = self.render(stamp, counter);
                (self.sum_of(&line) == Some(sum)).then(|| self.record(stamp, counter, sum))
            };
            if let (Some(stamp), Some(counter)) = (stamp, counter)
                && let Some(record) = holds(stamp, counter)
            {
                return Some(record);
            }
            if let Some(counter) = counter {
                let repaired = digit_repairs(stamp_text, true);
                let stamps = repaired.iter().filter_map(|text| stamp_of(text));
                if let Some(record) = stamps.into_iter().find_map(|stamp| holds(stamp, counter)) {
                    return Some(record);
                }
            }
            if let (Some(stamp), true) = (stamp, self.counts()) {
                let repaired = digit_repairs(counter_text, false);
                let counters = repaired.iter().filter_map(|text| counter_of(text));
                if let Some(record) = counters.into_iter().find_map(|c| holds(stamp, c)) {
                    return Some(record);
                }
            }
        }
        self.sum_only(bytes, stamp?, counter?)
    }

    /// The record, if nothing but its checksum was changed.
    fn sum_only(&self, bytes: &[u8], stamp: u64, counter: u64) -> Option<Record> {
        let line = self.render(stamp, counter);
        let fixed = line.len() - self.sum_len();
        let differ = (line.len() == bytes.len()).then(|| {
            let pairs = line[fixed..].iter().zip(&bytes[fixed..]);
            pairs.filter(|(a, b)| a != b).count()
        })?;
        // A changed time or counter changes most digits of the checksum; here a few were changed themselves.
        if line[..fixed] != bytes[..fixed] || differ > 3 {
            return None;
        }
        Some(self.record(stamp, counter, self.sum_of(&line)?))
    }

    fn sum_of(&self, line: &[u8]) -> Option<u32> {
        hex8(&line[line.len() - self.sum_len()..])
    }

    /// Whether `bytes` are the start or the end of this line.
    pub fn is_part(&self, bytes: &[u8]) -> bool {
        let line = self.render(0, 7);
        let (head, from) = (self.head_len(), self.stamp_at() + STAMP_LEN);
        let is_start = bytes.len() >= from && {
            let common = bytes.len().min(head);
            let digits = |rest: &[u8]| rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let rest = &bytes[common..];
            let rest = if self.counts() {
                &rest[digits(rest)..]
            } else {
                rest
            };
            let mark: &[u8] = if self.json { b",\"sum\":\"" } else { b" sum=" };
            bytes[from..common] == line[from..common]
                && mark[..mark.len().min(rest.len())] == rest[..mark.len().min(rest.len())]
                && rest.len() < self.tail_len()
                && starts_here(bytes)
        };
        is_start || self.is_end(bytes, &line[from..])
    }

    fn is_end(&self, bytes: &[u8], known: &[u8]) -> bool {
        if starts_here(bytes) || bytes.len() < self.tail_len() {
            return false;
        }
        // From the right: checksum, counter and time are unknown, all else must agree.
        let mut bytes = &bytes[..bytes.len() - self.sum_len()];
        let mut known = &known[..known.len() - self.sum_len()];
        let mark = self.tail_len() - self.sum_len();
        if !known.ends_with(&bytes[bytes.len().saturating_sub(mark)..]) {
            return false;
        }
        bytes = &bytes[..bytes.len() - mark];
        known = &known[..known.len() - mark];
        if self.counts() {
            let digits = bytes
                .iter()
                .rev()
                .take_while(|b| b.is_ascii_digit())
                .count();
            bytes = &bytes[..bytes.len() - digits];
            known = &known[..known.len() - 1];
        }
        let common = bytes.len().min(known.len());
        bytes[bytes.len() - common..] == known[known.len() - common..]
    }

    /// Whether most of the line is as it should be.
    pub fn resembles(&self, bytes: &[u8]) -> bool {
        let line = self.render(0, 7);
        let from = self.stamp_at() + STAMP_LEN;
        let Some(found) = bytes.get(from..) else {
            return false;
        };
        let line = &line[from..];
        let prefix = line.iter().zip(found).take_while(|(a, b)| a == b).count();
        prefix * 2 > line.len()
    }

    /// What differs from this line where the checksum does not say what it was.
    pub fn changes(&self, bytes: &[u8]) -> Vec<Change> {
        let at = self.stamp_at();
        let stamp = bytes.get(at..at + STAMP_LEN).and_then(stamp_of);
        let counter = bytes
            .len()
            .checked_sub(self.tail_len())
            .and_then(|end| bytes.get(self.head_len()..end))
            .and_then(counter_of);
        let line = self.render(stamp.unwrap_or(0), counter.unwrap_or(0));
        let mut found = changes(&line, bytes, self.json);
        found.retain(|change| change.field != "sum");
        for change in &mut found {
            if change.field == "timestamp" || change.field == "counter" {
                change.expected = None;
            }
        }
        if found.is_empty() {
            let fields = if self.counts() {
                "timestamp or counter"
            } else {
                "timestamp"
            };
            found.push(Change {
                field: fields.into(),
                expected: None,
                found: stamp.map(stamp_text).unwrap_or_default(),
            });
        }
        found
    }
}

fn stamp_of(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok().and_then(parse_stamp)
}

fn counter_of(text: &[u8]) -> Option<u64> {
    let (value, length) = number(text)?;
    (length == text.len()).then_some(value)
}

/// All texts that differ from `text` in one digit; a stamp's other characters are put right first.
fn digit_repairs(text: &[u8], stamp: bool) -> Vec<Vec<u8>> {
    let mut base = text.to_vec();
    if stamp {
        for (byte, form) in base.iter_mut().zip(b"dddd-dd-ddTdd:dd:dd.ddddddZ") {
            if *form != b'd' {
                *byte = *form;
            }
        }
    }
    if base.len() > 32 {
        return Vec::new();
    }
    let mut out = vec![base.clone()];
    for at in 0..base.len() {
        for digit in b'0'..=b'9' {
            let mut text = base.clone();
            text[at] = digit;
            out.push(text);
        }
    }
    out
}
