//! What the audit found, as data: the difference between what a log holds and what must exist.
//!
//! Counts are exact; of what they count, the first are shown with their evidence. This file must not know how
//! the difference is found, nor how it is shown.

pub(super) mod delay;
pub(super) mod findings;
pub(super) mod github;
#[cfg_attr(feature = "monitoring", path = "junit.rs")]
#[cfg_attr(not(feature = "monitoring"), path = "without_junit.rs")]
pub(super) mod junit;
pub(super) mod report;
pub(super) mod told;

use std::{fmt, ops};

use serde::{Deserialize, Serialize};

use self::delay::DelaySummary;
use super::records::record::Producer;
use crate::plan::workload::{GroupId, Shard, Workload};

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The name of the input.
    pub file: String,
    /// The number of the line, from 1.
    pub line: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// Consecutive lines of one author.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// `main` or `Worker-3`, or a choice of them.
    pub author: String,
    /// The first sequence number; none where it cannot be known which lines they are.
    pub first: Option<u64>,
    /// The last sequence number.
    pub last: Option<u64>,
    /// How many lines.
    pub count: u64,
}

impl Range {
    /// The lines of a producer with these numbers.
    pub(crate) fn of(producer: Producer, numbers: ops::Range<u64>) -> Self {
        Self {
            author: producer.thread(),
            first: Some(numbers.start),
            last: Some(numbers.end.saturating_sub(1)),
            count: numbers.end - numbers.start,
        }
    }
}

/// What was changed in a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field, in the words of the JSON form.
    pub field: String,
    /// What stood there; none if that cannot be known.
    pub expected: Option<String>,
    /// What stands there.
    pub found: String,
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Finding {
    /// Lines are not there.
    Lost {
        /// Which.
        #[serde(flatten)]
        range: Range,
        /// The program itself said so, in a "Log gap".
        announced: bool,
        /// The first line of the author behind the gap.
        before: Option<Place>,
    },
    /// Lines are there more than once.
    Duplicated {
        /// Which.
        #[serde(flatten)]
        range: Range,
        /// The first of the copies.
        at: Place,
    },
    /// Lines stand behind later ones.
    Reordered {
        /// Which.
        #[serde(flatten)]
        range: Range,
        /// The first of them.
        at: Place,
        /// It is in order among its author's lines; only its time lies before that of the line above it.
        time_only: bool,
    },
    /// A line was changed.
    Altered {
        /// Who logged it.
        author: String,
        /// Its number along its author.
        seq: u64,
        /// What was changed.
        changes: Vec<Change>,
        /// Where it stands.
        at: Place,
    },
    /// A line is there in part.
    Truncated {
        /// Who logged it, if that part is there.
        author: Option<String>,
        /// Its number along its author, if that part is there.
        seq: Option<u64>,
        /// Where it stands.
        at: Place,
        /// What is left of it.
        text: String,
    },
    /// Lines are there that nothing predicts.
    Unexpected {
        /// Why they should not be there.
        why: String,
        /// How many of its kind follow each other.
        count: u64,
        /// The first of them.
        at: Place,
        /// What it says.
        text: String,
    },
    /// Lines took longer to arrive than was allowed.
    Late {
        /// Which.
        #[serde(flatten)]
        range: Range,
        /// The first of them.
        at: Place,
    },
    /// The program's own accounts do not balance.
    Books {
        /// What does not.
        what: String,
        /// Where that shows.
        at: Option<Place>,
    },
}

/// How many lines, or balances, each kind of difference concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Lines that are not there.
    pub lost: u64,
    /// Of those, lines that a "Log gap" names.
    pub announced: u64,
    /// Lines that are there once more than they should.
    pub duplicated: u64,
    /// Lines that stand behind later ones.
    pub reordered: u64,
    /// Lines that were changed.
    pub altered: u64,
    /// Lines that are there in part.
    pub truncated: u64,
    /// Lines that nothing predicts.
    pub unexpected: u64,
    /// Lines that took longer to arrive than was allowed.
    pub late: u64,
    /// Balances that do not hold.
    pub books: u64,
}

