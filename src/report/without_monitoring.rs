//! What stands in for the report in a build without the feature `monitoring`: nothing, under the same names. The command
//! line refuses whatever would lead here.

mod config;

pub use self::config::{Failure, Output, ReportConfig, ReportFormat};
use crate::{audit::Input, bugs::Specimen, plan::workload::Workload};

/// Does nothing.
///
/// # Errors
/// None.
pub fn run(
    _config: &ReportConfig,
    _progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<Option<String>, Failure> {
    Ok(None)
}

/// No page.
#[derive(Debug)]
pub struct LabReport;

impl LabReport {
    /// Does nothing.
    pub fn new(_replay: fn(&Workload) -> String) -> Self {
        Self
    }

    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn add(&mut self, _: &'static Specimen, _: Input, _: Input) -> anyhow::Result<()> {
        Ok(())
    }

    /// Does nothing.
    ///
    /// # Errors
    /// None.
    pub fn write(&self, _seed: u64, _output: &Output) -> anyhow::Result<()> {
        Ok(())
    }
}
