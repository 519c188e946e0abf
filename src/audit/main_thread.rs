//! The account of a run's main thread: the lines that open and close the run, and those that may stand anywhere between.

use std::{collections::BTreeMap, ops::Range};

use super::{
    account::NO_WORKER,
    cursor::Budget,
    findings::Location,
    record::{Producer, Record},
    sequence::Sequence,
};
use crate::log::{
    account::Closing,
    event::{Event, Reason},
};

/// A line that belongs to the run's account, where it stands and which it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Placed<T> {
    /// What it tells.
    pub value: T,
    /// Its number.
    pub seq: u64,
    /// Its checksum, which tells copies from others.
    pub sum: u32,
    /// Where it stands.
    pub at: Location,
}

/// What "Run ended" says.
#[derive(Clone, Debug)]
pub(super) struct RunEnd {
    /// What it says of all workers together.
    pub closing: Closing,
    /// What asked for the stop, if it was stopped.
    pub cause: String,
    /// How many lines the run has.
    pub lines: u64,
    /// How many items the Processor dropped.
    pub dropped_items: u64,
}

/// A "Log gap" line.
#[derive(Clone, Debug)]
pub(super) struct LogGap {
    /// Its number.
    pub seq: u64,
    /// Where it stands.
    pub at: Location,
    /// How many lines it says are lost.
    pub lost: u64,
    /// The lines that it names; none if that cannot be read.
    pub ranges: Vec<(Producer, Range<u64>)>,
}

/// What a line is to its thread's account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entered {
    /// It is the next one, or one that had not been seen.
    New,
    /// It had not been seen, and others from this number on are missing before it.
    BehindGap(u64),
    /// It is there already.
    Duplicate,
    /// It is an attempt in whose place the plan has something else.
    OffPlan,
    /// It cannot be there, and why.
    Unexpected(&'static str),
    /// It is too far from the other lines to be judged.
    TooFar,
}

/// The main thread's lines.
#[derive(Clone, Debug, Default)]
pub(super) struct MainThread {
    /// One more than the highest number that was seen.
    pub next: u64,
    /// The numbers of its lines.
    pub sequence: Sequence,
    /// "Run started".
    pub started: Option<Placed<()>>,
    /// The lines that tell of a worker's thread.
    threads: BTreeMap<u32, Placed<()>>,
    /// The worker whose thread could not be started.
    pub refused: Option<u32>,
    /// "Total operations completed".
    pub operations: Option<Placed<u64>>,
    /// "Total data processed".
    pub data: Option<Placed<u64>>,
    /// "Run ended".
    pub ended: Option<Placed<Box<RunEnd>>>,
    /// "Log gap" events.
    pub gaps: Vec<LogGap>,
    /// The last lines that must not stand behind "Run ended".
    last: Vec<(u64, Location)>,
}

/// How many lines are kept that may turn out to stand behind "Run ended".
const LAST_MAX: usize = 8;

impl MainThread {
    /// About how many bytes the account takes.
    pub(super) fn memory(&self) -> u64 {
        let gaps = self.gaps.iter().map(|gap| gap.ranges.len() * 32 + 100);
        self.sequence.memory() + (self.threads.len() * 64) as u64 + gaps.sum::<usize>() as u64
    }

    /// Whether the line with this number was seen undamaged.
    pub(super) fn holds(&self, seq: u64) -> bool {
        seq < self.next && !self.sequence.missing.contains(seq)
    }

