//! The options of monitoring in a build without it: each says which feature it needs.

use std::{convert::Infallible, net::SocketAddr, process::ExitCode};

use clap::Args;

use crate::{
    observe::config::{MetricsConfig, ServeConfig},
    report::{Output, ReportConfig},
};

/// The options of a run that concern metrics, and requests from outside.
#[derive(Debug, Args)]
#[command(next_help_heading = "Monitoring")]
pub struct MonitoringArgs {
    /// Begin an operation with each HTTP request
    #[arg(long, value_name = "ADDR", hide = true, value_parser = refuse)]
    serve: Option<Infallible>,

    /// Requests that may wait while all workers are busy
    #[arg(long, value_name = "N", hide = true, value_parser = refuse)]
    backlog: Option<Infallible>,

    /// Serve Prometheus metrics
    #[arg(long, value_name = "ADDR", hide = true, value_parser = refuse)]
    metrics_addr: Option<Infallible>,

    /// Keep serving for this long after the end
    #[arg(long, value_name = "TIME", hide = true, value_parser = refuse, allow_hyphen_values = true)]
    metrics_linger: Option<Infallible>,

    /// File for the final metrics
    #[arg(long, value_name = "PATH", hide = true, value_parser = refuse)]
    metrics_file: Option<Infallible>,
}

impl MonitoringArgs {
    /// The configuration: nothing was asked for, because nothing can be.
    pub fn into_config(self) -> (MetricsConfig, Option<ServeConfig>) {
        (MetricsConfig::default(), None)
    }
}

/// The options of `hifi audit --follow` that concern metrics.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Serve Prometheus metrics
    #[arg(long, value_name = "ADDR", hide = true, value_parser = refuse)]
    metrics_addr: Option<Infallible>,
}

impl ExportArgs {
    /// Nowhere.
    pub fn addr(&self) -> Option<SocketAddr> {
        None
    }
}

/// The options of `hifi completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// Shell that completes
    #[arg(value_name = "SHELL", value_parser = refuse)]
    shell: Infallible,
}

impl CompletionsArgs {
    /// Is never called.
    ///
    /// # Errors
    /// None.
    pub fn print(&self) -> anyhow::Result<ExitCode> {
        match self.shell {}
    }
}

/// The options of `hifi report`.
#[derive(Debug, Args)]
#[command(hide = true)]
pub struct ReportArgs {
    /// Logs to read
    #[arg(value_name = "FILE", default_value = "app.log", value_parser = refuse)]
    files: Infallible,
}

impl ReportArgs {
    /// Is never called.
    pub fn into_config(self) -> ReportConfig {
        match self.files {}
    }
}

/// The options of `hifi lab` that need a report.
#[derive(Debug, Args)]
pub struct LabReportArgs {
    /// A page with all of it
    #[arg(long = "report", value_name = "FILE", hide = true, value_parser = refuse)]
    report: Option<Infallible>,
}

impl LabReportArgs {
    /// Nothing was asked for, because nothing can be.
    pub fn into_output(self) -> Option<Output> {
        None
    }
}

/// Says what it takes to have a manual page.
///
/// # Errors
/// Always.
pub fn print_man() -> anyhow::Result<ExitCode> {
    match refuse("") {
        Ok(never) => match never {},
        Err(why) => Err(anyhow::Error::msg(why)),
    }
}

fn refuse(_: &str) -> Result<Infallible, String> {
    Err("this hifi was built without the feature `monitoring`; build it with `cargo build --features monitoring`".into())
}
