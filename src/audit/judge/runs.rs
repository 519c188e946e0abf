//! Runs are met, known, given up and closed; what comes of them before they are known is held back.

use std::{collections::BTreeSet, mem, sync::Arc};

use super::{Judge, conclude};
use crate::{
    audit::{
        account::run::RunAccount,
        records::{
            attempt::AttemptRecord,
            record::{Producer, Record},
        },
        registry::Run,
        verdict::{excerpt::first_line, findings::Location},
    },
    plan::workload::{Shard, Workload},
};

/// Of so many closed accounts it is kept what is said of each.
const CLOSED_MAX: usize = 1000;

/// What is held back until its run is known.
pub(super) enum HeldBack {
    Attempt(AttemptRecord),
    Record(Box<Record>, u64),
}

impl HeldBack {
    fn producer(&self) -> Producer {
        match self {
            Self::Attempt(attempt) => Producer::Worker(attempt.worker),
            Self::Record(record, _) => record.author,
        }
    }
}

impl Judge<'_> {
    /// Opens the accounts of runs that are known now, and judges what was held back of them.
    pub(super) fn meet_runs(&mut self) {
        let fallback = self.config.fallback.as_ref();
        for run in self.registry.behind(self.accounts.len()) {
            if fallback.is_some() && run.known().is_none() {
                self.registry.adopt(&run, fallback);
            }
            let account = RunAccount::new(run, &self.names);
            if !account.open {
                self.to_open.push(account.run.index);
            }
            self.accounts.push(Some(Box::new(account)));
        }
        for run in mem::take(&mut self.to_open) {
            let Some(account) = self.accounts[run as usize].as_mut() else {
                continue;
            };
            if account.run.known().is_none() {
                self.to_open.push(run);
                continue;
            }
            **account = RunAccount::new(Arc::clone(&account.run), &self.names);
            let held = mem::take(&mut self.held).into_iter();
            let (now, later) = held.partition(|(of, ..)| *of == run);
            self.held = later;
            for (_, held, at) in now {
                match held {
                    HeldBack::Attempt(attempt) => self.attempt(&attempt, at, &[]),
                    HeldBack::Record(record, received) => {
                        self.record(run, &record, received, at, &[]);
                    }
                }
            }
        }
    }

    /// Gives up hoping for the "Run started" of a run.
    pub(crate) fn give_up(&mut self, run: &Run) {
        self.registry.adopt(run, self.config.fallback.as_ref());
        self.meet_runs();
    }

    /// About how many bytes the lines take that are held back of runs whose "Run started" has not come yet.
    pub(crate) fn memory_held(&self) -> u64 {
        (self.held.len() * size_of::<(u32, HeldBack, Location)>()) as u64
    }

    /// Closes the account of a run that is over. What is said of the latest is kept; those before are only counted, so that
    /// a canary of years needs no more memory than one of hours.
    pub(crate) fn close(&mut self, run: u32) {
        let Some(account) = self.accounts[run as usize].take() else {
            return;
        };
        self.registry.release(&account.run);
        if self.config.select.may_be(account.run.id) {
            let (evidence, budget) = (&self.evidence, &self.budget);
            let run = conclude::judge_run(self.config, *account, evidence, budget, false);
            self.closed.push_back(run);
        }
        if self.closed.len() > CLOSED_MAX
            && let Some(oldest) = self.closed.pop_front()
        {
            self.folded.add(&oldest);
        }
    }

    /// Gives up hoping for a "Run started" of the runs that were met, and judges what was held back of them.
    pub(crate) fn finish(&mut self) {
        self.judge_early();
        for account in self.accounts.iter().flatten() {
            let run = &account.run;
            if run.known().is_none() {
                let shard = self.shard(run.index);
                let fallback = self.config.fallback.as_ref().or(shard.as_ref());
                self.registry.adopt(run, fallback);
            }
        }
        self.meet_runs();
    }

    /// Which shard a run is whose "Run started" is lost, where all others are shards of one run: the numbers of its workers tell.
    fn shard(&self, run: u32) -> Option<Workload> {
        let known = self.accounts.iter().flatten();
        let known = known.filter_map(|account| account.run.workload());
        let known = known.filter(|workload| workload.group.is_some());
        known.clone().next()?;
        let held = self.held.iter().filter(|(of, ..)| *of == run);
        let workers = held.filter_map(|(_, held, _)| held.producer().worker());
        let workers: BTreeSet<u32> = workers.collect();
        let (lowest, highest) = (workers.first()?, workers.last()?);
        let mut shards = known.map(|known| {
            let index = lowest / known.threads;
            let shard = Shard::new(index, known.shard.count())?;
            Some(Workload {
                shard,
                ..known.clone()
            })
        });
        let first = shards.next()??;
        let is_one = shards.all(|other| other.as_ref() == Some(&first));
        (is_one && first.workers().contains(highest)).then_some(first)
    }

    /// Holds back a line of a run that is not known yet. Of a run that is over, with its account closed, none is to come.
    #[cold]
    pub(super) fn hold(&mut self, run: u32, held: HeldBack, at: Location, text: &[u8]) {
        match self.accounts[run as usize] {
            Some(_) => self.held.push((run, held, at)),
            None => {
                let why = "of a run that is over";
                self.strays.unexpected(1, why, at, || first_line(text));
            }
        }
    }
}
