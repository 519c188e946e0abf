//! The account of one run while its log is read: its workers, its main thread, its counter, its time.
//!
//! Lines come in one by one, in the order of the input; what they add up to is for [`balance`](super::balance) to say.

use std::{collections::HashSet, ops::Range, sync::Arc};

use super::{
    arrivals::{Arrival, Arrivals, reordered},
    damaged::DamagedLine,
    entered::{Entered, NO_WORKER, TOO_FAR},
    main_thread::MainThread,
    sequence::{Met, Sequence},
    worker::WorkerAccount,
};
use crate::{
    audit::{
        records::{
            attempt::{AttemptKind, AttemptRecord},
            record::{Producer, Record},
        },
        registry::Run,
        verdict::{
            Kind,
            excerpt::first_line,
            findings::{Findings, KEPT_MAX, Location, Names},
        },
    },
    log::{account::Closing, event::Event},
    plan::{Position, per_worker::PerWorker},
};

/// Where a gap was noticed: the first number behind it, and where that line stands.
#[derive(Clone, Debug)]
pub(crate) struct NoticedGap {
    /// Whose.
    pub producer: Producer,
    /// The numbers that were missing then.
    pub numbers: Range<u64>,
    /// Where the line behind them stands.
    pub at: Location,
}

/// One run's account.
#[derive(Clone, Debug)]
pub(crate) struct RunAccount {
    /// What is known of the run beforehand.
    pub run: Arc<Run>,
    /// That was known when the account was opened.
    pub open: bool,
    /// Lines of the run that were read.
    pub lines: u64,
    /// It began before the first of them: what is missing in front of each producer's first line is not lost.
    pub joined: bool,
    /// Its workers; empty if it has no plan.
    pub workers: PerWorker<WorkerAccount>,
    /// Its main thread.
    pub main: MainThread,
    /// Its counter: each value from 1 on is there once.
    pub counter: Met,
    /// What is wrong.
    pub findings: Findings,
    /// Damaged lines: which they were may become clearer.
    pub damaged: Vec<DamagedLine>,
    /// The lengths of the shortest and the longest line that was cut short.
    pub cut_lengths: Option<(u32, u32)>,
    /// The first and the last line that was there before, counted among the run's lines.
    pub copies: Option<(u64, u64)>,
    /// Where gaps were noticed.
    pub openings: Vec<NoticedGap>,
    /// Its lines, as they arrive.
    pub arrivals: Arrivals,
}

impl RunAccount {
    /// The account of a run of which nothing was read.
    pub(crate) fn new(run: Arc<Run>, names: &Names) -> Self {
        let workers = run.workers();
        Self {
            open: run.known().is_some(),
            lines: 0,
            joined: false,
            workers: PerWorker::new(workers, |_| WorkerAccount::new()),
            main: MainThread::default(),
            counter: Met {
                next: 1,
                ..Met::default()
            },
            findings: Findings::new(names),
            damaged: Vec::new(),
            cut_lengths: None,
            copies: None,
            openings: Vec::new(),
            arrivals: Arrivals {
                fell: Findings::new(names),
                ..Arrivals::default()
            },
            run,
        }
    }

    /// About how many bytes the account takes.
    pub(crate) fn memory(&self) -> u64 {
        let workers: u64 = self.workers.iter().map(WorkerAccount::memory).sum();
        workers
            + self.main.memory()
            + self.counter.missing.memory()
            + self.findings.memory()
            + self.arrivals.fell.memory()
            + (self.damaged.len() * 400) as u64
            + self.arrivals.time.memory()
            + 1024
    }

    /// The numbers of a producer's lines; none if the run has no such worker.
    pub(crate) fn sequence(&self, producer: Producer) -> Option<&Sequence> {
        match producer {
            Producer::Main => Some(&self.main.sequence),
            Producer::Worker(worker) => Some(&self.workers.get(worker)?.sequence),
        }
    }

    pub(super) fn sequence_mut(&mut self, producer: Producer) -> Option<&mut Sequence> {
        match producer {
            Producer::Main => Some(&mut self.main.sequence),
            Producer::Worker(worker) => Some(&mut self.workers.get_mut(worker)?.sequence),
        }
    }

    /// The first number of a producer's that is asked for. Who was not heard since the run was joined may have ended before.
    pub(crate) fn asked_from(&self, sequence: &Sequence) -> u64 {
        match self.joined {
            true => sequence.first.unwrap_or(u64::MAX),
            false => 0,
        }
    }

    /// Where the first line behind the gap stands that has one of these numbers.
    pub(crate) fn behind_gap(&self, producer: Producer, numbers: &Range<u64>) -> Option<Location> {
        let opening = self.openings.iter().find(|opening| {
            opening.producer == producer
                && opening.numbers.start < numbers.end
                && numbers.start < opening.numbers.end
        });
        opening.map(|opening| opening.at)
    }

