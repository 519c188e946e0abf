//! A run, from its first line to its closed books.

pub mod balance;
pub mod summary;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::Ordering,
        mpsc::{Receiver, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;
use tracing_subscriber::prelude::*;

use crate::{
    bugs::{self, Attempts, Seam},
    config::Config,
    log::clock::{Clock, Stamp},
    log::{
        self, Log, LogLayer, LogReport,
        event::{Event, Reason},
    },
    observe::dump::{DumpBell, DumpService, Dumper},
    observe::error_tracking::{Delivery, ErrorTracking},
    observe::gate::Gate,
    observe::monitoring::{Monitoring, Prepared},
    observe::process::Usage,
    observe::watch::{self, Sources, Stall, Watcher},
    plan::workload::{Limit, Workload},
    plan::{Attempt, Plan},
    shutdown::signals::SignalWatch,
    shutdown::{Cause, Stop},
    work::panics,
    work::processor::{Contents, Handle, SharedProcessor},
    work::recorder::{Account, Recorder, Tally, Totals},
    work::status::Board,
    work::worker::{Worker, not_started},
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
    /// The same when all workers had been started.
    pub usage_at_work: Usage,
    /// Why a thread could not be started.
    pub refused: Option<String>,
    /// The standstill that ended the run.
    pub stall: Option<Stall>,
    /// Workers that could not be waited for.
    pub stuck: Vec<u32>,
    /// One of them holds the Processor's lock.
    pub processor_is_stuck: bool,
    /// What kept the final metrics from being written.
    pub metrics_file: Option<String>,
    /// Panics that no plan asked for, in whatever thread.
    pub errors_of_its_own: u64,
    /// What became of the errors, where they were to be reported.
    pub sentry: Option<Delivery>,
}

/// Runs the workload, and has `conclude` draw the conclusions before those who looked on go as well.
///
/// # Errors
/// The metrics' address or the log cannot be had, or the system refuses the two threads or the handlers without which
/// there is no log. What goes wrong later is told in the outcome.
pub fn run<T>(
    config: &Config,
    conclude: impl FnOnce(&Outcome, &Stop) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let prepared = Prepared::new(&config.metrics)?;
    let panics = panics::install_panic_hook();
    let stop = Arc::new(Stop::default());
    let bell: Arc<OnceLock<DumpBell>> = Arc::default();
    let _signals = SignalWatch::start(Arc::clone(&stop), {
        let bell = Arc::clone(&bell);
        // Before there are workers there is nothing to tell.
        move || {
            if let Some(bell) = bell.get() {
                bell.ring();
            }
        }
    })?;
    let run = rand::random();
    let clock = Clock::start();
    let workload = &config.workload;
    let log = Log::open(&config.log, run, workload.threads, clock, Arc::clone(&stop))?;
    let tracking = ErrorTracking::start(config.sentry.as_ref(), run, workload.seed, clock)?;
    tracing_subscriber::registry()
        .with(LogLayer::new(Arc::clone(log.pipeline())))
        .with(tracking.layer())
        .try_init()
        .context("another log is installed in this process")?;

    Event::run_started(workload).emit();
    let began = log::last_stamp();
    let board = Arc::new(Board::new(workload.threads, clock));
    let tallies: Arc<[Arc<Tally>]> = (0..workload.threads).map(|_| Arc::default()).collect();
    let gate: Arc<Gate> = Arc::default();
    let dumper = Dumper {
        run,
        board: Arc::clone(&board),
        pipeline: Arc::clone(log.pipeline()),
        gate: Arc::clone(&gate),
    };
    let (notices, inbox) = channel();
    let stall: Arc<OnceLock<Stall>> = Arc::default();
    let mut onlookers = Onlookers::start(
        prepared,
        config,
        Sources {
            run,
            workload: workload.clone(),
            board: Arc::clone(&board),
            tallies: Arc::clone(&tallies),
            dumper,
        },
        &stop,
        &stall,
        &notices,
    );
    if let Ok(onlookers) = &onlookers {
        let _ = bell.set(onlookers.dumps.bell());
    }
    let site = Site {
        workload,
        board: &board,
        tallies: &tallies,
        log: &log,
        clock,
        stop: &stop,
    };
    let started = match &onlookers {
        Ok(_) => start(config, &site, &notices).map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("{error:#}")),
    };
    let (processor, crew) = started.unwrap_or_else(|why| {
        let processor = SharedProcessor::new(workload.data_limit, &board);
        (Arc::new(processor), Crew::refused(&stop, why))
    });
    let refused = crew.refused.clone();
    let usage_at_work = Usage::now();
    let (account, stuck) = crew.join(&inbox);
    if let Ok(onlookers) = &mut onlookers {
        onlookers.workers_ended();
    }
    gate.close();
    if let Some(Seam::Log(_)) = config.seam() {
        log.end_detour();
    }

    let totals = Totals::of(&tallies);
    let stall = stall.get().cloned();
    // Where workers are stuck, one of them may hold the lock for ever.
    let contents = if stuck.is_empty() {
        Some(processor.contents())
    } else {
        processor.contents_if_free()
    };
    let processor_is_stuck = contents.is_none();
    let contents = contents.unwrap_or(Contents {
        counter: totals.counter,
        data_len: totals.data_len,
        dropped: totals.counter.saturating_sub(totals.data_len),
        data_in_order: true,
    });
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
    let log = log.close();
    let outcome = Outcome {
        run,
        workload: workload.clone(),
        reason,
        stopped_by,
        account,
        not_started,
        totals,
        processor: contents,
        log,
        nanos,
        usage: Usage::now(),
        usage_at_work,
        refused,
        stall,
        stuck,
        processor_is_stuck,
        metrics_file: onlookers
            .as_ref()
            .ok()
            .and_then(|onlookers| onlookers.monitoring.run_ended()),
        errors_of_its_own: panics.load(Ordering::SeqCst),
        sentry: tracking.finish(&stop),
    };
    let conclusion = conclude(&outcome, &stop);
    if let Ok(onlookers) = &onlookers {
        onlookers.monitoring.linger(&stop);
    }
    conclusion
}

