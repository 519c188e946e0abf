//! What stands in for monitoring in a build without the feature: nothing, under the same names, so that a run needs no `cfg`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use crate::{
    audit::Figures,
    observe::config::{MetricsConfig, ServeConfig},
    observe::sources::Sources,
    shutdown::Stop,
};

/// Whether this is in the program.
pub const BUILT_IN: bool = false;

/// Nothing is monitored.
#[derive(Debug)]
pub struct Monitoring;

impl Monitoring {
    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn new(_config: &MetricsConfig, _serve: Option<&ServeConfig>) -> anyhow::Result<Self> {
        Ok(Self)
    }

    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn start(&mut self, _progress: bool, _sources: &Sources) -> anyhow::Result<()> {
        Ok(())
    }

    /// Does nothing.
    pub fn workers_ended(&mut self) {}

    /// No request was answered.
    pub fn requests(&self) -> BTreeMap<u16, u64> {
        BTreeMap::new()
    }

    /// Does nothing.
    pub fn run_ended(&self, _sources: &Sources) -> Option<String> {
        None
    }

    /// Does nothing.
    pub fn linger(&self, _stop: &Stop) {}
}

/// No line is shown.
#[derive(Debug, Default)]
pub struct AuditLine {}

impl AuditLine {
    /// Does nothing.
    pub fn follow(&mut self, _figures: &Figures) {}

    /// Does nothing.
    pub fn hide(&mut self) {}
}

/// Exports nothing.
///
/// # Errors
/// None.
pub fn export(
    _addr: Option<SocketAddr>,
    _board: &Arc<Mutex<Figures>>,
) -> anyhow::Result<impl Sized + use<>> {
    Ok(())
}
