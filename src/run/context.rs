//! What the phases of a run share: opened before the first line, closed with the last.

use std::sync::{Arc, atomic::AtomicU64, mpsc::Sender};

use anyhow::Context;
use tracing_subscriber::prelude::*;

use super::config::RunConfig;
use crate::{
    log::clock::{Clock, Stamp},
    log::{self, Log, LogLayer, event::Event, stream::Patience},
    observe::error_tracking::ErrorTracking,
    observe::process::Usage,
    observe::sources::Sources,
    shutdown::Stop,
    work::backlog::Backlog,
    work::panics,
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
    pub(super) stop: Arc<Stop>,
    pub(super) log: Log,
    /// The time of the first line.
    pub(super) began: Stamp,
    /// What the process had used by then: it may have been another program before.
    pub(super) usage_before: Usage,
    /// Where its errors are reported to, if they are.
    pub(super) tracking: Option<ErrorTracking>,
    /// What the workers write to, and observers look at.
    pub(super) sources: Sources,
    /// Panics that no plan asked for.
    pub(super) unplanned_panics: Arc<AtomicU64>,
    /// Wakes the thread that waits for the workers.
    pub(super) notices: Sender<Notice>,
}

impl<'a> RunContext<'a> {
    /// Opens the log and writes the run's first line.
    pub(super) fn open(
        config: &'a RunConfig,
        patience: &Patience,
        notices: Sender<Notice>,
    ) -> anyhow::Result<Self> {
        let usage_before = Usage::now();
        let workload = &config.workload;
        let unplanned_panics = panics::install_panic_hook();
        let run = rand::random();
        let clock = Clock::start();
        clock.check()?;
        let log = Log::open(&config.log, run, workload.threads, clock, patience)?;
        let stop = Arc::clone(&patience.stop);
        let tracking = config.sentry.as_ref();
        let tracking = tracking.map(|dsn| ErrorTracking::start(dsn, run, workload.seed, clock));
        let tracking = tracking.transpose()?;
        tracing_subscriber::registry()
            .with(LogLayer::new(Arc::clone(log.pipeline())))
            .with(tracking.as_ref().map(ErrorTracking::layer))
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
            stop,
            began: log::last_stamp(),
            usage_before,
            tracking,
            sources: Sources {
                run,
                workload: workload.clone(),
                counters: (0..workload.threads).map(|_| Arc::default()).collect(),
                backlog,
                board: Arc::new(StatusBoard::new(workload.workers(), clock)),
                pipeline: Arc::clone(log.pipeline()),
            },
            log,
            unplanned_panics,
            notices,
        })
    }
}
