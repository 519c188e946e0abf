//! The look at the accounts, now and then, while lines come: what is new is told, and runs that are over are let go.
//!
//! The judge finds all there is to find; this file asks it, at times that it is told, and must not know where lines come from.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use super::{
    figures::{Figures, RunState},
    holes::{Holes, Present},
    news::News,
};
use crate::audit::{
    account::RunAccount,
    balance,
    conclude::{self, Namer},
    config::{AuditConfig, Select},
    findings::{Detail, Entry, Findings, Kind, Location},
    judge::Judge,
    numbers::Numbers,
    record::Producer,
    settled,
    verdict::{Counts, Finding, Range as Lines},
};

/// So often is looked how much memory there is.
const ROOM: Duration = Duration::from_secs(1);
/// So many ranges of one producer are named at one look; more are told as one.
const NAMED_MAX: usize = 50;

/// What was seen and said of all runs.
pub(super) struct Watch<'a> {
    config: &'a AuditConfig,
    bulletin: Bulletin<'a>,
    runs: BTreeMap<u32, RunWatch>,
    /// Runs that were met.
    met: usize,
    /// When memory is looked at again.
    room_due: Duration,
    /// What was told of lines that belong to no run.
    strays: Told,
}

/// What is to be told, of all runs together.
struct Bulletin<'a> {
    patience: Duration,
    select: Select,
    namer: Namer<'a>,
    counts: Counts,
    /// Of the lost lines so many came after all.
    taken_back: u64,
    news: Vec<News>,
}

/// What was seen and said of a run.
struct RunWatch {
    /// The main thread's, then the workers'.
    holes: Vec<Holes>,
    /// Of each kind the counts of the entries that were told, and of all.
    told: [Told; KINDS.len()],
    /// How many records that are not whole were told one by one, and how many besides.
    damage: (usize, u64),
    /// What was told of its account at the end.
    books: Vec<Finding>,
    /// Lines at the last look, and when one was new.
    lines: u64,
    heard: Duration,
    /// Its account was held against its end since the last line.
    balanced: bool,
    state: RunState,
    missing: u64,
    told_unknown: bool,
    told_joined: bool,
}

/// How many lines were told of a kind of findings: in each entry, and in all.
#[derive(Default)]
struct Told {
    entries: Vec<u64>,
    count: u64,
}

impl Told {
    /// What there is to tell beyond that, and is told from now on: the new part of each entry, and how many lines more.
    fn more(&mut self, findings: &Findings, kind: Kind) -> (Vec<Entry>, u64) {
        let mut rest = findings.count(kind) - self.count;
        let mut new = Vec::new();
        if rest == 0 {
            return (new, 0);
        }
        self.count += rest;
        let kept = findings.kept(kind);
        self.entries.resize(kept.len(), 0);
        for (found, told) in kept.iter().zip(&mut self.entries) {
            let count = found.count - *told;
            if count == 0 {
                continue;
            }
            *told = found.count;
            rest = rest.saturating_sub(count);
            let numbers = found.numbers.clone();
            new.push(Entry {
                count,
                numbers: numbers.map(|all| all.end.saturating_sub(count)..all.end),
                ..found.clone()
            });
        }
        (new, rest)
    }
}

/// Kinds of which whatever the account has is told at once.
const KINDS: [Kind; 8] = [
    Kind::Duplicated,
    Kind::Reordered,
    Kind::TimeFell,
    Kind::Unexpected,
    Kind::Late,
    Kind::Books,
    Kind::CounterAgain,
    Kind::CounterFell,
];

impl<'a> Watch<'a> {
    /// Nothing was seen.
    pub(super) fn new(config: &'a AuditConfig, patience: Duration, names: &'a [String]) -> Self {
        Self {
            config,
            bulletin: Bulletin {
                patience,
                select: config.select,
                namer: Namer { names },
                counts: Counts::default(),
                taken_back: 0,
                news: Vec::new(),
            },
            runs: BTreeMap::new(),
            met: 0,
            room_due: Duration::ZERO,
            strays: Told::default(),
        }
    }

