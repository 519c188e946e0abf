//! The history of one run, gathered from its lines as they go by: what happened when, how long it took, and where lines are
//! missing.
//!
//! Its size does not grow with the log: time is kept in columns ([`Series`]), and workers beyond the number of rows share one.
//! Nothing is judged here.

use super::{
    series::{Merge, Series},
    spans::{MissingLines, Span, WorkerLine, WorkerLines},
};
use crate::{
    audit::{AttemptKind, AttemptRecord, Producer, Record, Run, RunVerdict},
    figures::Distribution,
    log::event::{Event, Known, Reason},
    plan::{Outcome, per_worker::PerWorker, workload::Workload},
};

/// At most so many columns of time, and so many rows of workers.
const COLUMNS_MAX: usize = 720;
const ROWS_MAX: u32 = 64;
/// Operations that needed this many attempts or more are counted together.
pub(super) const ATTEMPTS_MAX: usize = 16;
/// How many incidents are kept.
const INCIDENTS_MAX: usize = 60;

/// How many attempts there were, by how they ended, and last those whose lines are missing.
pub(super) type Attempts = [u64; 5];
pub(super) const LOST: usize = 4;

/// All that failed as planned.
pub(super) fn failed(attempts: &Attempts) -> u64 {
    attempts[AttemptKind::Retry as usize] + attempts[AttemptKind::Abandon as usize]
}

/// All whose lines are there.
pub(super) fn logged(attempts: &Attempts) -> u64 {
    attempts[..LOST].iter().sum()
}

/// What a worker does in a stretch of time.
#[derive(Clone, Copy, Debug)]
enum Activity {
    /// Its lines are missing.
    Unknown,
    Wait,
    Back,
    Work,
}

/// The class of each [`Activity`]'s colour.
const CLASSES: [&str; 4] = ["unknown", "wait", "back", "work"];

/// What the workers of one row did in one column of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) attempts: Attempts,
    /// Microseconds spent in each [`Activity`].
    spent: [u64; 4],
}

impl Cell {
    /// The class of what took most of the time, if anything is known.
    pub(super) fn activity(&self) -> Option<&'static str> {
        // Of equals it is the last: an attempt that took no time is one nevertheless.
        let all = self.spent.into_iter().zip(CLASSES);
        let (time, class) = all.max_by_key(|(time, _)| *time)?;
        (time > 0 || logged(&self.attempts) > 0).then_some(class)
    }
}

impl Merge for Cell {
    fn merge(&mut self, other: Self) {
        self.attempts.merge(other.attempts);
        self.spent.merge(other.spent);
    }
}

/// One column of time.
#[derive(Clone, Debug, Default)]
pub(super) struct Column {
    /// The most memory that was seen in use, in bytes.
    pub(super) memory: u64,
    /// By row; of the last ones nothing is known if there are fewer.
    pub(super) cells: Vec<Cell>,
}

impl Column {
    fn cell(&mut self, row: usize) -> &mut Cell {
        if self.cells.len() <= row {
            self.cells.resize(row + 1, Cell::default());
        }
        &mut self.cells[row]
    }

    /// The attempts of all rows.
    pub(super) fn attempts(&self) -> Attempts {
        let mut all = Attempts::default();
        self.cells.iter().for_each(|cell| all.merge(cell.attempts));
        all
    }
}

impl Merge for Column {
    fn merge(&mut self, other: Self) {
        self.memory = self.memory.max(other.memory);
        for (row, cell) in other.cells.into_iter().enumerate() {
            self.cell(row).merge(cell);
        }
    }
}

/// Something that happened once, to one worker or to the run.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) stamp: u64,
    pub(super) worker: Option<u32>,
    /// A worker's panic, a worker that was stopped early, or any other event.
    pub(super) kind: &'static str,
    pub(super) words: String,
}

/// The history of one run.
#[derive(Debug)]
pub(super) struct History {
    pub(super) workload: Option<Workload>,
    pub(super) columns: Series<Column>,
    /// Workers share a row if there are more of them than rows.
    pub(super) workers_a_row: u32,
    pub(super) rows: usize,
    pub(super) operation_times: Distribution,
    /// Completed and abandoned operations, by how many attempts they needed; the first entry stands for one attempt.
    pub(super) attempts_needed: Vec<u64>,
    pub(super) incidents: Vec<Incident>,
    workers: PerWorker<WorkerLines>,
}

