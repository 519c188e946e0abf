//! From a worker's lines to what it did between them: attempts, sleeps, and gaps where lines are missing. Page and trace are
//! both made of these.
//!
//! A line tells when an attempt ended. When it began follows from the line before: that attempt's end, and the sleep that
//! came after it. A log may have its newest lines first: then the neighbour is the line behind.

use crate::audit::{AttemptKind, AttemptRecord, Run};
use crate::plan::Position;

/// What a worker did for a while. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Sleep {
        from: u64,
        to: u64,
        /// How the attempt before it had ended.
        after: AttemptKind,
    },
    Attempt(AttemptSpan),
    Missing(MissingLines),
    /// A line came after lines that it should precede, at this time.
    Late(u64),
}

/// An attempt.
#[derive(Clone, Copy, Debug)]
pub(super) struct AttemptSpan {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) position: Position,
    pub(super) kind: AttemptKind,
    /// How long the whole operation took, where this completes what is known of it.
    pub(super) operation: Option<u64>,
}

/// Lines that are missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct MissingLines {
    /// How many.
    pub(super) count: u64,
    /// When the lines before and behind them were logged, if there are any.
    pub(super) since: Option<u64>,
    pub(super) until: Option<u64>,
}

/// What one line can add at most, in the order of the input: a gap, or a sleep and an attempt; and the worker's first attempt,
/// if it is its first line.
pub(super) type Spans = [Option<Span>; 3];

/// A line that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct WorkerLine {
    seq: u64,
    stamp: u64,
    attempt: Option<(Position, AttemptKind)>,
    /// How long the worker sleeps then, in microseconds.
    sleep: u64,
}

impl WorkerLine {
    /// The line of an attempt.
    #[inline]
    pub(super) fn of(run: &Run, attempt: &AttemptRecord) -> Self {
        let sleep = match (attempt.kind, run.workload()) {
            (AttemptKind::Success, Some(plan)) => plan.time_scale.apply(plan.success_delay).0,
            (AttemptKind::Retry | AttemptKind::Abandon, _) => attempt.value,
            _ => 0,
        };
        Self {
            attempt: Some((attempt.position, attempt.kind)),
            sleep,
            ..Self::other(attempt.seq, attempt.stamp)
        }
    }

    /// Any other line of a worker.
    pub(super) fn other(seq: u64, stamp: u64) -> Self {
        Self {
            seq,
            stamp,
            attempt: None,
            sleep: 0,
        }
    }
}

/// What is known of one worker while its lines go by.
#[derive(Clone, Debug, Default)]
pub(super) struct WorkerLines {
    /// The line with the highest number.
    highest: Option<WorkerLine>,
    /// The neighbour of the line that is expected next.
    edge: Option<WorkerLine>,
    /// Operations, by their number, whose begin and whose end was seen last, and when that was.
    began: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
}

impl WorkerLines {
    /// Takes in a line.
    #[inline]
    pub(super) fn take(&mut self, line: WorkerLine, backwards: bool) -> Spans {
        let mut spans = [None; 3];
        let is_highest = self.highest.is_none_or(|known| known.seq < line.seq);
        if is_highest {
            self.highest = Some(line);
        }
        // Read backwards, a line above all others has its neighbour yet to come.
        if let Some(edge) = self.edge.filter(|_| !(backwards && is_highest)) {
            let (earlier, later) = if backwards {
                (line, edge)
            } else {
                (edge, line)
            };
            if later.seq <= earlier.seq {
                return [Some(Span::Late(line.stamp)), None, None];
            }
            match later.seq - earlier.seq {
                1 => {
                    [spans[0], spans[1]] = self.between(earlier, later);
                    if backwards {
                        spans.swap(0, 1);
                    }
                }
                apart => spans[0] = Some(gap(apart - 1, Some(earlier), Some(later))),
            }
        } else if !backwards && line.seq > 0 {
            spans[0] = Some(gap(line.seq, None, Some(line)));
        }
        self.edge = Some(line);
        if line.seq == 0 {
            // Nothing tells when it began.
            spans[2] = self.attempt(line.stamp, line);
        }
        spans
    }

    /// The sleep and the attempt between two lines that follow each other.
    fn between(&mut self, earlier: WorkerLine, later: WorkerLine) -> [Option<Span>; 2] {
        let from = earlier.stamp.min(later.stamp);
        let awake = earlier.stamp.saturating_add(earlier.sleep);
        let awake = awake.clamp(from, later.stamp);
        let slept = earlier.attempt.filter(|_| awake > from);
        let sleep = slept.map(|(_, after)| Span::Sleep {
            from,
            to: awake,
            after,
        });
        [sleep, self.attempt(awake, later)]
    }

    /// The attempt that a line tells of, if it does.
    fn attempt(&mut self, from: u64, line: WorkerLine) -> Option<Span> {
        let (position, kind) = line.attempt?;
        let mut attempt = AttemptSpan {
            from,
            to: line.stamp,
            position,
            kind,
            operation: None,
        };
        attempt.operation = self.operation(attempt);
        Some(Span::Attempt(attempt))
    }

    /// How long an operation took, once both its ends were seen.
    fn operation(&mut self, attempt: AttemptSpan) -> Option<u64> {
        let iteration = attempt.position.iteration;
        if attempt.position.attempt == 1 {
            self.began = Some((iteration, attempt.from));
        }
        if matches!(attempt.kind, AttemptKind::Success | AttemptKind::Abandon) {
            self.ended = Some((iteration, attempt.to));
        }
        let (began, ended) = (self.began?, self.ended?);
        if began.0 != ended.0 {
            return None;
        }
        (self.began, self.ended) = (None, None);
        Some(ended.1.saturating_sub(began.1))
    }

    /// The gap of `count` lines that the audit found lost from number `first` on, if they lie beyond all lines that were read:
    /// any other gap has shown when the line behind it came.
    pub(super) fn lost(&self, first: u64, count: u64, backwards: bool) -> Option<Span> {
        let (Some(highest), Some(edge)) = (self.highest, self.edge) else {
            return Some(gap(count, None, None));
        };
        if first > highest.seq {
            Some(gap(count, Some(highest), None))
        } else {
            (backwards && first < edge.seq).then(|| gap(count, None, Some(edge)))
        }
    }
}

fn gap(count: u64, before: Option<WorkerLine>, behind: Option<WorkerLine>) -> Span {
    Span::Missing(MissingLines {
        count,
        since: before.map(|line| line.stamp),
        until: behind.map(|line| line.stamp),
    })
}
