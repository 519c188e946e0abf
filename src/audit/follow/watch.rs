//! The look at the accounts, now and then, while lines come: what is new is told, and runs that are over are let go.
//!
//! The judge finds all there is to find; this file asks it, at times that it is told, and must not know where lines come from.

use std::{collections::BTreeMap, time::Duration};

use super::{
    figures::{Figures, RunState},
    holes::Holes,
    news::{News, NewsItem},
};
use crate::audit::{
    account::{numbers::Numbers, run::RunAccount},
    judge::{Judge, conclude},
    records::record::Producer,
    verdict::{
        Counts, Finding, Kind, Place, Range as Lines,
        findings::{Findings, Names},
        told::Told,
    },
};

/// So often is looked how much memory there is.
const ROOM: Duration = Duration::from_secs(1);
/// Of so many runs that are over the accounts are kept: what still comes of them is judged by these.
const OVER_MAX: usize = 64;
/// So many ranges of one producer are named at one look; more are told as one.
const NAMED_MAX: usize = 50;

/// What was seen and said of all runs.
pub(super) struct Watch {
    patience: Duration,
    /// The runs whose accounts are kept.
    runs: BTreeMap<u32, RunWatch>,
    /// What was told of lines that belong to none.
    strays: Told,
    /// Runs that were met.
    met: usize,
    /// When memory is looked at again.
    room_due: Duration,
    /// What was told, by its kind.
    counts: Counts,
    /// Of the lost lines so many came after all.
    taken_back: u64,
}

/// What was seen and said of a run.
#[derive(Default)]
struct RunWatch {
    holes: BTreeMap<Producer, Holes>,
    /// What was told of its findings, and how many damaged lines.
    told: Told,
    told_fell: Told,
    told_damage: usize,
    /// What was told once, and is not told again.
    once: Vec<NewsItem>,
    /// Lines at the last look, and when one was new.
    lines: u64,
    heard: Duration,
    /// It is over: it has ended, and its account was held against its end since the last line.
    over: bool,
    state: RunState,
    missing: u64,
}

/// Of these kinds whatever was found is told at once: all but the lost lines, which may still come.
const AT_ONCE: &[(Kind, &str)] = Kind::ALL.split_at(1).1;

impl Watch {
    /// Nothing was seen. What is missing for longer than `patience` is lost.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            runs: BTreeMap::new(),
            strays: Told::default(),
            met: 0,
            room_due: Duration::ZERO,
            counts: Counts::default(),
            taken_back: 0,
        }
    }

    /// Looks at all accounts at the time `now`; hands out what is new.
    pub(super) fn look(&mut self, judge: &mut Judge<'_>, now: Duration) -> Vec<News> {
        for index in self.met..judge.accounts.len() {
            let run = RunWatch {
                heard: now,
                ..RunWatch::default()
            };
            self.runs.insert(index as u32, run);
        }
        self.met = judge.accounts.len();
        if now >= self.room_due {
            self.room_due = now + ROOM;
            self.make_room(judge);
        }
        let names = judge.names.clone();
        let look = || Look {
            names: &names,
            now,
            patience: self.patience,
            news: Vec::new(),
        };
        let mut news = Vec::new();
        for (index, run) in &mut self.runs {
            let Some(account) = judge.accounts[*index as usize].as_deref_mut() else {
                continue;
            };
            let mut look = look();
            run.look(&mut look, account);
            let quiet = now.saturating_sub(run.heard) >= self.patience;
            if run.state == RunState::Ended && quiet && !run.over {
                run.over = true;
                let (copy, budget) = (account.clone(), judge.budget.clone());
                let verdict =
                    conclude::judge_run(judge.config, copy, &judge.evidence, &budget, false);
                run.tell_balance(&mut look, account, verdict.findings);
            }
            if judge.config.select.may_be(account.run.id) {
                let run = Some(format!("{:016x}", account.run.id));
                let items = look.news.into_iter();
                news.extend(items.map(|item| News {
                    run: run.clone(),
                    item,
                }));
            }
        }
        let mut look = look();
        look.all(&judge.strays, &mut self.strays);
        let items = look.news.into_iter();
        news.extend(items.map(|item| News { run: None, item }));
        news.iter().for_each(|news| self.count(&news.item));
        news
    }

    /// Counts what is told.
    fn count(&mut self, item: &NewsItem) {
        let (kind, count) = match item {
            NewsItem::Finding { finding } => (finding.kind, finding.lines.count),
            NewsItem::More { kind, count } => (*kind, *count),
            NewsItem::TakenBack { range } => {
                self.taken_back += range.count;
                (Kind::Late, range.count)
            }
            NewsItem::Joined | NewsItem::Unknown => return,
        };
        *self.counts.of_mut(kind) += count;
    }

    /// Whether there was a run, and all have ended, with all of their lines or after all patience.
    pub(super) fn all_ended(&self, judge: &Judge<'_>) -> bool {
        let ended = |(index, run): (&u32, &RunWatch)| {
            let account = judge.accounts[*index as usize].as_deref();
            run.state == RunState::Ended && (run.over || account.is_none_or(is_complete))
        };
        self.met > 0 && self.runs.iter().all(ended)
    }

    /// How things stand, as far as it is known here.
    pub(super) fn figures(&self, judge: &Judge<'_>, figures: &mut Figures) {
        figures.lines = judge.lines;
        figures.found = self.counts;
        figures.lost = self.counts.lost - self.taken_back;
        figures.missing = self.runs.values().map(|run| run.missing).sum();
        figures.runs = RunState::ALL.map(|(state, _)| {
            let closed = match state {
                RunState::Ended => judge.closed.len() as u64 + judge.folded.runs,
                _ => 0,
            };
            let open = self.runs.values().filter(|run| run.state == state);
            open.count() as u64 + closed
        });
    }

    /// Sees to it that memory suffices: runs that have no "Run started" are given up, and of those that are over only the last
    /// are kept.
    fn make_room(&mut self, judge: &mut Judge<'_>) {
        if judge.memory_held() > judge.config.memory / 4 {
            let unknown = judge.accounts.iter().flatten();
            let unknown = unknown.filter(|account| account.run.known().is_none());
            let unknown: Vec<_> = unknown.map(|account| account.run.clone()).collect();
            unknown.iter().for_each(|run| judge.give_up(run));
        }
        let over = self.runs.iter().filter(|(_, run)| run.over);
        let mut over: Vec<u32> = over.map(|(index, _)| *index).rev().collect();
        while (over.len() > OVER_MAX || judge.memory_used() > judge.config.memory / 4)
            && let Some(oldest) = over.pop()
        {
            judge.close(oldest);
            self.runs.remove(&oldest);
        }
    }
}

