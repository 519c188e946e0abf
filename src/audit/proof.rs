//! The audit's own proof: truthful logs are clean, and whatever is planted in one is named, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    record::{Producer, attempt_event, render},
    simulate::{self, Course, Dice, Entry},
    *,
};
use crate::{
    log::{event::Event, line::stamp_text},
    plan::workload::Micros,
    plan::{Outcome, Position},
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
type Slot = (u64, Producer, u64);

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
    /// Nothing may touch it but the loss of the whole tail.
    protected: bool,
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
            protected: protected(entry),
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
            protected: false,
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
            3..=5 => self.change(dice)?,
            6 => self.cut(dice)?,
            7 => {
                let at = self.pick(2, dice)?;
                let (a, b) = (
                    self.items[at].bytes.clone(),
                    self.items[at + 1].bytes.clone(),
                );
                let [one, other] = [at, at + 1].map(|i| self.entry(i));
                if one.run != other.run && one.author == other.author {
                    // The runs have the same plan: the halves may make a third line, as good as an altered one.
                    return None;
                }
                let stamps = [one, other].map(|entry| stamp_text(entry.stamp));
                let differ = stamps[0].bytes().zip(stamps[1].bytes());
                if differ.filter(|(a, b)| a != b).count() < 2 {
                    // Alike but for a digit of the time: the end of the second would bring it back whole.
                    return None;
                }
                // Behind the time stamps: two halves of them may make one that is right.
                let i = 45 + dice.roll(a.len() as u64 - 45);
                let j = 45 + dice.roll(b.len() as u64 - 45);
                let (slot_a, slot_b) = (slot(self.entry(at)), slot(self.entry(at + 1)));
                let spliced = [&a[..i as usize], &b[j as usize..]].concat();
                if spliced.starts_with(&a) {
                    // The one is whole by chance.
                    return None;
                }
                self.items[at].bytes = spliced;
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
                // Both records are whole: nothing is to be said of them.
                self.items[at].newline = false;
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
            1 => line(Producer::Worker(77), 3, attempt_event(position, success, 5)),
            2 => {
                // Beside the line whose place it takes: alone it would stand for that line.
                let position = Position {
                    iteration: 1,
                    attempt: 9,
                };
                let author = Producer::Worker(entry.author.worker()?);
                if entry.seq % 2 == 1 {
                    // Neighbours would be shown as one range.
                    return None;
                }
                line(author, entry.seq, attempt_event(position, success, 5))
            }
            3 => line(
                Producer::Main,
                entry.seq,
                Event::ThreadStarted { worker: 99 },
            ),
            _ => {
                let far = Position {
                    iteration: 1_000_000,
                    attempt: 1,
                };
                line(
                    Producer::Worker(0),
                    1_300_000,
                    attempt_event(far, success, 5),
                )
            }
        };
        self.insert(at, bytes, None, Some(Said::Unexpected));
        Some(())
    }

    /// Drops the head, up to the first line that something was planted in.
    fn drop_head(&mut self, dice: &mut Dice) {
        let free = self.items.iter().take_while(|item| !item.taken).count();
        let count = dice.roll(free as u64 + 1) as usize;
        self.drop_all(0..count);
    }

    /// Drops the tail, down to the last line that something was planted in.
    fn drop_tail(&mut self, dice: &mut Dice) {
        let free = self.items.iter().rev();
        let free = free.take_while(|item| !item.taken || item.protected);
        let count = dice.roll(free.count() as u64 + 1) as usize;
        self.drop_all(self.items.len() - count..self.items.len());
    }

    fn drop_all(&mut self, range: std::ops::Range<usize>) {
        self.planted += u64::from(!range.is_empty());
        for item in self.items.drain(range) {
            self.lost.insert(slot(&self.entries[item.tells.unwrap()]));
        }
    }

    /// The log, each of its lines carried by `carrier`.
    fn bytes(&self, carrier: fn(&str) -> String) -> Vec<u8> {
        let mut out = String::new();
        let mut line = String::new();
        for item in &self.items {
            line += std::str::from_utf8(&item.bytes).unwrap();
            if item.newline {
                out += &carrier(&line);
                out.push('\n');
                line.clear();
            }
        }
        (out + &line).into_bytes()
    }
}