impl History {
    /// The history of a run of which nothing was read yet.
    pub(super) fn new(run: &Run) -> Self {
        let workload = run.workload().cloned();
        let workers = PerWorker::new(run.workers(), |_| WorkerLines::default());
        let threads = workers.numbers().len() as u32;
        let workers_a_row = threads.div_ceil(ROWS_MAX).max(1);
        Self {
            columns: Series::new(COLUMNS_MAX),
            workers_a_row,
            rows: threads.div_ceil(workers_a_row) as usize,
            operation_times: Distribution::default(),
            attempts_needed: vec![0; ATTEMPTS_MAX],
            incidents: Vec::new(),
            workers,
            workload,
        }
    }

    /// The number of its first worker.
    pub(super) fn first_worker(&self) -> u32 {
        self.workers.numbers().start
    }

    /// How many workers it has.
    pub(super) fn workers(&self) -> usize {
        self.workers.numbers().len()
    }

    /// The row of a worker; none if it does not have such a worker.
    pub(super) fn row(&self, worker: u32) -> Option<usize> {
        let row = worker.checked_sub(self.first_worker())? / self.workers_a_row;
        Some(row as usize).filter(|row| *row < self.rows)
    }

    /// Takes in an attempt.
    #[inline]
    pub(super) fn attempt(&mut self, run: &Run, attempt: &AttemptRecord, backwards: bool) {
        let (stamp, worker, kind) = (attempt.stamp, attempt.worker, attempt.kind);
        if self.workers.get(worker).is_none() {
            return;
        }
        self.at(stamp, worker, |attempts| attempts[kind as usize] += 1);
        self.line(worker, WorkerLine::of(run, attempt), backwards);
        if matches!(kind, AttemptKind::Success | AttemptKind::Abandon) {
            let needed = usize::try_from(attempt.position.attempt).unwrap_or(usize::MAX);
            self.attempts_needed[needed.clamp(1, ATTEMPTS_MAX) - 1] += 1;
        }
        if kind == AttemptKind::Panic {
            let rules = run.rules(worker);
            let place = match rules.map(|rules| rules.outcome(attempt.position)) {
                Some(Outcome::Panic(place)) => place.words(),
                _ => "unexpected error",
            };
            self.incident(stamp, Some(worker), "panic", format!("panic: {place}"));
        }
    }

    /// Takes in any other event.
    pub(super) fn event(&mut self, record: &Record, backwards: bool) {
        let (Some(event), stamp) = (&record.event, record.stamp) else {
            return;
        };
        // The time is part of the run, whatever else the event may say.
        self.columns.at(stamp);
        match (record.author, event) {
            (Producer::Worker(worker), Event::WorkerEnded { reason, .. }) => {
                self.line(worker, WorkerLine::other(record.seq, stamp), backwards);
                if *reason == Reason::Stopped {
                    self.incident(stamp, Some(worker), "stopped", "stopped".into());
                }
            }
            (Producer::Main, event) => {
                if let Some(bytes) = memory(event) {
                    let column = self.columns.at(stamp);
                    column.memory = column.memory.max(bytes);
                } else if let Some(words) = words(event) {
                    self.incident(stamp, None, "event", words);
                }
            }
            _ => {}
        }
    }

    /// Takes in what a line says of the time before it.
    #[inline]
    fn line(&mut self, worker: u32, line: WorkerLine, backwards: bool) {
        let lines = self.workers.get_mut(worker);
        let spans = lines.map(|lines| lines.take(line, backwards));
        for span in spans.into_iter().flatten().flatten() {
            self.span(worker, span);
        }
    }

    #[inline]
    fn span(&mut self, worker: u32, span: Span) {
        match span {
            Span::Sleep { from, to, after } => {
                let activity = match after {
                    AttemptKind::Success => Activity::Wait,
                    _ => Activity::Back,
                };
                self.spend(worker, from, to, activity);
            }
            Span::Attempt(attempt) => {
                self.spend(worker, attempt.from, attempt.to, Activity::Work);
                if let Some(time) = attempt.operation {
                    self.operation_times.record(time.saturating_mul(1000));
                }
            }
            Span::Missing(gap) => self.gap(worker, gap),
            Span::Late(at) => {
                // It was taken for lost when a later one came, about here.
                self.at(at, worker, |attempts| {
                    attempts[LOST] = attempts[LOST].saturating_sub(1);
                });
            }
        }
    }