/// A look at a run, or at the lines that belong to none: what there is to tell.
struct Look<'a> {
    names: &'a Names,
    now: Duration,
    patience: Duration,
    news: Vec<NewsItem>,
}

impl Look<'_> {
    fn finding(&mut self, kind: Kind, lines: Lines, at: Option<Place>) {
        let finding = Finding::new(kind, lines, at);
        self.news.push(NewsItem::Finding { finding });
    }

    /// Tells what is new of all kinds that are told at once.
    fn all(&mut self, findings: &Findings, told: &mut Told) {
        for (kind, _) in AT_ONCE {
            self.kind(*kind, findings, told);
        }
    }

    /// Tells what is new of a kind.
    fn kind(&mut self, kind: Kind, findings: &Findings, told: &mut Told) {
        let (found, count) = told.news(findings, kind);
        let found = found.into_iter();
        self.news
            .extend(found.map(|finding| NewsItem::Finding { finding }));
        self.more(kind, count);
    }

    fn more(&mut self, kind: Kind, count: u64) {
        if count > 0 {
            self.news.push(NewsItem::More { kind, count });
        }
    }

    fn lost(&mut self, account: &RunAccount, producer: Producer, numbers: &Numbers) {
        for lines in ranges(producer, numbers) {
            let numbers = lines.named().map_or(0..0, |(_, numbers)| numbers);
            let before = account.behind_gap(producer, &numbers);
            self.finding(Kind::Lost, lines, before.map(|at| self.names.place(at)));
        }
    }

    fn moved(&mut self, producer: Producer, numbers: &Numbers, at: &Place) {
        for lines in ranges(producer, numbers) {
            self.finding(Kind::Reordered, lines, Some(at.clone()));
        }
    }
}

/// Numbers of a producer as ranges, of which the last stands for many where there are too many.
fn ranges(producer: Producer, numbers: &Numbers) -> Vec<Lines> {
    let mut all: Vec<Lines> = Vec::new();
    numbers.each_range_in(0..u64::MAX, |range| match all.get_mut(NAMED_MAX) {
        Some(last) => {
            last.last = Some(range.end - 1);
            last.count += range.end - range.start;
        }
        None => all.push(Lines::of(producer, range)),
    });
    all
}

