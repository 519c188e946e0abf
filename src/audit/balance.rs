//! The end of a run's audit: what must exist but does not, and whether the program's own books balance.
//!
//! How many attempts each worker made is told by its "Worker ended", else by its plan, else by a "Log gap" that names lines
//! behind its last one, else by the totals of "Run ended"; from that and the account come the lost lines and every total.

use std::{collections::BTreeMap, fmt::Display, ops::Range, sync::Arc};

use super::{
    account::Account,
    cursor::{Account as Totals, Budget, Cursor},
    findings::{Detail, Entry, Kind, Location},
    main_thread::Placed,
    numbers::Numbers,
    record::Producer,
    registry::Basis,
    worker::End,
};
use crate::{
    log::event::{Event, Reason},
    plan::workload::{Limit, Workload},
};

/// What is said of a run besides its findings.
#[derive(Debug, Default)]
pub struct Balance {
    /// How many of the lost lines a "Log gap" announces.
    pub announced: u64,
    /// Lines that are not there of a run that has no end: whose, and which.
    pub outstanding: Vec<(Producer, Range<u64>)>,
    /// Why it cannot be told.
    pub cannot_tell: Vec<String>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// It is known how the run ended.
    pub ended: bool,
}

/// How far a worker's account goes.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Attempts that it made, or at least made.
    attempts: u64,
    /// Nothing says whether it made more.
    open: bool,
    /// What the attempts add up to, where that could be computed.
    totals: Option<Totals>,
}

impl Extent {
    /// Of a worker that was never started.
    const NONE: Self = Self {
        attempts: 0,
        open: false,
        totals: Some(Cursor::START.account),
    };
}

/// Balances the books of a run: what is wrong goes to its findings. `killed` says that it is known to have no end.
pub fn balance(account: &mut Account, killed: bool, budget: &mut Budget) -> Balance {
    let mut out = Balance::default();
    let workload = match account.run.known().map(|known| &known.basis) {
        None => return out,
        Some(Basis::None(why)) => {
            out.cannot_tell.push(why.clone());
            return out;
        }
        Some(Basis::Started(workload)) => workload.clone(),
        Some(Basis::Fallback(workload)) => {
            let by = match workload.group {
                Some(_) => "that of its group",
                None => "the configuration given",
            };
            let note = format!("its \"Run started\" is lost: it is judged by {by}");
            out.notes.push(note);
            workload.clone()
        }
    };
    account.settle_order();
    account.reconsider_damage();
    if account.run.contradicted() {
        let why = "two \"Run started\" of this run tell different configurations";
        out.cannot_tell.push(why.into());
        return out;
    }
    if account.too_far > 0 {
        out.cannot_tell.push(format!(
            "{} lines claim numbers too far from all others to be judged",
            account.too_far
        ));
    }
    if account.joined {
        let note = "it began before the first line that was read of it, and is judged from there";
        out.notes.push(note.into());
    }
    let mut books = Books {
        gaps: Gaps::default(),
        lost: BTreeMap::new(),
        workload,
        out,
        budget,
        killed,
        account,
    };
    books.read_gaps();
    books.out.ended = books.account.main.ended.is_some() || books.ended_in_a_gap();
    let extents = books.extents();
    for (number, extent) in books.account.workers.numbers().zip(&extents) {
        books.worker(number, extent);
    }
    books.main();
    books.announce(&extents);
    books.lose();
    books.counter();
    books.totals(&extents);
    if !books.out.ended && !killed {
        let why = "it has no \"Run ended\": it still runs, was killed (--killed accepts that), or the log's end is lost";
        books.out.cannot_tell.push(why.into());
    }
    books.out
}

struct Books<'a> {
    account: &'a mut Account,
    workload: Workload,
    out: Balance,
    budget: &'a mut Budget,
    killed: bool,
    gaps: Gaps,
    /// The numbers of lost lines.
    lost: BTreeMap<Producer, Numbers>,
}

