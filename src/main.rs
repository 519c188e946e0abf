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
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match cli.command {
        Some(Command::Plan(args)) => {
            let workload = args.workload.clone().into_workload();
            let workers = valid(args.workers(&workload));
            printer::print(&workload, workers, args.format)
        }
        Some(Command::Audit(args)) => return audit(args),
        Some(Command::Report(args)) => return report::run(&valid(args.into_config())),
        Some(Command::Lab(args)) => lab::run(&args.into_config()),
        Some(Command::Dashboard { audit }) => dashboard::print(audit),
        Some(Command::Completions { shell }) => print_completions(&shell),
        Some(Command::Man) => print_man(),
        None => {
            let config = valid(cli.run.into_config());
            let profile = HeapProfile::start();
            run::run(&config).and_then(|code| profile.finish().map(|()| code))
        }
    };
    result.unwrap_or_else(|error| {
        complain(&in_words(&error));
        ExitCode::FAILURE
    })
}

/// What was asked for; where that cannot be carried out, the program says why, and ends with 2: nothing has begun yet.
fn valid<T>(asked: Result<T, clap::Error>) -> T {
    asked.unwrap_or_else(|error| error.exit())
}

/// Audits; whatever keeps the audit from telling ends with 2.
fn audit(args: AuditArgs) -> ExitCode {
    let format = args.format;
    let verdict = match valid(args.canary()) {
        Some(config) => canary::run(&config),
        None if args.merge => audit::merge_files(&args.judging.files),
        None => audit::run(&args.judging.into_config()),
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
