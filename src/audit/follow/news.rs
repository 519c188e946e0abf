//! What is told while a log is followed: each thing once, when it is known.

use std::{fmt::Write as _, time::SystemTime};

use anyhow::Result;
use serde::Serialize;

use crate::audit::verdict::{
    Finding, Kind, Range,
    report::{finding_words, range_words},
};

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum News {
    /// A difference.
    Finding {
        /// The run's id; none if it belongs to no run.
        run: Option<String>,
        /// Which.
        finding: Finding,
    },
    /// More differences of a kind than are named one by one.
    More {
        /// The run's id; none if they belong to no run.
        run: Option<String>,
        /// Their kind.
        kind: Kind,
        /// How many.
        count: u64,
    },
    /// Lines that were lost have come after all.
    TakenBack {
        /// The run's id.
        run: Option<String>,
        /// Which.
        range: Range,
    },
    /// A run began before the first line that was read of it.
    Joined {
        /// The run's id.
        run: Option<String>,
    },
    /// The "Run started" of a run is not there, so that its lines cannot be judged.
    Unknown {
        /// The run's id.
        run: Option<String>,
    },
}

impl News {
    /// For people: one line.
    pub fn text(&self, at: SystemTime) -> String {
        let mut out = format!("{} ", humantime::format_rfc3339_seconds(at));
        let of = |run: &Option<String>| {
            let run = run.as_ref().map(|run| format!("run {run}: "));
            run.unwrap_or_else(|| "no run: ".into())
        };
        // Writing to a string cannot fail.
        let _ = match self {
            Self::Finding { run, finding } => {
                let words = finding_words(finding);
                let words: Vec<_> = words.lines().map(str::trim).collect();
                write!(
                    out,
                    "{}{}: {}",
                    of(run),
                    finding.kind.name(),
                    words.join(" ")
                )
            }
            Self::More { run, kind, count } => {
                let kind = kind.name();
                write!(out, "{}{kind}: {count} more, too many to be named", of(run))
            }
            Self::TakenBack { run, range } => write!(
                out,
                "{}late: {}, came after all and is no longer lost",
                of(run),
                range_words(range)
            ),
            Self::Joined { run } => write!(
                out,
                "{}joined: it began before the first line that was read of it, and is judged from there",
                of(run)
            ),
            Self::Unknown { run } => write!(
                out,
                "{}cannot tell: its \"Run started\" has not come; give its configuration (--seed, --threads …), or a \
                 file that holds it (--started)",
                of(run)
            ),
        };
        out.push('\n');
        out
    }

    /// For programs: one JSON object in one line.
    ///
    /// # Errors
    /// It cannot be written so.
    pub fn json(&self, at: SystemTime) -> Result<String> {
        #[derive(Serialize)]
        struct Stamped<'a> {
            time: String,
            #[serde(flatten)]
            news: &'a News,
        }
        let time = humantime::format_rfc3339_micros(at).to_string();
        Ok(serde_json::to_string(&Stamped { time, news: self })? + "\n")
    }
}
