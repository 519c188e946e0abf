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
    AuditConfig, Select,
    account::RunAccount,
    balance,
    conclude::{self, Namer},
    findings::{Detail, Entry, Kind, Location},
    judge::Judge,
    numbers::Numbers,
    record::Producer,
    verdict::{Counts, Finding, Range as Lines},
};

/// So often is looked how much memory there is.
const ROOM: Duration = Duration::from_secs(1);
/// So many ranges of one producer are named at one look; more are told as one.
const NAMED_MAX: usize = 50;

/// What was seen and said of all runs.
pub struct Watch<'a> {
    config: &'a AuditConfig,
    patience: Duration,
    names: &'a [String],
    runs: BTreeMap<u32, RunWatch>,
    /// Runs that were met.
    met: usize,
    /// When memory is looked at again.
    room_due: Duration,
    /// How many entries of strays were told, and how many lines they count.
    strays: (usize, u64),
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
    damage: Told,
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

#[derive(Default)]
struct Told {
    entries: Vec<u64>,
    count: u64,
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
    pub fn new(config: &'a AuditConfig, patience: Duration, names: &'a [String]) -> Self {
        Self {
            config,
            patience,
            names,
            runs: BTreeMap::new(),
            met: 0,
            room_due: Duration::ZERO,
            strays: (0, 0),
            counts: Counts::default(),
            taken_back: 0,
            news: Vec::new(),
        }
    }

    /// Looks at all accounts at the time `now`; hands out what is new.
    pub fn look(&mut self, judge: &mut Judge<'_>, now: Duration) -> Vec<News> {
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
            let mut teller = Teller {
                patience: self.patience,
                namer: Namer { names: self.names },
                id: format!("{:016x}", account.run.id),
                silent: !self.config.select.may_be(account.run.id),
                counts: &mut self.counts,
                taken_back: &mut self.taken_back,
                news: &mut self.news,
            };
            run.look(&mut teller, account, now);
            let quiet = now.saturating_sub(run.heard);
            if run.state != RunState::Ended || quiet < self.patience {
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
        std::mem::take(&mut self.news)
    }

    /// Whether there was a run, and all have ended, with all of their lines or after all patience.
    pub fn all_ended(&self, judge: &Judge<'_>) -> bool {
        let ended = |(index, run): (&u32, &RunWatch)| {
            let account = judge.accounts[*index as usize].as_deref();
            run.state == RunState::Ended && (run.balanced || account.is_none_or(is_complete))
        };
        self.met > 0 && self.runs.iter().all(ended)
    }

    /// How things stand, as far as it is known here.
    pub fn figures(&self, judge: &Judge<'_>, figures: &mut Figures) {
        figures.lines = judge.lines;
        figures.found = self.counts;
        figures.lost = self.counts.lost - self.taken_back;
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
            let namer = Namer { names: self.names };
            let (evidence, budget) = (&judge.evidence, &mut judge.budget);
            let verdict =
                conclude::run_verdict(self.config, &namer, *account, evidence, false, budget);
            judge.settled.insert(index, verdict);
        }
    }

    /// Tells what came of runs whose accounts are closed.
    fn look_at_settled(&mut self, judge: &mut Judge<'_>) {
        for (id, found) in judge.settled.fresh() {
            let selected = match self.config.select {
                Select::Run(selected) => format!("{selected:016x}") == id,
                _ => true,
            };
            let mut teller = Teller {
                patience: self.patience,
                namer: Namer { names: self.names },
                id,
                silent: !selected,
                counts: &mut self.counts,
                taken_back: &mut self.taken_back,
                news: &mut self.news,
            };
            for back in found.kept(Kind::Late) {
                if let (Some(producer), Some(numbers)) = (back.producers.first(), &back.numbers) {
                    teller.back(*producer, &numbers_of(numbers.clone()));
                }
            }
            for kind in [
                Kind::Duplicated,
                Kind::Reordered,
                Kind::Truncated,
                Kind::Unexpected,
            ] {
                let kept = found.kept(kind);
                kept.iter().for_each(|entry| teller.entry(kind, entry));
                let named: u64 = kept.iter().map(|entry| entry.count).sum();
                let rest = found.count(kind).saturating_sub(named);
                if rest > 0 {
                    teller.more(name(kind), rest);
                }
            }
        }
    }

    fn look_at_strays(&mut self, judge: &Judge<'_>) {
        let namer = Namer { names: self.names };
        let kept = judge.strays.kept(Kind::Unexpected);
        let count = judge.strays.count(Kind::Unexpected);
        self.counts.unexpected += count - self.strays.1;
        let mut rest = count - self.strays.1;
        for entry in &kept[self.strays.0..] {
            rest = rest.saturating_sub(entry.count);
            self.news.push(News::Finding {
                run: None,
                finding: namer.finding(Kind::Unexpected, entry),
            });
        }
        if rest > 0 {
            self.news.push(News::More {
                run: None,
                kind: "unexpected",
                count: rest,
            });
        }
        self.strays = (kept.len(), count);
    }
}

