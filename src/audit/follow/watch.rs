//! The look at the accounts, now and then, while lines come: what is new is told, and runs that are over are let go.
//!
//! The judge finds all there is to find; this file asks it, at times that it is told, and must not know where lines come from.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{
    figures::{Figures, RunState},
    holes::Holes,
    news::{News, NewsItem},
};
use crate::audit::{
    account::{balance, numbers::Numbers, run::RunAccount},
    config::Select,
    judge::Judge,
    records::record::Producer,
    verdict::{
        Counts, Finding, Kind, Place, Range as Lines,
        findings::{Findings, Names},
        told::Told,
    },
};

/// So often is looked how much memory there is.
const ROOM: Duration = Duration::from_secs(1);
/// So many ranges of one producer are named at one look; more are told as one.
const NAMED_MAX: usize = 50;

/// What was seen and said of all runs.
pub(super) struct Watch {
    bulletin: Bulletin,
    runs: BTreeMap<u32, RunWatch>,
    /// What was told of lines that belong to none.
    strays: Told,
    /// Runs that were met.
    met: usize,
    /// When memory is looked at again.
    room_due: Duration,
}

/// What is to be told, of all runs together.
struct Bulletin {
    patience: Duration,
    select: Select,
    names: Names,
    counts: Counts,
    /// Of the lost lines so many came after all.
    taken_back: u64,
    news: Vec<News>,
    /// The id of the run that is spoken of; none of lines that belong to none.
    run: Option<String>,
    /// Of this run nothing is told.
    silent: bool,
}

/// What was seen and said of a run.
#[derive(Default)]
struct RunWatch {
    holes: BTreeMap<Producer, Holes>,
    /// What was told of its findings, and how many damaged lines.
    told: Told,
    told_fell: Told,
    told_damage: usize,
    /// What was told of its account at the end.
    books: Vec<Finding>,
    /// Lines at the last look, and when one was new.
    lines: u64,
    heard: Duration,
    /// Its account was held against its end since the last line.
    balanced: bool,
    /// Its account is closed.
    closed: bool,
    state: RunState,
    missing: u64,
    told_unknown: bool,
    told_joined: bool,
}

/// Of these kinds whatever was found is told at once: all but the lost lines, which may still come.
const AT_ONCE: &[(Kind, &str)] = Kind::ALL.split_at(1).1;

impl Watch {
    /// Nothing was seen.
    pub(super) fn new(judge: &Judge<'_>, patience: Duration) -> Self {
        Self {
            bulletin: Bulletin {
                patience,
                select: judge.config.select,
                names: judge.names.clone(),
                counts: Counts::default(),
                taken_back: 0,
                news: Vec::new(),
                run: None,
                silent: false,
            },
            runs: BTreeMap::new(),
            strays: Told::default(),
            met: 0,
            room_due: Duration::ZERO,
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
        let mut over = Vec::new();
        for (index, run) in &mut self.runs {
            let Some(account) = judge.accounts[*index as usize].as_deref_mut() else {
                continue;
            };
            let bulletin = self.bulletin.of_run(account.run.id);
            run.look(bulletin, account, now);
            let quiet = now.saturating_sub(run.heard);
            if account.closed.is_some() || run.state != RunState::Ended || quiet < bulletin.patience
            {
                continue;
            }
            if is_complete(account) {
                over.push(*index);
            } else if !run.balanced {
                run.balanced = true;
                let mut budget = judge.budget;
                let mut copy = account.clone();
                balance::balance(&mut copy, judge.config.killed, &mut budget);
                run.balance(bulletin, account, &mut copy);
            }
        }
        for index in over {
            self.close(judge, index);
        }
        self.bulletin.of_none().all(&judge.strays, &mut self.strays);
        std::mem::take(&mut self.bulletin.news)
    }

    /// Whether there was a run, and all have ended, with all of their lines or after all patience.
    pub(super) fn all_ended(&self, judge: &Judge<'_>) -> bool {
        let ended = |(index, run): (&u32, &RunWatch)| {
            let account = judge.accounts[*index as usize].as_deref();
            run.state == RunState::Ended && (run.balanced || account.is_none_or(is_complete))
        };
        self.met > 0 && self.runs.iter().all(ended)
    }

    /// How things stand, as far as it is known here.
    pub(super) fn figures(&self, judge: &Judge<'_>, figures: &mut Figures) {
        figures.lines = judge.lines;
        let Bulletin {
            counts, taken_back, ..
        } = &self.bulletin;
        figures.found = *counts;
        figures.lost = counts.lost - taken_back;
        figures.missing = self.runs.values().map(|run| run.missing).sum();
        figures.runs = RunState::ALL.map(|(state, _)| {
            let runs = self.runs.values().filter(|run| run.state == state);
            let folded = match state {
                RunState::Ended => judge.folded.runs,
                _ => 0,
            };
            runs.count() as u64 + folded
        });
    }

    /// Sees to it that memory suffices: runs that have no "Run started" are given up, and those that have ended are let go.
    fn make_room(&mut self, judge: &mut Judge<'_>) {
        if judge.memory_held() > judge.config.memory / 4 {
            let unknown = judge.accounts.iter().flatten();
            let unknown = unknown.filter(|account| account.run.known().is_none());
            let unknown: Vec<_> = unknown.map(|account| account.run.clone()).collect();
            unknown.iter().for_each(|run| judge.give_up(run));
        }
        while judge.memory_used() > judge.config.memory / 2 {
            let mut open = self.runs.iter().filter(|(_, run)| !run.closed);
            let Some((&index, _)) = open.find(|(_, run)| run.balanced) else {
                break;
            };
            self.close(judge, index);
        }
    }

    fn close(&mut self, judge: &mut Judge<'_>, index: u32) {
        if let Some(folded) = judge.close(index) {
            self.runs.remove(&folded);
        }
        if let (Some(run), Some(account)) =
            (self.runs.get_mut(&index), &judge.accounts[index as usize])
        {
            // What was found until then was told, but what the balance of a complete run finds.
            for (kind, _) in Kind::ALL {
                if run.balanced || !matches!(kind, Kind::Books | Kind::Unexpected) {
                    run.told.news(&account.findings, kind);
                }
            }
            *run = RunWatch {
                told: std::mem::take(&mut run.told),
                closed: true,
                balanced: true,
                state: RunState::Ended,
                ..RunWatch::default()
            };
        }
    }
}

impl Bulletin {
    /// What is told from now on is of this run.
    fn of_run(&mut self, id: u64) -> &mut Self {
        self.run = Some(format!("{id:016x}"));
        self.silent = !self.select.may_be(id);
        self
    }

