//! The end of a run's audit: what must exist but does not, and whether the program's own books balance.
//!
//! How many attempts each worker made is told by its "Worker ended", else by its plan, else by the totals of
//! "Run ended"; from that and the account follow the lost lines and every total. This file must not know
//! blocks, files or formats.

use std::ops::Range as Numbers;

use super::{
    account::{Account, MainKind},
    record::Producer,
    registry::Basis,
    route::{Budget, Tally, Walk},
    seen::SparseSet,
    spans::{Location, SPANS_MAX},
    worker::End,
};
use crate::{
    log::event::{Event, Reason},
    plan::workload::{Limit, Workload},
};

/// How many ranges of lost lines are kept; beyond them they are only counted.
const LOSSES_MAX: usize = 50_000;

/// What the books of a run come to.
#[derive(Debug, Default)]
pub struct Balance {
    /// Lines that are not there, whether or not a "Log gap" announced them.
    pub lost: Vec<Loss>,
    /// How many.
    pub lost_count: u64,
    /// How many of them were announced.
    pub announced: u64,
    /// Lines that are not there of a run that has no end.
    pub outstanding: Vec<Loss>,
    /// Lines that stand behind the end of their author.
    pub beyond: Vec<(Producer, Numbers<u64>, Location)>,
    /// Balances that do not hold.
    pub faults: Vec<(String, Option<Location>)>,
    /// How many.
    pub fault_count: u64,
    /// Why it cannot be told.
    pub cannot_tell: Vec<String>,
    /// What the reader should know besides.
    pub notes: Vec<String>,
    /// "Run ended" is there.
    pub ended: bool,
}

/// Lost lines.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Whose; several when it cannot be told whose they are.
    pub authors: Vec<Producer>,
    /// Which.
    pub numbers: Numbers<u64>,
    /// Only this many of them.
    pub count: u64,
    /// A "Log gap" names them.
    pub announced: bool,
}

/// How far a worker's account goes.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Attempts that it made, or at least made.
    attempts: u64,
    /// Nothing says whether it made more.
    open: bool,
    /// What the attempts add up to, where that could be computed.
    tally: Option<Tally>,
}

/// Balances the books of a run. `killed` says that it is known to have no end.
pub fn balance(account: &mut Account, killed: bool, budget: &mut Budget) -> Balance {
    let mut balance = Balance {
        ended: account.main.ended.is_some(),
        ..Balance::default()
    };
    let workload = match account.run.known().map(|known| &known.basis) {
        None => return balance,
        Some(Basis::None(why)) => {
            balance.cannot_tell.push(why.clone());
            return balance;
        }
        Some(Basis::Started(workload)) => workload.clone(),
        Some(Basis::Fallback(workload)) => {
            let note = "its \"Run started\" is lost: it is judged by the configuration given";
            balance.notes.push(note.into());
            workload.clone()
        }
    };
    account.reconsider_damage();
    if account.run.contradicted() {
        let why = "two \"Run started\" of this run tell different configurations";
        balance.cannot_tell.push(why.into());
        return balance;
    }
    if account.too_far > 0 {
        balance.cannot_tell.push(format!(
            "{} lines claim numbers too far from all others to be judged",
            account.too_far
        ));
    }
    let mut books = Books {
        account,
        workload,
        out: balance,
        budget,
        killed,
    };
    let extents = books.extents();
    books.workers(&extents);
    books.main();
    books.counters();
    books.totals(&extents);
    books.gaps();
    let mut out = books.out;
    if !out.ended && !killed {
        let why = "it has no \"Run ended\": it still runs, was killed (--killed accepts that), or the log's end is lost";
        out.cannot_tell.push(why.into());
    }
    out
}

struct Books<'a> {
    account: &'a mut Account,
    workload: Workload,
    out: Balance,
    budget: &'a mut Budget,
    killed: bool,
}

