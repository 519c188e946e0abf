//! The account of a run's main thread: the lines that open and close the run, and those that may stand anywhere between.

use std::{collections::BTreeMap, ops::Range};

use super::{
    cursor::Budget,
    entered::{Entered, NO_WORKER, Placed, once},
    sequence::Sequence,
};
use crate::{
    audit::{
        records::record::{Producer, Record},
        verdict::findings::Location,
    },
    log::{
        account::Closing,
        event::{Event, Reason},
    },
};

/// What "Run ended" says.
#[derive(Clone, Debug)]
pub(crate) struct RunEnd {
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
pub(crate) struct LogGap {
    /// Its number.
    pub seq: u64,
    /// Where it stands.
    pub at: Location,
    /// How many lines it says are lost.
    pub lost: u64,
    /// The lines that it names; none if that cannot be read.
    pub ranges: Vec<(Producer, Range<u64>)>,
}

/// The main thread's lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct MainThread {
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
    /// The last line that must not stand behind "Run ended".
    last: Option<(u64, Location)>,
}

impl MainThread {
    /// About how many bytes the account takes.
    pub(crate) fn memory(&self) -> u64 {
        let gaps = self.gaps.iter().map(|gap| gap.ranges.len() * 32 + 100);
        self.sequence.memory() + (self.threads.len() * 64) as u64 + gaps.sum::<usize>() as u64
    }

    /// Takes in an event of a run with these workers.
    pub(crate) fn enter(
        &mut self,
        record: &Record,
        event: &Event,
        workers: Range<u32>,
        at: Location,
        budget: &mut Budget,
    ) -> Entered {
        let seq = record.seq;
        let line = Placed::of(record, at);
        // A line that the run has once: entered, a copy of it, or another.
        let entered = match event {
            Event::RunStarted { .. } if seq != 0 => {
                Entered::Unexpected("a run starts with number 0")
            }
            Event::RunStarted { .. } => once(&mut self.started, line),
            Event::ThreadStarted { worker } | Event::ThreadRefused { worker, .. } => {
                let number = u32::try_from(*worker).unwrap_or(u32::MAX);
                if !workers.contains(&number) {
                    return NO_WORKER;
                }
                if seq <= u64::from(number - workers.start) {
                    let why = "the threads before it cannot have been started by then";
                    return Entered::Unexpected(why);
                }
                let mut known = self.threads.get(&number).copied();
                let entered = once(&mut known, line);
                self.threads.extend(known.map(|line| (number, line)));
                if entered == Entered::New && matches!(event, Event::ThreadRefused { .. }) {
                    self.refused = Some(number);
                }
                entered
            }
            Event::TotalOperations { count } => once(&mut self.operations, line.with(*count)),
            Event::TotalData { count } => once(&mut self.data, line.with(*count)),
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
                once(&mut self.ended, line.with(Box::new(ended)))
            }
            _ => Entered::New,
        };
        match entered {
            Entered::New => self.arrive(event, seq, at, budget),
            known => known,
        }
    }

    fn arrive(&mut self, event: &Event, seq: u64, at: Location, budget: &mut Budget) -> Entered {
        let entered = self.sequence.met.meet(seq, budget);
        if !entered.is_new() {
            return entered;
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
            _ if self.last.is_some_and(|(last, _)| last > seq) => {}
            _ => self.last = Some((seq, at)),
        }
        entered
    }

    /// The last line that stands behind "Run ended" and must not.
    pub(crate) fn behind_the_end(&self) -> Option<(u64, Location)> {
        let end = self.ended.as_ref().map_or(u64::MAX, |ended| ended.seq);
        self.last.filter(|(seq, _)| *seq > end)
    }

    /// What stopped the run before its end, as "Run ended" has it.
    pub(crate) fn stopped_by(&self) -> Option<String> {
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
