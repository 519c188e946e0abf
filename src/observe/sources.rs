//! What observers see of a run.

use std::sync::Arc;

use crate::{
    log::pipeline::Pipeline, plan::workload::Workload, work::backlog::Backlog,
    work::recorder::Counters, work::status::StatusBoard,
};

/// What a run shows to its observers. Clones share everything.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The run's id.
    pub run: u64,
    /// What is to be done.
    pub workload: Workload,
    /// What each worker has done.
    pub counters: Arc<[Arc<Counters>]>,
    /// Where requests for operations wait, if operations are to be asked for.
    pub backlog: Option<Arc<Backlog>>,
    /// Where the workers show what they are doing.
    pub board: Arc<StatusBoard>,
    /// The way to the console, and to the log's own figures.
    pub pipeline: Arc<Pipeline>,
}