    /// What is told from now on belongs to no run.
    fn of_none(&mut self) -> &mut Self {
        (self.run, self.silent) = (None, false);
        self
    }

    fn tell(&mut self, item: NewsItem) {
        if !self.silent {
            let run = self.run.clone();
            self.news.push(News { run, item });
        }
    }

    fn count(&mut self, kind: Kind, count: u64) {
        if !self.silent {
            *self.counts.of_mut(kind) += count;
        }
    }

    fn finding(&mut self, finding: Finding) {
        self.count(finding.kind, finding.lines.count);
        self.tell(NewsItem::Finding { finding });
    }

    fn more(&mut self, kind: Kind, count: u64) {
        if count > 0 {
            self.count(kind, count);
            self.tell(NewsItem::More { kind, count });
        }
    }

    /// Tells what is new of all kinds that are told at once.
    fn all(&mut self, findings: &Findings, told: &mut Told) {
        for (kind, _) in AT_ONCE {
            self.of_kind(*kind, findings, told);
        }
    }

    /// Tells what is new of a kind.
    fn of_kind(&mut self, kind: Kind, findings: &Findings, told: &mut Told) {
        let (found, rest) = told.news(findings, kind);
        found.into_iter().for_each(|found| self.finding(found));
        self.more(kind, rest);
    }

    fn lost(&mut self, account: &RunAccount, producer: Producer, numbers: &Numbers) {
        for range in ranges(producer, numbers) {
            let numbers = range.first.unwrap_or(0)..range.last.map_or(0, |last| last + 1);
            let before = account.behind_gap(producer, &numbers);
            let before = before.map(|at| self.names.place(at));
            self.finding(Finding::new(Kind::Lost, range, before));
        }
    }

    fn reordered(&mut self, producer: Producer, numbers: &Numbers, at: &Place) {
        for range in ranges(producer, numbers) {
            self.finding(Finding::new(Kind::Reordered, range, Some(at.clone())));
        }
    }