/// What shippers put around a line.
const CARRIERS: [fn(&str) -> String; 8] = [
    |line| line.to_owned(),
    |line| format!("{line}\r"),
    |line| format!("<134>Nov  3 17:42:00 host hifi[42]: {line}"),
    |line| format!("2026-11-23T17:42:00.123456+01:00 host hifi: {line}"),
    |line| format!("<134>1 2026-11-23T17:42:00.1Z host hifi 42 - - {line}"),
    |line| format!("2026-11-23T17:42:00.123456789Z stdout F {line}"),
    |line| {
        let line = serde_json::to_string(&format!("{line}\n")).unwrap();
        format!("{{\"log\":{line},\"stream\":\"stdout\"}}")
    },
    |line| {
        let line = serde_json::to_string(line).unwrap();
        format!("{{\"timestamp\":\"2026-11-23T17:42:00.123456Z\",\"message\":{line}}}")
    },
];

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
            names.fold(None, |_, name| Some(name)).unwrap().to_owned()
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
    /// Lines of workers of a run without its end: they may never have been written.
    outstanding: BTreeSet<Slot>,
}

impl Found {
    /// Of a run that has lost its end, what is absent behind an author's last line is not known to be lost.
    fn settle(&mut self, planted: &Planted) {
        let present = planted.items.iter().filter_map(|item| item.tells);
        let present: Vec<&Entry> = present.map(|i| &planted.entries[i]).collect();
        let ended = |run| {
            let ends = |e: &&&Entry| e.run == run && matches!(e.event, Event::RunEnded { .. });
            present.iter().any(|e| ends(&e))
        };
        for entry in &planted.entries {
            let own = present
                .iter()
                .filter(|e| (e.run, e.author) == (entry.run, entry.author));
            let behind = own.map(|e| e.seq).max().is_none_or(|last| last < entry.seq);
            if behind
                && !ended(entry.run)
                && self.lost.remove(&slot(entry))
                && entry.author != Producer::Main
            {
                self.outstanding.insert(slot(entry));
            }
        }
    }
}

fn expected(planted: &Planted) -> Found {
    let mut out = Found {
        lost: planted.lost.clone(),
        ..Found::default()
    };
    let mut line = 1;
    let mut seen = BTreeSet::new();
    let mut high: BTreeMap<(u64, Producer), u64> = BTreeMap::new();
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

fn author(name: &str) -> Producer {
    match name.strip_prefix("Worker-") {
        Some(number) => Producer::Worker(number.parse().unwrap()),
        None => Producer::Main,
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
        let of_workers = run.outstanding.iter().filter(|r| r.author != "main");
        out.outstanding.extend(of_workers.flat_map(slots));
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
        Event::WorkerEnded { .. } => stopped && entry.author != Producer::Worker(0),
        _ => false,
    };
    let mut log = Planted::new(entries, json, protected);
    for _ in 0..40 {
        log.plant(&mut dice);
    }
    if dice.roll(4) == 0 {
        log.drop_head(&mut dice);
    }
    // How far a stopped run would have come nobody knows.
    if !stopped && dice.roll(4) == 0 {
        log.drop_tail(&mut dice);
    }
    let carrier = CARRIERS[dice.roll(CARRIERS.len() as u64) as usize];
    let mut config = config(log.bytes(carrier));
    config.fallback = Some(workload);
    let verdict = audit(&config);
    let mut expected = expected(&log);
    let found = found(&verdict, &mut expected);
    expected.settle(&log);
    assert_eq!(found, expected, "seed {seed}: {}", report(&verdict));
    assert_eq!(
        verdict.exit_code(),
        u8::from(log.planted > 0),
        "seed {seed}"
    );
    log.planted
}

/// One finished run of `workload`, and its lines.
fn finished(threads: u32, iterations: u64) -> (Workload, Vec<Entry>) {
    let workload = simulate::workload(7, threads, iterations);
    let entries = simulate::run(&workload, &course(1, false, None), &mut Dice(5));
    (workload, entries)
}

#[test]
fn what_shippers_do_to_lines_is_clean() {
    let workload = simulate::workload(7, 4, 50);
    for json in [false, true] {
        let entries = simulate::run(&workload, &course(1, json, None), &mut Dice(5));
        for carrier in CARRIERS {
            let mut log = String::new();
            for entry in &entries {
                log += &carrier(std::str::from_utf8(&entry.bytes).unwrap());
                log.push('\n');
            }
            assert_clean(&audit(&config(log.clone().into_bytes())), &log[..300]);
        }
    }
}

#[test]
fn json_keys_in_any_order_with_foreign_ones_are_clean() {
    let workload = simulate::workload(7, 4, 50);
    let entries = simulate::run(&workload, &course(1, true, None), &mut Dice(5));
    let mut log = String::new();
    for entry in &entries {
        let line: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&entry.bytes).unwrap();
        let mut turned: serde_json::Map<_, _> = line.into_iter().rev().collect();
        turned.insert("hostname".into(), "web-1".into());
        log += &serde_json::to_string(&turned).unwrap();
        log.push('\n');
    }
    assert_clean(&audit(&config(log.into_bytes())), "turned");
}

