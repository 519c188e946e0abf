//! What a record that is not whole was, and what was changed in it.
//!
//! It is put right by trial, and held against the record that the plan has in its place: where the checksum bears one of
//! them out, the difference of the two, field by field, is what was changed, for certain.

use memchr::memmem;

use super::{
    Judge,
    repair::{REPAIR, repair},
};
use crate::{
    audit::{
        account::{cursor::Budget, run::RunAccount},
        records::{
            fields::{of_broken_json, of_text},
            find,
            record::{self, Producer, Record, hex8},
            scanned::Suspect,
            times::{STAMP, differences},
        },
        verdict::Change,
    },
    log::{
        event::Event,
        line::{STAMP_LEN, parse_stamp},
    },
    plan::Position,
};

/// What a suspect was, as far as that can be made out.
#[derive(Debug)]
pub(crate) enum Diagnosis {
    /// The checksum bears out what record it was, and so what was changed in it.
    Altered(Box<Record>, Vec<Change>),
    /// The checksum bears out nothing: it is a part of a line, or more of it was changed than can be undone.
    Unsure {
        /// The run that it belongs to, by its place in the registry.
        run: Option<u32>,
        /// Which line of the run it is.
        line: Option<(Producer, u64)>,
        /// What was changed; nothing if it is a part.
        changes: Vec<Change>,
        /// Nothing but its thread names it: its number is that of the thread's next line.
        guessed: bool,
    },
}

impl Diagnosis {
    fn altered(record: Record, suspect: &Suspect) -> Self {
        let changes = changes(&record, suspect);
        Self::Altered(Box::new(record), changes)
    }
}

/// After so many suspects in a row that could not be put right no more is tried: a pipeline has rewritten them all.
pub(crate) const FAILURES_MAX: u32 = 16;
/// What is left for plans whatever is repaired.
const RESERVE: u64 = 1 << 26;