/// Tells what is new of one run.
struct Teller<'a> {
    patience: Duration,
    namer: Namer<'a>,
    id: String,
    /// Of this run nothing is told.
    silent: bool,
    counts: &'a mut Counts,
    taken_back: &'a mut u64,
    news: &'a mut Vec<News>,
}

impl Teller<'_> {
    fn tell(&mut self, news: News) {
        if !self.silent {
            self.news.push(news);
        }
    }

    fn finding(&mut self, finding: Finding, count: u64) {
        self.count(finding.kind(), count);
        let run = Some(self.id.clone());
        self.tell(News::Finding { run, finding });
    }

    fn more(&mut self, kind: &'static str, count: u64) {
        self.count(kind, count);
        let run = Some(self.id.clone());
        self.tell(News::More { run, kind, count });
    }

    fn count(&mut self, kind: &str, count: u64) {
        if self.silent {
            return;
        }
        let counts = &mut *self.counts;
        let field = match kind {
            "lost" => &mut counts.lost,
            "duplicated" => &mut counts.duplicated,
            "reordered" => &mut counts.reordered,
            "altered" => &mut counts.altered,
            "truncated" => &mut counts.truncated,
            "unexpected" => &mut counts.unexpected,
            "late" => &mut counts.late,
            _ => &mut counts.books,
        };
        *field += count;
    }

    fn entry(&mut self, kind: Kind, entry: &Entry) {
        self.finding(self.namer.finding(kind, entry), entry.count);
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

    fn back(&mut self, producer: Producer, numbers: &Numbers) {
        self.numbers(numbers, |teller, numbers, count| {
            teller.count("late", count);
            *teller.taken_back += if teller.silent { 0 } else { count };
            let range = Lines {
                author: producer.thread(),
                first: Some(numbers.start),
                last: Some(numbers.end - 1),
                count,
            };
            let run = teller.id.clone();
            teller.tell(News::TakenBack { run, range });
        });
    }
}

/// What there is of a producer's lines.
fn present(account: &RunAccount, producer: Producer) -> Present<'_> {
    let from = account.from(producer);
    match producer {
        Producer::Main => Present::of_main(&account.main, from),
        Producer::Worker(worker) => Present::of_worker(&account.workers[worker], from),
    }
}

/// Whether a run has ended, and all of its lines are there.
fn is_complete(account: &RunAccount) -> bool {
    let refused = account.main.refused.unwrap_or(u32::MAX);
    // What is only guessed to be there may turn out to be lost.
    account.main.ended.is_some()
        && !account.damage.iter().any(|damage| damage.guessed)
        && account.producers().all(|producer| {
            let present = present(account, producer);
            match producer {
                Producer::Main => present.is_whole(),
                Producer::Worker(worker) if worker >= refused => present.is_whole(),
                // Who was not heard since may have ended before.
                Producer::Worker(_) if account.from(producer) == u64::MAX => true,
                Producer::Worker(_) => present.is_complete(),
            }
        })
}