impl Finding {
    /// The kind of difference, as [`Counts::by_name`] calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Lost { .. } => "lost",
            Self::Duplicated { .. } => "duplicated",
            Self::Reordered { .. } => "reordered",
            Self::Altered { .. } => "altered",
            Self::Truncated { .. } => "truncated",
            Self::Unexpected { .. } => "unexpected",
            Self::Late { .. } => "late",
            Self::Books { .. } => "books",
        }
    }

    /// The lines that it concerns, where it may be many.
    pub fn range(&self) -> Option<&Range> {
        match self {
            Self::Lost { range, .. }
            | Self::Duplicated { range, .. }
            | Self::Reordered { range, .. }
            | Self::Late { range, .. } => Some(range),
            _ => None,
        }
    }

    /// How many lines, or balances, it concerns.
    pub(crate) fn count(&self) -> u64 {
        match self {
            Self::Unexpected { count, .. } => *count,
            _ => self.range().map_or(1, |range| range.count),
        }
    }

    /// Concerns so many of the lines that follow as well.
    pub(crate) fn extend(&mut self, lines: u64) {
        if let Self::Unexpected { count, .. } = self {
            *count += lines;
        } else if let Some(range) = self.range_mut() {
            range.last = range.last.map(|last| last + lines);
            range.count += lines;
        }
    }

    /// The last of its lines, so many.
    pub(crate) fn last_lines(&self, lines: u64) -> Self {
        let mut out = self.clone();
        if let Self::Unexpected { count, .. } = &mut out {
            *count = lines;
        } else if let Some(range) = out.range_mut() {
            range.first = range.last.map(|last| (last + 1).saturating_sub(lines));
            range.count = lines;
        }
        out
    }

    fn range_mut(&mut self) -> Option<&mut Range> {
        match self {
            Self::Lost { range, .. }
            | Self::Duplicated { range, .. }
            | Self::Reordered { range, .. }
            | Self::Late { range, .. } => Some(range),
            _ => None,
        }
    }

    /// Where it shows.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Lost { before, .. } => before.as_ref(),
            Self::Books { at, .. } => at.as_ref(),
            Self::Duplicated { at, .. }
            | Self::Reordered { at, .. }
            | Self::Altered { at, .. }
            | Self::Truncated { at, .. }
            | Self::Unexpected { at, .. }
            | Self::Late { at, .. } => Some(at),
        }
    }
}

/// What probably made differences of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikelyCause {
    /// The kind.
    pub kind: String,
    /// What the evidence points at.
    pub text: String,
}

impl Counts {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        self.announced += other.announced;
        for (kind, count) in other.by_name() {
            self.count(kind, count);
        }
    }

    /// Adds to the count of the kind with this name.
    pub fn count(&mut self, kind: &str, more: u64) {
        let mut kinds = self.each().into_iter();
        if let Some((_, count)) = kinds.find(|(name, _)| *name == kind) {
            *count += more;
        }
    }

    /// Each kind's name and count.
    pub fn by_name(mut self) -> [(&'static str, u64); 8] {
        self.each().map(|(kind, count)| (kind, *count))
    }

    fn each(&mut self) -> [(&'static str, &mut u64); 8] {
        [
            ("lost", &mut self.lost),
            ("duplicated", &mut self.duplicated),
            ("reordered", &mut self.reordered),
            ("altered", &mut self.altered),
            ("truncated", &mut self.truncated),
            ("unexpected", &mut self.unexpected),
            ("late", &mut self.late),
            ("books", &mut self.books),
        ]
    }
}

/// What is said of a run, or of a log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The log holds what must exist and nothing else.
    #[default]
    Clean,
    /// There are differences.
    Findings,
    /// It cannot be told whether there are.
    CannotTell,
}

/// What is said of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunVerdict {
    /// The run's id.
    pub run: String,
    /// In a word.
    pub status: Status,
    /// Why it cannot be told, where it cannot.
    pub cannot_tell: Vec<String>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// Lines of the run that were read.
    pub lines: u64,
    /// Its workers.
    pub threads: Option<u32>,
    /// Its seed.
    pub seed: Option<u64>,
    /// "Run ended" is there.
    pub ended: bool,
    /// What the plan still has, where the run has no end: not counted as lost.
    pub outstanding: Vec<Range>,
    /// What stopped it before its end; none if nothing did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_by: Option<String>,
    /// The configuration of a run that is a shard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// The time of its first line, in microseconds since 1970.
    pub began_us: Option<u64>,
    /// The id of the run that is judged as this shard instead: it is the same shard, started once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_aside: Option<String>,
    /// How many differences of each kind.
    pub counts: Counts,
    /// How long lines took, where the pipeline noted their arrival.
    pub delay: Option<DelaySummary>,
    /// What probably made the differences, where the evidence points at it.
    pub causes: Vec<LikelyCause>,
    /// The first of them.
    pub findings: Vec<Finding>,
}

