//! A run, from its first line to its closed books.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context;
use tracing_subscriber::prelude::*;

use crate::{
    board::Board,
    clock::{Clock, Stamp},
    config::Config,
    log::{
        self, Log, LogLayer, LogReport,
        event::{Event, Reason},
    },
    plan::Plan,
    processor::{Contents, SharedProcessor},
    recorder::{Account, Recorder, Tally, Totals},
    signals::SignalWatch,
    stop::{Cause, Stop},
    unexpected,
    usage::Usage,
    worker::{Worker, not_started},
    workload::{Limit, Workload},
};

/// A worker's stack: it calls little, and thousands of them should fit.
const STACK_BYTES: usize = 256 << 10;

/// All that is known of a run when it is over, from every source that tells of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The run's id.
    pub run: u64,
    /// What was to be done.
    pub workload: Workload,
    /// Why the run ended.
    pub reason: Reason,
    /// What asked for a stop, if anything did.
    pub stopped_by: Option<Cause>,
    /// The workers' accounts, added up.
    pub account: Account,
    /// Operations never begun, of all workers.
    pub not_started: Limit,
    /// The accounts as the figures have them.
    pub totals: Totals,
    /// The Processor as it was left.
    pub processor: Contents,
    /// What became of the lines.
    pub log: LogReport,
    /// From the first line to the last, in nanoseconds.
    pub nanos: u64,
    /// What it took of the machine.
    pub usage: Usage,
    /// Why a worker's thread could not be started.
    pub refused: Option<String>,
}

/// Runs the workload.
///
/// # Errors
/// The log cannot be opened, or the system refuses the few threads or handlers that every run needs.
/// What goes wrong later is told in the outcome.
pub fn run(config: &Config) -> anyhow::Result<Outcome> {
    unexpected::install_panic_hook();
    let stop = Arc::new(Stop::default());
    let _signals = SignalWatch::start(Arc::clone(&stop))?;
    let run = rand::random();
    let clock = Clock::start();
    let workload = &config.workload;
    let log = Log::open(&config.log, run, workload.threads, clock, Arc::clone(&stop))?;
    tracing_subscriber::registry()
        .with(LogLayer::new(Arc::clone(log.pipeline())))
        .try_init()
        .context("another log is installed in this process")?;

    Event::run_started(workload).emit();
    let began = log::last_stamp();
    let board = Arc::new(Board::new(workload.threads, clock));
    let processor = SharedProcessor::new(workload.data_limit, &board);
    let crew = Crew::start(workload, &processor, &board, &log, clock, &stop);
    let refused = crew.refused.clone();
    let (account, totals) = crew.join();

    let contents = processor.contents();
    let stopped_by = stop.cause();
    let not_started = not_started_by_all(workload, account.begun);
    let reason = match (account.panicked, stopped_by, not_started) {
        (1.., _, _) => Reason::Panicked,
        (0, Some(_), _) => Reason::Stopped,
        (0, None, Limit::At(0)) => Reason::Finished,
        (0, None, _) => Reason::Stopped,
    };
    Event::TotalOperations {
        count: contents.counter,
    }
    .emit();
    Event::TotalData {
        count: contents.data_len,
    }
    .emit();
    let lines = log.settle() + 1;
    Event::RunEnded {
        reason,
        cause: match stopped_by {
            Some(cause) => cause.to_string(),
            None if reason == Reason::Stopped => "duration".into(),
            None => "end".into(),
        },
        lines,
        completed: account.completed,
        abandoned: account.abandoned,
        panicked: account.panicked,
        interrupted: account.interrupted,
        not_started,
        failed_attempts: account.failed_attempts,
        retries: account.retries,
        dropped_items: contents.dropped,
    }
    .emit();
    let nanos = log::last_stamp().nanos_since(began);
    Ok(Outcome {
        run,
        workload: workload.clone(),
        reason,
        stopped_by,
        account,
        not_started,
        totals,
        processor: contents,
        log: log.close(),
        nanos,
        usage: Usage::now(),
        refused,
    })
}

/// Operations that no worker began. Of workers that were never started these are all.
fn not_started_by_all(workload: &Workload, begun: u64) -> Limit {
    match workload.iterations {
        Limit::Unlimited => Limit::Unlimited,
        Limit::At(each) => not_started(
            Limit::At(each.saturating_mul(workload.threads.into())),
            begun,
        ),
    }
}

/// The workers of a run.
struct Crew {
    threads: Vec<JoinHandle<Account>>,
    tallies: Vec<Arc<Tally>>,
    refused: Option<String>,
}

impl Crew {
    /// Starts the workers. Where the system refuses a thread, those that were started are stopped.
    fn start(
        workload: &Workload,
        processor: &SharedProcessor,
        board: &Arc<Board>,
        log: &Log,
        clock: Clock,
        stop: &Arc<Stop>,
    ) -> Self {
        let deadline = workload.duration.map(|duration| {
            let nanos = u64::try_from(Duration::from(duration).as_nanos()).unwrap_or(u64::MAX);
            Stamp(clock.now().0.saturating_add(nanos))
        });
        let mut crew = Self {
            threads: Vec::new(),
            tallies: Vec::new(),
            refused: None,
        };
        for number in 0..workload.threads {
            let tally = Arc::new(Tally::default());
            let author = log.pipeline().author(Some(number));
            let worker = Worker {
                plan: Plan::new(workload, number),
                iterations: workload.iterations,
                deadline,
                processor: processor.clone(),
                board: Arc::clone(board),
                number,
                recorder: Recorder::new(Arc::clone(&tally)),
                clock,
                stop: Arc::clone(stop),
            };
            let spawned = thread::Builder::new()
                .name(format!("Worker-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    log::sign_on(author);
                    worker.work()
                });
            match spawned {
                Ok(thread) => {
                    Event::ThreadStarted {
                        worker: number.into(),
                    }
                    .emit();
                    crew.threads.push(thread);
                    crew.tallies.push(tally);
                }
                Err(error) => {
                    stop.request(Cause::Failure);
                    Event::ThreadRefused {
                        worker: number.into(),
                        error: error.to_string(),
                    }
                    .emit();
                    crew.refused = Some(format!(
                        "thread Worker-{number} could not be started: {error}; use fewer --threads than {}, or allow this \
                         user more processes (ulimit -u)",
                        workload.threads
                    ));
                    break;
                }
            }
        }
        crew
    }

    /// Waits for all workers to end.
    fn join(self) -> (Account, Totals) {
        let mut all = Account::default();
        for thread in self.threads {
            // A worker catches what strikes in it. Were one to die all the same, its account would be missing and
            // the books would not balance.
            if let Ok(account) = thread.join() {
                all.add(&account);
            }
        }
        (all, Totals::of(&self.tallies))
    }
}
