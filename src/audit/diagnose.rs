//! What a damaged line was, and what was changed in it.
//!
//! Each line that could have stood there is written once more as the program writes it, with what the
//! damaged one tells of its place, its time and its counter; where the checksum of such a line is the one that is
//! found, the difference between the two is what was changed, for certain. Where no plan helps, single characters are
//! tried until the checksum holds. This file must not know files or line numbers.

use super::{
    account::Account,
    record::{self, Author, JSON_START, Record, SUM_LEN, find, hex8, number, render, starts_here},
    route::Budget,
    scan::Shared,
    verdict::Change,
};
use crate::{
    log::{
        event::Event,
        line::{Line, STAMP_LEN, checksum, parse_stamp, stamp_text},
    },
    plan::{Outcome, Position},
};

/// What a damaged line was.
#[derive(Debug)]
pub enum Diagnosis {
    /// This record, with these changes: the checksum says so.
    Altered {
        /// The run, by its place in the registry.
        run: u32,
        /// The line as it was.
        record: Box<Record>,
        /// What was changed.
        changes: Vec<Change>,
    },
    /// Most likely the line with this number; the checksum does not say.
    Unsure {
        /// The run, by its place in the registry.
        run: u32,
        /// Author and number.
        slot: (Author, u64),
        /// What differs from that line.
        changes: Vec<Change>,
    },
    /// A part of a line.
    Truncated {
        /// The run, by its place in the registry, if that part is there.
        run: Option<u32>,
        /// Author and number, if that part is there.
        slot: Option<(Author, u64)>,
    },
    /// Nothing that can be recognised.
    Unknown,
}

/// How much trouble it is to try every character: a text line takes a millisecond.
pub const REPAIR: u64 = 40;
/// A JSON line takes longer.
const REPAIR_JSON: u64 = 400;
/// How much trouble it is to hold a line against its plan.
const COMPARE: u64 = 1;

/// How many runs are considered for a line that names none.
const RUNS_MAX: usize = 8;
/// Longer lines are not repaired by trial: the time grows with the square of the length.
const REPAIR_MAX: usize = 1024;

/// What can still be read of a damaged line.
#[derive(Debug, Default)]
struct Hints {
    json: bool,
    run: Option<u64>,
    workers: Vec<u32>,
    main: bool,
    seq: Option<u64>,
    iteration: Option<u64>,
    attempt: Option<u64>,
    /// The checksum at its end.
    sum: Option<u32>,
}

impl Hints {
    fn of(bytes: &[u8]) -> Self {
        let json = is_json(bytes);
        let value = |name: &str| {
            let mark = if json {
                format!("\"{name}\":")
            } else {
                format!(" {name}=")
            };
            find(bytes, mark.as_bytes()).map(|at| &bytes[at + mark.len()..])
        };
        // Digits at the very end of what is left may be the first of more.
        let whole = |name: &str| {
            let (n, length) = number(value(name)?)?;
            (length < value(name)?.len()).then_some(n)
        };
        let mut workers: Vec<u32> = Vec::new();
        let named = find(bytes, b"Worker-").and_then(|at| number(&bytes[at + 7..]));
        for worker in [whole("worker"), named.map(|(n, _)| n)]
            .into_iter()
            .flatten()
        {
            workers.extend(u32::try_from(worker).ok().filter(|w| !workers.contains(w)));
        }
        let run = value("run").map(|rest| rest.strip_prefix(b"\"").unwrap_or(rest));
        let end = bytes.strip_suffix(b"\"}").unwrap_or(bytes);
        Self {
            json,
            run: run
                .and_then(|rest| rest.get(..16))
                .and_then(|id| std::str::from_utf8(id).ok())
                .and_then(|id| u64::from_str_radix(id, 16).ok()),
            workers,
            main: find(bytes, b" main ").is_some() || find(bytes, b"\"main\"").is_some(),
            seq: whole("seq"),
            iteration: whole("iteration"),
            attempt: whole("attempt"),
            sum: end.len().checked_sub(8).and_then(|at| hex8(&end[at..])),
        }
    }

    /// Whether the line ends as a line does.
    fn ends_well(&self, bytes: &[u8]) -> bool {
        let (mark, length): (&[u8], usize) = if self.json {
            (b",\"sum\":\"", 18)
        } else {
            (b" sum=", SUM_LEN)
        };
        let tail = bytes.len().checked_sub(length).map(|at| &bytes[at..]);
        self.sum.is_some() && tail.is_some_and(|tail| tail.starts_with(mark))
    }
}