impl Books<'_> {
    fn fault(&mut self, what: String, at: Option<Location>) {
        self.out.fault_count += 1;
        if self.out.faults.len() < SPANS_MAX {
            self.out.faults.push((what, at));
        }
    }

    fn compare<T: PartialEq + std::fmt::Display>(
        &mut self,
        what: &str,
        found: T,
        expected: T,
        at: Location,
    ) {
        if found != expected {
            self.fault(
                format!("{what} is {found}, and must be {expected}"),
                Some(at),
            );
        }
    }

    fn run_reason(&self) -> Option<Reason> {
        match self.account.main.ended {
            Some((_, Event::RunEnded { reason, .. }, _)) => Some(reason),
            _ => None,
        }
    }

    /// How far each worker's account goes.
    fn extents(&mut self) -> Vec<Extent> {
        let refused = self.account.main.refused.unwrap_or(u32::MAX);
        let mut stopped = self.run_reason() == Some(Reason::Stopped) || refused != u32::MAX;
        for worker in &self.account.workers {
            stopped |= worker
                .ends
                .iter()
                .any(|end| reason(&end.event) == Some(Reason::Stopped));
        }
        let finished = self.out.ended && !stopped;
        let mut extents = self.extents_of(refused, finished);
        // Where a worker panicked others may have been stopped: then there are fewer lines than the plan has.
        if let Some((seq, Event::RunEnded { reason, lines, .. }, _)) = self.account.main.ended
            && (finished, reason) == (true, Reason::Panicked)
            && self.lines_of(seq, &extents) > lines
        {
            extents = self.extents_of(refused, false);
        }
        self.open_ends(&mut extents);
        extents
    }

    fn extents_of(&mut self, refused: u32, finished: bool) -> Vec<Extent> {
        let unborn = Extent {
            attempts: 0,
            open: false,
            tally: Some(Tally::default()),
        };
        (0..self.account.workers.len() as u32)
            .map(|number| match number < refused {
                true => self.extent(number, finished),
                false => unborn,
            })
            .collect()
    }

    /// How many lines the run has whose "Run ended" is number `seq` of the main thread.
    fn lines_of(&self, seq: u64, extents: &[Extent]) -> u64 {
        let refused = self.account.main.refused;
        let started = refused.map_or(extents.len() as u64, u64::from);
        let attempts = extents.iter().map(|extent| extent.attempts);
        attempts.fold(
            seq.saturating_add(1).saturating_add(started),
            u64::saturating_add,
        )
    }

    /// How far a worker's account goes that was started. `finished` says that it carried out its whole plan.
    fn extent(&mut self, number: u32, finished: bool) -> Extent {
        let run = self.account.run.clone();
        let worker = &mut self.account.workers[number as usize];
        let Some(rules) = run.rules(number) else {
            return Extent {
                attempts: 0,
                open: false,
                tally: None,
            };
        };
        // Of several ends the farthest holds: an end cannot stand before an attempt.
        worker.ends.sort_by_key(|end| std::cmp::Reverse(end.seq));
        let end = worker.ends.first().map(|end| end.seq);
        let mut walk = worker.walk;
        let mut reached = true;
        if let Some(end) = end {
            if end < walk.seq {
                walk = Walk::START;
            }
            reached = walk.go_to(rules, end, self.budget);
        } else if finished {
            reached = walk.go_to(rules, u64::MAX, self.budget);
        }
        if !reached {
            self.out.cannot_tell.push(format!(
                "the plan of Worker-{number} is too long to be computed to its end"
            ));
        }
        let complete = walk.position.is_none();
        Extent {
            attempts: end.unwrap_or(walk.seq),
            open: end.is_none() && !complete,
            tally: (reached && end.is_none_or(|end| walk.seq == end)).then_some(walk.tally),
        }
    }

    /// Where a stopped run lost a "Worker ended", its totals may still tell how many attempts there were.
    fn open_ends(&mut self, extents: &mut [Extent]) {
        let Some((seq, Event::RunEnded { lines, .. }, _)) = self.account.main.ended else {
            return;
        };
        let open: Vec<usize> = (0..extents.len()).filter(|i| extents[*i].open).collect();
        if open.is_empty() {
            return;
        }
        let rest = lines.saturating_sub(self.lines_of(seq, extents));
        if let [only] = open[..] {
            self.extend(only, rest, extents);
        } else if rest == 0 {
            open.iter().for_each(|i| extents[*i].open = false);
        } else {
            let first = open.iter().map(|i| extents[*i].attempts).min();
            self.lose(Loss {
                authors: open.iter().map(|i| Producer::Worker(*i as u32)).collect(),
                numbers: first.unwrap_or(0)..first.unwrap_or(0).saturating_add(rest),
                count: rest,
                announced: false,
            });
            self.out
                .notes
                .push("several \"Worker ended\" are lost: whose last lines are lost with them cannot be told".into());
        }
    }

    /// A worker made `more` attempts than its lines show.
    fn extend(&mut self, number: usize, more: u64, extents: &mut [Extent]) {
        let run = self.account.run.clone();
        let extent = &mut extents[number];
        let Some(rules) = run.rules(number as u32) else {
            return;
        };
        let mut walk = self.account.workers[number].walk;
        let attempts = extent.attempts.saturating_add(more);
        if walk.go_to(rules, attempts, self.budget) {
            extent.tally = (walk.seq == attempts).then_some(walk.tally);
            extent.attempts = walk.seq;
        } else {
            extent.attempts = attempts;
            extent.tally = None;
        }
        extent.open = false;
    }

    /// Each worker's lost lines, and its end.
    fn workers(&mut self, extents: &[Extent]) {
        let started = self
            .account
            .main
            .refused
            .map_or(extents.len(), |n| n as usize);
        for (number, extent) in extents.iter().enumerate() {
            self.worker_lines(number as u32, extent);
            if number < started {
                self.worker_end(number as u32, extent);
            }
        }
    }

    fn worker_lines(&mut self, number: u32, extent: &Extent) {
        let author = Producer::Worker(number);
        let worker = &mut self.account.workers[number as usize];
        let (next, claimed) = (worker.walk.seq, std::mem::take(&mut worker.claimed));
        let mut missing = std::mem::take(&mut worker.missing);
        // What is claimed is there, if not as it should be: it is not lost as well.
        claimed.each_range(|range| {
            range.take_while(|n| *n < next).for_each(|n| {
                missing.remove(n);
            });
        });
        let mut absent_beyond = 0;
        missing.each_range(|range| {
            absent_beyond += range.end.saturating_sub(range.start.max(extent.attempts));
            self.lose_range(author, range.start..range.end.min(extent.attempts));
        });
        let tail = next.min(extent.attempts)..extent.attempts;
        unclaimed(next..tail.end.max(next), &claimed, |range| {
            self.lose_range(author, range);
        });
        let worker = &mut self.account.workers[number as usize];
        worker.claimed = claimed;
        let numbers = extent.attempts..next.saturating_sub(absent_beyond);
        if let Some(end) = worker.ends.first()
            && !numbers.is_empty()
        {
            self.out.beyond.push((author, numbers, end.at));
        }
    }

    /// A worker's own account, held against its plan.
    fn worker_end(&mut self, number: u32, extent: &Extent) {
        let author = Producer::Worker(number);
        let mut ends = self.account.workers[number as usize].ends.clone();
        let Some(end) = (!ends.is_empty()).then(|| ends.remove(0)) else {
            let worker = &self.account.workers[number as usize];
            let damaged = !extent.open && worker.claimed.contains(extent.attempts);
            if damaged {
                return;
            }
            let unfinished = !self.out.ended;
            if unfinished && !self.killed {
                self.outstanding(number, extent);
            } else if self.out.ended {
                self.lose_range(author, extent.attempts..extent.attempts.saturating_add(1));
            }
            return;
        };
        for other in ends {
            let what = format!(
                "{} ends twice, with numbers {} and {}",
                author.thread(),
                end.seq,
                other.seq
            );
            self.fault(what, Some(other.at));
        }
        if let Some(tally) = extent.tally {
            self.worker_totals(number, &end, &tally);
        } else if self.out.cannot_tell.is_empty() {
            let what = format!(
                "{} ended with number {}, but its plan has fewer attempts",
                author.thread(),
                end.seq
            );
            self.fault(what, Some(end.at));
        }
    }

    fn worker_totals(&mut self, number: u32, end: &End, tally: &Tally) {
        let Event::WorkerEnded {
            reason,
            completed,
            abandoned,
            panicked,
            interrupted,
            not_started,
            failed_attempts,
            retries,
        } = end.event
        else {
            return;
        };
        let name = Producer::Worker(number).thread();
        for (field, found, expected) in [
            ("completed", completed, tally.completed),
            ("abandoned", abandoned, tally.abandoned),
            ("panicked", panicked, tally.panicked),
            ("interrupted", interrupted, tally.interrupted),
            ("failed_attempts", failed_attempts, tally.failed_attempts),
            ("retries", retries, tally.retries),
        ] {
            self.compare(&format!("{name} ended: {field}"), found, expected, end.at);
        }
        let begun = tally.begun();
        let left = left_over(self.workload.iterations, begun);
        self.compare(
            &format!("{name} ended: not_started"),
            not_started,
            left,
            end.at,
        );
        let done = tally.interrupted == 0 && self.workload.iterations.reached_by(begun);
        let fits = match reason {
            Reason::Panicked => tally.panicked == 1,
            Reason::Finished => done && tally.panicked == 0,
            Reason::Stopped => tally.panicked == 0,
        };
        if !fits {
            let what = format!(
                "{name} ended: reason is {reason}, which its {} attempts do not bear out{}",
                end.seq,
                if reason == Reason::Finished {
                    ": planned attempts never happened"
                } else {
                    ""
                }
            );
            self.fault(what, Some(end.at));
        }
    }

    /// What the plan still has for a worker of a run without an end.
    fn outstanding(&mut self, number: u32, extent: &Extent) {
        let run = self.account.run.clone();
        let Some(rules) = run.rules(number) else {
            return;
        };
        let worker = &self.account.workers[number as usize];
        let mut walk = worker.walk;
        let allowed = self.budget.0.min(1 << 20);
        let mut few = Budget(allowed);
        let reached =
            self.workload.iterations != Limit::Unlimited && walk.go_to(rules, u64::MAX, &mut few);
        self.budget.0 -= allowed - few.0;
        if reached {
            // One more for "Worker ended".
            let end = walk.seq + 1;
            let claimed = worker.claimed.clone();
            unclaimed(extent.attempts..end, &claimed, |numbers| {
                self.out.outstanding.push(Loss {
                    authors: vec![Producer::Worker(number)],
                    count: numbers.end - numbers.start,
                    numbers,
                    announced: false,
                });
            });
        }
    }

    fn lose_range(&mut self, author: Producer, numbers: Numbers<u64>) {
        if !numbers.is_empty() {
            self.lose(Loss {
                authors: vec![author],
                count: numbers.end - numbers.start,
                numbers,
                announced: false,
            });
        }
    }

    fn lose(&mut self, loss: Loss) {
        if loss.count == 0 {
            return;
        }
        self.out.lost_count = self.out.lost_count.saturating_add(loss.count);
        let full = self.out.lost.len() >= LOSSES_MAX;
        match self.out.lost.last_mut() {
            Some(last)
                if last.authors == loss.authors && last.numbers.end == loss.numbers.start =>
            {
                last.numbers.end = loss.numbers.end;
                last.count += loss.count;
            }
            _ if !full => self.out.lost.push(loss),
            _ => {}
        }
    }

    /// The main thread's lost lines and those behind its end.
    fn main(&mut self) {
        let main = &self.account.main;
        let end = main.ended.as_ref().map(|(seq, ..)| *seq);
        let (mut next, mut lost, mut strays) = (0, Vec::new(), Vec::new());
        for (seq, line) in &main.lines {
            if end.is_some_and(|end| *seq > end)
                && !matches!(line.kind, MainKind::Gap | MainKind::Claimed)
            {
                strays.push((*seq, line.at));
                continue;
            }
            if *seq > next {
                lost.push(next..*seq);
            }
            next = seq.saturating_add(1);
        }
        for numbers in lost {
            self.lose(Loss {
                authors: vec![Producer::Main],
                count: numbers.end - numbers.start,
                numbers,
                announced: false,
            });
        }
        for (seq, at) in strays {
            self.out
                .beyond
                .push((Producer::Main, seq..seq.saturating_add(1), at));
        }
        if end.is_none() && !self.killed {
            // "Total operations completed", "Total data processed" and "Run ended" at least.
            let main = &self.account.main;
            let missing = 1 + u64::from(main.operations.is_none()) + u64::from(main.data.is_none());
            self.out.outstanding.push(Loss {
                authors: vec![Producer::Main],
                numbers: next..next.saturating_add(missing),
                count: missing,
                announced: false,
            });
        }
    }

    /// The counter: each value from 1 to the last exactly once, rising along each worker.
    fn counters(&mut self) {
        let doubled = std::mem::take(&mut self.account.counters.doubled);
        self.out.fault_count += doubled.count;
        for span in &doubled.kept {
            self.out.faults.push((
                format!("counter {} again", numbers(span.first, span.last)),
                Some(span.at),
            ));
        }
        let falling = std::mem::take(&mut self.account.counters.falling);
        self.out.fault_count += falling.count;
        for span in &falling.kept {
            let what = format!(
                "the counter does not rise along {} at seq {}",
                span.author.thread(),
                numbers(span.first, span.last)
            );
            self.out.faults.push((what, Some(span.at)));
        }
        let Some((last, _, at)) = self.account.main.operations else {
            return;
        };
        let next = self.account.counters.next;
        if next > last.saturating_add(1) {
            let what = format!("the counter reached {}, and ended at {last}", next - 1);
            self.fault(what, Some(at));
        }
        let mut absent =
            self.account.counters.missing.len() + last.saturating_add(1).saturating_sub(next);
        absent = absent.saturating_sub(self.unseen_successes());
        if absent > 0 {
            let mut ranges = self.account.counters.missing.first_ranges(6);
            if last >= next {
                ranges.push(next..last.saturating_add(1));
            }
            let shown: Vec<_> = ranges
                .iter()
                .take(5)
                .map(|r| numbers(r.start, r.end - 1))
                .collect();
            let what = format!(
                "{absent} counter values up to {last} have no success, among {}{}",
                shown.join(", "),
                if ranges.len() > 5 { " …" } else { "" }
            );
            self.fault(what, Some(at));
        }
    }

    /// At most how many successes there were whose counter is not known: lost, outstanding, damaged or off the plan.
    fn unseen_successes(&self) -> u64 {
        let workers = &self.account.workers;
        let claimed = workers.iter().map(|worker| worker.claimed.len());
        let outstanding = self.out.outstanding.iter().map(|loss| loss.count);
        claimed
            .chain(outstanding)
            .chain([
                self.out.lost_count,
                self.account.off_plan.count,
                self.account.too_far,
            ])
            .fold(0, u64::saturating_add)
    }

    /// The totals of main, held against each other and against the workers.
    fn totals(&mut self, extents: &[Extent]) {
        let limit = self.workload.data_limit.or_max();
        if let (Some((count, ..)), Some((data, _, at))) =
            (self.account.main.operations, self.account.main.data)
        {
            self.compare("Total data processed", data, count.min(limit), at);
        }
        let tallies: Option<Vec<Tally>> = extents
            .iter()
            .map(|extent| extent.tally.filter(|_| !extent.open))
            .collect();
        if !self.out.ended {
            return;
        }
        let Some(tallies) = tallies else {
            let note = "totals could not be held against the workers: how far some of them came is not known";
            self.out.notes.push(note.into());
            return;
        };
        if let Some((count, _, at)) = self.account.main.operations {
            let completed = tallies.iter().map(|t| t.completed).sum();
            self.compare("Total operations completed", count, completed, at);
        }
        self.run_totals(extents, &tallies);
    }

    fn run_totals(&mut self, extents: &[Extent], tallies: &[Tally]) {
        let Some((seq, ended, at)) = self.account.main.ended.clone() else {
            return;
        };
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
        } = ended
        else {
            return;
        };
        let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
        let done = sum(|t| t.completed);
        let all = self.lines_of(seq, extents);
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
            self.compare(&format!("Run ended: {field}"), found, expected, at);
        }
        let planned = match self.workload.iterations {
            Limit::At(n) => Limit::At(n.saturating_mul(self.workload.threads.into())),
            Limit::Unlimited => Limit::Unlimited,
        };
        let left = left_over(planned, sum(Tally::begun));
        self.compare("Run ended: not_started", not_started, left, at);
        let whole = left == Limit::At(0) && sum(|t| t.interrupted) == 0;
        let fits = match reason {
            Reason::Finished => whole,
            Reason::Panicked => sum(|t| t.panicked) > 0,
            Reason::Stopped => true,
        };
        if !fits {
            let what = format!("Run ended: reason is {reason}, which the workers do not bear out");
            self.fault(what, Some(at));
        }
    }

    /// "Log gap" events: what they name must be lost, and is then known to be.
    fn gaps(&mut self) {
        let gaps = std::mem::take(&mut self.account.main.gaps);
        for (gap, at) in gaps {
            let Event::LogGap { lost, ranges } = &gap else {
                continue;
            };
            let Some(ranges) = parse_ranges(ranges) else {
                self.fault(
                    "\"Log gap\" names ranges that cannot be read".into(),
                    Some(at),
                );
                continue;
            };
            let sum: u64 = ranges.iter().fold(0, |sum, (_, numbers)| {
                sum.saturating_add(numbers.end - numbers.start)
            });
            self.compare("\"Log gap\": lost", *lost, sum, at);
            let found: u64 = ranges
                .iter()
                .map(|(author, numbers)| self.announce(*author, numbers))
                .sum();
            if found < sum {
                let what = format!("\"Log gap\" names {} lines that are there", sum - found);
                self.fault(what, Some(at));
            }
        }
    }

    /// Marks lost lines as announced; returns how many there are.
    fn announce(&mut self, author: Producer, named: &Numbers<u64>) -> u64 {
        let mut found = 0;
        let losses = std::mem::take(&mut self.out.lost);
        for loss in losses {
            let common = loss.numbers.start.max(named.start)..loss.numbers.end.min(named.end);
            if loss.authors != [author] || loss.announced || common.is_empty() {
                self.out.lost.push(loss);
                continue;
            }
            found += common.end - common.start;
            for (numbers, announced) in [
                (loss.numbers.start..common.start, false),
                (common.clone(), true),
                (common.end..loss.numbers.end, false),
            ] {
                if !numbers.is_empty() {
                    self.out.lost.push(Loss {
                        authors: vec![author],
                        count: numbers.end - numbers.start,
                        numbers,
                        announced,
                    });
                }
            }
        }
        found += self.announce_fragments(author, named);
        self.out.announced += found;
        found
    }

    /// A line that is cut short, and that a "Log gap" names, is what a full disk has left of it: it is lost.
    fn announce_fragments(&mut self, author: Producer, named: &Numbers<u64>) -> u64 {
        let cut_short = self
            .account
            .damage
            .iter()
            .filter(|damage| damage.changes.is_none());
        let slots = cut_short.filter_map(|damage| damage.slot);
        let lost = &mut self.out.lost;
        let known = lost.len();
        for (of, seq) in slots {
            let told =
                |loss: &Loss| loss.announced && loss.authors == [of] && loss.numbers.contains(&seq);
            if of == author && named.contains(&seq) && !lost.iter().any(told) {
                lost.push(Loss {
                    authors: vec![author],
                    numbers: seq..seq + 1,
                    count: 1,
                    announced: true,
                });
            }
        }
        let found = (lost.len() - known) as u64;
        self.out.lost_count += found;
        found
    }
}