#[test]
fn rotated_parts_are_clean_in_any_order() {
    let (_, entries) = finished(5, 100);
    let third = entries.len() / 3;
    let parts = [
        &entries[..third],
        &entries[third..2 * third],
        &entries[2 * third..],
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let inputs = order.map(|i| Input::Bytes(format!("app.log.{i}"), simulate::log(parts[i])));
        assert_clean(&audit(&AuditConfig::new(inputs.to_vec())), "parts");
    }
}

#[test]
fn one_run_over_several_files_is_clean() {
    let (_, entries) = finished(5, 100);
    let files = [0, 1, 2].map(|n| {
        let of = |e: &&Entry| e.author.worker().map_or(0, |w| 1 + w % 2) == n;
        let part: Vec<Entry> = entries.iter().filter(of).cloned().collect();
        Input::Bytes(format!("part-{n}"), simulate::log(&part))
    });
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let inputs = order.map(|n| files[n].clone()).to_vec();
        assert_clean(&audit(&AuditConfig::new(inputs)), "split by author");
    }
}

#[test]
fn a_lost_head_is_lost_to_the_line() {
    let (workload, entries) = finished(3, 50);
    for drop in 1..entries.len() {
        let mut config = config(simulate::log(&entries[drop..]));
        config.fallback = Some(workload.clone());
        let verdict = audit(&config);
        let expected = Counts {
            lost: drop as u64,
            ..Counts::default()
        };
        assert_eq!(
            verdict.runs[0].counts,
            expected,
            "{drop}: {}",
            report(&verdict)
        );
        assert_eq!(verdict.exit_code(), 1);
    }
}

#[test]
fn a_shuffled_log_holds_every_line() {
    for json in [false, true] {
        let workload = simulate::workload(7, 5, 400);
        let mut dice = Dice(5);
        let mut entries = simulate::run(&workload, &course(1, json, None), &mut dice);
        for i in (1..entries.len()).rev() {
            entries.swap(i, dice.roll(i as u64 + 1) as usize);
        }
        let verdict = audit(&config(simulate::log(&entries)));
        let counts = verdict.runs[0].counts;
        assert!(counts.reordered > 1000, "{}", report(&verdict));
        let reordered = counts.reordered;
        assert_eq!(
            counts,
            Counts {
                reordered,
                ..Counts::default()
            },
            "{}",
            report(&verdict)
        );
    }
}

#[test]
fn a_lost_start_is_said_and_replaced_by_options() {
    let (workload, entries) = finished(3, 50);
    let mut config = config(simulate::log(&entries[1..]));
    let verdict = audit(&config);
    assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    assert!(report(&verdict).contains("\"Run started\" is not in the log"));
    config.fallback = Some(workload);
    let verdict = audit(&config);
    assert_eq!(verdict.exit_code(), 1);
    assert_eq!(
        verdict.runs[0].counts,
        Counts {
            lost: 1,
            ..Counts::default()
        }
    );
    config.allow_lost = 1;
    assert_eq!(audit(&config).exit_code(), 0);
}

#[test]
fn options_accept_what_they_say() {
    let (_, mut entries) = finished(3, 50);
    entries.insert(90, entries[80].clone());
    let mut config = config(simulate::log(&entries));
    assert_eq!(audit(&config).exit_code(), 1);
    config.at_least_once = true;
    assert_eq!(audit(&config).exit_code(), 0);
    entries.remove(100);
    config.inputs = vec![Input::Bytes("x".into(), simulate::log(&entries))];
    assert_eq!(audit(&config).exit_code(), 1);
}

