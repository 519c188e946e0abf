//! A worker: carries out its plan, attempt by attempt.
//!
//! It reads as the program that it descends from: an attempt fails or succeeds; a failure is logged and tried
//! again after its delay; a success is counted and logged; an unexpected error ends the worker
//! and nobody else. This file must not know how outcomes are drawn nor how a line is written.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::Arc,
};

use crate::{
    log::clock::{Clock, Stamp},
    log::event::Reason,
    plan::workload::{Limit, Micros},
    plan::{Attempt, Outcome, Place},
    shutdown::Stop,
    work::panics::{SimulatedPanic, words},
    work::processor::Handle,
    work::recorder::{Account, Current, Recorder},
    work::status::{Board, Desk, State},
};

/// All that a worker works with.
#[derive(Debug)]
pub struct Worker<P: ?Sized> {
    /// How many operations it has to do.
    pub iterations: Limit,
    /// No operation is started from this time on.
    pub deadline: Option<Stamp>,
    /// What it works on, with all the others.
    pub processor: Arc<P>,
    /// Where it shows what it is doing.
    pub board: Arc<Board>,
    /// Its number.
    pub number: u32,
    /// Whom it tells.
    pub recorder: Recorder,
    /// The run's clock.
    pub clock: Clock,
    /// The request to stop.
    pub stop: Arc<Stop>,
}

/// What the worker has done so far, in a place where a panic leaves it intact.
#[derive(Debug, Default)]
struct Progress {
    account: Account,
    current: Current,
    /// The latest time that is known. It is taken from the lines that were logged: only a sleep
    /// costs a reading of the clock.
    now: Stamp,
}

/// Whether a worker goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Onward {
    Continue,
    Stop,
}

impl<P: Handle + ?Sized> Worker<P> {
    /// Works until the `plan` is done, a stop or the deadline comes, or an unexpected error strikes. Returns
    /// the account, which is logged by then.
    pub fn work(self, plan: impl Iterator<Item = Attempt>) -> Account {
        self.stop.enlist();
        self.desk().take_seat();
        let mut progress = Progress {
            now: self.clock.now(),
            ..Progress::default()
        };
        // What a panic can leave behind is in `progress`, which is whole after every statement, and in the
        // Processor, whose handle says why it stays true.
        let reason = match catch_unwind(AssertUnwindSafe(|| self.carry_out(plan, &mut progress))) {
            Ok(reason) => reason,
            Err(payload) => {
                progress.account.panicked = 1;
                progress.account.retries += u64::from(progress.current.attempt > 1);
                self.recorder.unexpected(progress.current, words(&*payload));
                Reason::Panicked
            }
        };
        let account = progress.account;
        self.recorder.ended(
            reason,
            &account,
            not_started(self.iterations, account.begun),
        );
        self.desk().enter(State::Ended, self.clock.now());
        account
    }

    #[inline]
    fn desk(&self) -> &Desk {
        self.board.desk(self.number)
    }

    fn carry_out(&self, plan: impl Iterator<Item = Attempt>, progress: &mut Progress) -> Reason {
        for attempt in plan {
            if attempt.number == 1 && self.start_operation(progress) == Onward::Stop {
                return Reason::Stopped;
            }
            progress.current.iteration = attempt.iteration;
            progress.current.attempt = attempt.number;
            self.desk()
                .work_at(attempt.iteration, attempt.number, progress.now);
            if self.attempt(attempt, progress) == Onward::Stop {
                return Reason::Stopped;
            }
        }
        Reason::Finished
    }

    #[inline]
    fn start_operation(&self, progress: &mut Progress) -> Onward {
        if self.stop.requested()
            || self
                .deadline
                .is_some_and(|deadline| progress.now >= deadline)
        {
            return Onward::Stop;
        }
        progress.account.begun += 1;
        progress.current.began = progress.now;
        Onward::Continue
    }

    #[inline]
    fn attempt(&self, attempt: Attempt, progress: &mut Progress) -> Onward {
        let Progress {
            account,
            current,
            now,
        } = progress;
        let delay = match attempt.outcome {
            Outcome::Success { delay } => {
                let recorded = if self.recorder.samples_hold() {
                    let (recorded, hold) = self.processor.record_timed(self.desk());
                    self.recorder.held(hold);
                    recorded
                } else {
                    self.processor.record(self.desk())
                };
                account.completed += 1;
                account.retries += u64::from(attempt.number > 1);
                *now = self.recorder.succeeded(*current, recorded);
                delay
            }
            Outcome::Retry { delay } => {
                account.failed_attempts += 1;
                account.retries += u64::from(attempt.number > 1);
                *now = self.recorder.failed(*current, delay);
                delay
            }
            Outcome::Abandon { delay } => {
                account.failed_attempts += 1;
                account.abandoned += 1;
                account.retries += u64::from(attempt.number > 1);
                *now = self.recorder.abandoned(*current, delay);
                delay
            }
            Outcome::Panic(Place::BeforeLock) => panic_any(SimulatedPanic(Place::BeforeLock)),
            Outcome::Panic(Place::UnderLock) => self.processor.panic_under_lock(self.desk()),
        };
        if delay > Micros::ZERO {
            let asleep = match attempt.outcome {
                Outcome::Success { .. } => State::Sleeping,
                _ => State::BackingOff,
            };
            self.desk().enter(asleep, *now);
            self.stop.sleep(delay.into());
            *now = self.clock.now();
        }
        if self.stop.requested() && matches!(attempt.outcome, Outcome::Retry { .. }) {
            account.interrupted = 1;
            return Onward::Stop;
        }
        Onward::Continue
    }
}

/// Operations that were never begun.
pub fn not_started(planned: Limit, begun: u64) -> Limit {
    match planned {
        Limit::Unlimited => Limit::Unlimited,
        Limit::At(planned) => Limit::At(planned.saturating_sub(begun)),
    }
}
