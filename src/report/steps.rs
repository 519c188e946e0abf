//! From a line to what happened since the line before it of the same worker.
//!
//! A line tells when an attempt ended. When it began follows from the line before: that attempt's end, and the delay that
//! the plan has after it. Where lines are missing in between, this says how many, and nothing of what they hid.

use crate::{
    audit::{Attempt, Kind, Run},
    plan::{Outcome, Position},
};

/// A length of time that a worker slept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pause {
    /// When it began, in microseconds since 1970.
    pub(super) from: u64,
    /// When it ended.
    pub(super) to: u64,
    /// Before another attempt of the same operation, or after the operation.
    pub(super) why: Why,
}

/// Why a worker sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The operation succeeded.
    Success,
    /// The attempt is to be made again.
    Backoff,
    /// The operation was given up.
    Abandoned,
}

/// What one line adds to the history of its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It follows the line before it.
    Next {
        /// The sleep before it, if there was one.
        pause: Option<Pause>,
        /// When the attempt began.
        began: u64,
        /// When the operation began; none where its first lines are missing.
        operation_began: Option<u64>,
    },
    /// Lines are missing before it.
    Gap(Gap),
    /// It comes after lines that it should precede.
    Late,
}

/// Lines of one worker that are missing in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    /// How many.
    pub(super) count: u64,
    /// When the line before them was logged, if there is one.
    pub(super) since: Option<u64>,
    /// The attempt that the plan has for the first of them.
    pub(super) position: Option<Position>,
}

/// What is known of one worker while its lines go by.
#[derive(Clone, Debug)]
pub(super) struct WorkerSteps {
    /// When the last line's attempt ended, and what the worker slept for afterwards.
    last: Option<Last>,
    /// The number that the next line should have.
    next: u64,
    operation_began: Option<u64>,
    /// The attempt that the plan has after the last line's.
    position: Option<Position>,
    /// The worker has closed its account.
    pub(super) ended: bool,
}

#[derive(Clone, Copy, Debug)]
struct Last {
    stamp: u64,
    sleep: Option<(u64, Why)>,
}

impl WorkerSteps {
    /// A worker of which nothing was read.
    pub(super) fn new() -> Self {
        Self {
            last: None,
            next: 0,
            operation_began: None,
            position: Some(Position::FIRST),
            ended: false,
        }
    }

    /// The thread was started.
    pub(super) fn started(&mut self, stamp: u64) {
        if self.last.is_none() {
            self.last = Some(Last { stamp, sleep: None });
        }
    }

    /// So many lines are missing behind the last one.
    pub(super) fn gap_of(&self, count: u64) -> Gap {
        Gap {
            count,
            since: self.last.map(|last| last.stamp),
            position: self.position,
        }
    }

    /// One more than the highest number that was read.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// Takes in the line of an attempt.
    #[inline]
    pub(super) fn attempt(&mut self, run: &Run, attempt: &Attempt) -> Step {
        let mut step = self.line(attempt.seq, attempt.stamp);
        if step == Step::Late {
            return step;
        }
        if let Step::Next {
            began,
            operation_began,
            ..
        } = &mut step
        {
            if attempt.position.attempt == 1 {
                self.operation_began = Some(*began);
            }
            *operation_began = self.operation_began;
        }
        if attempt.kind != Kind::Retry {
            self.operation_began = None;
        }
        self.plan_on(run, attempt);
        step
    }

    /// Takes in any line of the worker.
    #[inline]
    pub(super) fn line(&mut self, seq: u64, stamp: u64) -> Step {
        let step = if seq == self.next {
            self.follow(stamp)
        } else if seq > self.next {
            self.operation_began = None;
            Step::Gap(self.gap_of(seq - self.next))
        } else {
            return Step::Late;
        };
        self.next = seq.saturating_add(1);
        self.last = Some(Last { stamp, sleep: None });
        step
    }

    fn follow(&self, stamp: u64) -> Step {
        let (mut began, mut pause) = (stamp, None);
        if let Some(last) = self.last {
            began = last.stamp.min(stamp);
            if let Some((length, why)) = last.sleep {
                let to = last.stamp.saturating_add(length).min(stamp);
                if to > began {
                    pause = Some(Pause {
                        from: began,
                        to,
                        why,
                    });
                    began = to;
                }
            }
        }
        Step::Next {
            pause,
            began,
            operation_began: None,
        }
    }

    /// What the plan has after the last line: a sleep, and another attempt.
    fn plan_on(&mut self, run: &Run, attempt: &Attempt) {
        let (Some(rules), Some(last)) = (run.rules(attempt.worker), &mut self.last) else {
            return;
        };
        let outcome = rules.outcome(attempt.position);
        self.position = rules.after(attempt.position, outcome);
        last.sleep = match outcome {
            Outcome::Success { delay } => Some((delay.0, Why::Success)),
            Outcome::Retry { delay } => Some((delay.0, Why::Backoff)),
            Outcome::Abandon { delay } => Some((delay.0, Why::Abandoned)),
            Outcome::Panic(_) => None,
        };
    }
}
