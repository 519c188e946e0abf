//! The options of `hifi audit --follow`.

use std::{path::PathBuf, time::SystemTime};

use clap::Args;

use super::{
    ExportArgs,
    audit::{AuditArgs, VerdictFormat},
    invalid,
    values::{file_path, parse_interval},
};
use crate::{
    audit::{AuditConfig, FollowConfig, Select},
    observe::canary::{CanaryConfig, Telling},
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

    /// Where metrics are to be had.
    #[command(flatten)]
    exports: ExportArgs,
}

impl AuditArgs {
    /// What to follow, and who is told; none if it is not to be followed.
    ///
    /// # Errors
    /// The last run is asked for, which nobody knows before the end.
    pub fn canary(&self) -> Result<Option<CanaryConfig>, clap::Error> {
        let args = &self.following;
        if !args.follow {
            return Ok(None);
        }
        let audit = AuditConfig {
            follow: true,
            ..self.judging.clone().into_config()
        };
        if audit.select == Select::Last {
            let why = "with --follow others may come; all or a run's id is needed";
            return Err(invalid("last", "'--run <WHICH>'", why));
        }
        let telling = match self.format {
            VerdictFormat::Text => Telling::Text,
            VerdictFormat::Json => Telling::Json,
            VerdictFormat::Github | VerdictFormat::Junit => Telling::Nothing,
        };
        Ok(Some(CanaryConfig {
            audit,
            follow: FollowConfig {
                began: SystemTime::now(),
                patience: args.patience.into(),
                until_end: args.until_end,
                started: args.started.clone(),
            },
            telling,
            metrics: args.exports.addr(),
        }))
    }
}