    /// Whether no line of the run was seen behind this place.
    pub(crate) fn ends_at(&self, at: Location) -> bool {
        let last = self.arrivals.last;
        last.is_none_or(|(_, last)| last.file == at.file && last.line <= at.line)
    }

    /// Takes in an attempt's line.
    #[inline]
    pub(crate) fn attempt(&mut self, attempt: &AttemptRecord, arrival: &Arrival<'_>) {
        self.begin(arrival.config.follow);
        let worker = self.workers.get_mut(attempt.worker);
        let (Some(worker), Some(rules)) = (worker, self.run.rules(attempt.worker)) else {
            if self.run.workload().is_some() {
                self.enter(arrival, NO_WORKER);
            }
            return;
        };
        let entered = match attempt.planned {
            Some(true) => worker.accept(attempt, rules, arrival.budget),
            _ => Entered::OffPlan,
        };
        let findings = &mut self.findings;
        if entered.is_new() && attempt.kind == AttemptKind::Success {
            count(&mut self.counter, worker, attempt.value, arrival, findings);
        }
        match entered {
            // Mostly it is the next one of its worker's.
            Entered::New => self
                .arrivals
                .arrive(arrival, &mut worker.sequence, findings),
            Entered::OffPlan => self.leave_plan(attempt, arrival),
            _ => self.enter(arrival, entered),
        }
    }

    /// Counts a line.
    #[inline]
    fn begin(&mut self, joins: bool) {
        if self.lines == 0 && joins {
            // As long as its "Run started" has not come.
            self.joined = self.run.workload().is_some();
        }
        self.lines += 1;
    }

    /// Notes what a line is to the account of its thread.
    #[cold]
    fn enter(&mut self, arrival: &Arrival<'_>, entered: Entered) {
        if entered.is_new() {
            let sequence = match arrival.producer {
                Producer::Main => &mut self.main.sequence,
                Producer::Worker(worker) => &mut self.workers[worker].sequence,
            };
            self.arrivals.arrive(arrival, sequence, &mut self.findings);
        }
        match entered {
            Entered::BehindGap(first) => {
                if self.openings.len() < KEPT_MAX && !arrival.backwards {
                    self.openings.push(NoticedGap {
                        producer: arrival.producer,
                        numbers: first..arrival.seq,
                        at: arrival.at,
                    });
                }
            }
            Entered::Duplicate => {
                self.copies.get_or_insert((self.lines, 0)).1 = self.lines;
                self.findings.add_line(
                    Kind::Duplicated,
                    arrival.producer,
                    arrival.seq,
                    arrival.at,
                    |_| {},
                );
            }
            Entered::Unexpected(why) => {
                let text = || first_line(arrival.text);
                self.findings.unexpected(1, why, arrival.at, text);
            }
            Entered::New | Entered::OffPlan => {}
        }
    }

    /// Names the lines of a producer that stand out of order, all lines before being there: what comes later changes nothing.
    pub(crate) fn settle_order_of(&mut self, producer: Producer) {
        let moved = self
            .sequence_mut(producer)
            .map(|sequence| sequence.order.settle());
        reordered(&mut self.findings, producer, moved.unwrap_or_default());
    }

    /// The producers, the main thread first.
    pub(crate) fn producers(&self) -> impl Iterator<Item = Producer> + use<> {
        let workers = self.workers.numbers().map(Producer::Worker);
        std::iter::once(Producer::Main).chain(workers)
    }

    /// Names the lines out of order that may still have turned out to be in order.
    pub(crate) fn settle_order(&mut self) {
        self.producers()
            .for_each(|producer| self.settle_order_of(producer));
        self.arrivals.settle(&mut self.findings);
    }

    /// Takes in an attempt that the plan does not have there.
    #[cold]
    fn leave_plan(&mut self, attempt: &AttemptRecord, arrival: &Arrival<'_>) {
        let run = Arc::clone(&self.run);
        let worker = &mut self.workers[attempt.worker];
        worker.sequence.claimed.insert(attempt.seq);
        let mut why = || {
            let rules = run.rules(attempt.worker)?;
            let planned = worker.planned(attempt.seq, rules, arrival.budget)?;
            Some(match planned == attempt.position {
                true => "the plan has another outcome for this attempt".to_owned(),
                false => {
                    let Position { iteration, attempt } = planned;
                    format!("the plan has iteration {iteration} attempt {attempt} here")
                }
            })
        };
        let producer = Producer::Worker(attempt.worker);
        let at = arrival.at;
        self.findings
            .add_line(Kind::Unexpected, producer, attempt.seq, at, |found| {
                let why = why().unwrap_or_else(|| "the plan has no such attempt".into());
                let (thread, seq) = (producer.thread(), attempt.seq);
                found.why = format!("{thread} at seq {seq} left its plan: {why}");
                found.text = first_line(arrival.text);
            });
    }

