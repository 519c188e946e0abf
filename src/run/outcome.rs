//! What a run came to: its figures added up, its last lines, and all that is known of it when it is over.

use std::{collections::BTreeMap, sync::Arc, sync::atomic::Ordering};

use super::{context::RunContext, observers::Observers, workers::Ended};
use crate::{
    bugs::Seam,
    log::{
        self, LogReport,
        account::Closing,
        event::{Event, Reason},
    },
    observe::error_tracking::Delivery,
    observe::process::Usage,
    observe::watch::Stall,
    plan::workload::{Limit, Workload},
    shutdown::Cause,
    work::processor::{Contents, Handle},
    work::recorder::Totals,
    work::worker::Done,
};

/// All that is known of a run when it is over, from every source that tells of it.
#[derive(Clone, Debug)]
pub(super) struct RunOutcome {
    /// The run's id.
    pub run: u64,
    /// What was to be done.
    pub workload: Workload,
    /// Why the run ended, and the workers' accounts added up.
    pub closing: Closing,
    /// What asked for a stop, if anything did.
    pub stopped_by: Option<Cause>,
    /// What the workers have done together, as the counters have it.
    pub totals: Totals,
    /// The Processor as it was left.
    pub processor: Contents,
    /// A worker that is stuck holds the Processor's lock.
    pub processor_is_stuck: bool,
    /// How the workers have ended.
    pub workers: Ended,
    /// What became of the lines.
    pub log: LogReport,
    /// From the first line to the last, in nanoseconds.
    pub nanos: u64,
    /// What it took of the machine.
    pub usage: Usage,
    /// The standstill that ended the run.
    pub stall: Option<Stall>,
    /// Requests that were answered, by the status code of the answer; those alone that occurred.
    pub requests: BTreeMap<u16, u64>,
    /// What kept the final metrics from being written.
    pub metrics_file: Option<String>,
    /// Panics that no plan asked for, in whatever thread.
    pub errors_of_its_own: u64,
    /// What became of the errors, where they were to be reported.
    pub sentry: Option<Delivery>,
}

impl RunContext<'_> {
    /// Adds up what was done, writes the run's last lines and closes the log. All figures are final then, those of the
    /// metrics too.
    pub(super) fn close(
        mut self,
        shared: &Arc<dyn Handle>,
        workers: Ended,
        observers: &Observers,
    ) -> RunOutcome {
        if let Some(Seam::Log(_)) = self.config.seam() {
            // If it cannot be opened now, the last lines take the specimen's way too.
            let _ = self.log.reopen(|file| Box::new(file));
        }
        let totals = Totals::of(&self.sources.counters);
        // Where workers are stuck, one of them may hold the lock for ever.
        let contents = match workers.stuck.is_empty() {
            true => Some(shared.contents()),
            false => shared.contents_if_free(),
        };
        let stopped_by = self.stop.cause();
        let closing = self.closing(&workers.done, stopped_by);
        let processor = contents.unwrap_or(Contents {
            counter: totals.counter,
            data_len: totals.data_len,
            dropped: totals.counter.saturating_sub(totals.data_len),
            data_in_order: true,
        });
        self.log_end(closing, stopped_by, processor);
        RunOutcome {
            run: self.sources.run,
            workload: self.config.workload.clone(),
            closing,
            stopped_by,
            totals,
            processor,
            processor_is_stuck: contents.is_none(),
            workers,
            nanos: log::last_stamp().nanos_since(self.began),
            log: self.log.close(),
            usage: Usage::now().since(&self.usage_before),
            stall: observers.stall.get().cloned(),
            requests: observers.monitoring.requests(),
            metrics_file: observers.monitoring.run_ended(&self.sources),
            errors_of_its_own: self.unplanned_panics.load(Ordering::SeqCst),
            sentry: self
                .tracking
                .and_then(|tracking| tracking.finish(&self.stop)),
        }
    }

    /// Why the run has ended, and what became of its operations.
    fn closing(&self, done: &Done, stopped_by: Option<Cause>) -> Closing {
        let account = done.account;
        let not_started = self.config.workload.operations().after(done.begun);
        let reason = match (account.panicked, stopped_by, not_started) {
            (1.., _, _) => Reason::Panicked,
            (0, None, Limit::At(0)) => Reason::Finished,
            (0, _, _) => Reason::Stopped,
        };
        Closing {
            reason,
            account,
            not_started,
        }
    }

    fn log_end(&mut self, closing: Closing, stopped_by: Option<Cause>, processor: Contents) {
        let (operations, data) = (processor.counter, processor.data_len);
        Event::TotalOperations { count: operations }.emit();
        Event::TotalData { count: data }.emit();
        let cause = match stopped_by {
            Some(cause) => cause.to_string(),
            None if closing.reason == Reason::Stopped => "duration".into(),
            None => "end".into(),
        };
        let lines = self.log.settle() + 1;
        closing.run_ended(cause, lines, processor.dropped).emit();
    }
}