/// What the "Log gap" events name, together.
#[derive(Default)]
struct Gaps {
    ranges: Vec<(Producer, Range<u64>, usize)>,
    /// The number of the last of them, and the ranges that it names begin here.
    last: Option<(u64, usize)>,
}

impl Books<'_> {
    fn fault(&mut self, what: String, at: Option<Location>) {
        self.account.findings.add_alone(Kind::Books, 1, || Entry {
            producers: Vec::new(),
            numbers: None,
            count: 1,
            at,
            detail: Detail::Words(what, String::new()),
        });
    }

    fn compare<T: PartialEq + Display>(&mut self, what: &str, found: T, expected: T, at: Location) {
        if found != expected {
            let what = format!("{what} is {found}, and must be {expected}");
            self.fault(what, Some(at));
        }
    }

    /// How far each worker's account goes.
    fn extents(&mut self) -> Vec<Extent> {
        let mut stopped = self.account.main.reason() == Some(Reason::Stopped)
            || self.account.main.refused.is_some();
        for worker in self.account.workers.iter() {
            stopped |= worker.ends.iter().any(|end| end.reason == Reason::Stopped);
        }
        let finished = self.account.main.ended.is_some() && !stopped;
        let mut extents = self.extents_of(finished);
        // Where a worker panicked others may have been stopped: then there are fewer lines than the plan has.
        if let Some((seq, lines)) = self.run_lines()
            && finished
            && self.account.main.reason() == Some(Reason::Panicked)
            && self.lines_of(seq, &extents) > lines
        {
            extents = self.extents_of(false);
        }
        self.open_ends(&mut extents);
        extents
    }

    /// The number of the first worker.
    fn first(&self) -> u32 {
        self.account.workers.numbers().start
    }

    fn extents_of(&mut self, finished: bool) -> Vec<Extent> {
        let started = self.account.main.refused.unwrap_or(u32::MAX);
        let workers = self.account.workers.numbers();
        workers
            .map(|number| match number < started {
                true => self.extent(number, finished),
                false => Extent::NONE,
            })
            .collect()
    }

    /// The number of "Run ended" and how many lines it says the run has.
    fn run_lines(&self) -> Option<(u64, u64)> {
        match self.account.main.ended.as_ref() {
            Some(Placed { seq, value, .. }) => match **value {
                Event::RunEnded { lines, .. } => Some((*seq, lines)),
                _ => None,
            },
            None => None,
        }
    }

    /// How many lines the run has whose "Run ended" is number `seq` of the main thread.
    fn lines_of(&self, seq: u64, extents: &[Extent]) -> u64 {
        let refused = self.account.main.refused;
        let started = refused.map_or(extents.len() as u64, |n| u64::from(n - self.first()));
        let attempts = extents.iter().map(|extent| extent.attempts);
        let of_main = seq.saturating_add(1).saturating_add(started);
        attempts.fold(of_main, u64::saturating_add)
    }

    /// How far a worker's account goes that was started. `finished` says that it carried out its whole plan.
    fn extent(&mut self, number: u32, finished: bool) -> Extent {
        let run = Arc::clone(&self.account.run);
        let worker = &mut self.account.workers[number];
        let Some(rules) = run.rules(number) else {
            return Extent::NONE;
        };
        // Of several ends the farthest holds: an end cannot stand before an attempt.
        worker.ends.sort_by_key(|end| std::cmp::Reverse(end.seq));
        let end = worker.ends.first().map(|end| end.seq);
        let mut cursor = worker.cursor;
        let mut reached = true;
        if let Some(end) = end {
            if end < cursor.seq {
                cursor = Cursor::START;
            }
            reached = cursor.go_to(rules, end, self.budget);
        } else if finished {
            reached = cursor.go_to(rules, u64::MAX, self.budget);
        }
        if !reached {
            self.out.cannot_tell.push(format!(
                "the plan of Worker-{number} is too long to be computed to its end"
            ));
        }
        let complete = cursor.position.is_none();
        Extent {
            // An end that lies beyond the plan is no measure: it is said to be wrong below.
            attempts: cursor.seq,
            open: end.is_none() && !complete,
            totals: (reached && end.is_none_or(|end| cursor.seq == end)).then_some(cursor.account),
        }
    }

    /// Where an ended run lost a "Worker ended", and a "Log gap" names lines behind the last one that is there, the last of
    /// them is that end: the program names each line that it could not write. Returns the positions of these workers.
    fn close_by_gaps(&mut self, extents: &mut [Extent]) -> Vec<usize> {
        let mut last: BTreeMap<usize, u64> = BTreeMap::new();
        for (producer, numbers, _) in &self.gaps.ranges {
            if let Producer::Worker(worker) = producer {
                let last = last
                    .entry(worker.wrapping_sub(self.first()) as usize)
                    .or_default();
                *last = numbers.end.max(*last);
            }
        }
        last.retain(|position, end| {
            let extent = extents.get(*position);
            self.out.ended && extent.is_some_and(|extent| extent.open && extent.attempts < *end)
        });
        for (position, end) in &last {
            let extent = &mut extents[*position];
            let more = end - 1 - extent.attempts;
            self.extend(self.first() + *position as u32, more, extent);
        }
        last.into_keys().collect()
    }

    /// Where a stopped run lost a "Worker ended", gaps that name it and the run's totals may still tell how many attempts
    /// there were.
    fn open_ends(&mut self, extents: &mut [Extent]) {
        let named = self.close_by_gaps(extents);
        let Some((seq, lines)) = self.run_lines() else {
            return;
        };
        let rest = lines.saturating_sub(self.lines_of(seq, extents));
        if rest > 0 {
            // More is lost than the gaps name, and that may stand behind what they name.
            named.iter().for_each(|i| extents[*i].open = true);
        }
        let open: Vec<usize> = (0..extents.len()).filter(|i| extents[*i].open).collect();
        if open.is_empty() {
            return;
        }
        if let [only] = open[..] {
            self.extend(self.first() + only as u32, rest, &mut extents[only]);
        } else if rest == 0 || self.account.joined {
            open.iter().for_each(|i| extents[*i].open = false);
        } else {
            self.lose_of_any(&open, rest, extents);
        }
    }

    /// Each of these workers has lost its "Worker ended", and they have lost `rest` attempts besides, which are anyone's.
    fn lose_of_any(&mut self, open: &[usize], rest: u64, extents: &[Extent]) {
        let first = self.first();
        let workers = open
            .iter()
            .map(|i| (first + *i as u32, extents[*i].attempts));
        // Of some of them there may be a piece.
        let pieces: u64 = workers
            .clone()
            .map(|(n, attempts)| self.account.workers[n].claimed.count_in(attempts..u64::MAX))
            .sum();
        let count = rest
            .saturating_add(open.len() as u64)
            .saturating_sub(pieces);
        let producers = workers.map(|(n, _)| Producer::Worker(n)).collect();
        self.account
            .findings
            .add_alone(Kind::Lost, count, || Entry {
                producers,
                numbers: None,
                count,
                at: None,
                detail: Detail::Lost {
                    announced: false,
                    before: None,
                },
            });
        let note = "several \"Worker ended\" are lost, and lines before them: which numbers these had cannot be known";
        self.out.notes.push(note.into());
    }

    /// A worker made `more` attempts than its lines show.
    fn extend(&mut self, number: u32, more: u64, extent: &mut Extent) {
        let run = Arc::clone(&self.account.run);
        let Some(rules) = run.rules(number) else {
            return;
        };
        let mut cursor = self.account.workers[number].cursor;
        let attempts = extent.attempts.saturating_add(more);
        let reached = cursor.go_to(rules, attempts, self.budget);
        *extent = Extent {
            attempts: cursor.seq,
            open: false,
            totals: (reached && cursor.seq == attempts).then_some(cursor.account),
        };
    }

    /// A worker's lost lines, and its end.
    fn worker(&mut self, number: u32, extent: &Extent) {
        let producer = Producer::Worker(number);
        let worker = &self.account.workers[number];
        let next = worker.cursor.seq;
        // What is claimed is there, if not as it should be: it is not lost as well.
        let mut lost = worker.missing.clone();
        lost.insert_range(next.min(extent.attempts)..extent.attempts);
        lost.remove_range(extent.attempts..u64::MAX);
        lost.subtract(&worker.claimed);
        let present_behind = {
            let numbers = extent.attempts..next;
            let missing = worker.missing.count_in(numbers.clone());
            (numbers.end.saturating_sub(numbers.start)).saturating_sub(missing)
        };
        let started = self
            .account
            .main
            .refused
            .is_none_or(|refused| number < refused);
        let ended = worker.ends.first().cloned();
        if let (Some(end), true) = (&ended, present_behind > 0) {
            let why = format!(
                "{} logged seq {} after its end",
                producer.thread(),
                numbers(extent.attempts..extent.attempts + present_behind)
            );
            self.account
                .unexpected(present_behind, &why, end.at, String::new);
        }
        let cut = self.account.workers[number]
            .claimed
            .contains(extent.attempts);
        match ended {
            Some(end) => self.worker_end(number, extent, end),
            None if !started || !extent.open && cut => {}
            None if self.out.ended && !extent.open => {
                lost.insert(extent.attempts);
            }
            None if !self.out.ended && !self.killed => self.outstanding(number, extent),
            None => {}
        }
        lost.remove_range(0..self.account.from(producer));
        self.lost.insert(producer, lost);
    }

    /// A worker's own account, held against its plan.
    fn worker_end(&mut self, number: u32, extent: &Extent, end: End) {
        let thread = Producer::Worker(number).thread();
        let others = self.account.workers[number].ends.split_off(1);
        for other in others {
            let what = format!(
                "{thread} ends twice, with numbers {} and {}",
                end.seq, other.seq
            );
            self.fault(what, Some(other.at));
        }
        if let Some(totals) = extent.totals {
            self.worker_totals(&thread, &end, &totals);
        } else if self.out.cannot_tell.is_empty() {
            let what = format!(
                "{thread} ended with number {}, but its plan has fewer attempts",
                end.seq
            );
            self.fault(what, Some(end.at));
        }
    }

    fn worker_totals(&mut self, thread: &str, end: &End, totals: &Totals) {
        let said = &end.totals;
        for (field, found, expected) in [
            ("completed", said.completed, totals.completed),
            ("abandoned", said.abandoned, totals.abandoned),
            ("panicked", said.panicked, totals.panicked),
            ("interrupted", said.interrupted, totals.interrupted),
            (
                "failed_attempts",
                said.failed_attempts,
                totals.failed_attempts,
            ),
            ("retries", said.retries, totals.retries),
        ] {
            self.compare(&format!("{thread} ended: {field}"), found, expected, end.at);
        }
        let begun = totals.begun();
        let left = left_over(self.workload.iterations, begun);
        self.compare(
            &format!("{thread} ended: not_started"),
            end.not_started,
            left,
            end.at,
        );
        let done = totals.interrupted == 0 && self.workload.iterations.reached_by(begun);
        let fits = match end.reason {
            Reason::Panicked => totals.panicked == 1,
            Reason::Finished => done && totals.panicked == 0,
            Reason::Stopped => totals.panicked == 0,
        };
        if !fits {
            let more = if end.reason == Reason::Finished {
                ": planned attempts never happened"
            } else {
                ""
            };
            let attempts = end.seq;
            let what = format!(
                "{thread} ended: reason is {}, which its {attempts} attempts do not bear out{more}",
                end.reason
            );
            self.fault(what, Some(end.at));
        }
    }

    /// What the plan still has for a worker of a run without an end.
    fn outstanding(&mut self, number: u32, extent: &Extent) {
        let run = Arc::clone(&self.account.run);
        let Some(rules) = run.rules(number) else {
            return;
        };
        let worker = &self.account.workers[number];
        let mut cursor = worker.cursor;
        let allowed = self.budget.0.min(1 << 20);
        let mut few = Budget(allowed);
        let limited = self.workload.iterations != Limit::Unlimited;
        let reached = limited && cursor.go_to(rules, u64::MAX, &mut few);
        self.budget.0 -= allowed - few.0;
        if reached {
            let outstanding = &mut self.out.outstanding;
            // One more for "Worker ended".
            worker
                .claimed
                .each_gap_in(extent.attempts..cursor.seq + 1, |numbers| {
                    outstanding.push((Producer::Worker(number), numbers));
                });
        }
    }

    /// The main thread's lost lines and those behind its end.
    fn main(&mut self) {
        let main = &self.account.main;
        let next = main.next;
        let mut lost = main.missing.clone();
        lost.subtract(&main.claimed);
        lost.remove_range(0..self.account.from(Producer::Main));
        if !self.out.ended && !self.killed {
            // "Total operations completed", "Total data processed" and "Run ended" at least.
            let missing = 1 + u64::from(main.operations.is_none()) + u64::from(main.data.is_none());
            let numbers = next..next.saturating_add(missing);
            self.out.outstanding.push((Producer::Main, numbers));
        }
        let behind: Vec<_> = main.behind_the_end().collect();
        for (seq, at) in behind {
            let why = format!("main logged seq {seq} after its end");
            self.account.unexpected(1, &why, at, String::new);
        }
        self.lost.insert(Producer::Main, lost);
    }

    /// Reads what the "Log gap" events name.
    fn read_gaps(&mut self) {
        let gaps = std::mem::take(&mut self.account.main.gaps);
        for (gap, seq, at) in &gaps {
            let Event::LogGap { lost, ranges } = gap else {
                continue;
            };
            let Some(ranges) = parse_ranges(ranges) else {
                let what = "\"Log gap\" names ranges that cannot be read".into();
                self.fault(what, Some(*at));
                continue;
            };
            let sizes = ranges
                .iter()
                .map(|(_, numbers)| numbers.end - numbers.start);
            self.compare(
                "\"Log gap\": lost",
                *lost,
                sizes.fold(0, u64::saturating_add),
                *at,
            );
            let from = self.gaps.ranges.len();
            let number = self.account.main.gaps.len();
            self.gaps.ranges.extend(
                ranges
                    .into_iter()
                    .map(|(producer, numbers)| (producer, numbers, number)),
            );
            if self.gaps.last.is_none_or(|(last, _)| last < *seq) {
                self.gaps.last = Some((*seq, from));
            }
            self.account.main.gaps.push((gap.clone(), *seq, *at));
        }
    }

    /// Whether the run ended while its log could not be written: "Run ended" is lost, and the last line is a "Log gap" that
    /// names main's lines up to itself.
    fn ended_in_a_gap(&self) -> bool {
        let Some((seq, from)) = self.gaps.last else {
            return false;
        };
        let main = |(producer, numbers, _): &(Producer, Range<u64>, usize)| {
            *producer == Producer::Main && numbers.end == seq
        };
        self.account.main.ended.is_none()
            && self.account.main.next == seq + 1
            && self.gaps.ranges[from..].iter().any(main)
    }

    /// Holds what the "Log gap" events name against what is lost: it must be, and is then known to be.
    fn announce(&mut self, extents: &[Extent]) {
        let gaps = std::mem::take(&mut self.gaps);
        let first = self.first();
        let mut there: BTreeMap<usize, u64> = BTreeMap::new();
        for (producer, named, gap) in &gaps.ranges {
            let lost = self.lost.entry(*producer).or_default();
            // A line that is cut short, and that a "Log gap" names, is what a full disk has left of it: it is lost.
            let cut_short = self
                .account
                .damage
                .iter()
                .filter(|damage| damage.changes.is_none());
            for (_, seq) in cut_short.filter_map(|d| d.line.filter(|(of, _)| of == producer)) {
                if named.contains(&seq) {
                    lost.insert(seq);
                }
            }
            let mut found = lost.count_in(named.clone());
            // Of a worker whose end is not known these are among the lost ones without numbers.
            if let Producer::Worker(worker) = producer
                && let Some(extent) = extents.get(worker.wrapping_sub(first) as usize)
                && extent.open
            {
                found += named.end.saturating_sub(named.start.max(extent.attempts));
            }
            self.out.announced += found;
            *there.entry(*gap).or_default() += (named.end - named.start) - found;
        }
        for (gap, count) in there {
            if count > 0 {
                let at = self.account.main.gaps.get(gap).map(|(.., at)| *at);
                self.fault(
                    format!("\"Log gap\" names {count} lines that are there"),
                    at,
                );
            }
        }
        self.gaps = gaps;
    }

    /// Names the lost lines.
    fn lose(&mut self) {
        let mut named: BTreeMap<Producer, Numbers> = BTreeMap::new();
        for (producer, numbers, _) in &self.gaps.ranges {
            if let Some(lost) = self.lost.get(producer) {
                let named = named.entry(*producer).or_default();
                lost.each_range_in(numbers.clone(), |part| named.insert_range(part));
            }
        }
        let none = Numbers::default();
        for (producer, lost) in &self.lost {
            let named = named.get(producer).unwrap_or(&none);
            let mut ranges = Vec::new();
            lost.each_range_in(0..u64::MAX, |range| {
                named.each_range_in(range.clone(), |part| ranges.push((part, true)));
                named.each_gap_in(range, |part| ranges.push((part, false)));
            });
            ranges.sort_unstable_by_key(|(numbers, _)| numbers.start);
            for (numbers, announced) in ranges {
                let before = self.account.openings.iter().find(|opening| {
                    opening.producer == *producer
                        && opening.numbers.start < numbers.end
                        && numbers.start < opening.numbers.end
                });
                let before = before.map(|opening| opening.at);
                let count = numbers.end - numbers.start;
                self.account
                    .findings
                    .add_alone(Kind::Lost, count, || Entry {
                        producers: vec![*producer],
                        numbers: Some(numbers),
                        count,
                        at: None,
                        detail: Detail::Lost { announced, before },
                    });
            }
        }
    }

    /// The counter: each value from 1 to the last exactly once. That it rises was seen line by line.
    fn counter(&mut self) {
        let Some(Placed {
            value: last, at, ..
        }) = self.account.main.operations
        else {
            return;
        };
        let next = self.account.counter_next;
        if next > last.saturating_add(1) {
            let what = format!("the counter reached {}, and ended at {last}", next - 1);
            self.fault(what, Some(at));
        }
        if self.account.joined {
            // Which values went before is not known.
            return;
        }
        let missing = &self.account.counter_missing;
        let beyond = last.saturating_add(1).saturating_sub(next);
        let absent = (missing.count() + beyond).saturating_sub(self.unseen_successes());
        if absent == 0 {
            return;
        }
        let mut ranges = Vec::new();
        missing.each_range_in(0..next, |range| {
            if ranges.len() < 6 {
                ranges.push(range);
            }
        });
        if last >= next {
            ranges.push(next..last.saturating_add(1));
        }
        let shown: Vec<_> = ranges.iter().take(5).cloned().map(numbers).collect();
        let more = if ranges.len() > 5 { " …" } else { "" };
        let what = format!(
            "{absent} counter values up to {last} have no success, among {}{more}",
            shown.join(", ")
        );
        self.fault(what, Some(at));
    }

    /// At most how many successes there were whose counter is not known: lost, outstanding, damaged or off the plan.
    fn unseen_successes(&self) -> u64 {
        let claimed = self
            .account
            .workers
            .iter()
            .map(|worker| worker.claimed.count());
        let outstanding = self.out.outstanding.iter();
        let outstanding = outstanding.map(|(_, numbers)| numbers.end - numbers.start);
        let others = [
            self.account.findings.count(Kind::Lost),
            self.account.off_plan,
            self.account.too_far,
        ];
        claimed
            .chain(outstanding)
            .chain(others)
            .fold(0, u64::saturating_add)
    }

    /// The totals of main, held against each other and against the workers.
    fn totals(&mut self, extents: &[Extent]) {
        let (operations, data) = (self.account.main.operations, self.account.main.data);
        let limit = self.workload.data_limit.or_max();
        if let (Some(operations), Some(data)) = (operations, data) {
            let kept = operations.value.min(limit);
            self.compare("Total data processed", data.value, kept, data.at);
        }
        let Some(ended) = self.account.main.ended.clone() else {
            return;
        };
        let closed = extents
            .iter()
            .map(|extent| extent.totals.filter(|_| !extent.open));
        let Some(workers) = closed.collect::<Option<Vec<Totals>>>() else {
            let note = "totals could not be held against the workers: how far some of them came is not known";
            self.out.notes.push(note.into());
            return;
        };
        if let Some(operations) = operations {
            let completed = workers.iter().map(|t| t.completed).sum();
            self.compare(
                "Total operations completed",
                operations.value,
                completed,
                operations.at,
            );
        }
        self.run_totals(&ended, extents, &workers);
    }

    fn run_totals(&mut self, ended: &Placed<Box<Event>>, extents: &[Extent], workers: &[Totals]) {
        let Event::RunEnded {
            reason,
            cause: _,
            lines,
            completed,
            abandoned,
            panicked,
            interrupted,
            not_started,
            failed_attempts,
            retries,
            dropped_items,
        } = *ended.value
        else {
            return;
        };
        let sum = |of: fn(&Totals) -> u64| workers.iter().map(of).sum::<u64>();
        let done = sum(|t| t.completed);
        let all = self.lines_of(ended.seq, extents);
        let dropped = done.saturating_sub(self.workload.data_limit.or_max());
        for (field, found, expected) in [
            ("lines", lines, all),
            ("completed", completed, done),
            ("abandoned", abandoned, sum(|t| t.abandoned)),
            ("panicked", panicked, sum(|t| t.panicked)),
            ("interrupted", interrupted, sum(|t| t.interrupted)),
            (
                "failed_attempts",
                failed_attempts,
                sum(|t| t.failed_attempts),
            ),
            ("retries", retries, sum(|t| t.retries)),
            ("dropped_items", dropped_items, dropped),
        ] {
            self.compare(&format!("Run ended: {field}"), found, expected, ended.at);
        }
        let planned = match self.workload.iterations {
            Limit::At(n) => Limit::At(n.saturating_mul(self.workload.threads.into())),
            Limit::Unlimited => Limit::Unlimited,
        };
        let left = left_over(planned, sum(Totals::begun));
        self.compare("Run ended: not_started", not_started, left, ended.at);
        let whole = left == Limit::At(0) && sum(|t| t.interrupted) == 0;
        let fits = match reason {
            Reason::Finished => whole,
            Reason::Panicked => sum(|t| t.panicked) > 0,
            Reason::Stopped => true,
        };
        if !fits {
            let what = format!("Run ended: reason is {reason}, which the workers do not bear out");
            self.fault(what, Some(ended.at));
        }
    }
}

fn left_over(planned: Limit, begun: u64) -> Limit {
    match planned {
        Limit::At(n) => Limit::At(n.saturating_sub(begun)),
        Limit::Unlimited => Limit::Unlimited,
    }
}

/// Reads the ranges of a "Log gap": `main:4-5,0:17,3:2-9`.
fn parse_ranges(text: &str) -> Option<Vec<(Producer, Range<u64>)>> {
    text.split(',')
        .map(|range| {
            let (producer, numbers) = range.split_once(':')?;
            let producer = match producer {
                "main" => Producer::Main,
                number => Producer::Worker(number.parse().ok()?),
            };
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some((producer, first..last.checked_add(1)?))
        })
        .collect()
}

/// One number, or a range of them.
pub fn numbers(range: Range<u64>) -> String {
    let last = range.end.saturating_sub(1);
    if range.start == last {
        last.to_string()
    } else {
        format!("{}-{last}", range.start)
    }
}
