//! The observers of a run: what was asked for of thread dumps, samples, metrics and the stall watchdog, started and
//! ended together.

use std::sync::{Arc, OnceLock, mpsc::Receiver};

use super::context::{Notice, RunContext};
use crate::{
    errors::in_words,
    observe::dump,
    observe::monitoring::{Monitoring, Prepared},
    observe::watch::{self, Stall, Watcher},
};

/// Those that were asked for. To drop one is to end it.
#[derive(Default)]
pub(super) struct Observers {
    sampler: Option<Watcher>,
    pub(super) monitoring: Monitoring,
    watchdog: Option<Watcher>,
    /// The standstill that ended the run.
    pub(super) stall: Arc<OnceLock<Stall>>,
    /// Why one of them could not be started.
    pub(super) refused: Option<String>,
}

impl Observers {
    /// Starts those that were asked for. The run has begun by then: where the system refuses one, it has to end in
    /// order.
    pub(super) fn start(
        context: &RunContext<'_>,
        prepared: Prepared,
        dump_requests: Receiver<()>,
    ) -> Self {
        let mut observers = Self::default();
        let started = observers.start_each(context, prepared, dump_requests);
        observers.refused = started.err().map(|error| in_words(&error));
        observers
    }

    fn start_each(
        &mut self,
        context: &RunContext<'_>,
        prepared: Prepared,
        dump_requests: Receiver<()>,
    ) -> anyhow::Result<()> {
        let sources = context.sources.clone();
        dump::serve(sources.clone(), dump_requests)?;
        let config = context.config;
        if let Some(interval) = config.sample_interval {
            let counters = Arc::clone(&sources.counters);
            self.sampler = Some(watch::sample(interval, counters)?);
        }
        let (metrics, console) = (&config.metrics, &config.log.console);
        self.monitoring = prepared.start(metrics.clone(), console.progress, sources.clone())?;
        if let Some(after) = config.stall_after {
            let notices = context.notices.clone();
            let tell = move || {
                let _ = notices.send(Notice::Stalled);
            };
            let (stop, stall) = (Arc::clone(&context.stop), Arc::clone(&self.stall));
            self.watchdog = Some(watch::watch_for_stall(after, sources, stop, stall, tell)?);
        }
        Ok(())
    }

    /// No worker is left: nothing is left to watch, and after the last sample nothing more is logged here.
    pub(super) fn workers_ended(&mut self) {
        self.monitoring.workers_ended();
        self.watchdog = None;
        self.sampler = None;
    }
}