/// Whether this is what is left of a JSON line: one character that is changed makes no text line look like one.
fn is_json(bytes: &[u8]) -> bool {
    bytes.starts_with(b"{\"") || bytes.ends_with(b"\"}")
}

/// Finds out what `bytes` were. `near` is the run of the lines around them.
pub fn diagnose(
    bytes: &[u8],
    accounts: &mut [Account],
    near: Option<u32>,
    shared: &Shared,
    budget: &mut Budget,
) -> Diagnosis {
    let hints = Hints::of(bytes);
    let runs = candidate_runs(&hints, accounts, near);
    let mut best = None;
    if shared.bear(COMPARE) {
        for run in &runs {
            match against_plan(bytes, &hints, &mut accounts[*run as usize], budget) {
                Some(done @ (Diagnosis::Altered { .. } | Diagnosis::Truncated { .. })) => {
                    return done;
                }
                unsure => best = best.or(unsure),
            }
        }
    }
    let trouble = if hints.json { REPAIR_JSON } else { REPAIR };
    let worth_it = hints.ends_well(bytes) || starts_here(bytes);
    if worth_it
        && !cut_short(bytes, &hints)
        && shared.bear(trouble)
        && let Some(record) = repair(bytes)
        && let Some(account) = accounts.iter().find(|a| a.run.id == record.run)
        && let Some(event) = &record.event
    {
        let whole = render(
            record.run,
            record.author,
            record.seq,
            record.stamp,
            event,
            hints.json,
        );
        return Diagnosis::Altered {
            run: account.run.index,
            changes: changes(&whole, bytes, hints.json),
            record: Box::new(record),
        };
    }
    if let Some(unsure) = best {
        return unsure;
    }
    part(bytes, &hints, &runs, accounts)
}

/// The runs that a line may belong to.
fn candidate_runs(hints: &Hints, accounts: &[Account], near: Option<u32>) -> Vec<u32> {
    if let Some(account) = accounts.iter().find(|a| Some(a.run.id) == hints.run) {
        return vec![account.run.index];
    }
    let mut runs: Vec<u32> = near.into_iter().collect();
    for account in accounts.iter().rev() {
        if runs.len() < RUNS_MAX && !runs.contains(&account.run.index) {
            runs.push(account.run.index);
        }
    }
    runs
}

/// Holds the line against the attempts of a run that it may be.
fn against_plan(
    bytes: &[u8],
    hints: &Hints,
    account: &mut Account,
    budget: &mut Budget,
) -> Option<Diagnosis> {
    let mut unsure = None;
    for number in &hints.workers {
        for (seq, agreed) in candidate_numbers(hints, *number, account, budget) {
            let Some(line) = Expected::of(account, *number, seq, hints.json, budget) else {
                continue;
            };
            if let Some(record) = line.matching(bytes, hints) {
                let whole = line.render(record.stamp, line.counter_of(&record));
                if bytes.len() < whole.len() && whole.starts_with(bytes) {
                    return Some(Diagnosis::Truncated {
                        run: Some(account.run.index),
                        slot: Some((record.author, record.seq)),
                    });
                }
                return Some(Diagnosis::Altered {
                    run: account.run.index,
                    changes: changes(&whole, bytes, hints.json),
                    record: Box::new(record),
                });
            }
            if hints.seq == Some(seq) && line.is_part(bytes) {
                return Some(Diagnosis::Truncated {
                    run: Some(account.run.index),
                    slot: Some((Author::Worker(*number), seq)),
                });
            }
            // What names it must be of one mind: two lines spliced together name two.
            let agreed = agreed && hints.workers.len() == 1 && hints.run == Some(account.run.id);
            if agreed && unsure.is_none() && hints.ends_well(bytes) && line.resembles(bytes) {
                unsure = Some(Diagnosis::Unsure {
                    run: account.run.index,
                    slot: (Author::Worker(*number), seq),
                    changes: line.changes(bytes),
                });
            }
        }
    }
    unsure
}

