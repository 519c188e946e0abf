//! What the audit needs to be told.

use super::input::source::Input;
use crate::plan::workload::Workload;

/// The default of [`AuditConfig::memory`]: 64 MiB.
pub const MEMORY: u64 = 64 << 20;

/// Which of the runs in a log are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Select {
    /// All of them.
    All,
    /// The one that began last.
    Last,
    /// The one with this id.
    Run(u64),
}

impl Select {
    /// Whether the run with this id may be one of them.
    pub fn may_be(self, id: u64) -> bool {
        !matches!(self, Self::Run(wanted) if wanted != id)
    }
}

/// What to audit, and how strictly.
#[derive(Clone, Debug)]
pub struct AuditConfig {
    /// What to read.
    pub inputs: Vec<Input>,
    /// Which runs to judge.
    pub select: Select,
    /// The configuration of runs whose "Run started" is lost.
    pub fallback: Option<Workload>,
    /// So many lost lines of a run are accepted.
    pub allow_lost: u64,
    /// Duplicates are accepted.
    pub at_least_once: bool,
    /// Runs without an end are accepted: each worker is judged up to its last line.
    pub killed: bool,
    /// Lines may come in any order.
    pub any_order: bool,
    /// Lines of other programs are no finding.
    pub allow_foreign: bool,
    /// Lines that took longer than this to arrive, in microseconds, are late.
    pub max_delay: Option<u64>,
    /// What the accounts may take, in bytes. Past it the verdict is that it cannot be told.
    pub memory: u64,
    /// The inputs are followed while they are written, and may be joined in the midst of a run.
    pub follow: bool,
}

impl AuditConfig {
    /// The strict audit of all runs in `inputs`.
    pub fn new(inputs: Vec<Input>) -> Self {
        Self {
            inputs,
            select: Select::All,
            fallback: None,
            allow_lost: 0,
            at_least_once: false,
            killed: false,
            any_order: false,
            allow_foreign: false,
            max_delay: None,
            memory: MEMORY,
            follow: false,
        }
    }
}
