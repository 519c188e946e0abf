//! The binary: reads the command line, runs what it asks for, and turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use hifi::{
    cli::{Cli, Command},
    preview, run, summary,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Plan(args)) => match args.workers() {
            Ok(workers) => preview::print(&args.workload.into_workload(), workers, args.format),
            Err(error) => error.exit(),
        },
        None => match cli.run.into_config() {
            Ok(config) => {
                run::run(&config).and_then(|outcome| summary::conclude(&config, &outcome))
            }
            Err(error) => error.exit(),
        },
    };
    result.unwrap_or_else(|error| {
        hifi::complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}
