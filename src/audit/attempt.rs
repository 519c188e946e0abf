//! An attempt as a line of the log tells it, held against the plan.
//!
//! This file must not know what other lines say.

use super::{
    exact::{Ending, Exact},
    record::{Author, Record},
    registry::Run,
};
use crate::{
    log::event::{Event, Next},
    plan::{Outcome, Position},
};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It succeeded.
    Success,
    /// Another one follows.
    Retry,
    /// The operation was given up.
    Abandon,
    /// It panicked.
    Panic,
}

/// An attempt's line.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// The run, by its place in the registry.
    pub run: u32,
    /// The worker.
    pub worker: u32,
    /// How it ended.
    pub kind: Kind,
    /// The outcome is what the plan has for this operation and attempt.
    pub planned: bool,
    /// Its number along its worker.
    pub seq: u64,
    /// Which attempt it is.
    pub position: Position,
    /// The counter, if it succeeded.
    pub counter: u64,
    /// Microseconds since 1970.
    pub stamp: u64,
    /// Where it stands in the block.
    pub spot: BlockSpot,
}

/// A physical line of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockSpot {
    /// The line's number within the block, from 0.
    pub line: u32,
    /// Its first byte.
    pub offset: u32,
}

impl Attempt {
    /// The attempt that a line in exact form tells of.
    #[inline]
    pub fn of_exact(line: &Exact, run: &Run, spot: BlockSpot) -> Self {
        let position = Position {
            iteration: line.iteration,
            attempt: line.attempt,
        };
        let (kind, counter, delay) = match line.ending {
            Ending::Success(counter) => (Kind::Success, counter, 0),
            Ending::Retry(delay) => (Kind::Retry, 0, delay),
            Ending::Abandon(delay) => (Kind::Abandon, 0, delay),
        };
        Self {
            run: run.index,
            worker: line.worker,
            kind,
            planned: planned(run, line.worker, position, kind, delay),
            seq: line.seq,
            position,
            counter,
            stamp: line.stamp,
            spot,
        }
    }

    /// The attempt that a record tells of, if it does.
    pub fn of_record(record: &Record, run: &Run, spot: BlockSpot) -> Option<Self> {
        let Author::Worker(worker) = record.author else {
            return None;
        };
        let (iteration, attempt, kind, counter, delay) = match record.event.as_ref()? {
            Event::Succeeded {
                iteration,
                attempt,
                counter,
            } => (*iteration, *attempt, Kind::Success, *counter, 0),
            Event::Failed {
                iteration,
                attempt,
                next,
                delay_us,
            } => {
                let kind = match next {
                    Next::Retry => Kind::Retry,
                    Next::Abandon => Kind::Abandon,
                };
                (*iteration, *attempt, kind, 0, delay_us.0)
            }
            Event::Unexpected {
                iteration, attempt, ..
            } => (*iteration, *attempt, Kind::Panic, 0, 0),
            _ => return None,
        };
        let position = Position { iteration, attempt };
        let mut planned = planned(run, worker, position, kind, delay);
        if let (Some(Event::Unexpected { error, .. }), true, Some(rules)) =
            (&record.event, planned, run.rules(worker))
        {
            planned =
                matches!(rules.outcome(position), Outcome::Panic(place) if place.words() == error);
        }
        Some(Self {
            run: run.index,
            worker,
            kind,
            planned,
            seq: record.seq,
            position,
            counter,
            stamp: record.stamp,
            spot,
        })
    }
}

/// Whether the plan has this ending for this attempt. Of a run without a plan everything is believed.
#[inline]
fn planned(run: &Run, worker: u32, position: Position, kind: Kind, delay_us: u64) -> bool {
    if position.iteration == 0 || position.attempt == 0 {
        return false;
    }
    let Some(rules) = run.rules(worker) else {
        return run.workload().is_none();
    };
    match rules.outcome(position) {
        Outcome::Success { .. } => kind == Kind::Success,
        Outcome::Retry { delay } => kind == Kind::Retry && delay.0 == delay_us,
        Outcome::Abandon { delay } => kind == Kind::Abandon && delay.0 == delay_us,
        Outcome::Panic(_) => kind == Kind::Panic,
    }
}
