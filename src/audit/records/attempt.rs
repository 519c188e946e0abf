//! An attempt as a line of the log tells it, held against the plan.
//!
//! This file must not know what other lines say.

use super::{
    block::BlockLocation,
    record::{Producer, Record},
};
use crate::{
    audit::registry::Run,
    log::event::{Event, Next},
    plan::{Outcome, Position},
};

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttemptKind {
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
pub struct AttemptRecord {
    /// The run, by its place in the registry.
    pub run: u32,
    /// The worker.
    pub worker: u32,
    /// How it ended.
    pub kind: AttemptKind,
    /// Whether the outcome is what the plan has for this operation and attempt; none while the run's configuration is
    /// not known ([`AttemptRecord::is_planned`] says it then).
    pub planned: Option<bool>,
    /// Its number along its worker.
    pub seq: u64,
    /// Which attempt it is.
    pub position: Position,
    /// The counter, if it succeeded; else the delay that follows, in microseconds.
    pub value: u64,
    /// Microseconds since 1970.
    pub stamp: u64,
    /// When the pipeline received it, in microseconds since 1970; 0 if nothing says.
    pub received: u64,
    /// Where it stands in the block.
    pub location: BlockLocation,
}

impl AttemptRecord {
    /// The attempt that a record tells of, if it does. None for an unexpected error as long as the run's configuration is
    /// not known: its words are held against the plan here.
    pub fn of_record(
        record: &Record,
        run: &Run,
        received: u64,
        location: BlockLocation,
    ) -> Option<Self> {
        let Producer::Worker(worker) = record.author else {
            return None;
        };
        let (iteration, attempt, kind, value) = match record.event.as_ref()? {
            Event::Succeeded {
                iteration,
                attempt,
                counter,
            } => (*iteration, *attempt, AttemptKind::Success, *counter),
            Event::Failed {
                iteration,
                attempt,
                next,
                delay_us,
            } => {
                let kind = match next {
                    Next::Retry => AttemptKind::Retry,
                    Next::Abandon => AttemptKind::Abandon,
                };
                (*iteration, *attempt, kind, delay_us.0)
            }
            Event::Unexpected {
                iteration, attempt, ..
            } => (*iteration, *attempt, AttemptKind::Panic, 0),
            _ => return None,
        };
        let position = Position { iteration, attempt };
        let mut planned = planned(run, worker, position, kind, value);
        if let Some(Event::Unexpected { error, .. }) = &record.event
            && planned?
            && let Some(rules) = run.rules(worker)
        {
            let words =
                matches!(rules.outcome(position), Outcome::Panic(place) if place.words() == error);
            planned = Some(words);
        }
        Some(Self {
            run: run.index,
            worker,
            kind,
            planned,
            seq: record.seq,
            position,
            value,
            stamp: record.stamp,
            received,
            location,
        })
    }

    /// Whether the outcome is what the plan has; none while the run's configuration is not known.
    pub fn is_planned(&self, run: &Run) -> Option<bool> {
        self.planned
            .or_else(|| planned(run, self.worker, self.position, self.kind, self.value))
    }
}

/// Whether the plan has this ending for this attempt. Of a run without a plan everything is believed.
#[inline]
fn planned(
    run: &Run,
    worker: u32,
    position: Position,
    kind: AttemptKind,
    value: u64,
) -> Option<bool> {
    let known = run.known()?;
    if position.iteration == 0 || position.attempt == 0 {
        return Some(false);
    }
    let Some(rules) = known.rules.get(worker) else {
        return Some(known.workload.is_err());
    };
    Some(match rules.outcome(position) {
        Outcome::Success { .. } => kind == AttemptKind::Success,
        Outcome::Retry { delay } => kind == AttemptKind::Retry && delay.0 == value,
        Outcome::Abandon { delay } => kind == AttemptKind::Abandon && delay.0 == value,
        Outcome::Panic(_) => kind == AttemptKind::Panic,
    })
}
