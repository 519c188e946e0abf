//! The audit's own proof: truthful logs are clean, and whatever is planted in one is named, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    record::{Author, attempt_event, render},
    simulate::{self, Course, Dice, Entry},
    *,
};
use crate::{
    log::{event::Event, line::stamp_text},
    plan::{Outcome, Position},
    workload::Micros,
};

const START: u64 = 1_795_455_720_000_000;

fn course(run: u64, json: bool, stop_after: Option<u64>) -> Course {
    Course {
        run,
        start: START,
        json,
        stop_after,
    }
}

fn config(bytes: Vec<u8>) -> AuditConfig {
    AuditConfig::new(vec![Input::Bytes("app.log".into(), bytes)])
}

fn audit(config: &AuditConfig) -> Verdict {
    run(config, &mut |_, _| {}).unwrap()
}

fn assert_clean(verdict: &Verdict, what: &str) {
    assert_eq!(verdict.status, Status::Clean, "{what}: {}", report(verdict));
}

#[test]
fn truthful_logs_are_clean() {
    let mut dice = Dice(1);
    for json in [false, true] {
        for (threads, iterations, panic_rate, stop) in [
            (1, 1, "0", None),
            (10, 100, "0", None),
            (10, 100, "0.01", None),
            (7, 300, "0", Some(500)),
            (3, 200, "0.002", Some(100)),
            (200, 3, "0", None),
        ] {
            let mut workload = simulate::workload(7, threads, iterations);
            workload.panic_rate = panic_rate.parse().unwrap();
            let entries = simulate::run(&workload, &course(1, json, stop), &mut dice);
            let verdict = audit(&config(simulate::log(&entries)));
            assert_clean(&verdict, &format!("{threads} {panic_rate} {stop:?}"));
            assert_eq!(verdict.lines, entries.len() as u64);
        }
    }
}

/// A line: its run, author and number.
type Slot = (u64, Author, u64);

fn slot(entry: &Entry) -> Slot {
    (entry.run, entry.author, entry.seq)
}

/// What must be said of one physical line of a mutated log.
#[derive(Clone, Debug, PartialEq)]
enum Said {
    Altered(Slot, String),
    Truncated(Option<Slot>),
    Unexpected,
    /// Made of two lines: one of them is named, or none; what is not named is lost.
    Spliced(Slot, Slot),
}

/// A physical line, or a part of one if its newline is lost.
#[derive(Clone, Debug)]
struct Item {
    bytes: Vec<u8>,
    newline: bool,
    /// The entry that the line tells of, whether or not it was altered.
    tells: Option<usize>,
    said: Option<Said>,
    /// No further mutation may touch it.
    taken: bool,
}

/// A log with mutations planted in it, and what must be said of it.
struct Planted {
    entries: Vec<Entry>,
    items: Vec<Item>,
    lost: BTreeSet<Slot>,
    planted: u64,
    json: bool,
}

impl Planted {
    fn new(entries: Vec<Entry>, json: bool, protected: impl Fn(&Entry) -> bool) -> Self {
        let items = entries.iter().enumerate().map(|(i, entry)| Item {
            bytes: entry.bytes.clone(),
            newline: true,
            tells: Some(i),
            said: None,
            taken: protected(entry),
        });
        Self {
            items: items.collect(),
            entries,
            lost: BTreeSet::new(),
            planted: 0,
            json,
        }
    }

    /// `count` neighbouring items that nothing touched yet, and that are touched now.
    fn pick(&mut self, count: usize, dice: &mut Dice) -> Option<usize> {
        for _ in 0..50 {
            let at = dice.roll(self.items.len() as u64) as usize;
            let free = |items: &[Item]| items.iter().all(|item| !item.taken);
            if self.items.get(at..at + count).is_some_and(free) {
                self.items[at..at + count]
                    .iter_mut()
                    .for_each(|item| item.taken = true);
                return Some(at);
            }
        }
        None
    }

    fn entry(&self, at: usize) -> &Entry {
        &self.entries[self.items[at].tells.unwrap()]
    }

    fn insert(&mut self, at: usize, bytes: Vec<u8>, tells: Option<usize>, said: Option<Said>) {
        let item = Item {
            bytes,
            newline: true,
            tells,
            said,
            taken: true,
        };
        self.items.insert(at, item);
    }