    /// Looks at all accounts at the time `now`; hands out what is new.
    pub(super) fn look(&mut self, judge: &mut Judge<'_>, now: Duration) -> Vec<News> {
        for index in self.met..judge.accounts.len() {
            self.runs.insert(index as u32, RunWatch::new(now));
        }
        self.met = judge.accounts.len();
        if now >= self.room_due {
            self.room_due = now + ROOM;
            self.make_room(judge);
        }
        let mut over = Vec::new();
        for (index, run) in &mut self.runs {
            let Some(account) = judge.accounts[*index as usize].as_deref_mut() else {
                over.push(*index);
                continue;
            };
            let mut teller = self.bulletin.of_run(account.run.id);
            run.look(&mut teller, account, now);
            let quiet = now.saturating_sub(run.heard);
            if run.state != RunState::Ended || quiet < teller.bulletin.patience {
                continue;
            }
            let complete = is_complete(account);
            if !complete && !run.balanced {
                run.balanced = true;
                let mut budget = judge.budget;
                let mut copy = account.clone();
                balance::balance(&mut copy, self.config.killed, &mut budget);
                run.balance(&mut teller, account, &copy);
            }
            if complete {
                over.push(*index);
            }
        }
        for index in over {
            self.close(judge, index);
        }
        self.look_at_settled(judge);
        self.look_at_strays(judge);
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
            let settled = match state {
                RunState::Ended => judge.settled.count(),
                _ => 0,
            };
            runs.count() as u64 + settled
        });
    }

    /// Sees to it that memory suffices: runs that have no "Run started" are given up, and those that have ended are let go.
    fn make_room(&mut self, judge: &mut Judge<'_>) {
        if judge.memory_held() > self.config.memory / 4 {
            let unknown = judge.accounts.iter().flatten();
            let unknown = unknown.filter(|account| account.run.known().is_none());
            let unknown: Vec<_> = unknown.map(|account| account.run.clone()).collect();
            unknown.iter().for_each(|run| judge.give_up(run));
        }
        while judge.memory_used() > self.config.memory / 2 {
            let mut ended = self.runs.iter();
            let ended = ended.find(|(_, run)| run.state == RunState::Ended && run.balanced);
            let Some((&index, _)) = ended else {
                break;
            };
            self.close(judge, index);
        }
    }

    fn close(&mut self, judge: &mut Judge<'_>, index: u32) {
        self.runs.remove(&index);
        if let Some(account) = judge.close(index) {
            let (id, namer) = (account.run.id, &self.bulletin.namer);
            let (evidence, budget) = (&judge.evidence, &mut judge.budget);
            let verdict =
                conclude::run_verdict(self.config, namer, *account, evidence, false, budget);
            judge.settled.insert(index, id, verdict);
        }
    }

    /// Tells what came of runs whose accounts are closed.
    fn look_at_settled(&mut self, judge: &mut Judge<'_>) {
        for (id, found) in judge.settled.fresh() {
            let mut teller = self.bulletin.of_run(id);
            for back in found.kept(Kind::Late) {
                if let (Some(producer), Some(numbers)) = (back.producers.first(), &back.numbers) {
                    teller.back(*producer, &numbers_of(numbers.clone()));
                }
            }
            for kind in settled::KINDS {
                teller.all(kind, Told::default().more(&found, kind));
            }
        }
    }

    fn look_at_strays(&mut self, judge: &Judge<'_>) {
        let kind = Kind::Unexpected;
        let new = self.strays.more(&judge.strays, kind);
        self.bulletin.of(None, false).all(kind, new);
    }
}

impl<'a> Bulletin<'a> {
    fn of_run(&mut self, id: u64) -> Teller<'_, 'a> {
        let silent = !self.select.may_be(id);
        self.of(Some(format!("{id:016x}")), silent)
    }

    fn of(&mut self, run: Option<String>, silent: bool) -> Teller<'_, 'a> {
        Teller {
            bulletin: self,
            run,
            silent,
        }
    }
}

/// Tells what is new of one run.
struct Teller<'t, 'a> {
    bulletin: &'t mut Bulletin<'a>,
    /// The run's id; none of lines that belong to none.
    run: Option<String>,
    /// Of this run nothing is told.
    silent: bool,
}

impl Teller<'_, '_> {
    fn tell(&mut self, news: impl FnOnce(Option<String>) -> News) {
        if !self.silent {
            self.bulletin.news.push(news(self.run.clone()));
        }
    }

    fn count(&mut self, kind: &str, count: u64) {
        if !self.silent {
            self.bulletin.counts.count(kind, count);
        }
    }

    fn finding(&mut self, finding: Finding, count: u64) {
        self.count(finding.kind(), count);
        self.tell(|run| News::Finding { run, finding });
    }

