//! What to report on, and where to.

use std::path::PathBuf;

use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::{audit::AuditConfig, plan::workload::Workload};

/// The form of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum ReportFormat {
    /// A page for a browser.
    Html,
    /// Trace events, for Perfetto.
    Trace,
    /// How lnav is to read the JSON log; of no log in particular.
    Lnav,
}

/// What to report on, and where to.
#[derive(Clone, Debug)]
pub struct ReportConfig {
    /// What to read, and how strictly to judge it.
    pub audit: AuditConfig,
    /// The form.
    pub format: ReportFormat,
    /// The file that it goes to; - is standard output.
    pub output: PathBuf,
    /// The command line that repeats a workload's outcomes.
    pub replay: fn(&Workload) -> String,
}