    /// Takes in an event of a run with these workers.
    pub(super) fn enter(
        &mut self,
        record: &Record,
        event: &Event,
        workers: Range<u32>,
        at: Location,
        budget: &mut Budget,
    ) -> Entered {
        let seq = record.seq;
        let placed = |value| Placed {
            value,
            seq,
            sum: record.sum,
            at,
        };
        // A line that the run has once: entered, a copy of it, or another.
        let once = match event {
            Event::RunStarted { .. } if seq != 0 => {
                return Entered::Unexpected("a run starts with number 0");
            }
            Event::RunStarted { .. } => Once::of(&mut self.started, placed(0).with(())),
            Event::ThreadStarted { worker } | Event::ThreadRefused { worker, .. } => {
                let Some(number) = u32::try_from(*worker)
                    .ok()
                    .filter(|number| workers.contains(number))
                else {
                    return NO_WORKER;
                };
                if seq <= u64::from(number - workers.start) {
                    let why = "the threads before it cannot have been started by then";
                    return Entered::Unexpected(why);
                }
                let mut known = self.threads.get(&number).copied();
                let once = Once::of(&mut known, placed(0).with(()));
                if once == Once::First {
                    self.threads.extend(known.map(|line| (number, line)));
                    if matches!(event, Event::ThreadRefused { .. }) {
                        self.refused = Some(number);
                    }
                }
                once
            }
            Event::TotalOperations { count } => Once::of(&mut self.operations, placed(*count)),
            Event::TotalData { count } => Once::of(&mut self.data, placed(*count)),
            Event::RunEnded {
                cause,
                lines,
                dropped_items,
                ..
            } if let Some(closing) = Closing::of(event) => {
                let ended = RunEnd {
                    closing,
                    cause: cause.clone(),
                    lines: *lines,
                    dropped_items: *dropped_items,
                };
                Once::of(&mut self.ended, placed(0).with(Box::new(ended)))
            }
            _ => Once::First,
        };
        match once {
            Once::Copy => Entered::Duplicate,
            Once::Other => Entered::Unexpected("the run has such a line already, and another"),
            Once::First => self.arrive(event, seq, at, budget),
        }
    }

    fn arrive(&mut self, event: &Event, seq: u64, at: Location, budget: &mut Budget) -> Entered {
        if seq < self.next {
            if !self.sequence.missing.remove(seq) {
                return Entered::Duplicate;
            }
        } else {
            if seq == u64::MAX || !budget.pay_for_numbers(seq - self.next) {
                return Entered::TooFar;
            }
            self.sequence.missing.insert_range(self.next..seq);
            self.next = seq + 1;
        }
        match event {
            Event::LogGap { lost, ranges } => self.gaps.push(LogGap {
                seq,
                at,
                lost: *lost,
                ranges: parse_ranges(ranges).unwrap_or_default(),
            }),
            // The log is opened anew whenever that is noticed, be it behind the last event.
            Event::LogReopened {} | Event::RunEnded { .. } => {}
            _ => {
                if self.last.len() == LAST_MAX {
                    self.last.remove(0);
                }
                let place = self.last.partition_point(|(number, _)| *number < seq);
                self.last.insert(place, (seq, at));
            }
        }
        Entered::New
    }

    /// Lines that stand behind "Run ended" and must not.
    pub(super) fn behind_the_end(&self) -> impl Iterator<Item = (u64, Location)> {
        let end = self.ended.as_ref().map_or(u64::MAX, |ended| ended.seq);
        let last = self.last.iter().copied();
        last.filter(move |(seq, _)| *seq > end)
    }

    /// What stopped the run before its end, as "Run ended" has it.
    pub(super) fn stopped_by(&self) -> Option<String> {
        let ended = &self.ended.as_ref()?.value;
        (ended.closing.reason == Reason::Stopped).then(|| ended.cause.clone())
    }
}

/// Reads the ranges of a "Log gap": `main:4-5,0:17,3:2-9`.
fn parse_ranges(text: &str) -> Option<Vec<(Producer, Range<u64>)>> {
    text.split(',')
        .map(|range| {
            let (producer, numbers) = range.split_once(':')?;
            let producer = match producer {
                "main" => Producer::Main,
                number => Producer::Worker(number.parse().ok()?),
            };
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some((producer, first..last.checked_add(1)?))
        })
        .collect()
}

impl<T> Placed<T> {
    fn with<U>(self, value: U) -> Placed<U> {
        Placed {
            value,
            seq: self.seq,
            sum: self.sum,
            at: self.at,
        }
    }
}

/// Whether a line that a run has once is there for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Once {
    First,
    Copy,
    Other,
}

impl Once {
    fn of<T>(known: &mut Option<Placed<T>>, line: Placed<T>) -> Self {
        match known {
            None => {
                *known = Some(line);
                Self::First
            }
            Some(known) if (known.seq, known.sum) == (line.seq, line.sum) => Self::Copy,
            Some(_) => Self::Other,
        }
    }
}
