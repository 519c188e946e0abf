//! The end of a run's audit: what must exist but does not, and whether the program's own books balance.
//!
//! How many attempts each worker made is told by its "Worker ended", else by its plan, else by a "Log gap" that names lines
//! behind its last one, else by the totals of "Run ended"; from that and the account come the lost lines and every total.

use std::{
    collections::BTreeMap,
    fmt::{self, Display},
    ops::Range,
};

use super::{
    cursor::{Budget, PlanCursor},
    entered::Placed,
    main_thread::RunEnd,
    numbers::Numbers,
    run::RunAccount,
};
use crate::{
    audit::{
        records::record::Producer,
        verdict::{
            Finding, Kind, Range as Lines, RunVerdict,
            findings::{Findings, Location},
        },
    },
    log::{
        account::{Account, Closing},
        event::Reason,
    },
    plan::{
        per_worker::PerWorker,
        workload::{Limit, Workload},
    },
};

/// How far a worker came.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Attempts that it made, or at least made.
    attempts: u64,
    /// Nothing says whether it made more.
    open: bool,
    /// What the attempts add up to, where that could be computed.
    account: Option<Account>,
}

impl Extent {
    /// Of a worker that was never started.
    const NONE: Self = Self {
        attempts: 0,
        open: false,
        account: Some(Account::ZERO),
    };
}

/// Balances the books of a run: what is wrong goes to its findings. `killed` says that it is known to have no end. Returns what
/// is said of the run besides its findings.
pub(crate) fn balance(account: &mut RunAccount, killed: bool, budget: &Budget) -> RunVerdict {
    let run = account.run.clone();
    let workload = run.workload();
    let mut out = RunVerdict {
        run: format!("{:016x}", run.id),
        lines: account.lines,
        threads: workload.map(|workload| workload.threads),
        seed: workload.map(|workload| workload.seed),
        stopped_by: account.main.stopped_by(),
        workload: workload.filter(|w| w.group.is_some()).cloned(),
        began_us: account.arrivals.first_stamp,
        delay: account.arrivals.delays.summary(),
        ..RunVerdict::default()
    };
    let Some(known) = run.known() else {
        return out;
    };
    let workload = match &known.workload {
        Ok(workload) => workload,
        Err(why) => {
            out.cannot_tell.push(why.clone());
            return out;
        }
    };
    if !known.started {
        let by = match workload.group {
            Some(_) => "that of its group",
            None => "the configuration given",
        };
        let note = format!("its \"Run started\" is lost, or not whole: it is judged by {by}");
        out.notes.push(note);
    }
    account.settle_order();
    account.reconsider_damaged();
    if account.joined {
        let note = "it began before the first line that was read of it, and is judged from there";
        out.notes.push(note.into());
    }
    let mut books = Books {
        findings: std::mem::take(&mut account.findings),
        account,
        workload,
        extents: PerWorker::default(),
        lost: BTreeMap::new(),
        out,
        budget,
        killed,
    };
    books.balance();
    let Books { findings, out, .. } = books;
    account.findings = findings;
    out
}

struct Books<'a> {
    account: &'a RunAccount,
    findings: Findings,
    workload: &'a Workload,
    /// How far each worker came.
    extents: PerWorker<Extent>,
    /// The numbers of lost lines.
    lost: BTreeMap<Producer, Numbers>,
    out: RunVerdict,
    budget: &'a Budget,
    killed: bool,
}