#[test]
fn a_log_without_its_end_cannot_be_told_unless_it_was_killed() {
    let (_, entries) = finished(3, 50);
    for keep in 1..entries.len() {
        let bytes = simulate::log(&entries[..keep]);
        let mut config = config(bytes.clone());
        let verdict = audit(&config);
        assert_eq!(verdict.exit_code(), 2, "{keep}: {}", report(&verdict));
        let outstanding: u64 = verdict.runs[0].outstanding.iter().map(|r| r.count).sum();
        let tail = entries[keep..]
            .iter()
            .filter(|e| e.author != Producer::Main)
            .count();
        let of_workers: u64 = verdict.runs[0]
            .outstanding
            .iter()
            .filter(|r| r.author != "main")
            .map(|r| r.count)
            .sum();
        assert_eq!(of_workers, tail as u64, "{keep}");
        assert!(outstanding > of_workers);
        config.killed = true;
        assert_clean(&audit(&config), "killed");
        // A fragment at the end is how a kill leaves a log.
        let fragment = [
            &bytes,
            &entries[keep].bytes[..entries[keep].bytes.len() / 2],
        ]
        .concat();
        config.inputs = vec![Input::Bytes("x".into(), fragment.clone())];
        assert_clean(&audit(&config), "fragment");
        // Another run goes on behind it.
        let again = simulate::run(
            &simulate::workload(8, 2, 9),
            &course(2, false, None),
            &mut Dice(2),
        );
        config.inputs = vec![Input::Bytes(
            "x".into(),
            [fragment, simulate::log(&again)].concat(),
        )];
        config.select = Select::Run(2);
        assert_clean(&audit(&config), "the run behind it");
        config.select = Select::All;
        assert_clean(&audit(&config), "both");
    }
}

#[test]
fn selection_leaves_other_runs_alone() {
    let (_, mut entries) = finished(3, 50);
    entries.remove(60);
    let mut later = course(2, false, None);
    later.start += 1_000_000_000;
    entries.extend(simulate::run(
        &simulate::workload(8, 2, 9),
        &later,
        &mut Dice(2),
    ));
    let mut config = config(simulate::log(&entries));
    for (select, code) in [
        (Select::All, 1),
        (Select::Last, 0),
        (Select::Run(1), 1),
        (Select::Run(2), 0),
        (Select::Run(3), 2),
    ] {
        config.select = select;
        assert_eq!(audit(&config).exit_code(), code, "{select:?}");
    }
}

#[test]
fn a_log_gap_says_what_is_lost() {
    let (_, mut entries) = finished(3, 50);
    let gone: Vec<Entry> = entries.drain(60..70).collect();
    let ranges: Vec<_> = gone
        .iter()
        .map(|e| {
            format!(
                "{}:{}",
                e.author.worker().map_or("main".into(), |w| w.to_string()),
                e.seq
            )
        })
        .collect();
    let event = Event::LogGap {
        lost: 10,
        ranges: ranges.join(","),
    };
    let last = entries.last().unwrap().clone();
    let gap = |event: &Event| Entry {
        bytes: render(1, Producer::Main, last.seq + 1, last.stamp, event, false),
        seq: last.seq + 1,
        event: event.clone(),
        ..last.clone()
    };
    let mut told = entries.clone();
    told.push(gap(&event));
    let verdict = audit(&config(simulate::log(&told)));
    let expected = Counts {
        lost: 10,
        announced: 10,
        ..Counts::default()
    };
    assert_eq!(verdict.runs[0].counts, expected, "{}", report(&verdict));
    let liar = Event::LogGap {
        lost: 11,
        ranges: format!("{},0:1", ranges.join(",")),
    };
    entries.push(gap(&liar));
    let verdict = audit(&config(simulate::log(&entries)));
    assert_eq!(verdict.runs[0].counts.books, 1, "{}", report(&verdict));
}

/// The log of a program with a bug: `bug` changes what it writes.
fn with_bug(entries: &[Entry], mut bug: impl FnMut(&mut Event)) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        let mut event = entry.event.clone();
        bug(&mut event);
        out.extend(render(
            entry.run,
            entry.author,
            entry.seq,
            entry.stamp,
            &event,
            false,
        ));
        out.push(b'\n');
    }
    out
}