/// Those who look on while the run lasts.
struct Onlookers {
    dumps: DumpService,
    sampler: Option<Watcher>,
    monitoring: Monitoring,
    watchdog: Option<Watcher>,
}

impl Onlookers {
    /// Starts those that were asked for. The run has begun by then: where the system refuses one, it has to end in
    /// order.
    fn start(
        prepared: Prepared,
        config: &Config,
        sources: Sources,
        stop: &Arc<Stop>,
        stall: &Arc<OnceLock<Stall>>,
        notices: &Sender<Notice>,
    ) -> anyhow::Result<Self> {
        let dumper = sources.dumper.clone();
        let dumps = DumpService::start(dumper.clone())?;
        let sampler = match config.watch.sample_interval {
            Some(interval) => Some(watch::sample(
                interval,
                Arc::clone(&sources.tallies),
                Arc::clone(&dumper.gate),
            )?),
            None => None,
        };
        let monitoring = prepared.start(config, sources)?;
        let watchdog = match config.watch.stall_after {
            Some(after) => {
                let notices = notices.clone();
                let tell = move || {
                    let _ = notices.send(Notice::Stalled);
                };
                let (stop, stall) = (Arc::clone(stop), Arc::clone(stall));
                Some(watch::watch_for_stall(after, dumper, stop, stall, tell)?)
            }
            None => None,
        };
        Ok(Self {
            dumps,
            sampler,
            monitoring,
            watchdog,
        })
    }

    /// No worker is left: nothing is left to watch, and after the last sample nothing more is logged here.
    fn workers_ended(&mut self) {
        self.monitoring.workers_ended();
        self.watchdog = None;
        self.sampler = None;
    }
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

/// Opens what the workers work on, and starts them. What a specimen brings is chosen here, once and for all: the workers
/// of an honest run know nothing of it. Returns what `main` has of the Processor.
fn start(
    config: &Config,
    site: &Site<'_>,
    notices: &Sender<Notice>,
) -> anyhow::Result<(Arc<dyn Handle>, Crew)> {
    let data_limit = config.workload.data_limit;
    let setting = bugs::Setting {
        data_limit,
        board: Arc::clone(site.board),
        stop: Arc::clone(site.stop),
    };
    if let Some(Seam::Log(set_up)) = config.seam() {
        site.log.detour(*set_up)?;
    }
    // All specimens share one code of a worker, so that an honest run has its own, made for nothing else.
    let planned = |workload: &Workload, worker| Box::new(Plan::new(workload, worker)) as Attempts;
    Ok(match config.seam() {
        None | Some(Seam::Log(_)) => {
            let processor = SharedProcessor::new(data_limit, site.board);
            let shared = processor.clone();
            let hand_out = move || Arc::new(shared.clone());
            let crew = Crew::start(site, notices, hand_out, Plan::new);
            (Arc::new(processor), crew)
        }
        Some(Seam::Attempts(attempts)) => {
            let processor: Arc<dyn Handle> = Arc::new(SharedProcessor::new(data_limit, site.board));
            let shared = Arc::clone(&processor);
            let crew = Crew::start(site, notices, move || Arc::clone(&shared), attempts);
            (processor, crew)
        }
        Some(Seam::Processor(open)) => {
            let processor = open(&setting);
            let shared = Arc::clone(&processor);
            let crew = Crew::start(site, notices, move || Arc::clone(&shared), planned);
            (processor, crew)
        }
        Some(Seam::EachThread(open)) => {
            let processor = open(&setting);
            let crew = Crew::start(site, notices, move || open(&setting), planned);
            (processor, crew)
        }
    })
}

/// The workers of a run.
struct Crew {
    threads: Vec<Option<JoinHandle<Account>>>,
    refused: Option<String>,
}

/// What all workers of a run share.
struct Site<'a> {
    workload: &'a Workload,
    board: &'a Arc<Board>,
    tallies: &'a [Arc<Tally>],
    log: &'a Log,
    clock: Clock,
    stop: &'a Arc<Stop>,
}

