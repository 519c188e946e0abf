//! What is made of the command line itself: completion scripts and the manual page.

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, ValueEnum};
use clap_complete::Shell;

use super::Cli;
use crate::log::stream::print_out;

/// Prints the script with which a shell completes.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_completions(shell: &str) -> anyhow::Result<ExitCode> {
    let shell = Shell::from_str(shell, false)
        .ok()
        .context("no such shell")?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "hifi", &mut script);
    print_out("the completions", &script)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints the manual page.
///
/// # Errors
/// Standard output cannot be written.
pub fn print_man() -> anyhow::Result<ExitCode> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    print_out("the manual page", &page)?;
    Ok(ExitCode::SUCCESS)
}
