//! A worker: carries out its plan, attempt by attempt.
//!
//! It reads as the program that it descends from: an attempt fails or succeeds; a failure is logged and tried
//! again after its delay; a success is counted and logged; an unexpected error ends the worker
//! and nobody else. How outcomes are drawn and how a line is written is told elsewhere.

use std::{
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::Arc,
    time::Instant,
};

use crate::{
    log::clock::{Clock, Stamp},
    log::event::Reason,
    plan::workload::{Limit, Micros},
    plan::{Attempt, Attempts, Outcome, Place},
    shutdown::Stop,
    work::panics::{SimulatedPanic, words},
    work::processor::Handle,
    work::recorder::{Account, Current, Recorder},
    work::status::{State, StatusBoard, WorkerStatus},
};

/// All that a worker works with.
#[derive(Debug)]
pub struct Worker {
    /// Its number.
    pub number: u32,
    /// How many operations it has to do.
    pub iterations: Limit,
    /// No operation is started from this time on.
    pub deadline: Option<Stamp>,
    /// Where it shows what it is doing.
    pub board: Arc<StatusBoard>,
    /// Tells the log and the counters what it does.
    pub recorder: Recorder,
    /// The run's clock.
    pub clock: Clock,
    /// The request to stop.
    pub stop: Arc<Stop>,
}

/// What the worker has done so far; a panic leaves it whole.
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

impl Worker {
    /// Works on `processor` until all `attempts` are made, a stop or the deadline comes, or an unexpected error
    /// strikes. Returns the account, which is logged by then.
    pub fn work(self, processor: &dyn Handle, attempts: Attempts) -> Account {
        self.stop.enlist();
        self.status().register();
        let mut progress = Progress {
            now: self.clock.now(),
            ..Progress::default()
        };
        // What a panic can leave behind is in `progress`, which is whole after every statement, and in the
        // Processor, whose poison policy says why it stays true.
        let reason = match catch_unwind(AssertUnwindSafe(|| {
            self.carry_out(processor, attempts, &mut progress)
        })) {
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
        self.status().enter(State::Ended, self.clock.now());
        account
    }

    #[inline]
    fn status(&self) -> &WorkerStatus {
        self.board.worker(self.number)
    }

    fn carry_out(
        &self,
        processor: &dyn Handle,
        attempts: Attempts,
        progress: &mut Progress,
    ) -> Reason {
        for attempt in attempts {
            if attempt.number == 1 && self.start_operation(progress) == Onward::Stop {
                return Reason::Stopped;
            }
            progress.current.iteration = attempt.iteration;
            progress.current.attempt = attempt.number;
            self.status()
                .work_at(attempt.iteration, attempt.number, progress.now);
            if self.attempt(processor, attempt, progress) == Onward::Stop {
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
    fn attempt(&self, processor: &dyn Handle, attempt: Attempt, progress: &mut Progress) -> Onward {
        let Progress {
            account,
            current,
            now,
        } = progress;
        let delay = match attempt.outcome {
            Outcome::Success { delay } => {
                let timed = self.recorder.samples_hold().then(Instant::now);
                let recorded = processor.record(self.status());
                if let Some(began) = timed {
                    let hold = began.elapsed().saturating_sub(recorded.wait);
                    self.recorder.held(hold);
                }
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
            Outcome::Panic(Place::UnderLock) => processor.panic_under_lock(self.status()),
        };
        if delay > Micros::ZERO {
            *now = self.sleep(attempt, *now, delay);
        }
        if self.stop.requested() && matches!(attempt.outcome, Outcome::Retry { .. }) {
            account.interrupted = 1;
            return Onward::Stop;
        }
        Onward::Continue
    }

    /// Sleeps for `delay`, or until a stop, and returns the time then. A sleep up to the deadline or beyond, which
    /// no operation can follow, is left out: the time returned is that at which it would have ended.
    fn sleep(&self, attempt: Attempt, now: Stamp, delay: Micros) -> Stamp {
        let wakes = Stamp(now.0.saturating_add(delay.0.saturating_mul(1000)));
        let asleep = match attempt.outcome {
            Outcome::Success { .. } => State::Sleeping,
            _ => State::BackingOff,
        };
        let too_late = self.deadline.is_some_and(|deadline| wakes >= deadline);
        if too_late && !matches!(attempt.outcome, Outcome::Retry { .. }) {
            return wakes;
        }
        self.status().enter(asleep, now);
        self.stop.sleep(delay.into());
        self.clock.now()
    }
}

/// Operations that were never begun.
pub fn not_started(planned: Limit, begun: u64) -> Limit {
    match planned {
        Limit::Unlimited => Limit::Unlimited,
        Limit::At(planned) => Limit::At(planned.saturating_sub(begun)),
    }
}