impl RunWatch {
    fn new(now: Duration) -> Self {
        Self {
            holes: Vec::new(),
            told: Default::default(),
            damage: Told::default(),
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

    fn look(&mut self, teller: &mut Teller<'_>, account: &mut RunAccount, now: Duration) {
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
            None if now.saturating_sub(self.heard) > teller.patience => RunState::Silent,
            None => RunState::Running,
        };
        if self.state == RunState::Unknown {
            let waited = now.saturating_sub(self.heard) >= teller.patience || account.open;
            if waited && !self.told_unknown {
                self.told_unknown = true;
                let run = teller.id.clone();
                teller.tell(News::Unknown { run });
            }
            return;
        }
        if account.joined && !self.told_joined {
            self.told_joined = true;
            let run = teller.id.clone();
            teller.tell(News::Joined { run });
        }
        self.look_at_numbers(teller, account, now);
        self.look_at_findings(teller, account);
        self.look_at_damage(teller, account);
    }

    fn look_at_numbers(
        &mut self,
        teller: &mut Teller<'_>,
        account: &mut RunAccount,
        now: Duration,
    ) {
        self.holes
            .resize_with(account.producers().count(), Holes::default);
        self.missing = 0;
        for (producer, holes) in account.producers().zip(&mut self.holes) {
            let there = present(account, producer);
            let (lost, back) = holes.look(&there, now, teller.patience);
            let no_hole = there.has_no_hole();
            self.missing += holes.missing;
            if lost.count() > 0 {
                teller.lost(account, producer, &lost);
            }
            if back.count() > 0 {
                teller.back(producer, &back);
            }
            if account.order(producer).is_disordered() && !holes.undecided() {
                if no_hole {
                    account.settle_order_of(producer);
                } else {
                    tell_moved(teller, account, producer, holes);
                }
            }
        }
    }

    /// Tells what the account's findings have more than was told.
    fn look_at_findings(&mut self, teller: &mut Teller<'_>, account: &RunAccount) {
        for (kind, told) in KINDS.into_iter().zip(&mut self.told) {
            let count = account.findings.count(kind);
            if told.count == count {
                continue;
            }
            if kind == Kind::TimeFell
                && (account.findings.count(Kind::Reordered) > 0
                    || account
                        .producers()
                        .any(|producer| account.order(producer).is_disordered()))
            {
                // The numbers will tell.
                continue;
            }
            let mut rest = count - told.count;
            told.count = count;
            for (i, found) in account.findings.kept(kind).iter().enumerate() {
                let before = told.entries.get(i).copied().unwrap_or(0);
                let more = found.count - before;
                if more == 0 {
                    continue;
                }
                match told.entries.get_mut(i) {
                    Some(told) => *told = found.count,
                    None => told.entries.push(found.count),
                }
                rest = rest.saturating_sub(more);
                let mut new = found.clone();
                new.count = more;
                if let Some(numbers) = &mut new.numbers {
                    numbers.start = numbers.end.saturating_sub(more);
                }
                let first = account.workers.numbers().start;
                let producer = new.producers.first().copied();
                let holes = producer.and_then(|producer| match producer {
                    Producer::Main => self.holes.first_mut(),
                    Producer::Worker(n) => self.holes.get_mut((n - first) as usize + 1),
                });
                match (kind, holes, &new.numbers) {
                    (Kind::Reordered, Some(holes), Some(numbers)) => {
                        let all = numbers.clone();
                        let mut numbers = numbers_of(all.clone());
                        numbers.subtract(&holes.moved);
                        holes.moved.remove_range(all);
                        tell_reordered(teller, producer, &numbers, new.at);
                    }
                    _ => teller.entry(kind, &new),
                }
            }
            if rest > 0 {
                teller.more(name(kind), rest);
            }
        }
    }

    /// Tells of records that are not whole.
    fn look_at_damage(&mut self, teller: &mut Teller<'_>, account: &RunAccount) {
        for damage in &account.damage[self.damage.entries.len()..] {
            self.damage.entries.push(1);
            let (kind, found) = damage.finding();
            teller.entry(kind, &found);
        }
        let (altered, truncated) = account.damage_more;
        let more = altered + truncated - self.damage.count;
        if more > 0 {
            self.damage.count += more;
            teller.more("truncated", more);
        }
    }

    /// Tells what the balance of a run that has ended finds missing besides, and what does not balance.
    fn balance(&mut self, teller: &mut Teller<'_>, account: &RunAccount, balanced: &RunAccount) {
        let first = account.workers.numbers().start;
        for found in balanced.findings.kept(Kind::Lost) {
            let holes = match found.producers[..] {
                [Producer::Main] => self.holes.first_mut(),
                [Producer::Worker(n)] => self.holes.get_mut((n - first) as usize + 1),
                _ => None,
            };
            match (holes, &found.numbers) {
                (Some(holes), Some(numbers)) => {
                    let more = holes.lose_more(numbers.clone());
                    if more.count() > 0 {
                        teller.lost(account, found.producers[0], &more);
                    }
                }
                _ => self.tell_once(teller, Kind::Lost, found),
            }
        }
        for kind in [Kind::Books, Kind::Unexpected] {
            let known = account.findings.kept(kind).len();
            for found in balanced.findings.kept(kind).iter().skip(known) {
                self.tell_once(teller, kind, found);
            }
        }
    }

    fn tell_once(&mut self, teller: &mut Teller<'_>, kind: Kind, found: &Entry) {
        let finding = teller.namer.finding(kind, found);
        if !self.books.contains(&finding) {
            self.books.push(finding.clone());
            teller.finding(finding, found.count);
        }
    }
}

/// Tells which lines are out of order as things stand; what was said is not said again.
fn tell_moved(
    teller: &mut Teller<'_>,
    account: &RunAccount,
    producer: Producer,
    holes: &mut Holes,
) {
    let missing = match producer {
        Producer::Main => &account.main.missing,
        Producer::Worker(worker) => &account.workers[worker].missing,
    };
    let moved = account.order(producer).clone().settle(missing);
    for (range, at) in moved {
        let mut numbers = numbers_of(range);
        numbers.subtract(&holes.moved);
        numbers.each_range_in(0..u64::MAX, |part| holes.moved.insert_range(part));
        tell_reordered(teller, Some(producer), &numbers, Some(at));
    }
}

fn tell_reordered(
    teller: &mut Teller<'_>,
    producer: Option<Producer>,
    numbers: &Numbers,
    at: Option<Location>,
) {
    let Some(producer) = producer else {
        return;
    };
    teller.numbers(numbers, |teller, numbers, count| {
        let moved = Entry::of(producer, numbers, at, Detail::None);
        teller.entry(Kind::Reordered, &Entry { count, ..moved });
    });
}

fn numbers_of(range: Range<u64>) -> Numbers {
    let mut numbers = Numbers::default();
    numbers.insert_range(range);
    numbers
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Lost => "lost",
        Kind::Duplicated => "duplicated",
        Kind::Reordered | Kind::TimeFell => "reordered",
        Kind::Altered => "altered",
        Kind::Truncated => "truncated",
        Kind::Unexpected => "unexpected",
        Kind::Late => "late",
        Kind::Books | Kind::CounterAgain | Kind::CounterFell => "books",
    }
}