impl Judge<'_> {
    /// Finds out what a suspect was. `near` is the run of the lines around it. None if nothing can be recognised.
    pub(crate) fn diagnose(&mut self, suspect: &Suspect, near: Option<u32>) -> Option<Diagnosis> {
        // Blanks behind its end are the pipeline's.
        let trimmed = suspect.bytes.trim_ascii_end();
        let bytes = match ends(trimmed, suspect.json) {
            true => trimmed,
            false => &suspect.bytes,
        };
        let whole = begins(bytes, suspect.json) && ends(bytes, suspect.json);
        let tries = self.failures < FAILURES_MAX && self.budget.left() >= RESERVE;
        if self.registry.count() == 0 && !(whole && tries) {
            // Without a run there is nothing that the rest of a line could tell.
            self.evidence.worn_out |= whole;
            return None;
        }
        let mut suspect = Suspect {
            bytes: bytes.to_vec(),
            ..suspect.clone()
        };
        suspect.fields = find::fields_of(&suspect);
        let suspect = &suspect;
        let hints = Hints::of(suspect);
        let run = self.run_of(&hints, near);
        if self.is_of_others(suspect, &hints) {
            return None;
        }
        let of_plan = run.and_then(|run| self.against_plan(suspect, &hints, run));
        let unsure = match of_plan {
            Some(Diagnosis::Unsure { ref changes, .. }) if !changes.is_empty() => of_plan,
            None => None,
            sure => return sure,
        };
        if !whole {
            return self.part(&hints, run);
        }
        if !tries || !self.budget.pay(REPAIR) {
            self.evidence.worn_out = true;
        } else if let Some(record) = repair(suspect)
            && (self.registry.get(record.run).is_some()
                || matches!(record.event, Some(Event::RunStarted { .. })))
        {
            self.failures = 0;
            return Some(Diagnosis::altered(record, suspect));
        } else {
            self.failures += 1;
        }
        unsure
    }

    /// The run that a suspect belongs to: the one that it names, be it under another key, where two lines ran together.
    fn run_of(&self, hints: &Hints, near: Option<u32>) -> Option<u32> {
        // Others read ahead, and may have met runs that have no account yet.
        let has_account = |run: &u32| (*run as usize) < self.accounts.len();
        let known = |run| {
            let run = self.registry.get(run).map(|run| run.index);
            run.filter(has_account)
        };
        let values = hints.fields.iter().map(|(_, value)| value.as_str());
        let elsewhere = || {
            values
                .filter(|value| value.len() == 16)
                .find_map(|value| known(u64::from_str_radix(value, 16).ok()?))
        };
        hints.run.and_then(known).or_else(elsewhere).or(near)
    }

    /// Whether a suspect names a run that cannot be one of these whose id was damaged, nor tells of its start; or names none, and has
    /// no time and no thread of this program's either.
    fn is_of_others(&self, suspect: &Suspect, hints: &Hints) -> bool {
        let Some(id) = hints.run else {
            let bare = hints.stamp.is_none() && hints.workers.is_empty();
            let object = suspect.json && hints.begins;
            // Within a string, its quotation marks may still be escaped.
            let bytes = suspect.bytes.iter().filter(|byte| **byte != b'\\');
            let start: Vec<u8> = bytes.take(4).copied().collect();
            let begins = object && differences(&start, &record::JSON_START[..4]) <= 1;
            return bare && !begins && (object || self.config.allow_foreign && !hints.begins);
        };
        let near = |run: &u64| {
            (0..16)
                .filter(|digit| (id ^ run) >> (4 * digit) & 15 > 0)
                .count()
                < 2
        };
        let mut known = self.accounts.iter().flatten().map(|account| account.run.id);
        let starts = hints.fields.iter().any(|(_, value)| value == "Run started");
        !self.accounts.is_empty() && !starts && !known.any(|run| near(&run))
    }

    /// Holds a suspect against the attempts of a run that it may be: the one with the number that it claims, and the next
    /// one that its worker is to make.
    fn against_plan(&mut self, suspect: &Suspect, hints: &Hints, run: u32) -> Option<Diagnosis> {
        let account = self.accounts[run as usize].as_deref_mut()?;
        let mut unsure = None;
        for &number in &hints.workers {
            let next = account.workers.get(number)?.cursor.seq;
            let claimed = hints.seq.filter(|seq| *seq <= next.saturating_add(1 << 20));
            let next = Some(next).filter(|seq| claimed != Some(*seq));
            for seq in claimed.into_iter().chain(next) {
                let Some((position, record)) = planned(account, number, seq, hints, &self.budget)
                else {
                    continue;
                };
                if hints.sum.is_none() || !record.sum_holds() {
                    let fits = (hints.iteration, hints.attempt)
                        == (Some(position.iteration), Some(position.attempt));
                    if hints.begins && hints.ends && fits && claimed == Some(seq) {
                        unsure = unsure.or(Some(Diagnosis::Unsure {
                            run: Some(run),
                            line: Some((record.author, seq)),
                            changes: unsure_changes(changes(&record, suspect), suspect),
                            guessed: false,
                        }));
                    }
                    continue;
                }
                let whole = record.render(suspect.json).unwrap_or_default();
                if suspect.bytes.len() < whole.len() && whole.starts_with(&suspect.bytes) {
                    return Some(Diagnosis::Unsure {
                        run: Some(run),
                        line: Some((record.author, seq)),
                        changes: Vec::new(),
                        guessed: false,
                    });
                }
                return Some(Diagnosis::altered(record, suspect));
            }
        }
        unsure
    }

    /// A part of a line: what is left of it may still name it.
    fn part(&mut self, hints: &Hints, run: Option<u32>) -> Option<Diagnosis> {
        let of_others = |id| self.registry.get(id).is_none();
        if !hints.begins && !hints.ends || hints.run.is_some_and(of_others) {
            return None;
        }
        let guessed = hints.seq.is_none();
        let cut = |line| Diagnosis::Unsure {
            run,
            line,
            changes: Vec::new(),
            guessed,
        };
        let unnamed = Some(cut(None));
        let producer = match hints.workers[..] {
            [worker] if !hints.main => Producer::Worker(worker),
            [] if hints.main => Producer::Main,
            _ => return unnamed,
        };
        let Some(account) = run.and_then(|run| self.accounts[run as usize].as_deref_mut()) else {
            return unnamed;
        };
        // Without its run a line is that of the only one, or of any.
        let named = hints.run.is_some() || self.registry.count() == 1;
        let seq = match (hints.seq, producer) {
            (Some(seq), _) => Some(seq),
            // The producer's next line is the one that was cut short.
            (None, _) if hints.begins && named => {
                let next = match producer {
                    Producer::Main => Some(account.main.sequence.met.next),
                    Producer::Worker(number) => account.workers.get(number).map(|w| w.cursor.seq),
                };
                let sequence = account.sequence(producer);
                next.and_then(|next| Some(sequence?.claimed.absent_from(next)))
            }
            _ => None,
        };
        // Where it tells of its attempt, the plan must agree.
        let agrees = match (producer, seq, hints.iteration) {
            (Producer::Worker(worker), Some(seq), Some(iteration)) => {
                let planned = planned(account, worker, seq, hints, &self.budget);
                planned.is_some_and(|(position, _)| position.iteration == iteration)
            }
            _ => true,
        };
        let line = seq.filter(|_| agrees).map(|seq| (producer, seq));
        Some(cut(line))
    }
}

