//! A trial: the program runs once with a bug and once without, from the same seed, and both logs are audited.
//!
//! The runs are processes of their own: each has a log to itself, and what one of them forgets to give back shows in
//! its memory alone.

use std::{
    env, fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::Context;
use serde_json::{Value, json};

use super::records::Seen;
use crate::{
    audit::{self, AuditConfig, Input, Status, Verdict},
    bugs::{ExhibitKind, Specimen},
};

/// The two runs of one specimen.
#[derive(Debug)]
pub(super) struct Trial {
    /// The specimen.
    pub specimen: &'static Specimen,
    /// The run with the bug.
    pub broken: TrialRun,
    /// The run without.
    pub fixed: TrialRun,
}

/// A run that was made, and what was found out about it.
#[derive(Debug)]
pub(super) struct TrialRun {
    /// The command line, as a person would type it.
    pub command: String,
    /// The file that the log was in.
    pub log_file: String,
    /// Its exit code; none if a signal ended it.
    pub exit_code: Option<i32>,
    /// Its summary.
    pub summary: Value,
    /// What it printed on standard error.
    pub stderr: String,
    /// Its log.
    pub log: Vec<u8>,
    /// What the lines of its log tell.
    pub seen: Seen,
    /// What the audit says of the log.
    pub verdict: Verdict,
}

/// What a trial comes to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conclusion {
    /// The bug was caught, and the run said of itself what the table of specimens claims it does.
    pub caught: bool,
    /// The fixed run has nothing of it, and is clean.
    pub fixed_is_clean: bool,
}

impl Trial {
    /// Makes both runs, one after the other, in a folder that is gone afterwards.
    ///
    /// # Errors
    /// The program cannot be run, or what it left behind cannot be read.
    pub(super) fn run(specimen: &'static Specimen, seed: u64) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("hifi-lab-").tempdir();
        let folder = folder.context(
            "cannot make a folder for the runs; name a place that can be written with TMPDIR",
        )?;
        let run = |name: &str, bug: &str| {
            let options = format!("{bug}{} --seed {seed}", specimen.lab_options);
            TrialRun::make(folder.path(), name, &options)
        };
        Ok(Self {
            specimen,
            broken: run("broken", &format!("--bug {} ", specimen.name))?,
            fixed: run("fixed", "")?,
        })
    }

    /// Whether the bug was caught, by whom the table names, and the fixed run is clean.
    pub(super) fn conclude(&self) -> Conclusion {
        let (broken, fixed) = (&self.broken, &self.fixed);
        // None where it cannot be measured: then nothing is said to be clean.
        let shows = |run: &TrialRun| match self.specimen.exhibit {
            ExhibitKind::Memory => run.seen.memory.rises(),
            ExhibitKind::ThreadDump => {
                Some(run.summary["stopped_by"] == "stall" && run.stderr.contains("\nDEADLOCK: "))
            }
            _ => Some(run.verdict.status == Status::Findings),
        };
        Conclusion {
            caught: shows(broken) == Some(true)
                && broken.exit_code == Some(self.specimen.exit_code),
            fixed_is_clean: shows(fixed) == Some(false)
                && fixed.exit_code == Some(0)
                && fixed.verdict.status == Status::Clean,
        }
    }
}

impl TrialRun {
    fn make(folder: &Path, name: &str, options: &str) -> anyhow::Result<Self> {
        let log_file = format!("{name}.log");
        let typed = format!("{options} --log-file {log_file}");
        let program = env::current_exe().context("cannot tell where this program is")?;
        let ran = Command::new(&program)
            .args(typed.split_whitespace())
            .args(["--quiet", "--summary", "json"])
            .current_dir(folder)
            .env_remove("RUST_LOG")
            .env_remove("SENTRY_DSN")
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let stderr = String::from_utf8_lossy(&ran.stderr).into_owned();
        let log = fs::read(folder.join(&log_file)).context("a run has left no log")?;
        let audited = AuditConfig::new(vec![Input::Bytes(log_file.clone(), log.clone())]);
        let mut seen = Seen::default();
        let verdict = audit::run_observed(&audited, Some(&mut seen))?;
        Ok(Self {
            command: format!("hifi {typed}"),
            exit_code: ran.status.code(),
            summary: serde_json::from_slice(&ran.stdout)
                .with_context(|| format!("a run has printed no summary: {stderr}"))?,
            stderr,
            seen,
            verdict,
            log,
            log_file,
        })
    }

    /// A number of the summary, by its path there; 0 if it has none.
    pub(super) fn number(&self, path: &str) -> u64 {
        let number = self.summary.pointer(path).and_then(Value::as_u64);
        number.unwrap_or(0)
    }

    /// The problems that the summary tells of.
    pub(super) fn problems(&self) -> Vec<&str> {
        let problems = self.summary["problems"].as_array().into_iter().flatten();
        problems.filter_map(Value::as_str).collect()
    }

    /// How many lines its log has.
    pub(super) fn lines(&self) -> usize {
        self.log.iter().filter(|byte| **byte == b'\n').count()
    }

    /// How many lines the audit finds lost.
    pub(super) fn lost(&self) -> u64 {
        self.verdict.runs.iter().map(|run| run.counts.lost).sum()
    }

    /// What a program may want to know of it.
    pub(super) fn figures(&self) -> Value {
        json!({
            "command": self.command,
            "exit_code": self.exit_code,
            "problems": self.problems(),
            "lines_in_file": self.lines(),
            "summary": self.summary,
            "audit": self.verdict.status,
            "counts": self.verdict.runs.first().map(|run| run.counts),
        })
    }
}
