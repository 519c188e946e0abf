//! How much of what was found has been told, while a log is followed.

use super::{Counts, Finding, Kind, findings::Findings};

/// What was told of a run's findings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// Of each kind how many lines, or balances.
    counts: Counts,
    /// Of each finding that is kept how many lines.
    kept: [Vec<u64>; Kind::ALL.len()],
}

impl Told {
    /// What there is of a kind that was not told: the first of it, and how many lines it is besides. From now on it was.
    pub(crate) fn news(&mut self, findings: &Findings, kind: Kind) -> (Vec<Finding>, u64) {
        let count = findings.counts.of(kind);
        let before = std::mem::replace(self.counts.of_mut(kind), count);
        let more = count.saturating_sub(before);
        if more == 0 {
            return (Vec::new(), 0);
        }
        let (kept, told) = (findings.kept(kind), &mut self.kept[kind as usize]);
        told.resize(kept.len(), 0);
        let mut news = Vec::new();
        for (finding, told) in kept.iter().zip(told) {
            let count = finding.lines.count;
            let before = std::mem::replace(told, count);
            if count > before {
                news.push(finding.last_lines(count - before));
            }
        }
        let named = news.iter().map(|found| found.lines.count).sum();
        (news, more.saturating_sub(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{records::record::Producer, verdict::findings::Location};

    /// What a finding says in numbers: the first line, and how many there are.
    fn ranges(news: &[Finding]) -> Vec<(Option<u64>, u64)> {
        let ranges = news.iter().map(|found| &found.lines);
        ranges.map(|range| (range.first, range.count)).collect()
    }

    #[test]
    fn each_line_is_told_once() {
        let (mut findings, mut told) = (Findings::default(), Told::default());
        let add = |findings: &mut Findings, seq| {
            let at = Location::default();
            findings.add_line(Kind::Duplicated, Producer::Main, seq, at);
        };
        add(&mut findings, 5);
        let (news, more) = told.news(&findings, Kind::Duplicated);
        assert_eq!((ranges(&news), more), (vec![(Some(5), 1)], 0));
        [6, 7, 9].iter().for_each(|seq| add(&mut findings, *seq));
        let (news, more) = told.news(&findings, Kind::Duplicated);
        assert_eq!((ranges(&news), more), (vec![(Some(6), 2), (Some(9), 1)], 0));
        findings.counts.duplicated += 3;
        assert_eq!(told.news(&findings, Kind::Duplicated), (Vec::new(), 3));
        assert_eq!(told.news(&findings, Kind::Duplicated), (Vec::new(), 0));
    }
}