/// What can still be read of a suspect.
#[derive(Debug, Default)]
struct Hints {
    fields: Vec<(String, String)>,
    stamp: Option<u64>,
    run: Option<u64>,
    workers: Vec<u32>,
    main: bool,
    seq: Option<u64>,
    iteration: Option<u64>,
    attempt: Option<u64>,
    counter: Option<u64>,
    sum: Option<u32>,
    /// It begins as a record does.
    begins: bool,
    /// It ends as a record does.
    ends: bool,
}

impl Hints {
    fn of(suspect: &Suspect) -> Self {
        let (bytes, json) = (&suspect.bytes, suspect.json);
        let (begins, ends) = (begins(bytes, json), ends(bytes, json));
        let mut text = String::from_utf8_lossy(bytes).into_owned();
        // What is whole though nothing stands behind it is as if the next field began.
        match bytes.last() {
            Some(b'"') if json => text += ",\"",
            Some(b',') if json => text += "\"",
            _ => {}
        }
        let mut fields = match json {
            true if !suspect.fields.is_empty() => suspect.fields.clone(),
            true => of_broken_json(&text),
            false => of_text(&text, begins),
        };
        // The last one may go on behind the end, but for a blank; a checksum is whole by its length.
        let goes_on = !ends && (json || !text.ends_with(' '));
        fields.pop_if(|(name, value)| goes_on && (name != "sum" || value.len() < 8));
        let value = |name: &str| {
            let mut named = fields.iter().filter(|(n, _)| n == name);
            named.next().map(|(_, value)| value.as_str())
        };
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
            fields,
        }
    }
}

/// Whether a suspect begins as a record does, however short it is.
fn begins(bytes: &[u8], json: bool) -> bool {
    if json || bytes.starts_with(b"{") {
        let start = bytes.iter().zip(record::JSON_START);
        return bytes.starts_with(b"{") || start.filter(|(byte, form)| byte != form).count() <= 1;
    }
    !bytes.is_empty() && record::has_stamp_shape(&bytes[..bytes.len().min(STAMP_LEN)])
        // One character of the stamp may have been changed.
        || bytes.len() > STAMP_LEN && differences(bytes, STAMP) <= 2
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
        return bytes.ends_with(b"}") && named()
            || tail.len() == 18 && differences(tail, b"?\"sum\":\"????????\"}") <= 1;
    }
    let Some(tail) = bytes.last_chunk::<{ record::SUM_LEN }>() else {
        return false;
    };
    let mark = tail[..5]
        .iter()
        .zip(b" sum=")
        .filter(|(a, b)| a != b)
        .count();
    let digits = tail[5..]
        .iter()
        .filter(|byte| !byte.is_ascii_hexdigit())
        .count();
    mark + digits <= 1
}

/// The attempt that the plan has at the number `seq` of worker `number`, logged with the time and the counter that can be
/// read; none if it has none.
fn planned(
    account: &mut RunAccount,
    number: u32,
    seq: u64,
    hints: &Hints,
    budget: &Budget,
) -> Option<(Position, Record)> {
    let rules = account.run.rules(number)?;
    let worker = account.workers.get_mut(number)?;
    let position = worker.planned(seq, rules, budget)?;
    let outcome = rules.outcome(position);
    let event = record::attempt_event(position, outcome, hints.counter.unwrap_or(0));
    let record = Record {
        stamp: hints.stamp.unwrap_or(0),
        run: account.run.id,
        author: Producer::Worker(number),
        seq,
        event: Some(event),
        sum: hints.sum.unwrap_or(0),
    };
    Some((position, record))
}