    /// Plants one mutation.
    fn plant(&mut self, dice: &mut Dice) -> Option<()> {
        match dice.roll(12) {
            0 => {
                let at = self.pick(1, dice)?;
                self.lost.insert(slot(self.entry(at)));
                self.items.remove(at);
            }
            1 => {
                let at = self.pick(1, dice)?;
                let (bytes, tells) = (self.items[at].bytes.clone(), self.items[at].tells);
                let to = at + 1 + dice.roll((self.items.len() - at) as u64) as usize;
                // Not between the two halves of something that belongs together.
                let to = if dice.roll(2) == 0 { at + 1 } else { to };
                if to > 0 && !self.items[to - 1].newline {
                    return None;
                }
                self.insert(to, bytes, tells, None);
            }
            2 => {
                let at = self.pick(2, dice)?;
                self.items.swap(at, at + 1);
            }
            3 | 4 | 5 => self.change(dice)?,
            6 => self.cut(dice)?,
            7 => {
                let at = self.pick(2, dice)?;
                let (a, b) = (
                    self.items[at].bytes.clone(),
                    self.items[at + 1].bytes.clone(),
                );
                let stamps = [at, at + 1].map(|i| stamp_text(self.entry(i).stamp));
                let differ = stamps[0].bytes().zip(stamps[1].bytes());
                if differ.filter(|(a, b)| a != b).count() < 2 {
                    // Alike but for a digit of the time: the end of the second would bring it back whole.
                    return None;
                }
                // Behind the time stamps: two halves of them may make one that is right.
                let i = 45 + dice.roll(a.len() as u64 - 45);
                let j = 45 + dice.roll(b.len() as u64 - 45);
                let (slot_a, slot_b) = (slot(self.entry(at)), slot(self.entry(at + 1)));
                self.items[at].bytes = [&a[..i as usize], &b[j as usize..]].concat();
                self.items[at].tells = None;
                self.items[at].said = Some(Said::Spliced(slot_a, slot_b));
                self.items.remove(at + 1);
            }
            8 | 9 => self.invent(dice)?,
            10 => {
                let length = 1 + dice.roll(20) as usize;
                let at = self.pick(length, dice)?;
                let block: Vec<Item> = self.items.drain(at..at + length).collect();
                let to = dice.roll(self.items.len() as u64 + 1) as usize;
                let to = if to > 0 && !self.items[to - 1].newline {
                    at
                } else {
                    to
                };
                self.items.splice(to..to, block);
            }
            _ => {
                let at = self.pick(2, dice)?;
                let said = Said::Altered(slot(self.entry(at)), "newline".into());
                self.items[at].newline = false;
                self.items[at].said = Some(said);
            }
        }
        self.planted += 1;
        Some(())
    }

    /// Changes one character.
    fn change(&mut self, dice: &mut Dice) -> Option<()> {
        let at = self.pick(1, dice)?;
        let said = slot(self.entry(at));
        let bytes = &mut self.items[at].bytes;
        let place = dice.roll(bytes.len() as u64) as usize;
        let field = field_at(bytes, place, self.json);
        loop {
            let byte = b' ' + dice.roll(95) as u8;
            if byte != bytes[place] {
                bytes[place] = byte;
                break;
            }
        }
        self.items[at].said = Some(Said::Altered(said, field));
        Some(())
    }

    /// Cuts a line short, behind its first byte at least.
    fn cut(&mut self, dice: &mut Dice) -> Option<()> {
        let at = self.pick(1, dice)?;
        let entry = self.entry(at).clone();
        let length = 1 + dice.roll(entry.bytes.len() as u64 - 1) as usize;
        let item = &mut self.items[at];
        item.bytes.truncate(length);
        item.tells = None;
        let mark = if self.json {
            format!("\"seq\":{}", entry.seq)
        } else {
            format!(" seq={}", entry.seq)
        };
        let text = String::from_utf8(item.bytes.clone()).unwrap();
        // The number is known to be whole when something stands behind it.
        let named = text
            .find(&mark)
            .is_some_and(|n| n + mark.len() < text.len());
        item.said = Some(Said::Truncated(named.then(|| slot(&entry))));
        if !named {
            self.lost.insert(slot(&entry));
        }
        Some(())
    }

