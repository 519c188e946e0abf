//! What stands in for the report in a build without the feature `monitoring`: nothing, under the same names, so that who asks
//! for a report needs no `cfg`. The command line refuses whatever would lead here.

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
pub struct Pair;

/// Does nothing.
///
/// # Errors
/// None.
pub fn pair(
    _place: usize,
    _specimen: &'static Specimen,
    _logs: [Input; 2],
    _replay: fn(&Workload) -> String,
) -> anyhow::Result<Pair> {
    Ok(Pair)
}

/// Does nothing.
///
/// # Errors
/// None.
pub fn write_lab(_pairs: &[Pair], _seed: u64, _output: &Output) -> anyhow::Result<()> {
    Ok(())
}