impl Books<'_> {
    fn balance(&mut self) {
        self.out.ended = self.account.main.ended.is_some() || self.ended_in_a_gap();
        self.measure();
        for producer in self.account.producers() {
            self.producer(producer);
        }
        self.lose();
        self.counter();
        self.totals();
        if !self.out.ended && !self.killed {
            let why = "it has no \"Run ended\": it still runs, was killed (--killed accepts that), or the log's end is lost";
            self.out.cannot_tell.push(why.into());
        }
    }

    fn fault(&mut self, at: Location, what: fmt::Arguments<'_>) {
        let one = Lines::unnamed(1);
        let say = |found: &mut Finding| found.why = what.to_string();
        self.findings.add(Kind::Books, one, Some(at), say);
    }

    fn compare<T: PartialEq + Display>(&mut self, what: &str, found: T, expected: T, at: Location) {
        if found != expected {
            self.fault(
                at,
                format_args!("{what} is {found}, and must be {expected}"),
            );
        }
    }

    /// Holds what a worker says at its end, or the run of all its workers, against what the attempts add up to. An unexpected
    /// error ends a worker, but not the run: that may be stopped all the same.
    fn closing(
        &mut self,
        who: &str,
        said: &Closing,
        account: &Account,
        planned: Limit,
        is_worker: bool,
        at: Location,
    ) {
        for ((field, found), (_, expected)) in
            said.account.figures().into_iter().zip(account.figures())
        {
            self.compare(&format!("{who}: {field}"), found, expected, at);
        }
        let left = planned.after(account.begun());
        self.compare(&format!("{who}: not_started"), said.not_started, left, at);
        let (reason, mut more) = (said.reason, "");
        let fits = match reason {
            Reason::Panicked => account.panicked > 0,
            _ if is_worker && account.panicked > 0 => false,
            Reason::Stopped => true,
            Reason::Finished => {
                more = ": planned attempts never happened";
                left == Limit::At(0) && account.interrupted == 0
            }
        };
        if !fits {
            let what =
                format_args!("{who}: reason is {reason}, which the attempts do not bear out{more}");
            self.fault(at, what);
        }
    }

    /// Finds out how far each worker came.
    fn measure(&mut self) {
        let account = self.account;
        let stopped = |closing: &Closing| closing.reason == Reason::Stopped;
        let mut ends = account.workers.iter().filter_map(|worker| worker.end);
        let ended = account.main.ended.as_ref();
        let finished = ended.is_some_and(|ended| !stopped(&ended.value.closing))
            && account.main.refused.is_none()
            && !ends.any(|end| stopped(&end.value));
        self.measure_workers(finished);
        // Where a worker panicked others may have been stopped: then there are fewer lines than the plan has.
        if let Some(ended) = ended
            && finished
            && ended.value.closing.reason == Reason::Panicked
            && self.lines_of(ended) > ended.value.lines
        {
            self.measure_workers(false);
        }
        self.open_ends();
    }

    /// Workers whose end is lost came to the end of their plan if they have `finished`, else as far as was seen at least.
    fn measure_workers(&mut self, finished: bool) {
        let workers = &self.account.workers;
        self.extents = PerWorker::new(workers.numbers(), |number| {
            let worker = &workers[number];
            match worker.end {
                Some(end) => self.closed_at(number, end.seq),
                None if finished => self.extent(number, u64::MAX),
                None => self.extent(number, worker.cursor.seq),
            }
        });
    }

    /// Whether the system has started the thread of a worker, as far as the log tells.
    fn was_started(&self, number: u32) -> bool {
        let refused = self.account.main.refused;
        refused.is_none_or(|refused| number < refused)
    }

    /// How many lines the run has that ended like this.
    fn lines_of(&self, ended: &Placed<Box<RunEnd>>) -> u64 {
        let workers = self.extents.numbers();
        let refused = self.account.main.refused.unwrap_or(workers.end);
        let started = u64::from(refused - workers.start);
        let attempts = self.extents.iter().map(|extent| extent.attempts);
        let of_main = ended.seq.saturating_add(1).saturating_add(started);
        attempts.fold(of_main, u64::saturating_add)
    }

    /// How far a worker came that made so many attempts, or with [`u64::MAX`] all that its plan has.
    fn extent(&mut self, number: u32, attempts: u64) -> Extent {
        let rules = self.account.run.rules(number);
        let Some(rules) = rules.filter(|_| self.was_started(number)) else {
            return Extent::NONE;
        };
        let mut cursor = self.account.workers[number].cursor;
        if attempts < cursor.seq {
            cursor = PlanCursor::START;
        }
        let reached = cursor.go_to(rules, attempts, self.budget);
        if !reached {
            self.out.cannot_tell.push(format!(
                "the plan of Worker-{number} is too long to be computed to its end"
            ));
        }
        let exact = attempts == u64::MAX || cursor.seq == attempts;
        Extent {
            // An end that lies beyond the plan is no measure: it is said to be wrong below.
            attempts: cursor.seq,
            open: cursor.position.is_some(),
            account: (reached && exact).then_some(cursor.account),
        }
    }

    /// How far a worker came that is known to have ended after so many attempts.
    fn closed_at(&mut self, number: u32, attempts: u64) -> Extent {
        Extent {
            open: false,
            ..self.extent(number, attempts)
        }
    }

    /// Where a stopped run lost a "Worker ended", gaps that name it and the run's totals may still tell how many attempts
    /// there were.
    fn open_ends(&mut self) {
        // The program names each line that it could not write: the last that it names of such a worker is its end.
        let mut named = BTreeMap::<u32, u64>::new();
        for (producer, numbers) in self
            .account
            .main
            .gaps
            .iter()
            .flat_map(|gap| &gap.value.ranges)
        {
            if let Some(number) = producer.worker()
                && let Some(extent) = self.extents.get(number)
                && self.out.ended
                && extent.open
                && extent.attempts < numbers.end
            {
                let end = named.entry(number).or_default();
                *end = numbers.end.max(*end);
            }
        }
        for (number, end) in &named {
            self.extents[*number] = self.closed_at(*number, end - 1);
        }
        let Some(ended) = &self.account.main.ended else {
            return;
        };
        let rest = ended.value.lines.saturating_sub(self.lines_of(ended));
        if rest > 0 {
            // More is lost than the gaps name, and that may stand behind what they name.
            named.keys().for_each(|n| self.extents[*n].open = true);
        }
        let workers = self.extents.numbers();
        let open: Vec<u32> = workers.filter(|n| self.extents[*n].open).collect();
        if let [only] = open[..] {
            let attempts = self.extents[only].attempts.saturating_add(rest);
            self.extents[only] = self.closed_at(only, attempts);
        } else if rest == 0 || self.account.joined {
            open.iter().for_each(|n| self.extents[*n].open = false);
        } else if !open.is_empty() {
            self.lose_of_any(&open, rest);
        }
    }

    /// Each of these workers has lost its "Worker ended", and they have lost `rest` attempts besides, which are anyone's.
    fn lose_of_any(&mut self, open: &[u32], rest: u64) {
        // Of some of them there may be a piece.
        let piece = |number: &u32| {
            let behind = self.extents[*number].attempts..u64::MAX;
            self.account.workers[*number]
                .sequence
                .claimed
                .count_in(behind)
        };
        let count = rest
            .saturating_add(open.len() as u64)
            .saturating_sub(open.iter().map(piece).sum());
        let threads: Vec<_> = open.iter().map(|n| Producer::Worker(*n).thread()).collect();
        let lines = Lines {
            author: threads.join(" or "),
            ..Lines::unnamed(count)
        };
        self.findings.add(Kind::Lost, lines, None, |_| {});
        let note = "several \"Worker ended\" are lost, and lines before them: which numbers these had cannot be known";
        self.out.notes.push(note.into());
    }

    /// A producer's lost lines, and its end.
    fn producer(&mut self, producer: Producer) {
        let account = self.account;
        let Some(sequence) = account.sequence(producer) else {
            return;
        };
        let reach = match producer {
            Producer::Main => sequence.met.next,
            Producer::Worker(number) => self.extents[number].attempts,
        };
        let from = account.asked_from(sequence);
        let mut lost = sequence.absent(from..reach);
        if producer.worker().is_some_and(|number| self.worker(number)) {
            lost.insert_range(reach.max(from)..reach + 1);
        }
        self.lost.insert(producer, lost);
    }

    /// What a worker says at its end, held against its plan; true if its end is lost.
    fn worker(&mut self, number: u32) -> bool {
        let worker = &self.account.workers[number];
        let extent = self.extents[number];
        let Some(Placed { value, seq, at }) = &worker.end else {
            let cut = worker.sequence.claimed.contains(extent.attempts);
            return self.was_started(number) && self.out.ended && !extent.open && !cut;
        };
        let who = format!("{} ended", Producer::Worker(number).thread());
        match extent.account {
            Some(account) => {
                self.closing(&who, value, &account, self.workload.iterations, true, *at);
            }
            None if self.out.cannot_tell.is_empty() => {
                let what = "but its plan has fewer attempts";
                self.fault(*at, format_args!("{who} with number {seq}, {what}"));
            }
            None => {}
        }
        false
    }

    /// Whether the run ended while its log could not be written: "Run ended" is lost, and the last line is a "Log gap" that
    /// names main's lines up to itself.
    fn ended_in_a_gap(&self) -> bool {
        let main = &self.account.main;
        let last = main
            .gaps
            .iter()
            .find(|gap| gap.seq + 1 == main.sequence.met.next);
        main.ended.is_none()
            && last.is_some_and(|gap| {
                let mut ranges = gap.value.ranges.iter();
                ranges.any(|(producer, n)| *producer == Producer::Main && n.end == gap.seq)
            })
    }

    /// Names the lost lines. Those that a "Log gap" names must be lost, and are then known to be.
    fn lose(&mut self) {
        let mut named = BTreeMap::<Producer, Numbers>::new();
        let account = self.account;
        for gap in &account.main.gaps {
            let sizes = gap.value.ranges.iter().map(|(_, n)| n.end - n.start);
            let count = sizes.fold(0, u64::saturating_add);
            self.compare("\"Log gap\": lost", gap.value.lost, count, gap.at);
            let mut lost = 0;
            for (producer, numbers) in &gap.value.ranges {
                lost += self.lost_of(*producer, numbers);
                let named = named.entry(*producer).or_default();
                named.insert_range(numbers.clone());
            }
            self.findings.counts.announced += lost;
            if count > lost {
                let there = count - lost;
                let what = format_args!("\"Log gap\" names {there} lines that are there");
                self.fault(gap.at, what);
            }
        }
        for (producer, lost) in &self.lost {
            let mut rest = lost.clone();
            rest.subtract(named.entry(*producer).or_default());
            let mut announced = lost.clone();
            announced.subtract(&rest);
            for (numbers, why) in [(announced, "as a \"Log gap\" says"), (rest, "")] {
                for numbers in numbers.ranges_in(0..u64::MAX) {
                    let before = account.behind_gap(*producer, &numbers);
                    let lines = Lines::of(producer.thread(), numbers);
                    let say = |found: &mut Finding| found.why = why.into();
                    self.findings.add(Kind::Lost, lines, before, say);
                }
            }
        }
    }

    /// How many of the lines that a "Log gap" names are lost.
    fn lost_of(&mut self, producer: Producer, named: &Range<u64>) -> u64 {
        let lost = self.lost.entry(producer).or_default();
        // A line that is cut short, and that a "Log gap" names, is what a full disk has left of it: it is lost.
        let cut_short = self.account.damaged.iter().filter(|line| line.is_cut);
        for (of, seq) in cut_short.filter_map(|line| line.line) {
            if of == producer && named.contains(&seq) {
                lost.insert(seq);
            }
        }
        let count = lost.count_in(named.clone());
        // Of a worker whose end is not known these are among the lost ones without numbers.
        let extent = producer.worker().and_then(|n| self.extents.get(n));
        let open = extent.filter(|extent| extent.open);
        count
            + open.map_or(0, |extent| {
                named.end.saturating_sub(named.start.max(extent.attempts))
            })
    }

    /// The counter: each value from 1 to the last exactly once. That it rises was seen line by line.
    fn counter(&mut self) {
        let Some(Placed {
            value: last, at, ..
        }) = self.account.main.operations
        else {
            return;
        };
        let next = self.account.counter.next;
        if next > last.saturating_add(1) {
            let reached = next - 1;
            self.fault(
                at,
                format_args!("the counter reached {reached}, and ended at {last}"),
            );
        }
        if self.account.joined || !self.out.ended {
            // Which values went before is not known, or which were to come.
            return;
        }
        let missing = &self.account.counter.missing;
        let beyond = last.saturating_add(1).saturating_sub(next);
        let absent = (missing.len() + beyond).saturating_sub(self.unseen_successes());
        if absent == 0 {
            return;
        }
        let first = missing.min().unwrap_or(next);
        let what = format_args!("{absent} counter values from {first} to {last} have no success");
        self.fault(at, what);
    }

    /// At most how many successes there were whose counter is not known: lost, damaged or off the plan.
    fn unseen_successes(&self) -> u64 {
        let (counts, damaged) = (&self.findings.counts, self.account.damaged.len() as u64);
        let workers = self.account.workers.iter();
        let claimed = workers.map(|worker| worker.sequence.claimed.len());
        let others = [counts.lost, counts.unexpected, damaged];
        claimed.chain(others).fold(0, u64::saturating_add)
    }

    /// The totals of main, and what it says of the run, held against each other and against the workers.
    fn totals(&mut self) {
        let main = &self.account.main;
        if let (Some(operations), Some(data)) = (main.operations, main.data) {
            let kept = operations.value.min(self.workload.data_limit.or_max());
            self.compare("Total data processed", data.value, kept, data.at);
        }
        let Some(ended) = &main.ended else {
            return;
        };
        let mut account = Account::ZERO;
        for extent in self.extents.iter() {
            let Some(of_worker) = extent.account.filter(|_| !extent.open) else {
                let note = "totals could not be held against the workers: how far some of them came is not known";
                self.out.notes.push(note.into());
                return;
            };
            account += of_worker;
        }
        if let Some(Placed { value, at, .. }) = main.operations {
            let what = "Total operations completed";
            self.compare(what, value, account.completed, at);
        }
        let RunEnd {
            closing,
            lines,
            dropped_items,
            ..
        } = &*ended.value;
        let (planned, at) = (self.workload.operations(), ended.at);
        let dropped = (account.completed).saturating_sub(self.workload.data_limit.or_max());
        self.compare("Run ended: lines", *lines, self.lines_of(ended), at);
        self.closing("Run ended", closing, &account, planned, false, at);
        self.compare("Run ended: dropped_items", *dropped_items, dropped, at);
    }
}
