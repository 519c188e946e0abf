//! What stands in for the report in a build without the feature `monitoring`: nothing, under the same names, so that who asks
//! for a report needs no `cfg`. The command line refuses whatever would lead here.

mod config;

use std::{path::Path, process::ExitCode};

pub use self::config::{ReportConfig, ReportFormat};
use crate::{audit::Input, bugs::Specimen, plan::workload::Workload};

/// Does nothing.
pub fn run(_config: &ReportConfig) -> ExitCode {
    ExitCode::SUCCESS
}

/// Does nothing.
///
/// # Errors
/// None.
pub fn run_lab(
    _logs: Vec<(&'static Specimen, [Input; 2])>,
    _seed: u64,
    _output: &Path,
    _replay: fn(&Workload) -> String,
) -> anyhow::Result<()> {
    Ok(())
}
