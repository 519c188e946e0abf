//! The account of a run's main thread: the lines that open and close the run, and those that may stand anywhere between.

use std::ops::Range;

use super::{
    arrivals::Arrival,
    entered::{Entered, NO_WORKER, Placed, once},
    sequence::Sequence,
};
use crate::{
    audit::records::record::Producer,
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
    /// The first worker that was not started, if one was not.
    pub refused: Option<u32>,
    /// "Total operations completed".
    pub operations: Option<Placed<u64>>,
    /// "Total data processed".
    pub data: Option<Placed<u64>>,
    /// "Run ended".
    pub ended: Option<Placed<Box<RunEnd>>>,
    /// "Log gap" events.
    pub gaps: Vec<Placed<LogGap>>,
}

impl MainThread {
    /// About how many bytes the account takes.
    pub(crate) fn memory(&self) -> u64 {
        let gaps = self
            .gaps
            .iter()
            .map(|gap| gap.value.ranges.len() * 32 + 100);
        self.sequence.memory() + gaps.sum::<usize>() as u64
    }

    /// Takes in an event of a run with these workers.
    pub(crate) fn enter(
        &mut self,
        event: &Event,
        workers: Range<u32>,
        arrival: &Arrival<'_>,
    ) -> Entered {
        // A line that the run has once: entered, a copy of it, or another.
        let entered = match event {
            Event::ThreadStarted { worker } | Event::ThreadRefused { worker, .. } => {
                let number = u32::try_from(*worker).unwrap_or(u32::MAX);
                if !workers.contains(&number) {
                    return NO_WORKER;
                }
                if matches!(event, Event::ThreadRefused { .. }) {
                    self.refused = Some(number);
                }
                Entered::New
            }
            Event::NotStarted { .. } => {
                self.refused = Some(workers.start);
                Entered::New
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
        if entered != Entered::New {
            return entered;
        }
        let entered = self.sequence.met.meet(arrival.seq, arrival.budget);
        if entered.is_new()
            && let Event::LogGap { lost, ranges } = event
        {
            let ranges = parse_ranges(ranges).unwrap_or_default();
            let gap = LogGap {
                lost: *lost,
                ranges,
            };
            self.gaps.push(arrival.placed(gap));
        }
        entered
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
