//! The observers of a run: what was asked for of thread dumps, samples, metrics and the stall watchdog, started and
//! ended together.

use std::sync::{Arc, OnceLock, mpsc::Receiver};

use super::context::{Notice, RunContext};
use crate::{
    errors::in_words,
    observe::dump,
    observe::monitoring::Monitoring,
    observe::watch::{self, Stall},
    threads::Background,
};

/// Those that were asked for. To drop one is to end it.
pub(super) struct Observers {
    sampler: Option<Background>,
    pub(super) monitoring: Monitoring,
    watchdog: Option<Background>,
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
        monitoring: Monitoring,
        dump_requests: Receiver<()>,
    ) -> Self {
        let mut observers = Self {
            sampler: None,
            monitoring,
            watchdog: None,
            stall: Arc::default(),
            refused: None,
        };
        let started = observers.start_each(context, dump_requests);
        observers.refused = started.err().map(|error| in_words(&error));
        observers
    }

    fn start_each(
        &mut self,
        context: &RunContext<'_>,
        dump_requests: Receiver<()>,
    ) -> anyhow::Result<()> {
        let (config, sources) = (context.config, &context.sources);
        dump::serve(sources.clone(), dump_requests)?;
        if let Some(interval) = config.sample_interval {
            let counters = Arc::clone(&sources.counters);
            self.sampler = Some(watch::sample(interval, counters)?);
        }
        self.monitoring
            .start(config.log.console.progress, sources)?;
        if let Some(after) = config.stall_after {
            let notices = context.notices.clone();
            let tell = move || {
                let _ = notices.send(Notice::Stalled);
            };
            let (stop, stall) = (Arc::clone(&context.stop), Arc::clone(&self.stall));
            let watchdog = watch::watch_for_stall(after, sources.clone(), stop, stall, tell)?;
            self.watchdog = Some(watchdog);
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
