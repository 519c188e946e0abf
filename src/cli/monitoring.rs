//! The options of monitoring, as typed. In a build without it they are hidden, and each says which feature it needs.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Args, builder::TypedValueParser};

use super::{
    generated,
    values::{file_path, one_of, whole},
};
use crate::{
    observe::config::{MetricsConfig, ServeConfig},
    observe::monitoring::BUILT_IN,
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
    #[arg(hide = !BUILT_IN, long, value_name = "ADDR", value_parser = built_in(parse_addr))]
    serve: Option<SocketAddr>,

    /// Requests that may wait while all workers are busy [default: 1024]
    #[arg(hide = !BUILT_IN, hide_short_help = true, long, value_name = "N", requires = "serve",
          value_parser = built_in(whole::<u32>(0..=BACKLOG_MAX.into())))]
    backlog: Option<u32>,

    /// Serve Prometheus metrics on this address
    ///
    /// While the run lasts: /metrics, /healthz, /threads.
    #[arg(hide = !BUILT_IN, long, value_name = "ADDR", value_parser = built_in(parse_addr))]
    metrics_addr: Option<SocketAddr>,

    /// Keep serving for this long after the end; a signal ends it
    #[arg(hide = !BUILT_IN, hide_short_help = true, long, value_name = "TIME", value_parser = built_in(parse_duration),
          allow_hyphen_values = true, requires = "metrics_addr")]
    metrics_linger: Option<Micros>,

    /// File for the final metrics, such as a textfile collector reads
    #[arg(hide = !BUILT_IN, hide_short_help = true, long, value_name = "PATH", value_parser = built_in(file_path()))]
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
    #[arg(hide = !BUILT_IN, long, value_name = "ADDR", value_parser = built_in(parse_addr), requires = "follow")]
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
    #[arg(value_name = "SHELL", value_parser = built_in(one_of(&[("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")])))]
    shell: &'static str,
}

impl CompletionsArgs {
    /// Prints the script.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn print(&self) -> anyhow::Result<ExitCode> {
        generated::print_completions(self.shell)
    }
}

/// A parser of values for what only a build with the feature `monitoring` can do.
pub(super) fn built_in<P: TypedValueParser>(parser: P) -> impl TypedValueParser<Value = P::Value> {
    parser.try_map(|value| match BUILT_IN {
        true => Ok(value),
        false => Err(NEEDS_MONITORING),
    })
}

/// What is said where it is asked for in vain.
pub(super) const NEEDS_MONITORING: &str = "this hifi was built without the feature `monitoring`; build it with `cargo build --features monitoring`";

fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address and a port are needed, such as 127.0.0.1:9464 or [::1]:9464; port 0 takes any that is free".into()
    })
}
