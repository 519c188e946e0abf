//! From a line to what happened between it and its neighbour of the same worker.
//!
//! A line tells when an attempt ended. When it began follows from the line before: that attempt's end, and the delay that
//! the plan has after it. Where lines are missing in between, this says how many, and nothing of what they hid. A log may
//! have its newest lines first: then the neighbour is the line behind.

use crate::{
    audit::{Attempt, AttemptKind, Run},
    plan::Position,
};

/// A length of time that a worker slept, in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    pub(super) from: u64,
    pub(super) to: u64,
    /// How the attempt before it had ended.
    pub(super) after: AttemptKind,
}

/// What one line adds to the history of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing: it has no neighbour yet.
    First,
    /// It and its neighbour follow each other.
    Next(Stretch),
    /// Lines are missing between it and its neighbour.
    LineGap(LineGap),
    /// It comes after lines that it should precede.
    Late,
}

/// The time from a line to the one that follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stretch {
    /// The sleep at its beginning, if there was one.
    pub(super) pause: Option<Pause>,
    /// When the sleep was over.
    pub(super) began: u64,
    /// When the later line was logged.
    pub(super) ended: u64,
    /// The attempt that the later line tells of, if it does.
    pub(super) attempt: Option<(Position, AttemptKind)>,
    /// How long the operation took, where this completes what is known of it.
    pub(super) operation: Option<u64>,
}

/// Lines of one worker that are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LineGap {
    /// How many.
    pub(super) count: u64,
    /// When the lines before and behind them were logged, if there are any.
    pub(super) since: Option<u64>,
    pub(super) until: Option<u64>,
    /// The attempt that the plan has for the first of them.
    pub(super) position: Option<Position>,
}

/// A line that was read.
#[derive(Clone, Copy, Debug)]
struct SeenLine {
    seq: u64,
    stamp: u64,
    attempt: Option<(Position, AttemptKind)>,
    /// What the plan has behind it.
    sleep: Option<(u64, AttemptKind)>,
    next: Option<Position>,
}

/// What is known of one worker while its lines go by.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerSteps {
    /// The line with the highest number.
    highest: Option<SeenLine>,
    /// The neighbour of the line that is expected next.
    edge: Option<SeenLine>,
    /// Operations, by their number, whose begin and whose end was seen last, and when that was.
    began: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
}

impl WorkerSteps {
    /// Takes in the line of an attempt.
    #[inline]
    pub(super) fn attempt(&mut self, run: &Run, attempt: &Attempt, backwards: bool) -> Step {
        let mut seen = SeenLine::plain(attempt.seq, attempt.stamp);
        seen.attempt = Some((attempt.position, attempt.kind));
        if let Some(rules) = run.rules(attempt.worker) {
            let outcome = rules.outcome(attempt.position);
            seen.next = rules.after(attempt.position, outcome);
            seen.sleep = outcome.delay().map(|delay| (delay.0, attempt.kind));
        }
        self.take(seen, backwards)
    }

    /// Takes in any other line of the worker.
    pub(super) fn line(&mut self, seq: u64, stamp: u64, backwards: bool) -> Step {
        self.take(SeenLine::plain(seq, stamp), backwards)
    }

    /// Read backwards, the worker's first line has no neighbour to come: its attempt began where it was logged, as far as the
    /// log tells. To be asked behind each attempt.
    #[inline]
    pub(super) fn begin(&mut self, backwards: bool) -> Step {
        match self.edge {
            Some(edge) if backwards && edge.seq == 0 => self.alone(edge),
            _ => Step::First,
        }
    }

    fn alone(&mut self, first: SeenLine) -> Step {
        Step::Next(self.stretch(SeenLine::plain(0, first.stamp), first))
    }

    #[inline]
    fn take(&mut self, seen: SeenLine, backwards: bool) -> Step {
        let is_highest = self.highest.is_none_or(|known| known.seq < seen.seq);
        if is_highest {
            self.highest = Some(seen);
        }
        // Read backwards, a line above all others has its neighbour yet to come.
        let edge = self.edge.filter(|_| !(backwards && is_highest));
        let Some(edge) = edge else {
            self.edge = Some(seen);
            return match (backwards, seen.seq) {
                (true, _) => Step::First,
                (false, 0) => self.alone(seen),
                (false, count) => Step::LineGap(LineGap::new(count, None, Some(seen))),
            };
        };
        let (earlier, later) = if backwards {
            (seen, edge)
        } else {
            (edge, seen)
        };
        if later.seq <= earlier.seq {
            return Step::Late;
        }
        self.edge = Some(seen);
        match later.seq - earlier.seq {
            1 => Step::Next(self.stretch(earlier, later)),
            apart => Step::LineGap(LineGap::new(apart - 1, Some(earlier), Some(later))),
        }
    }

    fn stretch(&mut self, earlier: SeenLine, later: SeenLine) -> Stretch {
        let mut began = earlier.stamp.min(later.stamp);
        let mut pause = None;
        if let Some((length, after)) = earlier.sleep {
            let to = earlier.stamp.saturating_add(length).min(later.stamp);
            if to > began {
                let from = began;
                pause = Some(Pause { from, to, after });
                began = to;
            }
        }
        Stretch {
            pause,
            began,
            ended: later.stamp,
            attempt: later.attempt,
            operation: later.attempt.and_then(|(position, kind)| {
                let iteration = position.iteration;
                if position.attempt == 1 {
                    self.began = Some((iteration, began));
                }
                if matches!(kind, AttemptKind::Success | AttemptKind::Abandon) {
                    self.ended = Some((iteration, later.stamp));
                }
                let (begin, end) = (self.began?, self.ended?);
                if begin.0 != end.0 {
                    return None;
                }
                (self.began, self.ended) = (None, None);
                Some(end.1.saturating_sub(begin.1))
            }),
        }
    }

    /// What is missing at both ends, of a worker that has logged all numbers below `end`; read backwards, its first lines show
    /// to be missing only now.
    pub(super) fn missing(
        &self,
        end: u64,
        backwards: bool,
    ) -> impl Iterator<Item = LineGap> + use<> {
        let lowest = self.edge.filter(|edge| backwards && edge.seq > 0);
        let first = lowest.map(|lowest| LineGap::new(lowest.seq, None, Some(lowest)));
        let read = self.highest.map_or(0, |highest| highest.seq + 1);
        let behind = end.checked_sub(read).filter(|count| *count > 0);
        let last = behind.map(|count| LineGap::new(count, self.highest, None));
        first.into_iter().chain(last)
    }
}

impl SeenLine {
    fn plain(seq: u64, stamp: u64) -> Self {
        Self {
            seq,
            stamp,
            attempt: None,
            sleep: None,
            next: None,
        }
    }
}

impl LineGap {
    fn new(count: u64, before: Option<SeenLine>, behind: Option<SeenLine>) -> Self {
        Self {
            count,
            since: before.map(|seen| seen.stamp),
            until: behind.map(|seen| seen.stamp),
            position: before.map_or(Some(Position::FIRST), |seen| seen.next),
        }
    }
}
