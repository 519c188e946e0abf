//! What is told while a log is followed: each thing once, when it is known.

use std::time::SystemTime;

use anyhow::Result;
use serde::Serialize;

use crate::audit::verdict::{
    Finding, Kind, Range,
    words::{finding_words, range_words},
};

/// Something to be told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct News {
    /// The id of the run that it is of; none if it belongs to no run.
    pub run: Option<String>,
    /// What there is to be said.
    #[serde(flatten)]
    pub item: NewsItem,
}

/// What is new.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum NewsItem {
    /// A difference.
    Finding {
        /// Which.
        finding: Finding,
    },
    /// More differences of a kind than are named one by one.
    More {
        /// Their kind.
        kind: Kind,
        /// How many.
        count: u64,
    },
    /// Lines that were lost have come after all.
    TakenBack {
        /// Which.
        range: Range,
    },
    /// A run began before the first line that was read of it.
    Joined,
    /// The "Run started" of a run is not there, so that its lines cannot be judged.
    Unknown,
}

impl NewsItem {
    fn words(&self) -> String {
        match self {
            Self::Finding { finding } => {
                let words = finding_words(finding);
                let words: Vec<_> = words.lines().map(str::trim).collect();
                format!("{}: {}", finding.kind.name(), words.join(" "))
            }
            Self::More { kind, count } => {
                format!("{}: {count} more, too many to be named", kind.name())
            }
            Self::TakenBack { range } => {
                let range = range_words(range);
                format!("late: {range}, came after all and is no longer lost")
            }
            Self::Joined => "joined: it began before the first line that was read of it, and is judged from there".into(),
            Self::Unknown => {
                "cannot tell: its \"Run started\" has not come; give its configuration (--seed, --threads …), or a \
                 file that holds it (--started)"
                    .into()
            }
        }
    }
}

impl News {
    /// For people: one line.
    pub fn text(&self, at: SystemTime) -> String {
        let time = humantime::format_rfc3339_seconds(at);
        let words = self.item.words();
        match &self.run {
            Some(run) => format!("{time} run {run}: {words}\n"),
            None => format!("{time} no run: {words}\n"),
        }
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
