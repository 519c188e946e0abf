//! The binary: reads the command line, runs what it asks for, and turns the result into an exit code.

use std::process::ExitCode;

use clap::Parser;
use hifi::{
    audit,
    cli::{AuditArgs, Cli, Command, ReportArgs, print_completions, print_man},
    errors::in_words,
    lab,
    log::stream::{complain, print_out},
    observe::heap_profile::HeapProfile,
    observe::monitoring::AuditLine,
    observe::{canary, dashboard},
    plan::printer,
    report::{self, Failure},
    run,
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
        Some(Command::Report(args)) => return report(args),
        Some(Command::Lab(args)) => lab::run(&args.into_config()),
        Some(Command::Dashboard(args)) => dashboard::print(args.audit),
        Some(Command::Completions { shell }) => print_completions(shell),
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
    // The progress line is gone before anything else is shown.
    let verdict = match args.canary() {
        Err(error) => error.exit(),
        Ok(Some(config)) => canary::run(&config),
        Ok(None) if args.merge => audit::merge_files(&args.judging.files),
        Ok(None) => {
            let mut line = AuditLine::default();
            audit::run(&args.judging.into_config(), &mut |bytes, size| {
                line.read(bytes, size);
            })
        }
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

/// Reports; a log that cannot be read ends with 2, a report that cannot be written with 1.
fn report(args: ReportArgs) -> ExitCode {
    let made = {
        let mut line = AuditLine::default();
        report::run(&args.into_config(), &mut |bytes, size| {
            line.read(bytes, size);
        })
    };
    let (error, code) = match made {
        Ok(told) => {
            // A reader that has seen enough may close its end.
            let told = told.map_or_else(String::new, |told| told + "\n");
            let _ = print_out("what the report came to", told.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(Failure::Input(error)) => (error, 2),
        Err(Failure::Output(error)) => (error, 1),
    };
    complain(&format!("{error:#}"));
    ExitCode::from(code)
}