/// What makes the one who waits for the workers look up.
#[derive(Clone, Copy, Debug)]
enum Notice {
    /// This worker's thread is about to end.
    Leaving(u32),
    /// Workers are stuck.
    Stalled,
}

/// Tells that a worker leaves, in whatever way it does.
struct Leaving {
    worker: u32,
    notices: Sender<Notice>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let _ = self.notices.send(Notice::Leaving(self.worker));
    }
}

/// How long workers have to come round and end, once they were found to be stuck and a stop was asked for. A worker
/// that waited for the console does, as soon as the console is given up.
const TIME_TO_COME_ROUND: Duration = Duration::from_secs(1);

impl Crew {
    /// Starts the workers. Where the system refuses a thread, those that were started are stopped.
    /// A worker works with what `hand_out` gives it in its own thread, on the `attempts` of its number.
    fn start<P: Handle + ?Sized + 'static, A: Iterator<Item = Attempt> + Send + 'static>(
        site: &Site<'_>,
        notices: &Sender<Notice>,
        hand_out: impl Fn() -> Arc<P> + Clone + Send + 'static,
        attempts: impl Fn(&Workload, u32) -> A,
    ) -> Self {
        let workload = site.workload;
        let deadline = workload.duration.map(|duration| {
            let nanos = u64::try_from(Duration::from(duration).as_nanos()).unwrap_or(u64::MAX);
            Stamp(site.board.now().0.saturating_add(nanos))
        });
        let mut crew = Self {
            threads: Vec::new(),
            refused: None,
        };
        for (number, tally) in (0..workload.threads).zip(site.tallies) {
            let author = site.log.author(number);
            let leaving = Leaving {
                worker: number,
                notices: notices.clone(),
            };
            let attempts = attempts(workload, number);
            let (hand_out, iterations, clock) = (hand_out.clone(), workload.iterations, site.clock);
            let (board, stop) = (Arc::clone(site.board), Arc::clone(site.stop));
            let recorder = Recorder::new(Arc::clone(tally));
            let spawned = thread::Builder::new()
                .name(format!("Worker-{number}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    let _leaving = leaving;
                    log::sign_on(author);
                    let worker = Worker {
                        iterations,
                        deadline,
                        processor: hand_out(),
                        board,
                        number,
                        recorder,
                        clock,
                        stop,
                    };
                    worker.work(attempts)
                });
            match spawned {
                Ok(thread) => {
                    Event::ThreadStarted {
                        worker: number.into(),
                    }
                    .emit();
                    crew.threads.push(Some(thread));
                }
                Err(error) => {
                    site.stop.request(Cause::Failure);
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

    /// No workers, from the first on: what must be there before them could not be had.
    fn refused(stop: &Stop, why: String) -> Self {
        stop.request(Cause::Failure);
        Event::ThreadRefused {
            worker: 0,
            error: why.clone(),
        }
        .emit();
        Self {
            threads: Vec::new(),
            refused: Some(why),
        }
    }

    /// Waits for all workers to end; once they were found to be stuck, no longer than it takes to come round. Returns
    /// the accounts, added up, and the workers that are left behind.
    fn join(mut self, inbox: &Receiver<Notice>) -> (Account, Vec<u32>) {
        let mut all = Account::default();
        let mut left = self.threads.len();
        let mut deadline: Option<Instant> = None;
        while left > 0 {
            let notice = match deadline {
                None => inbox.recv().ok(),
                Some(deadline) => inbox
                    .recv_timeout(deadline.saturating_duration_since(Instant::now()))
                    .ok(),
            };
            match notice {
                // A worker whose thread was refused leaves as well, without ever having come.
                Some(Notice::Leaving(worker)) => {
                    if let Some(thread) =
                        self.threads.get_mut(worker as usize).and_then(Option::take)
                    {
                        // A worker catches what strikes in it. Were one to die all the same, its account would be
                        // missing and the books would not balance.
                        if let Ok(account) = thread.join() {
                            all.add(&account);
                        }
                        left -= 1;
                    }
                }
                Some(Notice::Stalled) => deadline = Some(Instant::now() + TIME_TO_COME_ROUND),
                None => break,
            }
        }
        let stuck = (0..)
            .zip(&self.threads)
            .filter(|(_, thread)| thread.is_some());
        (all, stuck.map(|(worker, _)| worker).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_that_are_stuck_are_left_behind() {
        let (notices, inbox) = channel();
        let spawn = |worker, pause: Duration| {
            let leaving = Leaving {
                worker,
                notices: notices.clone(),
            };
            Some(thread::spawn(move || {
                let _leaving = leaving;
                thread::sleep(pause);
                Account {
                    completed: 7,
                    ..Account::default()
                }
            }))
        };
        let crew = Crew {
            threads: vec![
                spawn(0, Duration::ZERO),
                spawn(1, Duration::MAX),
                spawn(2, Duration::ZERO),
            ],
            refused: None,
        };
        notices.send(Notice::Leaving(3)).unwrap();
        notices.send(Notice::Stalled).unwrap();
        let (account, stuck) = crew.join(&inbox);
        assert_eq!((account.completed, stuck), (14, vec![1]));
    }
}
