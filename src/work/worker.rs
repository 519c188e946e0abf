//! A worker: carries out its plan, attempt by attempt.
//!
//! It reads as the program that it descends from: an attempt fails or succeeds; a failure is logged and tried
//! again after its delay; a success is counted and logged; an unexpected error ends the worker
//! and nobody else. How outcomes are drawn and how a line is written is told elsewhere.

use std::{
    mem,
    ops::ControlFlow::{self, Break, Continue},
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    sync::Arc,
    time::{Duration, Instant},
};

use derive_more::AddAssign;

use crate::{
    log::{
        self,
        account::{Account, Closing},
        clock::Stamp,
        event::{Next, Reason},
    },
    plan::workload::{Limit, Micros},
    plan::{Attempt, Outcome, PanicPlace, Position},
    shutdown::Stop,
    work::backlog::{Answer, Backlog, ENDED_MAX, Ending, Requester},
    work::panics::{SimulatedPanic, words},
    work::processor::Handle,
    work::recorder::Counters,
    work::status::{State, StatusBoard, WorkerStatus},
};

/// All that a worker works with.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Its number.
    pub number: u32,
    /// How many operations it has to do.
    pub iterations: Limit,
    /// No operation is started from this time on.
    pub deadline: Option<Stamp>,
    /// Where it shows what it is doing.
    pub board: Arc<StatusBoard>,
    /// Tells the log and the counters what it does.
    pub recorder: Arc<Counters>,
    /// The request to stop.
    pub stop: Arc<Stop>,
    /// Where it takes a request from before each operation, if operations are to be asked for.
    pub backlog: Option<Arc<Backlog>>,
}

/// What workers have done when they have ended, one or several together.
#[derive(AddAssign, Clone, Copy, Debug, Default)]
pub(crate) struct Done {
    /// Operations that were begun.
    pub begun: u64,
    /// How they ended.
    pub account: Account,
    /// Workers that a stop or an unexpected error ended before their work was done.
    pub ended_early: u64,
}

/// What the worker has done so far; a panic leaves it whole.
#[derive(Default)]
struct Progress {
    done: Done,
    /// The attempt that it is at.
    position: Position,
    /// When that operation began.
    began: Stamp,
    /// Who asked for the operation that goes on.
    requester: Option<Requester>,
    /// Who asked for operations that have ended, and has no answer yet; which it will be, and the time stamp of the last line.
    ended: Vec<(Requester, Answer, Stamp)>,
    /// It slept since it last waited for a request.
    slept: bool,
    /// The latest time that is known. It is taken from the lines that were logged: only a sleep
    /// costs a reading of the clock.
    now: Stamp,
}

impl Worker {
    /// Works on `processor` until all `attempts` are made, a stop or the deadline comes, or an unexpected error
    /// strikes. Returns what it has done, which is logged by then.
    pub(crate) fn work(
        self,
        processor: &dyn Handle,
        attempts: impl Iterator<Item = Attempt>,
    ) -> Done {
        self.stop.enlist();
        self.status().register();
        let mut progress = Progress {
            now: self.board.now(),
            ..Progress::default()
        };
        // What a panic can leave behind is in `progress`, which is whole after every statement, and in the
        // Processor, whose poison policy says why it stays true.
        let reason = match catch_unwind(AssertUnwindSafe(|| {
            self.carry_out(processor, attempts, &mut progress)
        })) {
            Ok(Continue(())) => Reason::Finished,
            Ok(Break(())) => Reason::Stopped,
            Err(payload) => {
                let panicked = Outcome::Panic(PanicPlace::BeforeLock);
                progress
                    .done
                    .account
                    .count(progress.position.attempt, panicked);
                self.recorder
                    .unexpected(progress.position, words(&*payload));
                self.end_operation(&mut progress, Ending::Panicked);
                Reason::Panicked
            }
        };
        self.answer(&mut progress);
        let mut done = progress.done;
        done.ended_early = match reason {
            Reason::Finished => 0,
            Reason::Stopped => self.stop.requested().into(),
            Reason::Panicked => 1,
        };
        let closing = Closing {
            reason,
            account: done.account,
            not_started: self.iterations.after(done.begun),
        };
        closing.worker_ended().emit();
        self.status().enter(State::Ended, self.board.now());
        if let Some(backlog) = &self.backlog {
            // What stops one worker, a stop or the deadline, stops all of them.
            if reason == Reason::Stopped {
                backlog.close();
            }
            backlog.leave();
        }
        done
    }

    #[inline]
    fn status(&self) -> &WorkerStatus {
        self.board.worker(self.number)
    }

