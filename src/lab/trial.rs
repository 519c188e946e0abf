//! A trial: the program runs once with a bug and once without, from the same seed, and both logs are audited.
//!
//! The runs are processes of their own: each has a log to itself, and what one of them forgets to give back shows in
//! its memory alone. This file must not know what a bug looks like.

use std::{
    env,
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::{chart::Memory, records::LogRecord};
use crate::{
    audit::{self, AuditConfig, Finding, Input, Status, Verdict},
    bugs::{CaughtBy, Specimen},
};

/// No run of the lab takes so long. One that does hangs, and is ended.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether a run has ended.
const LOOK: Duration = Duration::from_millis(2);

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
    /// How many lines its log has.
    pub lines: usize,
    /// Those lines.
    pub records: Vec<LogRecord>,
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
        let folder = tempfile::Builder::new()
            .prefix("hifi-lab-")
            .tempdir()
            .context(
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
        let Self {
            specimen,
            broken,
            fixed,
        } = self;
        let shows = |run: &TrialRun| match specimen.caught_by {
            CaughtBy::Audit => run.verdict.status == Status::Findings,
            CaughtBy::Samples => Memory::of(&run.records).rises(),
            CaughtBy::Watchdog => {
                run.summary["stopped_by"] == "stall" && run.stderr.contains("\nDEADLOCK: ")
            }
        };
        Conclusion {
            caught: shows(broken) && broken.exit_code == Some(specimen.exit_code),
            // Where it cannot be measured, nothing is said to be clean.
            fixed_is_clean: !shows(fixed)
                && (specimen.caught_by != CaughtBy::Samples
                    || Memory::of(&fixed.records).bytes_per_operation().is_some())
                && fixed.exit_code == Some(0)
                && fixed.verdict.status == Status::Clean,
        }
    }
}

impl TrialRun {
    fn make(folder: &Path, name: &str, options: &str) -> anyhow::Result<Self> {
        let log_file = format!("{name}.log");
        let typed = format!("{options} --log-file {log_file}");
        let program = Program { folder };
        let ran = program.run(&format!("{typed} --quiet --summary json"))?;
        let bytes = fs::read(folder.join(&log_file)).context("a run has left no log")?;
        let log = String::from_utf8_lossy(&bytes);
        let audited = vec![Input::Bytes(log_file.clone(), bytes.clone())];
        Ok(Self {
            command: format!("hifi {typed}"),
            exit_code: ran.exit_code,
            summary: serde_json::from_str(&ran.stdout)
                .with_context(|| format!("a run has printed no summary: {}", ran.stderr))?,
            stderr: ran.stderr,
            lines: log.lines().count(),
            records: LogRecord::read_all(&log),
            verdict: audit::run(&AuditConfig::new(audited), &mut |_, _| {})?,
            log: bytes,
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
        let problems = self.summary["problems"].as_array();
        let problems = problems.into_iter().flatten();
        problems.filter_map(Value::as_str).collect()
    }

    /// The differences that the audit found.
    pub(super) fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.verdict.runs.iter().flat_map(|run| &run.findings)
    }

    /// What a program may want to know of it.
    pub(super) fn figures(&self) -> Value {
        json!({
            "command": self.command,
            "exit_code": self.exit_code,
            "problems": self.problems(),
            "lines_in_file": self.lines,
            "summary": self.summary,
            "audit": self.verdict.status,
            "counts": self.verdict.runs.first().map(|run| run.counts),
        })
    }
}

/// This program, to be run in a folder.
struct Program<'a> {
    folder: &'a Path,
}

/// What became of it.
struct Ran {
    exit_code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Program<'_> {
    fn run(&self, options: &str) -> anyhow::Result<Ran> {
        let program = env::current_exe().context("cannot tell where this program is")?;
        let file = |name: &str| {
            let path = self.folder.join(name);
            File::create(&path).with_context(|| format!("cannot make the file {}", path.display()))
        };
        let mut child = Command::new(&program)
            .args(options.split_whitespace())
            .current_dir(self.folder)
            .env_remove("RUST_LOG")
            .env_remove("SENTRY_DSN")
            .stdin(Stdio::null())
            .stdout(file("stdout")?)
            .stderr(file("stderr")?)
            .spawn()
            .with_context(|| format!("cannot run {}", program.display()))?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().context("cannot wait for a run")? {
                break status;
            }
            if began.elapsed() > PATIENCE {
                child.kill().context("cannot end a run that hangs")?;
                child.wait().context("cannot wait for a run")?;
                bail!("a run hung, and was ended: hifi {options}");
            }
            thread::sleep(LOOK);
        };
        let printed = |name: &str| {
            let bytes = fs::read(self.folder.join(name)).context("cannot read what a run printed");
            bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(Ran {
            exit_code: status.code(),
            stdout: printed("stdout")?,
            stderr: printed("stderr")?,
        })
    }
}
