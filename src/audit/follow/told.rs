//! What was told of a run while its log is followed, so that each thing is told once.

use std::collections::{HashMap, HashSet};

use strum::VariantArray;

use super::news::{News, NewsItem};
use crate::audit::{
    account::{numbers::Numbers, run::RunAccount},
    records::record::Producer,
    verdict::{Counts, Finding, Kind, Range},
};

/// So many ranges of one producer are named at one look; more are told as one.
const NAMED_MAX: usize = 50;

/// What was told, and what is to be told next.
#[derive(Default)]
pub(super) struct Told {
    /// Of each kind and thread the numbers.
    numbers: HashMap<(Kind, String), Numbers>,
    /// What has no numbers.
    once: HashSet<NewsItem>,
    /// How many of each kind.
    counts: Counts,
    /// What is to be told.
    news: Vec<NewsItem>,
}

impl Told {
    /// Tells something, unless it was told; says whether it is new.
    pub(super) fn once(&mut self, item: NewsItem) -> bool {
        let is_new = self.once.insert(item.clone());
        self.news.extend(is_new.then_some(item));
        is_new
    }

    /// Tells what was not told of these findings, and how many more there are by their counts.
    pub(super) fn all<'a>(
        &mut self,
        counts: Counts,
        findings: impl IntoIterator<Item = &'a Finding>,
    ) {
        let before = self.counts;
        let is_more = |found: &&Finding| counts.of(found.kind) > before.of(found.kind);
        let findings = findings.into_iter().filter(is_more);
        findings.for_each(|found| self.finding(found));
        for &kind in Kind::VARIANTS {
            let told = self.counts.of_mut(kind);
            let count = counts.of(kind).saturating_sub(*told);
            if count > 0 {
                *told += count;
                self.news.push(NewsItem::More { kind, count });
            }
        }
    }

    /// Hands out what is to be told of this run, or of none.
    pub(super) fn take(&mut self, run: Option<String>) -> impl Iterator<Item = News> {
        let news = std::mem::take(&mut self.news).into_iter();
        news.map(move |item| News {
            run: run.clone(),
            item,
        })
    }

    /// Tells which lines of a producer are lost, and which of those that were are not `missing` any more.
    pub(super) fn lost(
        &mut self,
        account: &RunAccount,
        producer: Producer,
        lost: &Numbers,
        missing: &Numbers,
    ) {
        let author = producer.thread();
        let told = self.numbers.entry((Kind::Lost, author.clone()));
        let told = told.or_default();
        let mut back = told.clone();
        back.subtract(missing);
        // Behind all that is there nothing has come.
        let next = account.sequence(producer).map_or(0, |s| s.met.next);
        back.remove_range(next..u64::MAX);
        told.subtract(&back);
        self.counts.lost -= back.len();
        let back = ranges(&author, &back).into_iter();
        self.news
            .extend(back.map(|range| NewsItem::TakenBack { range }));
        for numbers in lost.ranges_in(0..u64::MAX) {
            let before = account.behind_gap(producer, &numbers);
            let before = before.map(|at| account.findings.names.place(at));
            let lines = Range::of(author.clone(), numbers);
            self.finding(&Finding::new(Kind::Lost, lines, before));
        }
    }

    /// Tells of a finding what was not told.
    fn finding(&mut self, found: &Finding) {
        let Some(numbers) = found.lines.numbers() else {
            let finding = found.clone();
            if self.once(NewsItem::Finding { finding }) {
                *self.counts.of_mut(found.kind) += found.lines.count;
            }
            return;
        };
        let author = &found.lines.author;
        let told = self.numbers.entry((found.kind, author.clone()));
        let told = told.or_default();
        let mut new = Numbers::default();
        new.insert_range(numbers);
        new.subtract(told);
        told.extend(&new);
        *self.counts.of_mut(found.kind) += new.len();
        for lines in ranges(author, &new) {
            let finding = Finding {
                lines,
                ..found.clone()
            };
            self.news.push(NewsItem::Finding { finding });
        }
    }
}

/// Numbers of a thread as ranges, of which the last stands for many where there are too many.
fn ranges(author: &str, numbers: &Numbers) -> Vec<Range> {
    let mut all: Vec<Range> = Vec::new();
    for numbers in numbers.ranges_in(0..u64::MAX) {
        match all.get_mut(NAMED_MAX) {
            Some(last) => {
                last.last = Some(numbers.end - 1);
                last.count += numbers.end - numbers.start;
            }
            None => all.push(Range::of(author.into(), numbers)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verdict::findings::{Findings, Location};

    #[test]
    fn each_line_is_told_once() {
        let (mut findings, mut told) = (Findings::default(), Told::default());
        let add = |findings: &mut Findings, seq| {
            let at = Location::default();
            findings.add_line(Kind::Duplicated, Producer::Main, seq, at, |_| {});
        };
        let mut news = |findings: &Findings| -> Vec<(Option<u64>, u64)> {
            told.all(findings.counts, findings.all());
            let news = told.take(None).map(|news| news.item);
            news.map(|item| match item {
                NewsItem::Finding { finding } => (finding.lines.first, finding.lines.count),
                NewsItem::More { count, .. } => (None, count),
                other => panic!("{other:?}"),
            })
            .collect()
        };
        add(&mut findings, 5);
        assert_eq!(news(&findings), [(Some(5), 1)]);
        [6, 7, 9].iter().for_each(|seq| add(&mut findings, *seq));
        assert_eq!(news(&findings), [(Some(6), 2), (Some(9), 1)]);
        findings.counts.duplicated += 3;
        assert_eq!(news(&findings), [(None, 3)]);
        assert_eq!(news(&findings), []);
    }
}