/// The numbers that the line may have: the one it claims, and the one that its attempt has by the plan;
/// and whether these agree.
fn candidate_numbers(
    hints: &Hints,
    number: u32,
    account: &mut Account,
    budget: &mut Budget,
) -> Vec<(u64, bool)> {
    let entries_max = account.entries_max;
    let (Some(worker), Some(rules)) = (
        account.workers.get_mut(number as usize),
        account.run.rules(number),
    ) else {
        return Vec::new();
    };
    let position = match (hints.iteration, hints.attempt) {
        (Some(iteration), Some(attempt)) if iteration > 0 && attempt > 0 => {
            Some(Position { iteration, attempt })
        }
        _ => None,
    };
    // Only as far as the log itself has come: a damaged number may be any.
    let near = |n: u64| n <= worker.walk.seq.saturating_add(1 << 20);
    let by_plan = position
        .filter(|p| near(p.iteration))
        .and_then(|p| worker.locate(p, rules, budget, entries_max));
    let claimed = hints
        .seq
        .filter(|seq| *seq <= worker.walk.seq.saturating_add(1 << 20));
    let mut out = Vec::new();
    if let Some(seq) = claimed {
        out.push((seq, by_plan == Some(seq)));
    }
    if let Some(seq) = by_plan.filter(|seq| claimed != Some(*seq)) {
        out.push((seq, false));
    }
    out
}

/// The line that the plan has for a number, but for its time and its counter.
struct Expected {
    run: u64,
    author: Author,
    seq: u64,
    position: Position,
    outcome: Outcome,
    json: bool,
}

