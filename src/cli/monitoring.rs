//! The options of monitoring, as typed. In a build without it they are hidden, and each says which feature it needs.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, builder::TypedValueParser};

use super::values::{output_path, whole};
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
    #[arg(hide = !BUILT_IN, hide_short_help = true, long, value_name = "PATH", value_parser = built_in(output_path()))]
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

/// A parser of values for what only a build with the feature `monitoring` can do.
pub(super) fn built_in<P: TypedValueParser>(parser: P) -> impl TypedValueParser<Value = P::Value> {
    parser.try_map(|value| match BUILT_IN {
        true => Ok(value),
        false => Err(NEEDS_MONITORING),
    })
}

/// What is said where it is asked for in vain.
pub(super) const NEEDS_MONITORING: &str = "this hifi was built without the feature `monitoring`; build it with `cargo build --features monitoring`";

pub(super) fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "an IP address and a port are needed, such as 127.0.0.1:9464 or [::1]:9464; port 0 takes any that is free".into()
    })
}