    /// Invents a line that no plan has.
    fn invent(&mut self, dice: &mut Dice) -> Option<()> {
        let at = self.pick(1, dice)?;
        let entry = self.entry(at).clone();
        let line = |author, seq, event: Event| {
            render(entry.run, author, seq, entry.stamp, &event, self.json)
        };
        let position = Position {
            iteration: 1,
            attempt: 1,
        };
        let success = Outcome::Success { delay: Micros(0) };
        let bytes = match dice.roll(5) {
            0 => b"some other program's words".to_vec(),
            1 => line(Author::Worker(77), 3, attempt_event(position, success, 5)),
            2 => {
                // Beside the line whose place it takes: alone it would stand for that line.
                let position = Position {
                    iteration: 1,
                    attempt: 9,
                };
                let author = Author::Worker(entry.author.worker()?);
                if entry.seq % 2 == 1 {
                    // Neighbours would be shown as one range.
                    return None;
                }
                line(author, entry.seq, attempt_event(position, success, 5))
            }
            3 => line(Author::Main, entry.seq, Event::ThreadStarted { worker: 99 }),
            _ => {
                let far = Position {
                    iteration: 1_000_000,
                    attempt: 1,
                };
                line(Author::Worker(0), 1_300_000, attempt_event(far, success, 5))
            }
        };
        self.insert(at, bytes, None, Some(Said::Unexpected));
        Some(())
    }

    fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for item in &self.items {
            out.extend_from_slice(&item.bytes);
            out.extend_from_slice(if item.newline { b"\n" } else { b"" });
        }
        out
    }
}

/// The field that the byte at `place` belongs to, in the words of the JSON form.
fn field_at(bytes: &[u8], place: usize, json: bool) -> String {
    let text = std::str::from_utf8(bytes).unwrap();
    if json {
        let mut field = "timestamp".to_owned();
        for (at, _) in text.match_indices(",\"") {
            if at <= place {
                field = text[at + 2..].split('"').next().unwrap().to_owned();
            }
        }
        return field;
    }
    let thread_end = 34 + text[34..].find(' ').unwrap();
    let message_end = text.find(" run=").unwrap();
    match place {
        0..27 => "timestamp".into(),
        27..34 => "level".into(),
        _ if place < thread_end => "thread".into(),
        _ if place < message_end => "message".into(),
        _ => {
            let names = text[..=place].match_indices(' ').filter_map(|(at, _)| {
                let (name, _) = text[at + 1..].split_once('=')?;
                name.bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'_'))
                    .then_some(name)
            });
            names.last().unwrap().to_owned()
        }
    }
}

/// What the audit must find, worked out from what was planted.
#[derive(Debug, Default, PartialEq)]
struct Found {
    lost: BTreeSet<Slot>,
    duplicated: Vec<Slot>,
    reordered: BTreeSet<Slot>,
    lines: BTreeMap<u64, Vec<Said>>,
    books: Vec<String>,
}

fn expected(planted: &Planted) -> Found {
    let mut out = Found {
        lost: planted.lost.clone(),
        ..Found::default()
    };
    let mut line = 1;
    let mut seen = BTreeSet::new();
    let mut high: BTreeMap<(u64, Author), u64> = BTreeMap::new();
    let mut time: BTreeMap<u64, u64> = BTreeMap::new();
    for item in &planted.items {
        if let Some(said) = &item.said {
            out.lines.entry(line).or_default().push(said.clone());
        }
        if let Some(entry) = item.tells.map(|i| &planted.entries[i]) {
            if seen.insert(slot(entry)) {
                let high = high.entry((entry.run, entry.author)).or_default();
                let time = time.entry(entry.run).or_default();
                if entry.seq < *high || entry.stamp < *time {
                    out.reordered.insert(slot(entry));
                }
                *high = (*high).max(entry.seq + 1);
                *time = entry.stamp;
            } else {
                out.duplicated.push(slot(entry));
            }
        }
        line += u64::from(item.newline);
    }
    out.duplicated.sort();
    out
}

fn author(name: &str) -> Author {
    match name.strip_prefix("Worker-") {
        Some(number) => Author::Worker(number.parse().unwrap()),
        None => Author::Main,
    }
}

