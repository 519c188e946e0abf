//! The options of `hifi audit --follow`.

use std::{net::SocketAddr, path::PathBuf, time::SystemTime};

use clap::Args;

use super::{
    invalid,
    monitoring::{built_in, parse_addr},
    values::{file_path, parse_interval},
};
use crate::{
    audit::{AuditConfig, FollowConfig, Select},
    observe::{
        canary::{CanaryConfig, Tell},
        monitoring::BUILT_IN,
    },
    plan::workload::Micros,
};

/// The options of a log that is followed.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "While it is written")]
pub struct FollowArgs {
    /// Judge lines while they come, through rotation: what is wrong is told at once, the verdict at the end
    #[arg(short, long, conflicts_with = "merge")]
    follow: bool,

    /// Lines that are missing for longer are lost, until they come after all
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = parse_interval, allow_hyphen_values = true,
          requires = "follow")]
    patience: Micros,

    /// End when all runs have ended, with all of their lines or after patience; else a signal or a pipe's end ends it
    #[arg(long, requires = "follow")]
    until_end: bool,

    /// Log with the "Run started" of runs that began before; only that is read of it
    #[arg(long, value_name = "FILE", value_parser = file_path(), requires = "follow")]
    started: Vec<PathBuf>,

    /// With --follow: serve Prometheus metrics on this address
    #[arg(hide = !BUILT_IN, long, value_name = "ADDR", value_parser = built_in(parse_addr), requires = "follow")]
    metrics_addr: Option<SocketAddr>,
}

impl FollowArgs {
    /// What to follow, judged as `audit` says, and what is told of it; none if it is not to be followed.
    ///
    /// # Errors
    /// The last run is asked for, which nobody knows before the end.
    pub fn into_canary(
        self,
        audit: AuditConfig,
        tell: Option<Tell>,
    ) -> Result<Option<CanaryConfig>, clap::Error> {
        if !self.follow {
            return Ok(None);
        }
        if audit.select == Select::Last {
            let why = "with --follow others may come; all or a run's id is needed";
            return Err(invalid("last", "'--run <WHICH>'", why));
        }
        Ok(Some(CanaryConfig {
            audit: AuditConfig {
                follow: true,
                ..audit
            },
            follow: FollowConfig {
                began: SystemTime::now(),
                patience: self.patience.into(),
                until_end: self.until_end,
                started: self.started,
            },
            tell,
            metrics: self.metrics_addr,
        }))
    }
}
