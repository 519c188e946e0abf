//! The binary: reads the command line, runs what it asks for, and turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use hifi::{
    audit,
    cli::{AuditArgs, Cli, Command, print_completions, print_man},
    errors::in_words,
    lab,
    log::stream::{complain, print_out},
    observe::heap_profile::HeapProfile,
    observe::{canary, dashboard},
    plan::printer,
    report, run,
    run::summary,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Plan(args)) => {
            let workload = args.workload.clone().into_workload();
            match args.workers(&workload) {
                Ok(workers) => printer::print(&workload, workers, args.format),
                Err(error) => error.exit(),
            }
        }
        Some(Command::Audit(args)) => return audit(args),
        Some(Command::Report(args)) => match args.into_config() {
            Ok(config) => return report::run(&config),
            Err(error) => error.exit(),
        },
        Some(Command::Lab(args)) => lab::run(&args.into_config()),
        Some(Command::Dashboard(args)) => dashboard::print(args.audit),
        Some(Command::Completions { shell }) => print_completions(&shell),
        Some(Command::Man) => print_man(),
        None => match cli.run.into_config() {
            Ok(config) => {
                let profile = HeapProfile::start();
                let conclude = |outcome: &_, stop: &_| summary::conclude(&config, outcome, stop);
                run::run(&config, conclude).and_then(|code| profile.finish().map(|()| code))
            }
            Err(error) => error.exit(),
        },
    };
    result.unwrap_or_else(|error| {
        complain(&in_words(&error));
        ExitCode::FAILURE
    })
}

/// Audits; whatever keeps the audit from telling ends with 2.
fn audit(args: AuditArgs) -> ExitCode {
    let format = args.format;
    let verdict = match args.canary() {
        Err(error) => error.exit(),
        Ok(Some(config)) => canary::run(&config),
        Ok(None) if args.merge => audit::merge_files(&args.judging.files),
        Ok(None) => audit::run(&args.judging.into_config()),
    };
    let told = verdict.and_then(|verdict| {
        let text = format.render(&verdict)?;
        print_out("the verdict", text.as_bytes())?;
        Ok(verdict.exit_code())
    });
    match told {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&in_words(&error));
            ExitCode::from(2)
        }
    }
}
