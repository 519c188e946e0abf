//! The options of monitoring, as typed.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{
    Cli,
    values::{file_path, one_of, whole},
};
use crate::{
    log::stream::print_out,
    observe::config::{MetricsConfig, ServeConfig},
    plan::workload::{Micros, parse_duration},
};

/// Requests that may wait, unless something else is asked for, and at most.
const BACKLOG: u32 = 1024;
const BACKLOG_MAX: u32 = 1_000_000;

/// The options of a run that concern metrics, and requests from outside.
#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub struct MonitoringArgs {
    /// Begin an operation with each POST /operations to this address
    #[arg(long, value_name = "ADDR", value_parser = parse_addr)]
    serve: Option<SocketAddr>,

    /// Requests that may wait while all workers are busy [default: 1024]
    #[arg(hide_short_help = true, long, value_name = "N", requires = "serve",
          value_parser = whole::<u32>(0..=BACKLOG_MAX.into()))]
    backlog: Option<u32>,

    /// Serve Prometheus metrics on this address
    ///
    /// While the run lasts: /metrics, /healthz, /threads.
    #[arg(long, value_name = "ADDR", value_parser = parse_addr)]
    metrics_addr: Option<SocketAddr>,

    /// Keep serving for this long after the end; a signal ends it
    #[arg(hide_short_help = true, long, value_name = "TIME", value_parser = parse_duration, allow_hyphen_values = true, requires = "metrics_addr")]
    metrics_linger: Option<Micros>,

    /// File for the final metrics, such as a textfile collector reads
    #[arg(hide_short_help = true, long, value_name = "PATH", value_parser = file_path())]
    metrics_file: Option<PathBuf>,
}

impl MonitoringArgs {
    /// The configuration.
    pub fn into_config(self) -> (MetricsConfig, Option<ServeConfig>) {
        let metrics = MetricsConfig {
            addr: self.metrics_addr,
            linger: self.metrics_linger.unwrap_or(Micros::ZERO),
            file: self.metrics_file,
        };
        let serve = self.serve.map(|addr| ServeConfig {
            addr,
            backlog: self.backlog.unwrap_or(BACKLOG),
        });
        (metrics, serve)
    }
}

/// The options of `hifi audit --follow` that concern metrics.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// With --follow: serve Prometheus metrics on this address
    #[arg(long, value_name = "ADDR", value_parser = parse_addr, requires = "follow")]
    metrics_addr: Option<SocketAddr>,
}

impl ExportArgs {
    /// Where metrics are served.
    pub fn addr(&self) -> Option<SocketAddr> {
        self.metrics_addr
    }
}

/// The options of `hifi completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell that completes
    #[arg(value_name = "SHELL", value_parser = one_of(&[("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)]))]
    shell: Shell,
}

impl CompletionsArgs {
    /// Prints the script.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self) -> anyhow::Result<ExitCode> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "hifi", &mut script);
        print_out("the completions", &script)?;
        Ok(ExitCode::SUCCESS)
    }
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

fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address and a port are needed, such as 127.0.0.1:9464 or [::1]:9464; port 0 takes any that is free".into()
    })
}
