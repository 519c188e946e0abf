//! What stands in for completion scripts and the manual page in a build without the feature `monitoring`.

use std::process::ExitCode;

use super::monitoring::NEEDS_MONITORING;

/// Says which feature it needs.
///
/// # Errors
/// Always.
pub fn print_completions(_shell: &str) -> anyhow::Result<ExitCode> {
    print_man()
}

/// Says which feature it needs.
///
/// # Errors
/// Always.
pub fn print_man() -> anyhow::Result<ExitCode> {
    Err(anyhow::Error::msg(NEEDS_MONITORING))
}
