//! A truthful log, made in memory: what a run of a workload would have written.
//!
//! Only for tests. The order in which workers come is random, as the scheduler's is.

use crate::{
    audit::records::record::{Producer, attempt_event, render},
    log::{
        account::{Account, Closing},
        event::{Event, Reason},
    },
    plan::{
        Outcome, Plan,
        workload::{Backoff, Limit, Micros, Probability, RetryPolicy, Shard, TimeScale, Workload},
    },
};

/// A random generator of the tests' own: they must not depend on what they test.
pub(crate) struct Dice(pub u64);

impl Dice {
    /// A number below `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) % sides
    }
}

/// A workload with some of everything.
pub(crate) fn workload(seed: u64, threads: u32, iterations: u64) -> Workload {
    Workload {
        seed,
        threads,
        shard: Shard::WHOLE,
        group: None,
        iterations: Limit::At(iterations),
        failure_rate: Probability::new(0.3).unwrap_or(Probability::ZERO),
        success_delay: Micros(10_000),
        retry: RetryPolicy {
            max_retries: 3,
            delay: Micros(500_000),
            backoff: Backoff::Fixed,
            max_delay: Micros(30_000_000),
            jitter: Probability::ZERO,
        },
        time_scale: TimeScale::REAL,
        panic_rate: Probability::ZERO,
        duration: None,
        data_limit: Limit::At(100_000),
    }
}

/// A line of a log, and what it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The run.
    pub run: u64,
    /// Who logged it.
    pub author: Producer,
    /// Its number.
    pub seq: u64,
    /// When.
    pub stamp: u64,
    /// What.
    pub event: Event,
    /// The line, without its newline.
    pub bytes: Vec<u8>,
}

/// How a run goes.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    /// Its id.
    pub run: u64,
    /// When it starts, in microseconds since 1970.
    pub start: u64,
    /// Its form.
    pub json: bool,
    /// After about so many attempts all workers are stopped.
    pub stop_after: Option<u64>,
}

struct WorkerCourse {
    plan: std::iter::Peekable<Plan>,
    seq: u64,
    begun: u64,
    account: Account,
    done: bool,
}

struct Writer<'a> {
    course: &'a Course,
    stamp: u64,
    out: Vec<Entry>,
    main_seq: u64,
}

impl Writer<'_> {
    fn log(&mut self, author: Producer, seq: u64, event: Event) {
        let bytes = render(
            self.course.run,
            author,
            seq,
            self.stamp,
            &event,
            self.course.json,
        );
        self.out.push(Entry {
            run: self.course.run,
            author,
            seq,
            stamp: self.stamp,
            event,
            bytes,
        });
    }

    fn main(&mut self, event: Event) {
        self.log(Producer::Main, self.main_seq, event);
        self.main_seq += 1;
    }
}

/// The lines that a run of `workload` writes.
pub(crate) fn run(workload: &Workload, course: &Course, dice: &mut Dice) -> Vec<Entry> {
    let mut writer = Writer {
        course,
        stamp: course.start,
        out: Vec::new(),
        main_seq: 0,
    };
    writer.main(Event::run_started(workload));
    for worker in workload.workers() {
        writer.stamp += dice.roll(3);
        writer.main(Event::ThreadStarted {
            worker: worker.into(),
        });
    }
    let mut workers: Vec<WorkerCourse> = workload
        .workers()
        .map(|worker| WorkerCourse {
            plan: Plan::new(workload, worker).peekable(),
            seq: 0,
            begun: 0,
            account: Account::ZERO,
            done: false,
        })
        .collect();
    let (mut counter, mut attempts, mut alive) = (0, 0, workers.len());
    while alive > 0 {
        let number = dice.roll(workers.len() as u64) as usize;
        if workers[number].done {
            continue;
        }
        writer.stamp += dice.roll(4);
        let stopped = course.stop_after.is_some_and(|limit| attempts >= limit);
        if !step(
            &mut workers[number],
            number,
            &mut counter,
            &mut writer,
            stopped,
            workload,
        ) {
            alive -= 1;
        }
        attempts += 1;
        if dice.roll(200) == 0 {
            writer.main(Event::LogReopened {});
        }
    }
    end(workload, &workers, counter, &mut writer);
    writer.out
}

/// A worker's next line; false when it was its last.
fn step(
    worker: &mut WorkerCourse,
    number: usize,
    counter: &mut u64,
    writer: &mut Writer<'_>,
    stopped: bool,
    workload: &Workload,
) -> bool {
    let author = Producer::Worker(workload.workers().start + number as u32);
    if !stopped && let Some(attempt) = worker.plan.next() {
        let position = attempt.position;
        worker.begun = position.iteration;
        // Counted here once more: what makes the log must not count as what is to audit it does.
        let account = &mut worker.account;
        account.interrupted = 0;
        account.retries += u64::from(position.attempt > 1);
        match attempt.outcome {
            Outcome::Success { .. } => {
                *counter += 1;
                account.completed += 1;
            }
            Outcome::Retry { .. } => {
                account.failed_attempts += 1;
                account.interrupted = 1;
            }
            Outcome::Abandon { .. } => {
                account.failed_attempts += 1;
                account.abandoned += 1;
            }
            Outcome::Panic(_) => account.panicked += 1,
        }
        writer.log(
            author,
            worker.seq,
            attempt_event(position, attempt.outcome, *counter),
        );
        worker.seq += 1;
        return true;
    }
    let reason = if worker.account.panicked > 0 {
        Reason::Panicked
    } else if worker.plan.peek().is_some() {
        Reason::Stopped
    } else {
        Reason::Finished
    };
    let closing = Closing {
        reason,
        account: worker.account,
        not_started: workload.iterations.after(worker.begun),
    };
    writer.log(author, worker.seq, closing.worker_ended());
    worker.done = true;
    false
}

fn end(workload: &Workload, workers: &[WorkerCourse], counter: u64, writer: &mut Writer<'_>) {
    writer.main(Event::TotalOperations { count: counter });
    let limit = workload.data_limit.or_max();
    writer.main(Event::TotalData {
        count: counter.min(limit),
    });
    let mut account = Account::ZERO;
    workers.iter().for_each(|worker| account += worker.account);
    let begun = workers.iter().map(|worker| worker.begun).sum();
    let not_started = workload.operations().after(begun);
    let reason = if account.panicked > 0 {
        Reason::Panicked
    } else if not_started == Limit::At(0) && account.interrupted == 0 {
        Reason::Finished
    } else {
        Reason::Stopped
    };
    let closing = Closing {
        reason,
        account,
        not_started,
    };
    let lines = writer.out.len() as u64 + 1;
    let dropped = counter.saturating_sub(limit);
    writer.main(closing.run_ended("completed".into(), lines, dropped));
}

/// The log that holds these lines.
pub(crate) fn log(entries: &[Entry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        out.extend_from_slice(&entry.bytes);
        out.push(b'\n');
    }
    out
}
