//! The look at the accounts, now and then, while lines come: what is new is told, and runs that are over are let go.
//!
//! The judge finds all there is to find; this file asks it, at times that it is told, and must not know where lines come from.

use std::{collections::BTreeMap, time::Duration};

use super::{
    figures::{Figures, RunState},
    holes::Holes,
    news::{News, NewsItem},
    told::Told,
};
use crate::audit::{
    account::{arrivals::reordered, run::RunAccount},
    judge::{Judge, conclude},
    records::record::Producer,
    verdict::{Kind, findings::Findings},
};

/// So often is looked how much memory there is.
const ROOM: Duration = Duration::from_secs(1);
/// Of so many runs that are over the accounts are kept: what still comes of them is judged by these.
const OVER_MAX: usize = 64;

/// What was seen and said of all runs.
pub(super) struct Watch {
    patience: Duration,
    /// The runs whose accounts are kept.
    runs: BTreeMap<u32, RunWatch>,
    /// What was told of lines that belong to none.
    strays: Told,
    /// When memory is looked at again.
    room_due: Duration,
    /// How things stand.
    pub figures: Figures,
}

/// What was seen and said of a run.
#[derive(Default)]
struct RunWatch {
    holes: BTreeMap<Producer, Holes>,
    told: Told,
    /// Lines at the last look, and when one was new.
    lines: u64,
    heard: Duration,
    /// It is over: it has ended, and its account was held against its end since the last line.
    over: bool,
    state: RunState,
    missing: u64,
}

impl Watch {
    /// Nothing was seen. What is missing for longer than `patience` is lost.
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            patience,
            runs: BTreeMap::new(),
            strays: Told::default(),
            room_due: Duration::ZERO,
            figures: Figures::default(),
        }
    }

    /// Looks at all accounts at the time `now`; hands out what is new.
    pub(super) fn look(&mut self, judge: &mut Judge<'_>, now: Duration) -> Vec<News> {
        if now >= self.room_due {
            self.room_due = now + ROOM;
            self.make_room(judge);
        }
        let mut news = Vec::new();
        for account in judge.accounts.iter_mut().flatten() {
            let run = self.runs.entry(account.run.index);
            let run = run.or_insert_with(|| RunWatch {
                heard: now,
                ..RunWatch::default()
            });
            if run.look(account, now, self.patience) {
                let (copy, budget) = (RunAccount::clone(account), judge.budget.clone());
                let verdict =
                    conclude::judge_run(judge.config, copy, &judge.evidence, &budget, false);
                run.told.all(verdict.counts, &verdict.findings);
            }
            let told = run.told.take(Some(format!("{:016x}", account.run.id)));
            if judge.config.select.may_be(account.run.id) {
                news.extend(told);
            }
        }
        self.strays.all(judge.strays.counts, judge.strays.all());
        news.extend(self.strays.take(None));
        news.iter().for_each(|news| self.count(&news.item));
        self.figures.lines = judge.lines;
        self.figures.missing = self.runs.values().map(|run| run.missing).sum();
        self.figures.runs = <[u64; 4]>::default();
        for run in self.runs.values() {
            self.figures.runs[run.state as usize] += 1;
        }
        self.figures.runs[RunState::Ended as usize] +=
            judge.closed.len() as u64 + judge.folded.runs;
        news
    }

    /// Counts what is told.
    fn count(&mut self, item: &NewsItem) {
        let (kind, count) = match item {
            NewsItem::Finding { finding } => (finding.kind, finding.lines.count),
            NewsItem::More { kind, count } => (*kind, *count),
            NewsItem::TakenBack { range } => {
                self.figures.lost -= range.count;
                (Kind::Late, range.count)
            }
            NewsItem::Joined | NewsItem::Unknown => return,
        };
        *self.figures.found.of_mut(kind) += count;
        if kind == Kind::Lost {
            self.figures.lost += count;
        }
    }

    /// Whether there was a run, and all have ended, with all of their lines or after all patience.
    pub(super) fn all_ended(&self, judge: &Judge<'_>) -> bool {
        let ended = |account: &RunAccount| {
            let run = self.runs.get(&account.run.index);
            let complete = |run: &RunWatch| {
                run.missing == 0 && run.lines == account.lines && is_closed(account)
            };
            run.is_some_and(|run| run.over || complete(run))
        };
        let mut accounts = judge.accounts.iter().flatten();
        !judge.accounts.is_empty() && accounts.all(|account| ended(account))
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

/// Whether a run has ended, and each of its workers.
fn is_closed(account: &RunAccount) -> bool {
    let refused = account.main.refused.unwrap_or(u32::MAX);
    let ended = |number| {
        let worker = &account.workers[number];
        // Who was not heard since the run was joined may have ended before.
        let unheard = account.joined && worker.sequence.first.is_none();
        let next = worker.sequence.met.next;
        worker.end.is_some_and(|end| end.seq + 1 == next) || number >= refused || unheard
    };
    account.main.ended.is_some() && account.workers.numbers().all(ended)
}

impl RunWatch {
    /// Looks at the run's account at the time `now`; true when nothing more is to be hoped for from now on.
    fn look(&mut self, account: &mut RunAccount, now: Duration, patience: Duration) -> bool {
        let mut changed = account.lines != self.lines;
        if changed {
            (self.lines, self.heard, self.over) = (account.lines, now, false);
        }
        if self.over {
            // What it lacks was told.
            return false;
        }
        let quiet = now.saturating_sub(self.heard);
        self.state = match account.main.ended {
            _ if account.run.workload().is_none() => RunState::Unknown,
            Some(_) => RunState::Ended,
            None if quiet > patience => RunState::Silent,
            None => RunState::Running,
        };
        if self.state == RunState::Unknown {
            if quiet >= patience || account.open {
                self.told.once(NewsItem::Unknown);
            }
            return false;
        }
        if account.joined {
            self.told.once(NewsItem::Joined);
        }
        self.missing = 0;
        for producer in account.producers() {
            let holes = self.holes.entry(producer).or_default();
            let Some(sequence) = account.sequence(producer) else {
                continue;
            };
            let from = account.asked_from(sequence);
            if let Some((lost, missing)) = holes.look(sequence, from, now, patience) {
                changed = true;
                self.told.lost(account, producer, &lost, &missing);
            }
            self.missing += holes.missing;
            if sequence.met.missing.is_empty() {
                account.settle_order_of(producer);
            }
        }
        if changed {
            let findings = self.so_far(account);
            self.told.all(findings.counts, findings.all());
        }
        self.over = self.state == RunState::Ended && quiet >= patience;
        self.over
    }

    /// What is wrong with a run's lines as things stand, but for those that are missing.
    fn so_far(&self, account: &RunAccount) -> Findings {
        let (mut findings, mut disordered) = (account.findings.clone(), false);
        for (producer, holes) in &self.holes {
            let sequence = account.sequence(*producer);
            if let Some(sequence) = sequence.filter(|s| s.order.is_disordered()) {
                disordered = true;
                if !holes.undecided {
                    reordered(&mut findings, *producer, sequence.order.clone().settle());
                }
            }
        }
        // Where the numbers tell that lines are out of order, the time need not.
        if !disordered && account.arrivals.time.is_restored() {
            account.arrivals.clone().settle(&mut findings);
        }
        let damaged = account.damaged.iter().cloned();
        damaged.for_each(|line| line.tell(&mut findings));
        findings
    }
}