    /// Counts attempts of a worker at their time.
    #[inline]
    fn at(&mut self, stamp: u64, worker: u32, add: impl Fn(&mut Attempts)) {
        let Some(row) = self.row(worker) else { return };
        add(&mut self.columns.at(stamp).cell(row).attempts);
    }

    #[inline]
    fn spend(&mut self, worker: u32, from: u64, to: u64, activity: Activity) {
        let Some(row) = self.row(worker) else { return };
        self.columns.between(from, to, |column, part| {
            column.cell(row).spent[activity as usize] += part;
        });
    }

    /// Spreads missing lines evenly over the time in which they were logged.
    #[cold]
    fn gap(&mut self, worker: u32, gap: MissingLines) {
        let window = self.columns.window();
        let until = gap.until.unwrap_or(window.from + window.length());
        let since = gap.since.unwrap_or(window.from).min(until);
        self.spend(worker, since, until, Activity::Unknown);
        // In as many portions as columns can show.
        let portions = gap.count.min(COLUMNS_MAX as u64);
        for portion in 0..portions {
            let share = (portion + 1) as f64 / (portions + 1) as f64;
            let stamp = since + ((until - since) as f64 * share) as u64;
            let lines = gap.count / portions + u64::from(portion < gap.count % portions);
            self.at(stamp, worker, |attempts| attempts[LOST] += lines);
        }
    }

    fn incident(&mut self, stamp: u64, worker: Option<u32>, kind: &'static str, words: String) {
        if self.incidents.len() < INCIDENTS_MAX {
            self.incidents.push(Incident {
                stamp,
                worker,
                kind,
                words,
            });
        }
    }

    /// The log is at its end, and judged: corrects what was taken for lost by what the audit found.
    pub(super) fn settle(&mut self, verdict: &RunVerdict, backwards: bool) {
        if verdict.counts.lost == 0 {
            return self.nothing_is_lost();
        }
        for range in verdict.lost() {
            let worker = Producer::named(&range.author).and_then(Producer::worker);
            if let (Some(worker), Some(first)) = (worker, range.first)
                && let Some(lines) = self.workers.get(worker)
                && let Some(gap) = lines.lost(first, range.count, backwards)
            {
                self.span(worker, gap);
            }
        }
    }

    /// What came late had only been missing for a while.
    fn nothing_is_lost(&mut self) {
        for cell in self.columns.iter_mut().flat_map(|column| &mut column.cells) {
            cell.attempts[LOST] = 0;
            cell.spent[Activity::Unknown as usize] = 0;
        }
    }
}

/// The memory in use, if the event is a sample of it.
pub(super) fn memory(event: &Event) -> Option<u64> {
    match event {
        Event::Sample {
            resident_bytes: Known(bytes),
            ..
        } => *bytes,
        _ => None,
    }
}

/// What an event tells besides its message, in words; one of the main thread deserves a mark then.
pub(super) fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::WorkerEnded {
            reason,
            completed,
            abandoned,
            ..
        } => format!("{reason}, {completed} completed, {abandoned} abandoned"),
        Event::ThreadRefused { worker, error } => format!("Worker-{worker} was refused: {error}"),
        Event::NotStarted { error } => format!("no worker was started: {error}"),
        Event::LogGap { lost, .. } => {
            format!("Log gap: the program itself says that {lost} lines are not in the file")
        }
        Event::LogReopened {} => "the log was renamed or deleted, and opened anew".into(),
        Event::ThreadDump { cause, .. } => format!("thread dump ({cause})"),
        Event::Stalled { deadlocks: 0, .. } => "the run stalled".into(),
        Event::Stalled { cycle, .. } => format!("the run stalled: {cycle}"),
        Event::RunEnded { reason, cause, .. } if *reason != Reason::Finished => {
            format!("the run ended: {reason} ({cause})")
        }
        _ => return None,
    })
}