/// What differs between a record and what is found of it, field by field.
fn changes(record: &Record, found: &Suspect) -> Vec<Change> {
    let keyed = found.json && !found.fields.is_empty();
    let text = String::from_utf8_lossy(&found.bytes);
    let fields = match (found.json, keyed) {
        (_, true) => found.fields.clone(),
        (true, false) => of_broken_json(&text),
        (false, _) => of_text(&text, true),
    };
    let whole = record.render(false).unwrap_or_default();
    let mut expected = of_text(&String::from_utf8_lossy(&whole), true);
    if let Some((_, sum)) = expected.last_mut() {
        *sum = format!("{:08x}", record.sum);
    }
    let changes = field_by_field(&expected, &fields);
    if keyed || changes.len() == 1 && fields.len() == expected.len() {
        return changes;
    }
    let whole = record.render(found.json).unwrap_or_default();
    change_in_one_place(&expected, &whole, &found.bytes).map_or(changes, |change| vec![change])
}

/// What was changed by a single character, be it one that keeps fields apart: the field in which the line and what is found of
/// it part.
fn change_in_one_place(
    expected: &[(String, String)],
    whole: &[u8],
    found: &[u8],
) -> Option<Change> {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let place = whole.iter().zip(found).take_while(same).count();
    let behind = whole[place..].iter().rev().zip(found[place..].iter().rev());
    let behind = behind.take_while(same).count();
    if whole.len().max(found.len()) > place + behind + 1 {
        return None;
    }
    let mut start = 0;
    for (name, value) in expected {
        let mut end = start + memmem::find(&whole[start..], value.as_bytes())? + value.len();
        // The quotation mark belongs to it, and so does the blank behind a level.
        while end < whole.len() && !matches!(whole[end], b' ' | b',') {
            end += 1;
        }
        end += usize::from(name == "level" && whole[end] == b' ');
        if place < end {
            // What keeps fields apart is shown only where it was changed.
            start += usize::from(place > start && matches!(whole[start], b' ' | b',' | b'{'));
            let found = &found[start..(end + found.len()).saturating_sub(whole.len())];
            return Some(Change {
                field: name.clone(),
                expected: Some(String::from_utf8_lossy(&whole[start..end]).into_owned()),
                found: String::from_utf8_lossy(found).into_owned(),
            });
        }
        start = end;
    }
    None
}

/// What differs where each field can be read by itself, whatever their order.
fn field_by_field(expected: &[(String, String)], found: &[(String, String)]) -> Vec<Change> {
    // What fits no name stands for what is missing.
    let known = |name: &str| expected.iter().any(|(n, _)| n == name);
    let strange = found.iter().filter(|(name, _)| !known(name));
    let strange: Vec<String> = strange
        .map(|(name, value)| match name.as_str() {
            "" => value.clone(),
            name => format!("{name}={value}"),
        })
        .collect();
    let strange = strange.join(" ");
    let mut out = Vec::new();
    let mut apart = Vec::new();
    for (name, value) in expected {
        let there = found
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value);
        if there == Some(value) {
            continue;
        }
        let change = Change {
            field: name.clone(),
            expected: Some(value.clone()),
            found: match there {
                Some(text) => text.clone(),
                None if strange.is_empty() => "(missing)".into(),
                None => strange.clone(),
            },
        };
        // Name and value are there: it is what stands between two fields that was changed.
        let place = strange.find(&format!("{name}\""));
        match place.filter(|_| there.is_none() && strange.contains(value.as_str())) {
            Some(place) => apart.push((place, change)),
            None => out.push(change),
        }
    }
    // It belongs to the field behind it.
    if out.is_empty()
        && let Some((_, change)) = apart.into_iter().max_by_key(|(place, _)| *place)
    {
        out.push(change);
    }
    out
}

/// What can be said to have changed where the checksum does not say: of time, counter and checksum it is not known what
/// they were.
fn unsure_changes(mut changes: Vec<Change>, found: &Suspect) -> Vec<Change> {
    changes.retain(|change| change.field != "sum");
    for change in &mut changes {
        if matches!(change.field.as_str(), "timestamp" | "counter") {
            change.expected = None;
        }
    }
    if changes.is_empty() {
        let stamp = found.field("timestamp").map(str::to_owned);
        let start = &found.bytes[..found.bytes.len().min(STAMP_LEN)];
        changes.push(Change {
            field: "timestamp or counter".into(),
            expected: None,
            found: stamp.unwrap_or_else(|| String::from_utf8_lossy(start).into_owned()),
        });
    }
    changes
}