/// What is said of the shards of one run together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroupVerdict {
    /// The group's id.
    pub group: GroupId,
    /// In a word.
    pub status: Status,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// Into how many shards the run was divided.
    pub shards: u32,
    /// How many of them are there.
    pub present: u32,
    /// The run's workers, those of lost shards included.
    pub workers: u64,
    /// The run's seed.
    pub seed: u64,
    /// Lines that were read of the shards that are judged.
    pub lines: u64,
    /// Differences in the shards' logs, added up.
    pub counts: Counts,
    /// Shards of which not one line is there.
    pub lost_count: u32,
    /// The first of them.
    pub lost: Vec<LostShard>,
    /// Shards that belong to another run, by their configuration.
    pub differing: Vec<DifferingShard>,
}

impl GroupVerdict {
    /// What is wrong with the shards of the group besides their own findings: each kind with how many there are, and the first.
    pub(crate) fn wrong(&self) -> [(&'static str, u64, Vec<String>); 2] {
        let lost = self.lost.iter().map(LostShard::words).collect();
        let differing: Vec<_> = self.differing.iter().map(DifferingShard::words).collect();
        [
            ("lost shards", self.lost_count.into(), lost),
            ("shards of another run", differing.len() as u64, differing),
        ]
    }
}

/// A shard of which not one line is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LostShard {
    /// Which.
    pub shard: Shard,
    /// The number of its first worker.
    pub first_worker: u32,
    /// The number of its last worker.
    pub last_worker: u32,
    /// How many lines its plan has; none where that depends on when it was stopped, or is too much to compute.
    pub lines: Option<u64>,
}

impl LostShard {
    /// What there is to say of it.
    pub fn words(&self) -> String {
        let plan = match self.lines {
            Some(1) => "its plan has 1 line".into(),
            Some(lines) => format!("its plan has {lines} lines"),
            None => "how many lines it has depends on when it was stopped".into(),
        };
        let (first, last) = (self.first_worker, self.last_worker);
        format!(
            "shard {} (Worker-{first} to Worker-{last}): not one line of it is there; {plan}",
            self.shard
        )
    }
}

/// A shard that belongs to another run, by its configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DifferingShard {
    /// Which.
    pub shard: Shard,
    /// Its run's id.
    pub run: String,
    /// What is not as in the other shards.
    pub changes: Vec<Change>,
}

impl DifferingShard {
    /// What there is to say of it.
    pub fn words(&self) -> String {
        let changes = self.changes.iter().map(|change| {
            let expected = change.expected.as_deref().unwrap_or("another");
            format!(
                "{} is {}, in most shards {expected}",
                change.field, change.found
            )
        });
        let changes: Vec<_> = changes.collect();
        format!(
            "shard {} (run {}): {}",
            self.shard,
            self.run,
            changes.join("; ")
        )
    }
}

/// What is said of all that was read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub status: Status,
    /// Why it cannot be told, where it cannot.
    pub cannot_tell: Vec<String>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// Not all that is there could be taken in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unread: bool,
    /// Lines that were read.
    pub lines: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// The groups that runs are shards of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupVerdict>,
    /// The runs, in the order in which they were met.
    pub runs: Vec<RunVerdict>,
    /// Differences that belong to no run.
    pub strays: Vec<Finding>,
    /// How many differences belong to no run.
    pub stray_count: u64,
}

impl RunVerdict {
    /// The first findings of a kind.
    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Finding> + Clone {
        let findings = self.findings.iter();
        findings.filter(move |finding| finding.kind() == kind)
    }

    /// Why it cannot be told; nothing of a run that was set aside, since another is judged for it.
    pub fn unanswered(&self) -> &[String] {
        match self.set_aside {
            Some(_) => &[],
            None => &self.cannot_tell,
        }
    }
}

impl Verdict {
    /// 0 clean, 1 findings, 2 cannot tell.
    pub fn exit_code(&self) -> u8 {
        match self.status {
            Status::Clean => 0,
            Status::Findings => 1,
            Status::CannotTell => 2,
        }
    }
}
