//! The account of a run's main thread: the lines that open and close the run, and those that may stand anywhere between.

use std::{collections::BTreeMap, ops::Range};

use super::{
    arrivals::Arrival,
    entered::{Entered, NO_WORKER, Placed, once},
    sequence::Sequence,
    time_order::TimedLine,
};
use crate::{
    audit::{records::record::Producer, verdict::findings::Location},
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

/// What a "Log gap" says.
#[derive(Clone, Debug)]
pub(crate) struct LogGap {
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
    pub gaps: Vec<Placed<LogGap>>,
    /// The last line that must not stand behind "Run ended".
    last: Option<(u64, Location)>,
}

impl MainThread {
    /// About how many bytes the account takes.
    pub(crate) fn memory(&self) -> u64 {
        let gaps = self
            .gaps
            .iter()
            .map(|gap| gap.value.ranges.len() * 32 + 100);
        self.sequence.memory() + (self.threads.len() * 64) as u64 + gaps.sum::<usize>() as u64
    }

    /// Takes in an event of a run with these workers.
    pub(crate) fn enter(
        &mut self,
        event: &Event,
        workers: Range<u32>,
        arrival: Arrival<'_>,
    ) -> Entered {
        let seq = arrival.line.seq;
        // A line that the run has once: entered, a copy of it, or another.
        let entered = match event {
            Event::RunStarted { .. } if seq != 0 => {
                Entered::Unexpected("a run starts with number 0")
            }
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
                let entered = once(&mut known, arrival.placed(()));
                self.threads.extend(known.map(|line| (number, line)));
                if entered == Entered::New && matches!(event, Event::ThreadRefused { .. }) {
                    self.refused = Some(number);
                }
                entered
            }
            Event::TotalOperations { count } => once(&mut self.operations, arrival.placed(*count)),
            Event::TotalData { count } => once(&mut self.data, arrival.placed(*count)),
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
                once(&mut self.ended, arrival.placed(Box::new(ended)))
            }
            _ => Entered::New,
        };
        match entered {
            Entered::New => self.arrive(event, arrival),
            known => known,
        }
    }

    fn arrive(&mut self, event: &Event, arrival: Arrival<'_>) -> Entered {
        let TimedLine { seq, at, .. } = arrival.line;
        let entered = self.sequence.met.meet(seq, arrival.budget);
        if !entered.is_new() {
            return entered;
        }
        match event {
            Event::LogGap { lost, ranges } => {
                let ranges = parse_ranges(ranges).unwrap_or_default();
                let gap = LogGap {
                    lost: *lost,
                    ranges,
                };
                self.gaps.push(arrival.placed(gap));
            }
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