    /// Takes in a record of another event than an attempt's end.
    pub(crate) fn event(&mut self, record: &Record, arrival: &Arrival<'_>) {
        self.begin(arrival.config.follow);
        if self.run.workload().is_none() {
            return;
        }
        let entered = match (record.author, &record.event) {
            _ if record.seq == u64::MAX => TOO_FAR,
            (Producer::Worker(worker), Some(event @ Event::WorkerEnded { .. })) => {
                match (self.workers.get_mut(worker), Closing::of(event)) {
                    (Some(worker), Some(closing)) => {
                        worker.close(arrival.placed(closing), arrival.budget)
                    }
                    _ => NO_WORKER,
                }
            }
            (Producer::Main, Some(event)) if !matches!(event, Event::WorkerEnded { .. }) => {
                let workers = self.workers.numbers();
                self.main.enter(event, workers, arrival)
            }
            _ => Entered::Unexpected(
                "its checksum holds, but the program has no such event of this thread",
            ),
        };
        if entered == Entered::New && matches!(record.event, Some(Event::RunStarted { .. })) {
            self.joined = false;
        }
        self.enter(arrival, entered);
    }

    /// Takes in a damaged line.
    pub(crate) fn damaged(&mut self, damaged: DamagedLine) {
        if let Some((producer, seq)) = damaged.line
            && let Some(sequence) = self.sequence_mut(producer)
        {
            sequence.claimed.insert(seq);
        }
        if damaged.is_cut {
            let (shortest, longest) = self.cut_lengths.get_or_insert((u32::MAX, 0));
            *shortest = damaged.length.min(*shortest);
            *longest = damaged.length.max(*longest);
        }
        if self.damaged.len() < KEPT_MAX {
            self.damaged.push(damaged);
        } else {
            *self.findings.counts.of_mut(damaged.kind()) += 1;
        }
    }

    /// Takes in another part of the line that was damaged last: it may tell which it is.
    pub(crate) fn damaged_further(&mut self, part: DamagedLine) {
        let is_open =
            |line: &mut DamagedLine| line.at == part.at && (line.guessed || line.line.is_none());
        if part.line.is_some()
            && !part.guessed
            && let Some(line) = self.damaged.pop_if(is_open)
        {
            if let Some((producer, seq)) = line.line
                && let Some(sequence) = self.sequence_mut(producer)
            {
                sequence.claimed.remove(seq);
            }
            self.damaged(DamagedLine {
                line: part.line,
                guessed: false,
                ..line
            });
        }
    }

    /// Thinks again about damaged lines: they cannot have been lines that are there, nor, where they are only
    /// guessed, others that are damaged.
    pub(crate) fn reconsider_damaged(&mut self) {
        let mut damaged = std::mem::take(&mut self.damaged);
        let sure = damaged.iter().filter(|line| !line.guessed);
        let sure: HashSet<_> = sure.filter_map(|line| line.line).collect();
        let moved = self.findings.kept(Kind::Reordered).iter();
        let moved: HashSet<_> = moved.map(|found| found.lines.author.clone()).collect();
        for line in &mut damaged {
            let Some((producer, seq)) = line.line else {
                continue;
            };
            let Some(sequence) = self.sequence_mut(producer) else {
                continue;
            };
            let is_taken = line.guessed && sure.contains(&(producer, seq));
            // Where a thread's lines are out of order, its next line need not be the one that was cut short.
            let is_astray = line.guessed && !is_taken && moved.contains(&producer.thread());
            if is_astray {
                sequence.claimed.remove(seq);
            }
            if is_taken || is_astray || sequence.met.holds(seq) {
                line.line = None;
            }
        }
        self.damaged = damaged;
    }
}

/// Takes in the counter of a success of `worker`.
#[inline]
fn count(
    counter: &mut Met,
    worker: &mut WorkerAccount,
    value: u64,
    arrival: &Arrival<'_>,
    findings: &mut Findings,
) {
    let Arrival {
        producer, seq, at, ..
    } = *arrival;
    let why = match counter.meet(value, arrival.budget) {
        Entered::Duplicate => "counter values that were there before",
        TOO_FAR => "counter values far from all others",
        _ => "",
    };
    if !why.is_empty() {
        findings.add_line(Kind::Books, Producer::Main, value, at, |found| {
            found.lines.author = "counter".into();
            found.why = why.into();
        });
    }
    if !worker.count(seq, value) {
        findings.add_line(Kind::Books, producer, seq, at, |found| {
            let thread = producer.thread();
            found.why = format!("the counter does not rise along {thread}, at seq");
        });
    }
}
