//! What the audit found, as data: the difference between what a log holds and what must exist.
//!
//! Counts are exact; of what they count, the first are shown with their evidence. This file must not know how
//! the difference is found, nor how it is shown.

pub(super) mod delay;
pub(super) mod excerpt;
pub(super) mod findings;
pub(super) mod github;
#[cfg_attr(feature = "monitoring", path = "junit.rs")]
#[cfg_attr(not(feature = "monitoring"), path = "without_junit.rs")]
pub(super) mod junit;
pub(super) mod report;
mod sections;
pub(super) mod words;

use std::ops::{self, RangeInclusive};

use derive_more::AddAssign;
use serde::{Deserialize, Serialize, Serializer};
use strum::{Display, IntoStaticStr, VariantArray};

use self::delay::DelaySummary;
use crate::plan::workload::{GroupId, Shard, Workload};

/// Where something stands.
#[derive(Clone, Debug, derive_more::Display, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[display("{file}:{line}")]
pub struct Place {
    /// The name of the input.
    pub file: String,
    /// The number of the line, from 1.
    pub line: u64,
}

/// Consecutive lines of one author.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// `main` or `Worker-3`, or a choice of them; empty where nobody can tell.
    pub author: String,
    /// The first sequence number; none where it cannot be known which lines they are.
    pub first: Option<u64>,
    /// The last sequence number.
    pub last: Option<u64>,
    /// How many lines.
    pub count: u64,
}

impl Range {
    /// The lines of a thread with these numbers.
    pub(crate) fn of(author: String, numbers: ops::Range<u64>) -> Self {
        Self {
            author,
            first: Some(numbers.start),
            last: Some(numbers.end.saturating_sub(1)),
            count: numbers.end - numbers.start,
        }
    }

    /// So many of which nobody can tell whose they are.
    pub(crate) fn unnamed(count: u64) -> Self {
        Self {
            count,
            ..Self::default()
        }
    }

    /// Their numbers, where they are known.
    pub(crate) fn numbers(&self) -> Option<RangeInclusive<u64>> {
        Some(self.first?..=self.last?)
    }
}

/// What was changed in a line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Change {
    /// The field, in the words of the JSON form.
    pub field: String,
    /// What stood there; none if that cannot be known.
    pub expected: Option<String>,
    /// What stands there.
    pub found: String,
}

/// What is wrong with lines, in the order in which it is told.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, VariantArray, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// They are not there.
    Lost,
    /// They are there more than once.
    Duplicated,
    /// They stand behind later ones, of their author or by their time.
    Reordered,
    /// They were changed.
    Altered,
    /// They are there in part.
    Truncated,
    /// They are there, and nothing predicts them.
    Unexpected,
    /// They took longer to arrive than was allowed.
    Late,
    /// The program's own accounts do not balance.
    Books,
}

impl Kind {
    /// Its name, which [`Counts`] has for it as well.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A difference.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The lines, or the balances, that it concerns.
    #[serde(flatten, serialize_with = "with_seq")]
    pub lines: Range,
    /// Where it shows: the first of the lines or, where they are lost, the first of their author behind them.
    pub at: Option<Place>,
    /// What there is to be said besides.
    pub why: String,
    /// What stands there.
    pub text: String,
    /// What was changed.
    pub changes: Vec<Change>,
}

/// How many lines, or balances, each kind of difference concerns.
#[derive(Clone, Copy, Debug, Default, AddAssign, PartialEq, Eq, Serialize, Deserialize)]
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

/// Lines with `seq` besides, which is the number of a single one.
fn with_seq<S: Serializer>(lines: &Range, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct WithSeq<'a> {
        #[serde(flatten)]
        lines: &'a Range,
        seq: Option<u64>,
    }
    let seq = lines.first.filter(|_| lines.count == 1);
    WithSeq { lines, seq }.serialize(serializer)
}

impl Finding {
    /// Lines of which nothing else is to be said.
    pub(crate) fn new(kind: Kind, lines: Range, at: Option<Place>) -> Self {
        Self {
            kind,
            lines,
            at,
            why: String::new(),
            text: String::new(),
            changes: Vec::new(),
        }
    }
}

/// What probably made differences of a kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LikelyCause {
    /// The kind.
    pub kind: Kind,
    /// What the evidence points at.
    pub text: String,
}

impl Counts {
    /// Each kind's name and count.
    pub fn by_name(&self) -> [(&'static str, u64); 8] {
        std::array::from_fn(|i| (Kind::VARIANTS[i].name(), self.of(Kind::VARIANTS[i])))
    }

    /// That of one kind.
    #[inline]
    pub(crate) fn of(mut self, kind: Kind) -> u64 {
        *self.of_mut(kind)
    }

    /// That of one kind.
    #[inline]
    pub(crate) fn of_mut(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Lost => &mut self.lost,
            Kind::Duplicated => &mut self.duplicated,
            Kind::Reordered => &mut self.reordered,
            Kind::Altered => &mut self.altered,
            Kind::Truncated => &mut self.truncated,
            Kind::Unexpected => &mut self.unexpected,
            Kind::Late => &mut self.late,
            Kind::Books => &mut self.books,
        }
    }
}

/// What is said of a run, or of a log, which of several together is the highest: findings are certain.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase")]
pub enum Status {
    /// The log holds what must exist and nothing else.
    #[default]
    Clean,
    /// It cannot be told whether there are differences.
    #[strum(to_string = "cannot tell")]
    CannotTell,
    /// There are differences.
    Findings,
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
    pub(crate) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Finding> + Clone {
        let findings = self.findings.iter();
        findings.filter(move |finding| finding.kind == kind)
    }

    /// The first lines that are lost.
    pub fn lost(&self) -> impl Iterator<Item = &Range> {
        self.of_kind(Kind::Lost).map(|found| &found.lines)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_names_a_single_line_by_its_number_and_reads_itself_back() {
        for (numbers, seq) in [
            (5..6, serde_json::json!(5)),
            (5..9, serde_json::Value::Null),
        ] {
            let lines = Range::of("Worker-3".into(), numbers);
            let finding = Finding::new(Kind::Lost, lines, None);
            let json = serde_json::to_value(&finding).unwrap();
            let named = ["kind", "author", "first", "seq"].map(|name| json[name].clone());
            let expected = ["lost".into(), "Worker-3".into(), 5.into(), seq];
            assert_eq!(named, expected, "{json}");
            assert_eq!(serde_json::from_value::<Finding>(json).unwrap(), finding);
        }
    }
}