/// An update of the counter was lost: one value twice, and a total that is short by one.
#[test]
fn a_lost_update_shows_in_the_books() {
    let (_, entries) = finished(5, 100);
    let log = with_bug(&entries, |event| match event {
        Event::Succeeded { counter, .. } if *counter > 77 => *counter -= 1,
        Event::TotalOperations { count } | Event::TotalData { count } => *count -= 1,
        _ => {}
    });
    let verdict = audit(&config(log));
    let said = report(&verdict);
    assert!(said.contains("counter 77 again"), "{said}");
    assert!(
        said.contains("Total operations completed is 494, and must be 495"),
        "{said}"
    );
    let counts = verdict.runs[0].counts;
    // One worker may have logged both.
    assert!((2..=3).contains(&counts.books), "{said}");
    assert_eq!(
        counts,
        Counts {
            books: counts.books,
            ..Counts::default()
        }
    );
}

/// A Processor for each worker: each counts from 1, and the total is that of none.
#[test]
fn split_state_shows_in_the_books() {
    let (_, entries) = finished(5, 100);
    let log = with_bug(&entries, |event| {
        if let Event::Succeeded {
            counter, iteration, ..
        } = event
        {
            *counter = *iteration;
        }
    });
    let verdict = audit(&config(log));
    let counts = verdict.runs[0].counts;
    assert!(counts.books >= 300, "{}", report(&verdict));
    assert_eq!(
        counts,
        Counts {
            books: counts.books,
            ..Counts::default()
        }
    );
}

/// Errors are swallowed: no attempt follows a failed one, whatever was planned.
#[test]
fn swallowed_errors_are_off_the_plan() {
    let (_, entries) = finished(1, 100);
    let mut log = Vec::new();
    let mut seq = 0;
    for entry in &entries {
        let retry = matches!(
            entry.event,
            Event::Succeeded { attempt: 2.., .. } | Event::Failed { attempt: 2.., .. }
        );
        if !retry {
            let worker = entry.author != Producer::Main;
            let number = if worker { seq } else { entry.seq };
            log.extend(render(
                1,
                entry.author,
                number,
                entry.stamp,
                &entry.event,
                false,
            ));
            log.push(b'\n');
            seq += u64::from(worker);
        }
    }
    let verdict = audit(&config(log));
    let counts = verdict.runs[0].counts;
    let said = report(&verdict);
    assert!(counts.unexpected > 50 && counts.books > 0, "{said}");
    assert_eq!(
        (
            counts.lost,
            counts.duplicated,
            counts.altered,
            counts.truncated
        ),
        (0, 0, 0, 0),
        "{said}"
    );
    assert!(said.contains("planned attempts never happened"), "{said}");
}

#[test]
fn nothing_is_never_clean() {
    for bytes in [
        &b""[..],
        b"\n",
        b"some words\nand more\n",
        b"\xff\xfe",
        &[0; 100],
    ] {
        let verdict = audit(&config(bytes.to_vec()));
        assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    }
    let missing = AuditConfig::new(vec![Input::File("/nowhere/app.log".into())]);
    assert!(run(&missing, &mut |_, _| {}).is_err());
}

/// Lines with valid checksums that claim what no run can have.
#[test]
fn hostile_lines_cost_neither_time_nor_memory() {
    let mut workload = simulate::workload(7, 4096, u64::MAX);
    let event = Event::run_started(&workload);
    let start = render(1, Producer::Main, 0, START, &event, false);
    workload.threads = 1;
    let other = render(
        1,
        Producer::Main,
        0,
        START,
        &Event::run_started(&workload),
        false,
    );
    let success = Outcome::Success { delay: Micros(0) };
    let mut lines = vec![start.clone()];
    for n in [1 << 20, 1 << 40, u64::MAX - 1, u64::MAX] {
        for author in [
            Producer::Main,
            Producer::Worker(0),
            Producer::Worker(u32::MAX),
        ] {
            let position = Position {
                iteration: n,
                attempt: n,
            };
            lines.push(render(
                1,
                author,
                n,
                START,
                &attempt_event(position, success, n),
                false,
            ));
            let position = Position {
                iteration: n,
                attempt: 1,
            };
            lines.push(render(
                1,
                author,
                n,
                START,
                &attempt_event(position, success, n),
                false,
            ));
            for event in [
                Event::TotalOperations { count: n },
                Event::ThreadStarted { worker: n },
                Event::LogReopened {},
                Event::LogGap {
                    lost: n,
                    ranges: format!("main:0-{n},3:1-{n}"),
                },
                Event::WorkerEnded {
                    reason: crate::log::event::Reason::Finished,
                    completed: n,
                    abandoned: n,
                    panicked: n,
                    interrupted: n,
                    not_started: crate::plan::workload::Limit::At(n),
                    failed_attempts: n,
                    retries: n,
                },
                Event::RunEnded {
                    reason: crate::log::event::Reason::Stopped,
                    cause: "x".into(),
                    lines: n,
                    completed: n,
                    abandoned: n,
                    panicked: n,
                    interrupted: n,
                    not_started: crate::plan::workload::Limit::Unlimited,
                    failed_attempts: n,
                    retries: n,
                    dropped_items: n,
                },
            ] {
                lines.push(render(1, author, n, START, &event, false));
            }
        }
    }
    let verdict = audit(&config(lines.join(&b'\n')));
    assert_ne!(verdict.exit_code(), 0);
    report(&verdict);
    lines.insert(1, other);
    let verdict = audit(&config(lines.join(&b'\n')));
    assert_eq!(verdict.exit_code(), 2, "{}", report(&verdict));
    assert!(report(&verdict).contains("different"));
}

