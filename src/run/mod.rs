//! A run, from its first line to its last: [`run`] goes through its phases, one function each.

mod balance;
pub mod config;
mod context;
mod observers;
mod outcome;
mod summary;
mod workers;

use std::{
    process::ExitCode,
    sync::{
        Arc,
        mpsc::{channel, sync_channel},
    },
};

use self::{config::RunConfig, context::RunContext, observers::Observers, workers::Workers};
use crate::{
    log::stream::{Patience, complain},
    observe::monitoring::Monitoring,
    shutdown::Stop,
};

/// Runs the workload and prints the summary, while the metrics are still served.
///
/// # Errors
/// The metrics' address or the log cannot be had, or the system refuses the threads or the handlers without which
/// there is no log. What goes wrong later is told in the outcome.
pub fn run(config: &RunConfig) -> anyhow::Result<ExitCode> {
    let monitoring = Monitoring::new(&config.metrics, config.serve.as_ref())?;
    let stop = Arc::new(Stop::default());
    let (dumps, dump_requests) = sync_channel(1);
    let _signals = stop.watch_signals(Some(dumps), complain)?;

    let patience = Patience::new(Arc::clone(&stop), config.workload.duration.map(Into::into));
    let (notices, inbox) = channel();
    let context = RunContext::open(config, &patience, notices)?;
    let mut observers = Observers::start(&context, monitoring, dump_requests);
    let workers = Workers::start(&context, &observers, inbox);
    let (processor, ended) = workers.join();
    observers.workers_ended();
    let outcome = context.close(&processor, ended, &observers);
    let code = summary::conclude(config, &outcome, &patience);
    observers.monitoring.linger(&stop);
    Ok(code)
}