fn reason(event: &Event) -> Option<Reason> {
    match event {
        Event::WorkerEnded { reason, .. } => Some(*reason),
        _ => None,
    }
}

fn left_over(planned: Limit, begun: u64) -> Limit {
    match planned {
        Limit::At(n) => Limit::At(n.saturating_sub(begun)),
        Limit::Unlimited => Limit::Unlimited,
    }
}

/// The parts of `range` that are not in `claimed`.
fn unclaimed(range: Numbers<u64>, claimed: &SparseSet, mut each: impl FnMut(Numbers<u64>)) {
    let mut start = range.start;
    claimed.each_range(|taken| {
        let taken = taken.start.max(start)..taken.end.min(range.end);
        if !taken.is_empty() {
            if start < taken.start {
                each(start..taken.start);
            }
            start = taken.end;
        }
    });
    if start < range.end {
        each(start..range.end);
    }
}

/// Reads the ranges of a "Log gap": `main:4-5,0:17,3:2-9`.
fn parse_ranges(text: &str) -> Option<Vec<(Producer, Numbers<u64>)>> {
    text.split(',')
        .map(|range| {
            let (author, numbers) = range.split_once(':')?;
            let author = match author {
                "main" => Producer::Main,
                number => Producer::Worker(number.parse().ok()?),
            };
            let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some((author, first..last.checked_add(1)?))
        })
        .collect()
}

/// One number, or a range of them.
pub fn numbers(first: u64, last: u64) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    }
}