#[test]
fn a_line_without_an_end_is_bounded() {
    let (_, entries) = finished(2, 20);
    let mut bytes = vec![b'x'; 5 << 20];
    bytes.extend(simulate::log(&entries));
    let verdict = audit(&config(bytes));
    let counts = verdict.runs[0].counts;
    assert_eq!(
        (counts.lost, counts.altered, counts.duplicated),
        (0, 0, 0),
        "{}",
        report(&verdict)
    );
    // All lines joined by spaces: each is found.
    let joined = simulate::log(&finished(2, 20_000).1);
    let joined: Vec<u8> = joined
        .iter()
        .map(|b| if *b == b'\n' { b' ' } else { *b })
        .collect();
    let verdict = audit(&config(joined));
    let counts = verdict.runs[0].counts;
    assert_eq!(
        (counts.lost, counts.unexpected, counts.truncated),
        (0, 0, 0),
        "{}",
        report(&verdict)
    );
}

#[test]
fn too_little_memory_is_said() {
    let workload = simulate::workload(7, 5, 20_000);
    let mut dice = Dice(5);
    let mut entries = simulate::run(&workload, &course(1, false, None), &mut dice);
    for i in (1..entries.len()).rev() {
        entries.swap(i, dice.roll(i as u64 + 1) as usize);
    }
    let mut config = config(simulate::log(&entries));
    config.memory = 20_000;
    let verdict = audit(&config);
    assert!(
        report(&verdict).contains("--memory"),
        "{}",
        report(&verdict)
    );
    assert_ne!(verdict.exit_code(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is read, there is a verdict, and it can be shown.
    #[test]
    fn any_bytes_end_in_a_verdict(bytes: Vec<u8>, text in "[0-9TZ:. a-zA-Z={}\"\\n-]{0,400}") {
        for bytes in [bytes, text.into_bytes()] {
            let verdict = audit(&config(bytes));
            prop_assert_ne!(verdict.exit_code(), 0);
            report(&verdict);
            serde_json::to_string(&verdict).unwrap();
        }
    }

    /// So there is for any edits of a true log, and what is not the true log is not clean.
    #[test]
    fn any_edits_end_in_a_verdict(
        seed in 1_u64..1000,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..300, prop::collection::vec(any::<u8>(), 0..40)), 1..12),
    ) {
        let (_, entries, ..) = some_log(&mut Dice(seed));
        let truth = simulate::log(&entries);
        let mut bytes = truth.clone();
        for (at, cut, insert) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            bytes.splice(at..end, insert);
        }
        let same = bytes == truth || bytes == truth[..truth.len() - 1];
        let verdict = audit(&config(bytes));
        prop_assert!(same || verdict.exit_code() != 0, "{}", report(&verdict));
        report(&verdict);
        serde_json::to_string(&verdict).unwrap();
    }
}

/// A log whose every line was damaged is not looked at for hours.
#[test]
fn too_many_damaged_lines_are_said() {
    let (_, entries) = finished(2, 20);
    let mut log = simulate::log(&entries);
    let cut = b"2026-11-23T17:42:00.000000Z ERROR main schema=1 sum=00000000\n";
    for _ in 0..6000 {
        log.extend_from_slice(cut);
    }
    let verdict = audit(&config(log));
    assert_eq!(verdict.runs[0].counts.unexpected, 6000);
    assert!(report(&verdict).contains("so many"), "{}", report(&verdict));
}