impl Expected {
    fn of(
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
            author: Author::Worker(number),
            seq,
            position,
            outcome: rules.outcome(position),
            json,
        })
    }

    fn render(&self, stamp: u64, counter: u64) -> Vec<u8> {
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

    fn counter_of(&self, record: &Record) -> u64 {
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

    /// The record that the line was, if the checksum bears it out.
    fn matching(&self, bytes: &[u8], hints: &Hints) -> Option<Record> {
        let at = self.stamp_at();
        let stamp_text = bytes.get(at..at + STAMP_LEN)?;
        let counter_text = match self.counts() {
            true => bytes.get(self.head_len()..bytes.len().checked_sub(self.tail_len())?)?,
            false => b"0",
        };
        let stamp = stamp_of(stamp_text);
        let counter = counter_of(counter_text);
        if let Some(sum) = hints.sum {
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
    fn is_part(&self, bytes: &[u8]) -> bool {
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
    fn resembles(&self, bytes: &[u8]) -> bool {
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
    fn changes(&self, bytes: &[u8]) -> Vec<Change> {
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

/// Whether the line begins as a line does and does not end as one.
fn cut_short(bytes: &[u8], hints: &Hints) -> bool {
    // One character of the end may be changed as well: not all of it must be there.
    let tail = &bytes[bytes.len().saturating_sub(20)..];
    let marked = find(tail, b"sum").is_some()
        || bytes.ends_with(b"}")
        || hints.sum.is_some() && find(tail, b"=").is_some();
    starts_like_a_line(bytes) && !marked
}

/// Whether `bytes` begin as a line does, however short they are.
fn starts_like_a_line(bytes: &[u8]) -> bool {
    let stamp = if JSON_START.starts_with(bytes) {
        return !bytes.is_empty();
    } else {
        bytes.strip_prefix(JSON_START).unwrap_or(bytes)
    };
    !stamp.is_empty() && record::has_stamp_shape(stamp)
}

/// A part of a line that no plan knows: of main, of a worker's end, or too short to tell.
fn part(bytes: &[u8], hints: &Hints, runs: &[u32], accounts: &[Account]) -> Diagnosis {
    let begins = starts_like_a_line(bytes);
    let ends = hints.ends_well(bytes);
    if !begins && !ends {
        return Diagnosis::Unknown;
    }
    let run = runs
        .iter()
        .find(|run| Some(accounts[**run as usize].run.id) == hints.run)
        .copied();
    let author = match (&hints.workers[..], hints.main) {
        ([worker], _) if !hints.main => Some(Author::Worker(*worker)),
        (_, true) => Some(Author::Main),
        _ => None,
    };
    if begins && ends {
        // Something in between was changed, and nothing says what the line was.
        return Diagnosis::Unknown;
    }
    // Parts of attempts were recognised by their plan before, or are none.
    let ended = find(bytes, b"Worker ended").is_some();
    let author = author.filter(|author| *author == Author::Main || ended);
    let slot = author.zip(hints.seq).filter(|_| run.is_some());
    Diagnosis::Truncated { run, slot }
}

/// What differs between the line as it was and as it is found, by field.
fn changes(whole: &[u8], found: &[u8], json: bool) -> Vec<Change> {
    let spans = fields(whole, json);
    if whole.len() == found.len() {
        return spans
            .into_iter()
            .filter(|(_, name, value)| whole[name.start..value.end] != found[name.start..value.end])
            .map(|(field, name, value)| {
                let in_name = whole[name.start..value.start] != found[name.start..value.start];
                let span = if in_name {
                    name.start..value.end
                } else {
                    value
                };
                change(field, &whole[span.clone()], &found[span])
            })
            .collect();
    }
    if let (Ok(whole), Ok(found)) = (Line::parse(whole), Line::parse(found)) {
        return changes_by_name(&whole, &found);
    }
    let same = whole.iter().zip(found).take_while(|(a, b)| a == b).count();
    let behind = whole.len().min(found.len()) - same;
    let same_end = whole.iter().rev().zip(found.iter().rev());
    let same_end = same_end.take(behind).take_while(|(a, b)| a == b).count();
    let field = spans
        .iter()
        .find(|(_, _, value)| same < value.end)
        .map_or("line", |(field, ..)| *field);
    vec![change(
        field,
        &whole[same..whole.len() - same_end],
        &found[same..found.len() - same_end],
    )]
}

fn change(field: &str, expected: &[u8], found: &[u8]) -> Change {
    Change {
        field: field.into(),
        expected: Some(String::from_utf8_lossy(expected).into_owned()),
        found: String::from_utf8_lossy(found).into_owned(),
    }
}

fn changes_by_name(whole: &Line, found: &Line) -> Vec<Change> {
    let mut out = Vec::new();
    let mut compare = |field: &str, expected: &str, found: Option<&str>| {
        if found != Some(expected) {
            out.push(Change {
                field: field.into(),
                expected: Some(expected.into()),
                found: found.unwrap_or("(missing)").into(),
            });
        }
    };
    compare("timestamp", &whole.stamp, Some(&found.stamp));
    compare("level", &whole.level, Some(&found.level));
    compare("thread", &whole.thread, Some(&found.thread));
    compare("message", &whole.message, Some(&found.message));
    for (name, value) in &whole.fields {
        compare(name, value, found.field(name));
    }
    let sums = [whole.sum, found.sum].map(|sum| format!("{sum:08x}"));
    compare("sum", &sums[0], Some(&sums[1]));
    out
}

type FieldSpan<'a> = (&'a str, std::ops::Range<usize>, std::ops::Range<usize>);

/// Where the fields of a line stand that the program wrote: each with its name and its value, and between
/// them the whole line.
fn fields(line: &[u8], json: bool) -> Vec<FieldSpan<'static>> {
    let message = Line::parse(line)
        .map(|line| line.message)
        .unwrap_or_default();
    let names = Event::field_names(&message).unwrap_or_default();
    let head: &[&'static str] = if json {
        &[
            "timestamp",
            "level",
            "thread",
            "message",
            "run",
            "worker",
            "seq",
        ]
    } else {
        &["run", "worker", "seq"]
    };
    let mut out: Vec<FieldSpan<'static>> = Vec::new();
    let mut at = 0;
    if !json {
        let thread = STAMP_LEN + record::LEVEL_WIDTH;
        let end = find(&line[thread..], b" ").map_or(line.len(), |n| thread + n);
        let message_end = find(line, b" run=").unwrap_or(line.len());
        out.push(("timestamp", 0..0, 0..STAMP_LEN));
        out.push(("level", STAMP_LEN..STAMP_LEN, STAMP_LEN..thread));
        out.push(("thread", thread..thread, thread..end));
        out.push(("message", end..end, end..message_end));
        at = message_end;
    }
    for name in head.iter().chain(names).chain(&["sum"]) {
        let mark = match (json, *name) {
            (true, "timestamp") => "{\"timestamp\":".to_owned(),
            (true, name) => format!(",\"{name}\":"),
            (false, name) => format!(" {name}="),
        };
        let Some(start) = find(&line[at..], mark.as_bytes()).map(|n| at + n) else {
            continue;
        };
        // The field before ends here.
        if let Some((_, _, value)) = out.last_mut() {
            value.end = start;
        }
        at = start + mark.len();
        out.push((name, start..at, at..line.len()));
    }
    out
}
