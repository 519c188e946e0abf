//! A log with mutations planted in it, and what must be said of each of its lines.

use std::collections::BTreeSet;

use super::*;
use crate::log::line::stamp_text;

/// A line: its run, author and number.
pub(super) type Slot = (u64, Producer, u64);

pub(super) fn slot(entry: &Entry) -> Slot {
    (entry.run, entry.author, entry.seq)
}

/// What must be said of one physical line of a mutated log.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Altered(Option<Slot>, String),
    Truncated(Option<Slot>),
    /// This line, cut so short that nothing but its thread is left to name it: it may be taken for another that is lost.
    Cut(Slot),
    Unexpected,
    /// Made of two lines: one of them is named, or none; what is not named is lost.
    Spliced(Slot, Slot),
}

/// A physical line, or a part of one if its newline is lost.
#[derive(Clone, Debug)]
pub(super) struct PhysicalLine {
    pub(super) bytes: Vec<u8>,
    pub(super) newline: bool,
    /// The entry that the line tells of, whether or not it was altered.
    pub(super) tells: Option<usize>,
    pub(super) said: Option<Said>,
    /// No further mutation may touch it.
    pub(super) taken: bool,
    /// Nothing may touch it but the loss of the whole tail.
    pub(super) protected: bool,
}

/// A log with mutations planted in it, and what must be said of it.
pub(super) struct Planted {
    pub(super) entries: Vec<Entry>,
    pub(super) items: Vec<PhysicalLine>,
    pub(super) lost: BTreeSet<Slot>,
    pub(super) planted: u64,
    pub(super) json: bool,
}

impl Planted {
    pub(super) fn new(entries: Vec<Entry>, json: bool, protected: impl Fn(&Entry) -> bool) -> Self {
        let items = entries.iter().enumerate().map(|(i, entry)| PhysicalLine {
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
            let free = |items: &[PhysicalLine]| items.iter().all(|item| !item.taken);
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
        let item = PhysicalLine {
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
    pub(super) fn plant(&mut self, dice: &mut Dice) -> Option<()> {
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
                let block: Vec<PhysicalLine> = self.items.drain(at..at + length).collect();
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
        self.items[at].said = Some(Said::Altered(Some(said), field));
        Some(())
    }

    /// Cuts a line short, behind its first byte at least; a brace alone is taken for one of a document's.
    fn cut(&mut self, dice: &mut Dice) -> Option<()> {
        let at = self.pick(1, dice)?;
        let entry = self.entry(at).clone();
        let length = 1 + dice.roll(entry.bytes.len() as u64 - 1) as usize;
        let length = length.max(1 + usize::from(self.json));
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
        let thread = match self.json {
            true => format!("\"thread\":\"{}\"", entry.author.thread()),
            false => format!(" {} ", entry.author.thread()),
        };
        item.said = Some(match (named, text.contains(&thread)) {
            (true, _) => Said::Truncated(Some(slot(&entry))),
            (false, true) => Said::Cut(slot(&entry)),
            (false, false) => Said::Truncated(None),
        });
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
    pub(super) fn drop_head(&mut self, dice: &mut Dice) {
        let free = self.items.iter().take_while(|item| !item.taken).count();
        let count = dice.roll(free as u64 + 1) as usize;
        self.drop_all(0..count);
    }

    /// Drops the tail, down to the last line that something was planted in.
    pub(super) fn drop_tail(&mut self, dice: &mut Dice) {
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
    pub(super) fn bytes(&self, carrier: impl Fn(&str) -> String) -> Vec<u8> {
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

/// The field that the byte at `place` belongs to, in the words of the JSON form.
pub(super) fn field_at(bytes: &[u8], place: usize, json: bool) -> String {
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