    fn more(&mut self, kind: &'static str, count: u64) {
        if count > 0 {
            self.count(kind, count);
            self.tell(|run| News::More { run, kind, count });
        }
    }

    fn entry(&mut self, kind: Kind, entry: &Entry) {
        self.finding(self.bulletin.namer.finding(kind, entry), entry.count);
    }

    fn all(&mut self, kind: Kind, (entries, rest): (Vec<Entry>, u64)) {
        entries.iter().for_each(|entry| self.entry(kind, entry));
        self.more(kind.name(), rest);
    }

    /// Tells of numbers of a producer, range by range, or together where there are many.
    fn numbers(&mut self, numbers: &Numbers, mut tell: impl FnMut(&mut Self, Range<u64>, u64)) {
        let mut ranges = Vec::new();
        let mut rest: Option<(Range<u64>, u64)> = None;
        numbers.each_range_in(0..u64::MAX, |range| {
            let count = range.end - range.start;
            match &mut rest {
                _ if ranges.len() < NAMED_MAX => ranges.push(range),
                Some((all, counted)) => {
                    all.end = range.end;
                    *counted += count;
                }
                None => rest = Some((range, count)),
            }
        });
        for range in ranges {
            let count = range.end - range.start;
            tell(self, range, count);
        }
        if let Some((range, count)) = rest {
            tell(self, range, count);
        }
    }

    fn lost(&mut self, account: &RunAccount, producer: Producer, numbers: &Numbers) {
        self.numbers(numbers, |teller, numbers, count| {
            let before = account.behind_gap(producer, &numbers);
            let detail = Detail::Lost {
                announced: false,
                before,
            };
            let lost = Entry::of(producer, numbers, None, detail);
            teller.entry(Kind::Lost, &Entry { count, ..lost });
        });
    }

    fn reordered(&mut self, producer: Producer, numbers: &Numbers, at: Option<Location>) {
        self.numbers(numbers, |teller, numbers, count| {
            let moved = Entry::of(producer, numbers, at, Detail::None);
            teller.entry(Kind::Reordered, &Entry { count, ..moved });
        });
    }

    fn back(&mut self, producer: Producer, numbers: &Numbers) {
        self.numbers(numbers, |teller, numbers, count| {
            teller.count("late", count);
            teller.bulletin.taken_back += if teller.silent { 0 } else { count };
            let range = Lines {
                author: producer.thread(),
                first: Some(numbers.start),
                last: Some(numbers.end - 1),
                count,
            };
            teller.tell(|run| News::TakenBack { run, range });
        });
    }
}

/// Whether a run has ended, and all of its lines are there.
fn is_complete(account: &RunAccount) -> bool {
    let refused = account.main.refused.unwrap_or(u32::MAX);
    // What is only guessed to be there may turn out to be lost.
    account.main.ended.is_some()
        && !account.damage.iter().any(|damage| damage.guessed)
        && account.producers().all(|producer| {
            let present = Present::of(account, producer);
            present.is_some_and(|present| match producer {
                Producer::Main => present.is_whole(),
                Producer::Worker(worker) if worker >= refused => present.is_whole(),
                // Who was not heard since may have ended before.
                Producer::Worker(_) if account.from(producer) == u64::MAX => true,
                Producer::Worker(_) => present.is_complete(),
            })
        })
}

impl RunWatch {
    fn new(now: Duration) -> Self {
        Self {
            holes: Vec::new(),
            told: Default::default(),
            damage: (0, 0),
            books: Vec::new(),
            lines: 0,
            heard: now,
            balanced: false,
            state: RunState::Unknown,
            missing: 0,
            told_unknown: false,
            told_joined: false,
        }
    }

