//! Where a report goes: under its name stands the whole of it, or what stood there before.

use anyhow::{Context, Result};

use super::config::Output;
use crate::{files::Pending, log::line::displayed};

impl Output {
    /// What people call it; nothing for standard output.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::File(path) => Some(displayed(path)),
            Self::Stdout => None,
        }
    }

    /// Opens it for a report that is to come.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(&self) -> Result<Pending> {
        let opened = match self {
            Self::Stdout => Ok(Pending::stdout()),
            Self::File(path) => Pending::open(path),
        };
        opened.with_context(|| self.cannot())
    }

    /// The report is whole.
    ///
    /// # Errors
    /// It could not be written. Then there is nothing of it.
    pub(super) fn keep(&self, report: Pending) -> Result<()> {
        report.keep().with_context(|| self.cannot())
    }

    fn cannot(&self) -> String {
        let name = self.name().unwrap_or_else(|| "standard output".into());
        format!("the report cannot be written to {name}")
    }
}
