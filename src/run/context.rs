//! What the phases of a run share: opened before the first line, closed with the last.

use std::sync::{Arc, atomic::AtomicU64, mpsc::Sender};

use anyhow::Context;
use tracing_subscriber::prelude::*;

use super::config::RunConfig;
use crate::{
    log::clock::{Clock, Stamp},
    log::{self, Log, LogLayer, event::Event},
    observe::dump::Dumper,
    observe::error_tracking::ErrorTracking,
    observe::watch::Sources,
    shutdown::Stop,
    work::backlog::Backlog,
    work::panics,
    work::recorder::Counters,
    work::status::StatusBoard,
};

/// What wakes the thread that waits for the workers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Notice {
    /// The thread at this position is about to end.
    Leaving(usize),
    /// Workers are stuck.
    Stalled,
}

/// What the phases of a run share.
pub(super) struct RunContext<'a> {
    pub(super) config: &'a RunConfig,
    /// The run's id.
    pub(super) run: u64,
    pub(super) clock: Clock,
    pub(super) stop: Arc<Stop>,
    pub(super) log: Log,
    /// The time of the first line.
    pub(super) began: Stamp,
    pub(super) tracking: ErrorTracking,
    pub(super) board: Arc<StatusBoard>,
    /// What each worker counts.
    pub(super) counters: Arc<[Arc<Counters>]>,
    /// Where requests for operations wait, if operations are to be asked for.
    pub(super) backlog: Option<Arc<Backlog>>,
    /// Panics that no plan asked for.
    pub(super) unplanned_panics: Arc<AtomicU64>,
    /// Wakes the thread that waits for the workers.
    pub(super) notices: Sender<Notice>,
}

impl<'a> RunContext<'a> {
    /// Opens the log and writes the run's first line.
    pub(super) fn open(
        config: &'a RunConfig,
        stop: Arc<Stop>,
        notices: Sender<Notice>,
    ) -> anyhow::Result<Self> {
        let workload = &config.workload;
        let unplanned_panics = panics::install_panic_hook();
        let run = rand::random();
        let clock = Clock::start();
        clock.check()?;
        let duration = workload.duration.map(Into::into);
        let log = Log::open(
            &config.log,
            run,
            workload.threads,
            clock,
            Arc::clone(&stop),
            duration,
        )?;
        let tracking = ErrorTracking::start(config.sentry.as_ref(), run, workload.seed, clock)?;
        tracing_subscriber::registry()
            .with(LogLayer::new(Arc::clone(log.pipeline())))
            .with(tracking.layer())
            .try_init()
            .context("another log is installed in this process")?;
        log::sign_on(log.main());
        Event::run_started(workload).emit();
        let backlog = config.serve.as_ref().map(|serve| {
            let backlog = Arc::new(Backlog::new(serve.backlog as usize, workload.threads));
            let closing = Arc::clone(&backlog);
            stop.on_request(move || closing.close());
            backlog
        });
        Ok(Self {
            config,
            run,
            clock,
            stop,
            log,
            began: log::last_stamp(),
            tracking,
            board: Arc::new(StatusBoard::new(workload.workers(), clock)),
            counters: (0..workload.threads).map(|_| Arc::default()).collect(),
            backlog,
            unplanned_panics,
            notices,
        })
    }

    /// What observers may look at.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            run: self.run,
            workload: self.config.workload.clone(),
            board: Arc::clone(&self.board),
            counters: Arc::clone(&self.counters),
            backlog: self.backlog.clone(),
            dumper: Dumper {
                run: self.run,
                board: Arc::clone(&self.board),
                pipeline: Arc::clone(self.log.pipeline()),
            },
        }
    }
}