    fn look(&mut self, teller: &mut Teller<'_, '_>, account: &mut RunAccount, now: Duration) {
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
            None if now.saturating_sub(self.heard) > teller.bulletin.patience => RunState::Silent,
            None => RunState::Running,
        };
        if self.state == RunState::Unknown {
            let waited = now.saturating_sub(self.heard) >= teller.bulletin.patience || account.open;
            if waited && !self.told_unknown {
                self.told_unknown = true;
                teller.tell(|run| News::Unknown { run });
            }
            return;
        }
        if account.joined && !self.told_joined {
            self.told_joined = true;
            teller.tell(|run| News::Joined { run });
        }
        self.look_at_numbers(teller, account, now);
        self.look_at_findings(teller, account);
        self.look_at_damage(teller, account);
    }

    fn look_at_numbers(
        &mut self,
        teller: &mut Teller<'_, '_>,
        account: &mut RunAccount,
        now: Duration,
    ) {
        self.holes
            .resize_with(account.producers().count(), Holes::default);
        self.missing = 0;
        for (producer, holes) in account.producers().zip(&mut self.holes) {
            let Some(there) = Present::of(account, producer) else {
                continue;
            };
            let (lost, back) = holes.look(&there, now, teller.bulletin.patience);
            let no_hole = there.has_no_hole();
            self.missing += holes.missing;
            teller.lost(account, producer, &lost);
            teller.back(producer, &back);
            if is_disordered(account, producer) && !holes.undecided() {
                if no_hole {
                    account.settle_order_of(producer);
                } else {
                    tell_moved(teller, account, producer, holes);
                }
            }
        }
    }

    /// Tells what the account's findings have more than was told.
    fn look_at_findings(&mut self, teller: &mut Teller<'_, '_>, account: &RunAccount) {
        // Where the numbers tell that lines are out of order, the time need not.
        let disordered = account.findings.count(Kind::Reordered) > 0
            || (account.producers()).any(|producer| is_disordered(account, producer));
        for (kind, told) in KINDS.into_iter().zip(&mut self.told) {
            if kind == Kind::TimeFell && disordered {
                continue;
            }
            let (new, rest) = told.more(&account.findings, kind);
            for entry in &new {
                match (kind, &entry.producers[..], &entry.numbers) {
                    (Kind::Reordered, [producer], Some(numbers)) => {
                        let holes = &mut self.holes[account.place(*producer)];
                        let mut untold = numbers_of(numbers.clone());
                        untold.subtract(&holes.moved);
                        holes.moved.remove_range(numbers.clone());
                        teller.reordered(*producer, &untold, entry.at);
                    }
                    _ => teller.entry(kind, entry),
                }
            }
            teller.more(kind.name(), rest);
        }
    }

    /// Tells of records that are not whole.
    fn look_at_damage(&mut self, teller: &mut Teller<'_, '_>, account: &RunAccount) {
        let (named, more) = &mut self.damage;
        for damage in &account.damage[*named..] {
            let (kind, found) = damage.finding();
            teller.entry(kind, &found);
        }
        *named = account.damage.len();
        let (altered, truncated) = account.damage_more;
        teller.more("truncated", altered + truncated - *more);
        *more = altered + truncated;
    }

    /// Tells what the balance of a run that has ended finds missing besides, and what does not balance.
    fn balance(
        &mut self,
        teller: &mut Teller<'_, '_>,
        account: &RunAccount,
        balanced: &RunAccount,
    ) {
        for found in balanced.findings.kept(Kind::Lost) {
            if let ([producer], Some(numbers)) = (&found.producers[..], &found.numbers) {
                let more = self.holes[account.place(*producer)].lose_more(numbers.clone());
                teller.lost(account, *producer, &more);
            } else {
                self.tell_once(teller, Kind::Lost, found);
            }
        }
        for kind in [Kind::Books, Kind::Unexpected] {
            let known = account.findings.kept(kind).len();
            for found in balanced.findings.kept(kind).iter().skip(known) {
                self.tell_once(teller, kind, found);
            }
        }
    }

    fn tell_once(&mut self, teller: &mut Teller<'_, '_>, kind: Kind, found: &Entry) {
        let finding = teller.bulletin.namer.finding(kind, found);
        if !self.books.contains(&finding) {
            self.books.push(finding.clone());
            teller.finding(finding, found.count);
        }
    }
}

/// Tells which lines are out of order as things stand; what was said is not said again.
fn tell_moved(
    teller: &mut Teller<'_, '_>,
    account: &RunAccount,
    producer: Producer,
    holes: &mut Holes,
) {
    let sequence = account.sequence(producer);
    let moved = sequence.map_or_else(Vec::new, |sequence| sequence.clone().settle());
    for (range, at) in moved {
        let mut numbers = numbers_of(range);
        numbers.subtract(&holes.moved);
        numbers.each_range_in(0..u64::MAX, |part| holes.moved.insert_range(part));
        teller.reordered(producer, &numbers, Some(at));
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