    fn back(&mut self, producer: Producer, numbers: &Numbers) {
        for range in ranges(producer, numbers) {
            self.count(Kind::Late, range.count);
            self.taken_back += if self.silent { 0 } else { range.count };
            self.tell(NewsItem::TakenBack { range });
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

/// Whether a run has ended, and all of its lines are there.
fn is_complete(account: &RunAccount) -> bool {
    let refused = account.main.refused.unwrap_or(u32::MAX);
    // What is only guessed to be there may turn out to be lost.
    account.main.ended.is_some()
        && !account.damage.iter().any(|damage| damage.guessed)
        && account.producers().all(|producer| {
            let Some(sequence) = account.sequence(producer) else {
                return false;
            };
            let numbers = account.asked_from(sequence)..sequence.met.next;
            let ended = producer.worker().is_none_or(|number| {
                // Who was not heard since the run was joined may have ended before.
                let unheard = account.joined && sequence.first.is_none();
                let end = account.workers[number].end;
                end.is_some_and(|end| end.seq + 1 == numbers.end) || number >= refused || unheard
            });
            ended && sequence.absent(numbers).count() == 0
        })
}

impl RunWatch {
    fn look(&mut self, bulletin: &mut Bulletin, account: &mut RunAccount, now: Duration) {
        if self.closed {
            for (producer, seq) in account.back.drain(..) {
                bulletin.back(producer, &numbers_of(seq..seq + 1));
            }
            return bulletin.all(&account.findings, &mut self.told);
        }
        if self.balanced && account.lines == self.lines {
            // It has ended, and what it lacks was told.
            return;
        }
        if account.lines != self.lines {
            (self.lines, self.heard, self.balanced) = (account.lines, now, false);
        }
        self.state = match account.main.ended {
            _ if account.run.workload().is_none() => RunState::Unknown,
            Some(_) => RunState::Ended,
            None if now.saturating_sub(self.heard) > bulletin.patience => RunState::Silent,
            None => RunState::Running,
        };
        if self.state == RunState::Unknown {
            let waited = now.saturating_sub(self.heard) >= bulletin.patience || account.open;
            if waited && !self.told_unknown {
                self.told_unknown = true;
                bulletin.tell(NewsItem::Unknown);
            }
            return;
        }
        if account.joined && !self.told_joined {
            self.told_joined = true;
            bulletin.tell(NewsItem::Joined);
        }
        self.look_at_numbers(bulletin, account, now);
        self.look_at_findings(bulletin, account);
    }

    fn look_at_numbers(
        &mut self,
        bulletin: &mut Bulletin,
        account: &mut RunAccount,
        now: Duration,
    ) {
        self.missing = 0;
        for producer in account.producers() {
            let holes = self.holes.entry(producer).or_default();
            let Some(sequence) = account.sequence(producer) else {
                continue;
            };
            let from = account.asked_from(sequence);
            let (lost, back) = holes.look(sequence, from, now, bulletin.patience);
            let no_hole = sequence.met.missing.count() == 0;
            self.missing += holes.missing;
            bulletin.lost(account, producer, &lost);
            bulletin.back(producer, &back);
            if is_disordered(account, producer) && !holes.undecided {
                if no_hole {
                    account.settle_order_of(producer);
                } else {
                    tell_moved(bulletin, account, producer, holes);
                }
            }
        }
    }

    /// Tells what the account's findings have more than was told.
    fn look_at_findings(&mut self, bulletin: &mut Bulletin, account: &mut RunAccount) {
        // Where the numbers tell that lines are out of order, the time need not.
        let disordered = account.findings.counts.reordered > 0
            || (account.producers()).any(|producer| is_disordered(account, producer));
        let (reordered, rest) = self.told.news(&account.findings, Kind::Reordered);
        for found in reordered {
            if let (Some((producer, numbers)), Some(at)) = (found.lines.named(), &found.at) {
                let holes = self.holes.entry(producer).or_default();
                let mut untold = numbers_of(numbers.clone());
                untold.subtract(&holes.moved);
                holes.moved.remove_range(numbers);
                bulletin.reordered(producer, &untold, at);
            }
        }
        bulletin.more(Kind::Reordered, rest);
        if !disordered {
            let fell = &account.arrivals.fell;
            bulletin.of_kind(Kind::Reordered, fell, &mut self.told_fell);
        }
        bulletin.all(&account.findings, &mut self.told);
        for damage in account.damage.iter().skip(self.told_damage) {
            let at = Some(bulletin.names.place(damage.at));
            let mut found = Finding::new(damage.kind(), damage.lines(), at);
            damage.clone().tell(&mut found);
            bulletin.finding(found);
        }
        self.told_damage = account.damage.len();
    }

    /// Tells what the balance of a run that has ended finds missing besides, and what does not balance.
    fn balance(
        &mut self,
        bulletin: &mut Bulletin,
        account: &RunAccount,
        balanced: &mut RunAccount,
    ) {
        for found in balanced.findings.kept(Kind::Lost) {
            if let Some((producer, numbers)) = found.lines.named() {
                let holes = self.holes.entry(producer).or_default();
                let more = holes.lose_more(numbers);
                bulletin.lost(account, producer, &more);
            } else {
                self.tell_once(bulletin, found);
            }
        }
        for kind in [Kind::Books, Kind::Unexpected] {
            for found in self.told.clone().news(&balanced.findings, kind).0 {
                self.tell_once(bulletin, &found);
            }
        }
    }

    fn tell_once(&mut self, bulletin: &mut Bulletin, found: &Finding) {
        if !self.books.contains(found) {
            self.books.push(found.clone());
            bulletin.finding(found.clone());
        }
    }
}

/// Tells which lines are out of order as things stand; what was said is not said again.
fn tell_moved(
    bulletin: &mut Bulletin,
    account: &RunAccount,
    producer: Producer,
    holes: &mut Holes,
) {
    let sequence = account.sequence(producer).cloned();
    let moved = sequence.map_or_else(Vec::new, |mut sequence| sequence.settle());
    for (range, at) in moved {
        let mut numbers = numbers_of(range);
        numbers.subtract(&holes.moved);
        holes.moved.extend(&numbers);
        let at = bulletin.names.place(at);
        bulletin.reordered(producer, &numbers, &at);
    }
}

/// Whether lines of a producer may turn out to be out of order.
fn is_disordered(account: &RunAccount, producer: Producer) -> bool {
    let sequence = account.sequence(producer);
    sequence.is_some_and(|sequence| sequence.order.is_disordered())
}

fn numbers_of(range: Range<u64>) -> Numbers {
    let mut numbers = Numbers::default();
    numbers.insert_range(range);
    numbers
}
