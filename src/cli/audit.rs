//! The options of `hifi audit`, and their way into an [`AuditConfig`].

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::PathBuf};

use anyhow::Result;
use clap::Args;
use strum::{EnumString, IntoStaticStr, VariantArray};

use super::{
    WorkloadArgs,
    follow::FollowArgs,
    values::{one_of, whole},
};
use crate::{
    audit::{self, AuditConfig, Input, MEMORY, News, Select, Verdict},
    observe::canary::{CanaryConfig, Tell},
    plan::workload::{Micros, parse_duration},
};

/// The form of the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum VerdictFormat {
    /// For people.
    Text,
    /// One JSON object.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// JUnit's XML.
    Junit,
}

impl VerdictFormat {
    /// The verdict in this form.
    ///
    /// # Errors
    /// It cannot be written so.
    pub fn render(self, verdict: &Verdict) -> Result<String> {
        match self {
            Self::Text => Ok(audit::report(verdict)),
            Self::Json => Ok(serde_json::to_string(verdict)? + "\n"),
            Self::Github => Ok(audit::annotations(verdict)),
            Self::Junit => audit::xml(verdict),
        }
    }
}

/// The options of `hifi audit`.
#[derive(Debug, Args)]
#[command(
    after_help = "The workload's options stand in for a \"Run started\" that is lost; they count only with --seed.\n\n\
    Exit codes: 0 clean, 1 findings, 2 cannot tell (nothing to read, no run in it, a run without its end)."
)]
pub struct AuditArgs {
    /// Each FILE holds verdicts of --format json, over logs that were audited where they are: make them one
    #[arg(long, hide_short_help = true)]
    pub merge: bool,

    /// Form of the verdict
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = one_of::<VerdictFormat>())]
    pub format: VerdictFormat,

    /// What is read, and how strictly it is judged.
    #[command(flatten)]
    pub judging: JudgingArgs,

    /// How it is followed while it is written.
    #[command(flatten)]
    pub following: FollowArgs,
}

impl AuditArgs {
    /// What to follow, and who is told; none if it is not to be followed.
    ///
    /// # Errors
    /// The last run is asked for, which nobody knows before the end.
    pub fn canary(&self) -> Result<Option<CanaryConfig>, clap::Error> {
        let tell: Option<Tell> = match self.format {
            VerdictFormat::Text => Some(|news, at| Ok(news.text(at))),
            VerdictFormat::Json => Some(News::json),
            VerdictFormat::Github | VerdictFormat::Junit => None,
        };
        let audit = self.judging.clone().into_config();
        self.following.clone().into_canary(audit, tell)
    }
}

/// What is read, and how strictly it is judged.
#[derive(Clone, Debug, Args)]
pub struct JudgingArgs {
    /// Logs to read, rotated parts in any order; - is standard input
    #[arg(value_name = "FILE", default_value = "app.log")]
    pub files: Vec<PathBuf>,

    /// Runs to judge: all, last, or a run's id
    #[arg(long, value_name = "WHICH", default_value = "all", value_parser = parse_select)]
    run: Select,

    /// Accept so many lost lines of a run
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = whole::<u64>(0..=u64::MAX))]
    allow_lost: u64,

    /// Accept duplicates, as a shipper that delivers at least once makes them
    #[arg(long)]
    at_least_once: bool,

    /// Accept a run without its end; each worker is judged up to its last line
    #[arg(long)]
    killed: bool,

    /// Accept lines in any order, as from a pipeline that gives none
    #[arg(long)]
    any_order: bool,

    /// Accept lines of other programs between those of the run
    #[arg(long)]
    allow_foreign: bool,

    /// Lines that took longer to where the pipeline noted their arrival are late
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, allow_hyphen_values = true)]
    max_delay: Option<Micros>,

    /// Memory for the accounts, in MiB; a log whose disorder needs more cannot be judged
    #[arg(long, value_name = "MIB", default_value_t = MEMORY >> 20,
          value_parser = whole::<u64>(1..=1 << 20))]
    memory: u64,

    /// The run's options, for a log that has lost its "Run started": they count only with --seed.
    #[command(flatten)]
    workload: WorkloadArgs,
}

impl JudgingArgs {
    /// What to audit, and how strictly.
    pub fn into_config(self) -> AuditConfig {
        let mut met = HashSet::new();
        // A file that is named twice, be it by a link, is one file.
        let is_new = |path: &PathBuf| {
            let file = fs::metadata(path).ok().filter(|found| found.is_file());
            file.is_none_or(|file| met.insert((file.dev(), file.ino())))
        };
        let files = self.files.into_iter().filter(is_new);
        let inputs = files.map(|path| match path.to_str() {
            Some("-") => Input::Stdin,
            _ => Input::File(path),
        });
        AuditConfig {
            select: self.run,
            fallback: self
                .workload
                .seed
                .is_some()
                .then(|| self.workload.into_workload()),
            allow_lost: self.allow_lost,
            at_least_once: self.at_least_once,
            killed: self.killed,
            any_order: self.any_order,
            allow_foreign: self.allow_foreign,
            max_delay: self.max_delay.map(|delay| delay.0),
            memory: self.memory << 20,
            ..AuditConfig::new(inputs.collect())
        }
    }
}

fn parse_select(text: &str) -> Result<Select, String> {
    match text {
        "all" => Ok(Select::All),
        "last" => Ok(Select::Last),
        id => match u64::from_str_radix(id, 16) {
            Ok(run) if id.len() == 16 => Ok(Select::Run(run)),
            _ => Err("all, last or a run's id of 16 hexadecimal digits is needed".into()),
        },
    }
}
