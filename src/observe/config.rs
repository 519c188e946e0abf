//! Who watches a run, as the run is told.

use std::{net::SocketAddr, path::PathBuf};

use crate::plan::workload::Micros;

/// Where operations are to be asked for.
#[derive(Clone, Copy, Debug)]
pub struct ServeConfig {
    /// Each request to this address begins an operation.
    pub addr: SocketAddr,
    /// So many may wait while all workers are busy.
    pub backlog: u32,
}

/// Where metrics are to be had.
#[derive(Clone, Debug, Default)]
pub struct MetricsConfig {
    /// They are served on this address.
    pub addr: Option<SocketAddr>,
    /// For so long after the end.
    pub linger: Micros,
    /// The final ones are written to this file. Its folder exists.
    pub file: Option<PathBuf>,
}