/// What the audit found. Of spliced lines either half may be named: what must be is settled by what is.
fn found(verdict: &Verdict, expected: &mut Found) -> Found {
    let mut out = Found::default();
    for run in &verdict.runs {
        let id = u64::from_str_radix(&run.run, 16).unwrap();
        let slots = |range: &Range| {
            assert_eq!(range.last - range.first + 1, range.count);
            let author = author(&range.author);
            (range.first..=range.last).map(move |seq| (id, author, seq))
        };
        let mut said = |at: &Place, said| {
            let must = expected.lines.entry(at.line).or_default();
            if let Some(i) = must.iter().position(|m| matches!(m, Said::Spliced(..))) {
                let Said::Spliced(a, b) = must.remove(i) else {
                    unreachable!()
                };
                let named = match &said {
                    Said::Altered(slot, _) => Some(*slot),
                    Said::Truncated(slot) => *slot,
                    _ => None,
                };
                assert!(
                    named.is_none_or(|n| n == a || n == b),
                    "{named:?} is neither {a:?} nor {b:?}"
                );
                expected
                    .lost
                    .extend([a, b].into_iter().filter(|s| Some(*s) != named));
                must.push(said.clone());
            }
            out.lines.entry(at.line).or_default().push(said);
        };
        for finding in &run.findings {
            match finding {
                Finding::Altered {
                    author: a,
                    seq,
                    changes,
                    at,
                } => {
                    let fields: Vec<_> = changes.iter().map(|c| c.field.clone()).collect();
                    said(at, Said::Altered((id, author(a), *seq), fields.join(",")));
                }
                Finding::Truncated {
                    author: a, seq, at, ..
                } => {
                    let slot = a.as_ref().zip(*seq).map(|(a, seq)| (id, author(a), seq));
                    said(at, Said::Truncated(slot));
                }
                Finding::Unexpected { count, at, .. } => {
                    for _ in 0..*count {
                        said(at, Said::Unexpected);
                    }
                }
                Finding::Lost { range, .. } => out.lost.extend(slots(range)),
                Finding::Duplicated { range, .. } => out.duplicated.extend(slots(range)),
                Finding::Reordered { range, .. } => out.reordered.extend(slots(range)),
                Finding::Books { what, .. } => out.books.push(what.clone()),
            }
        }
    }
    for stray in &verdict.strays {
        // In front of the first line that can be read: nothing says which run it belongs to.
        let Finding::Unexpected { at, .. } = stray else {
            unreachable!()
        };
        let must = expected.lines.get(&at.line).cloned().unwrap_or_default();
        let cut = must.contains(&Said::Truncated(None));
        let said = if cut {
            Said::Truncated(None)
        } else {
            Said::Unexpected
        };
        out.lines.entry(at.line).or_default().push(said);
    }
    out.duplicated.sort();
    out
}

/// A log of one or several runs whose lines lie between each other.
fn some_log(dice: &mut Dice) -> (Workload, Vec<Entry>, bool, bool) {
    let json = dice.roll(3) == 0;
    let stopped = dice.roll(3) == 0;
    let mut workload = simulate::workload(
        dice.roll(1 << 40),
        1 + dice.roll(9) as u32,
        1 + dice.roll(60),
    );
    if dice.roll(4) == 0 {
        workload.panic_rate = "0.01".parse().unwrap();
    }
    let mut logs: Vec<_> = (0..1 + dice.roll(3))
        .map(|i| {
            let stop = stopped.then(|| dice.roll(200));
            let run = dice.roll(1 << 31) << 32 | i;
            simulate::run(&workload, &course(run, json, stop), dice)
                .into_iter()
                .peekable()
        })
        .collect();
    let mut entries = Vec::new();
    while logs.iter_mut().any(|log| log.peek().is_some()) {
        let which = dice.roll(logs.len() as u64) as usize;
        entries.extend(logs[which].next());
    }
    (workload, entries, json, stopped)
}

/// Plants mutations into random logs and holds the verdict against what was planted.
#[test]
fn what_is_planted_is_named_and_nothing_else() {
    let mut planted = 0;
    for seed in 1..=700 {
        planted += plant_and_compare(seed);
    }
    assert!(planted >= 10_000, "only {planted} mutations were planted");
}

fn plant_and_compare(seed: u64) -> u64 {
    let mut dice = Dice(seed);
    let (workload, entries, json, stopped) = some_log(&mut dice);
    // A stopped run's end cannot be computed: the lines that tell it are left alone here.
    let protected = |entry: &Entry| match entry.event {
        Event::RunEnded { .. } => true,
        Event::WorkerEnded { .. } => stopped && entry.author != Author::Worker(0),
        _ => false,
    };
    let mut log = Planted::new(entries, json, protected);
    for _ in 0..40 {
        log.plant(&mut dice);
    }
    let mut config = config(log.bytes());
    config.fallback = Some(workload);
    let verdict = audit(&config);
    let mut expected = expected(&log);
    let found = found(&verdict, &mut expected);
    if found != expected {
        std::fs::write("/tmp/failed.log", log.bytes()).unwrap();
    }
    assert_eq!(found, expected, "seed {seed}: {}", report(&verdict));
    assert_eq!(
        verdict.exit_code(),
        u8::from(log.planted > 0),
        "seed {seed}"
    );
    log.planted
}