/// Whether a run has ended, and as many lines are there as its end says.
fn is_complete(account: &RunAccount) -> bool {
    let sequences = account.producers().filter_map(|p| account.sequence(p));
    let there = sequences.map(|sequence| {
        let next = sequence.met.next;
        next - sequence.absent(0..next).count()
    });
    let ended = account.main.ended.as_ref();
    ended.is_some_and(|ended| there.sum::<u64>() >= ended.value.lines)
}

impl RunWatch {
    fn look(&mut self, look: &mut Look<'_>, account: &mut RunAccount) {
        if self.over && account.lines == self.lines {
            // What it lacks was told.
            return;
        }
        if account.lines != self.lines {
            (self.lines, self.heard, self.over) = (account.lines, look.now, false);
        }
        let quiet = look.now.saturating_sub(self.heard);
        self.state = match account.main.ended {
            _ if account.run.workload().is_none() => RunState::Unknown,
            Some(_) => RunState::Ended,
            None if quiet > look.patience => RunState::Silent,
            None => RunState::Running,
        };
        if self.state == RunState::Unknown {
            if quiet >= look.patience || account.open {
                self.tell_once(look, NewsItem::Unknown);
            }
            return;
        }
        if account.joined {
            self.tell_once(look, NewsItem::Joined);
        }
        self.look_at_numbers(look, account);
        self.look_at_findings(look, account);
    }

    fn look_at_numbers(&mut self, look: &mut Look<'_>, account: &mut RunAccount) {
        self.missing = 0;
        for producer in account.producers() {
            let holes = self.holes.entry(producer).or_default();
            let Some(sequence) = account.sequence(producer) else {
                continue;
            };
            let from = account.asked_from(sequence);
            let (lost, back) = holes.look(sequence, from, look.now, look.patience);
            self.missing += holes.missing;
            look.lost(account, producer, &lost);
            let back = ranges(producer, &back).into_iter();
            look.news
                .extend(back.map(|range| NewsItem::TakenBack { range }));
            if !sequence.order.is_disordered() || holes.undecided {
                continue;
            }
            if sequence.met.missing.count() == 0 {
                account.settle_order_of(producer);
                continue;
            }
            for (range, at) in sequence.clone().settle() {
                let untold = holes.move_more(range);
                look.moved(producer, &untold, &look.names.place(at));
            }
        }
    }

    /// Tells what the account's findings have more than was told.
    fn look_at_findings(&mut self, look: &mut Look<'_>, account: &RunAccount) {
        let findings = &account.findings;
        let (moved, more) = self.told.news(findings, Kind::Reordered);
        for found in moved {
            if let (Some((producer, numbers)), Some(at)) = (found.lines.named(), &found.at) {
                let holes = self.holes.entry(producer).or_default();
                let untold = holes.move_more(numbers.clone());
                holes.moved.remove_range(numbers);
                look.moved(producer, &untold, at);
            }
        }
        look.more(Kind::Reordered, more);
        // Where the numbers tell that lines are out of order, the time need not.
        let mut sequences = account.producers().filter_map(|p| account.sequence(p));
        if findings.counts.reordered == 0 && !sequences.any(|s| s.order.is_disordered()) {
            let fell = &account.arrivals.fell;
            look.kind(Kind::Reordered, fell, &mut self.told_fell);
        }
        look.all(findings, &mut self.told);
        for damage in account.damage.iter().skip(self.told_damage) {
            let at = Some(look.names.place(damage.at));
            let mut finding = Finding::new(damage.kind(), damage.lines(), at);
            damage.clone().tell(&mut finding);
            look.news.push(NewsItem::Finding { finding });
        }
        self.told_damage = account.damage.len();
    }

    /// Tells what the verdict on a run that has ended finds missing besides, and what does not balance.
    fn tell_balance(&mut self, look: &mut Look<'_>, account: &RunAccount, findings: Vec<Finding>) {
        for finding in findings {
            let known = account.findings.kept(finding.kind);
            match (finding.kind, finding.lines.named()) {
                (Kind::Lost, Some((producer, numbers))) => {
                    let more = self.holes.entry(producer).or_default().lose_more(numbers);
                    look.lost(account, producer, &more);
                }
                (Kind::Lost | Kind::Books | Kind::Unexpected, _) if !known.contains(&finding) => {
                    self.tell_once(look, NewsItem::Finding { finding });
                }
                _ => {}
            }
        }
    }

    fn tell_once(&mut self, look: &mut Look<'_>, item: NewsItem) {
        if !self.once.contains(&item) {
            self.once.push(item.clone());
            look.news.push(item);
        }
    }
}