    /// Makes all attempts, unless a stop or the deadline comes.
    fn carry_out(
        &self,
        processor: &dyn Handle,
        attempts: impl Iterator<Item = Attempt>,
        progress: &mut Progress,
    ) -> ControlFlow<()> {
        for attempt in attempts {
            if attempt.position.attempt == 1 {
                self.start_operation(progress)?;
            }
            progress.position = attempt.position;
            self.status().work_at(attempt.position, progress.now);
            self.attempt(processor, attempt, progress)?;
        }
        Continue(())
    }

    #[inline]
    fn start_operation(&self, progress: &mut Progress) -> ControlFlow<()> {
        if self.stop.requested()
            || self
                .deadline
                .is_some_and(|deadline| progress.now >= deadline)
        {
            return Break(());
        }
        if let Some(backlog) = &self.backlog {
            progress.requester = self.request(backlog, progress);
            if progress.requester.is_none() {
                return Break(());
            }
        }
        progress.done.begun += 1;
        progress.began = progress.now;
        Continue(())
    }

    /// The next request for an operation. Before the worker waits for one, it answers those it had.
    fn request(&self, backlog: &Backlog, progress: &mut Progress) -> Option<Requester> {
        if progress.ended.len() < ENDED_MAX
            && let Some(requester) = backlog.take_waiting()
        {
            return Some(requester);
        }
        self.answer(progress);
        self.status().enter(State::Idle, progress.now);
        let patience = self
            .deadline
            .map(|deadline| Duration::from_nanos(deadline.nanos_since(progress.now)));
        let requester = backlog.take(patience, !mem::take(&mut progress.slept));
        progress.now = self.board.now();
        requester
    }

    /// Notes how the operation ended for who asked for it, if anyone did.
    #[inline]
    fn end_operation(&self, progress: &mut Progress, ending: Ending) {
        if let Some(requester) = progress.requester.take() {
            let answer = Answer::Ended {
                worker: self.number,
                iteration: progress.position.iteration,
                attempts: progress.position.attempt,
                ending,
            };
            progress.ended.push((requester, answer, log::last_stamp()));
        }
    }

    /// Tells those who asked for operations how these ended. Their lines are written by then: nobody is told of a success that
    /// the log does not have. They are written once for all: to write costs more than the operations.
    fn answer(&self, progress: &mut Progress) {
        let Some(backlog) = &self.backlog else { return };
        if progress.ended.is_empty() {
            return;
        }
        let last_loss = log::commit();
        backlog.answer(
            progress
                .ended
                .drain(..)
                .map(|(requester, mut answer, stamp)| {
                    if last_loss >= Some(stamp)
                        && let Answer::Ended { ending, .. } = &mut answer
                    {
                        *ending = Ending::Unlogged;
                    }
                    (requester, answer)
                }),
        );
    }

    #[inline]
    fn attempt(
        &self,
        processor: &dyn Handle,
        attempt: Attempt,
        progress: &mut Progress,
    ) -> ControlFlow<()> {
        let (at, began) = (attempt.position, progress.began);
        let (delay, ending) = match attempt.outcome {
            Outcome::Success { delay } => {
                let timed = self.recorder.samples_hold().then(Instant::now);
                let recorded = processor.record(self.status());
                if let Some(asked) = timed {
                    let hold = asked.elapsed().saturating_sub(recorded.wait);
                    self.recorder.held(hold);
                }
                progress.now = self.recorder.succeeded(at, began, recorded);
                let counter = recorded.counter;
                (delay, Some(Ending::Completed { counter }))
            }
            Outcome::Retry { delay } => {
                progress.now = self.recorder.failed(at, began, Next::Retry, delay);
                (delay, None)
            }
            Outcome::Abandon { delay } => {
                progress.now = self.recorder.failed(at, began, Next::Abandon, delay);
                (delay, Some(Ending::Abandoned))
            }
            Outcome::Panic(PanicPlace::BeforeLock) => {
                panic_any(SimulatedPanic(PanicPlace::BeforeLock))
            }
            Outcome::Panic(PanicPlace::UnderLock) => processor.panic_under_lock(self.status()),
        };
        progress.done.account.count(at.attempt, attempt.outcome);
        if let Some(ending) = ending {
            self.end_operation(progress, ending);
        }
        if delay > Micros::ZERO {
            self.answer(progress);
            progress.now = self.sleep(attempt, progress.now, delay);
            progress.slept = true;
        }
        if self.stop.requested() && matches!(attempt.outcome, Outcome::Retry { .. }) {
            self.recorder.interrupted();
            self.end_operation(progress, Ending::Interrupted);
            return Break(());
        }
        Continue(())
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
        self.backlog
            .iter()
            .for_each(|backlog| backlog.fall_asleep());
        self.stop.sleep(delay.into());
        self.backlog.iter().for_each(|backlog| backlog.wake_up());
        self.board.now()
    }
}
