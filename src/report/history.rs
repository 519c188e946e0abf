//! The history of one run, gathered from its lines as they go by: what it did when, how long it took, and where lines
//! are missing.
//!
//! Its size does not grow with the log: times are kept in [`Series`], workers beyond the number of rows share one.
//! Nothing is judged here.

use std::collections::BTreeMap;

use super::{
    series::{Merge, Series},
    steps::{LineGap, Step, WorkerSteps},
};
use crate::{
    audit::{Attempt, AttemptKind, Producer, Record, Run},
    log::event::{Event, Known, Reason},
    plan::{
        Outcome, Position, Rules,
        workload::{Micros, Workload},
    },
    work::figures::Histogram,
};

/// At most so many columns of time, and so many rows of workers.
const COLUMNS_MAX: usize = 720;
pub(super) const ROWS_MAX: u32 = 64;
/// How many columns the closer look at the beginning has, and how many retries, one after the other, take as long.
const OPENING_COLUMNS: u64 = 240;
pub(super) const RETRIES_SHOWN: u64 = 8;
/// Operations that needed this many attempts or more are counted together.
pub(super) const ATTEMPTS_MAX: usize = 16;
/// How many events of the main thread are kept.
const INCIDENTS_MAX: usize = 60;
/// Steps of plans that may be computed for missing lines: at first, and for each line that is there.
const STEPS_FREE: u64 = 1 << 20;
/// Of a gap that is longer, the lines are not looked at one by one.
const GAP_MAX: u64 = 1 << 16;
const STEPS_A_LINE: u64 = 16;

/// Attempts, by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) succeeded: u64,
    pub(super) retried: u64,
    pub(super) abandoned: u64,
    pub(super) panicked: u64,
    /// Their lines are missing.
    pub(super) lost: u64,
}

impl Attempts {
    /// All whose lines are there.
    pub(super) fn logged(&self) -> u64 {
        self.succeeded + self.failed() + self.panicked
    }

    /// All that failed as planned.
    pub(super) fn failed(&self) -> u64 {
        self.retried + self.abandoned
    }

    /// All, logged or not.
    pub(super) fn all(&self) -> u64 {
        self.logged() + self.lost
    }

    fn count(&mut self, kind: AttemptKind) {
        *match kind {
            AttemptKind::Success => &mut self.succeeded,
            AttemptKind::Retry => &mut self.retried,
            AttemptKind::Abandon => &mut self.abandoned,
            AttemptKind::Panic => &mut self.panicked,
        } += 1;
    }
}

impl Merge for Attempts {
    fn merge(&mut self, other: Self) {
        self.succeeded += other.succeeded;
        self.retried += other.retried;
        self.abandoned += other.abandoned;
        self.panicked += other.panicked;
        self.lost += other.lost;
    }
}

/// What a worker does in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    Work,
    Wait,
    Back,
    /// Its lines are missing.
    Unknown,
}

/// What the workers of one row did in one stretch of time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cell {
    pub(super) attempts: Attempts,
    /// Microseconds spent in each [`Activity`].
    spent: [u64; 4],
}

impl Cell {
    fn spend(&mut self, state: Activity, time: u64) {
        self.spent[state as usize] += time;
    }

    /// What took most of the time, if anything is known.
    pub(super) fn state(&self) -> Option<Activity> {
        let states = [
            Activity::Work,
            Activity::Wait,
            Activity::Back,
            Activity::Unknown,
        ];
        let (time, state) = self.spent.into_iter().zip(states).max_by_key(|(t, _)| *t)?;
        (time > 0 || self.attempts.logged() > 0).then_some(state)
    }
}

impl Merge for Cell {
    fn merge(&mut self, other: Self) {
        self.attempts.merge(other.attempts);
        for (time, more) in self.spent.iter_mut().zip(other.spent) {
            *time += more;
        }
    }
}

/// The most memory that was seen in use.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peak(pub(super) u64);

impl Merge for Peak {
    fn merge(&mut self, other: Self) {
        self.0 = self.0.max(other.0);
    }
}

/// Something that happened once, to one worker or to the run.
#[derive(Clone, Debug)]
pub(super) struct Incident {
    pub(super) stamp: u64,
    pub(super) worker: Option<u32>,
    pub(super) what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Panic(String),
    /// The worker was stopped before it had done all.
    Stopped,
    /// Anything else that deserves a mark, in words.
    Event(String),
}

/// The first moments of a run, in narrow columns.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) from: u64,
    pub(super) width: u64,
    pub(super) columns: Vec<Attempts>,
}

/// The history of one run.
#[derive(Debug)]
pub(super) struct History {
    pub(super) id: u64,
    pub(super) workload: Option<Workload>,
    pub(super) version: Option<String>,
    /// The earliest and the latest stamp.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Attempts,
    pub(super) over_time: Series<Attempts>,
    pub(super) opening: Option<Opening>,
    /// Workers share a row if there are more of them than rows.
    pub(super) workers_a_row: u32,
    /// The number of its first worker: a shard's are counted through the whole run.
    pub(super) first_worker: u32,
    pub(super) rows: Vec<Series<Cell>>,
    pub(super) operation_times: Histogram,
    /// Completed and abandoned operations, by how many attempts they needed; the first entry stands for one attempt.
    pub(super) attempts_needed: Vec<u64>,
    pub(super) memory: Series<Peak>,
    pub(super) incidents: Vec<Incident>,
    pub(super) incidents_more: u64,
    workers: Vec<WorkerSteps>,
    steps_left: u64,
}

/// What is known of a run in short.
#[derive(Clone, Copy, Debug)]
pub(super) struct Brief {
    pub(super) id: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) total: Attempts,
}

impl Brief {
    pub(super) fn saw(&mut self, stamp: u64, kind: Option<AttemptKind>) {
        self.first = self.first.min(stamp);
        self.last = self.last.max(stamp);
        kind.into_iter().for_each(|kind| self.total.count(kind));
    }
}

impl History {
    /// The history of a run of which nothing was read yet.
    pub(super) fn new(run: &Run, stamp: u64) -> Self {
        let workload = run.workload().cloned();
        let workers = workload.as_ref().map_or(0..0, Workload::workers);
        let threads = workers.end - workers.start;
        let workers_a_row = threads.div_ceil(ROWS_MAX).max(1);
        let rows = threads.div_ceil(workers_a_row);
        Self {
            id: run.id,
            version: None,
            first: stamp,
            last: stamp,
            total: Attempts::default(),
            over_time: Series::new(COLUMNS_MAX),
            opening: None,
            workers_a_row,
            first_worker: workers.start,
            rows: (0..rows).map(|_| Series::new(COLUMNS_MAX)).collect(),
            operation_times: Histogram::default(),
            attempts_needed: vec![0; ATTEMPTS_MAX],
            memory: Series::new(COLUMNS_MAX),
            incidents: Vec::new(),
            incidents_more: 0,
            workers: vec![WorkerSteps::default(); threads as usize],
            steps_left: STEPS_FREE,
            workload,
        }
    }

    pub(super) fn brief(&self) -> Brief {
        Brief {
            id: self.id,
            first: self.first,
            last: self.last,
            total: self.total,
        }
    }

    /// How long it lasted, in microseconds.
    pub(super) fn length(&self) -> u64 {
        self.last - self.first
    }

    /// Gives all that is shown over the run's time columns of one width, at most so many of them.
    pub(super) fn align(&mut self, columns_max: u64) {
        let widths = self.rows.iter().map(Series::width);
        let width = widths.max().unwrap_or(1).max(self.over_time.width());
        let fits = |width: &u64| self.last / width - self.first / width < columns_max;
        let mut doubled = (0..63).map(|doublings| width << doublings);
        let width = doubled.find(fits).unwrap_or(width);
        self.over_time.widen(width);
        self.rows.iter_mut().for_each(|row| row.widen(width));
    }

    /// The row of a worker that the run has.
    fn row(&mut self, worker: u32) -> &mut Series<Cell> {
        &mut self.rows[((worker - self.first_worker) / self.workers_a_row) as usize]
    }

    /// A worker's steps; none if the run has no such worker.
    fn steps(&mut self, worker: u32) -> Option<&mut WorkerSteps> {
        let place = worker.checked_sub(self.first_worker)?;
        self.workers.get_mut(place as usize)
    }

    fn saw(&mut self, stamp: u64) {
        self.first = self.first.min(stamp);
        self.last = self.last.max(stamp);
        self.steps_left = self.steps_left.saturating_add(STEPS_A_LINE);
    }

    /// Takes in an attempt.
    #[inline]
    pub(super) fn attempt(&mut self, run: &Run, attempt: &Attempt, backwards: bool) {
        let Attempt {
            stamp,
            worker,
            kind,
            position,
            ..
        } = *attempt;
        let Some(steps) = self.steps(worker) else {
            return;
        };
        let step = steps.attempt(run, attempt, backwards);
        let begin = steps.begin(backwards);
        self.saw(stamp);
        self.total.count(kind);
        self.over_time.at(stamp).count(kind);
        self.count_opening(stamp, |column| column.count(kind));
        self.take_step(worker, stamp, step);
        self.take_step(worker, stamp, begin);
        if matches!(kind, AttemptKind::Success | AttemptKind::Abandon) {
            let needed = usize::try_from(position.attempt).unwrap_or(usize::MAX);
            self.attempts_needed[needed.clamp(1, ATTEMPTS_MAX) - 1] += 1;
        }
        self.row(worker).at(stamp).attempts.count(kind);
        if kind == AttemptKind::Panic {
            let place = match run.rules(worker).map(|rules| rules.outcome(position)) {
                Some(Outcome::Panic(place)) => place.words(),
                _ => "unexpected error",
            };
            self.incident(stamp, Some(worker), What::Panic(place.into()));
        }
    }

    /// Takes in what happened between two lines of a worker.
    #[inline]
    fn take_step(&mut self, worker: u32, stamp: u64, step: Step) {
        match step {
            Step::First => {}
            Step::Next(stretch) => {
                let row = self.row(worker);
                if let Some(pause) = stretch.pause {
                    let state = match pause.after {
                        AttemptKind::Success => Activity::Wait,
                        _ => Activity::Back,
                    };
                    row.between(pause.from, pause.to, |cell, part| cell.spend(state, part));
                }
                row.between(stretch.began, stretch.ended, |cell, part| {
                    cell.spend(Activity::Work, part);
                });
                if let Some(time) = stretch.operation {
                    self.operation_times.record(time.saturating_mul(1000));
                }
            }
            Step::LineGap(gap) => self.gap(worker, gap),
            Step::Late => {
                // It was taken for lost when a later one came, about here.
                if let Some(column) = self.over_time.near(stamp, |column| column.lost > 0) {
                    column.lost -= 1;
                }
                let row = self.row(worker);
                if let Some(cell) = row.near(stamp, |cell| cell.attempts.lost > 0) {
                    cell.attempts.lost -= 1;
                }
            }
        }
    }

    /// Puts missing lines where the plan says that they were logged, between their neighbours.
    #[cold]
    fn gap(&mut self, worker: u32, gap: LineGap) {
        let walked = gap.count <= self.steps_left.min(GAP_MAX);
        let delays = match (&self.workload, gap.position) {
            (Some(workload), Some(position)) if walked => {
                self.steps_left -= gap.count;
                delays(&Rules::new(workload, worker), position, gap.count)
            }
            // They are spread evenly, in as many portions as columns can show.
            _ => vec![1; gap.count.min(COLUMNS_MAX as u64) as usize],
        };
        let all: u128 = 1 + delays.iter().map(|delay| u128::from(*delay)).sum::<u128>();
        let until = gap.until.unwrap_or_else(|| {
            // Nothing stands behind them: they take as long as the plan has it.
            let planned = gap.since.filter(|_| walked).unwrap_or(self.last);
            let planned = planned.saturating_add(u64::try_from(all).unwrap_or(u64::MAX));
            planned.min(self.last)
        });
        let since = gap.since.unwrap_or(self.first).min(until);
        self.row(worker).between(since, until, |cell, part| {
            cell.spend(Activity::Unknown, part)
        });
        let each = gap.count.div_ceil(delays.len().max(1) as u64);
        let (mut passed, mut left) = (0, gap.count);
        for delay in delays {
            passed += u128::from(delay);
            let share = u128::from(until - since) * passed / all;
            let stamp = since + u64::try_from(share).unwrap_or(u64::MAX);
            let count = each.min(left);
            left -= count;
            self.over_time.at(stamp).lost += count;
            self.count_opening(stamp, |column| column.lost += count);
            self.row(worker).at(stamp).attempts.lost += count;
        }
    }

    /// Takes in any other event.
    pub(super) fn event(&mut self, record: &Record, backwards: bool) {
        let stamp = record.stamp;
        self.saw(stamp);
        let Some(event) = &record.event else {
            return;
        };
        match (record.author, event) {
            (Producer::Worker(worker), Event::WorkerEnded { reason, .. }) => {
                self.worker_ended(worker, record, *reason, backwards);
            }
            (Producer::Main, Event::RunStarted { version, .. }) => {
                self.version = Some(version.clone());
                if !backwards {
                    self.opening = self.workload.as_ref().and_then(|w| Opening::of(w, stamp));
                }
            }
            (
                Producer::Main,
                Event::Sample {
                    resident_bytes: Known(Some(bytes)),
                    ..
                },
            ) => {
                self.memory.at(stamp).merge(Peak(*bytes));
            }
            (Producer::Main, event) => {
                if let Some(words) = words(event) {
                    self.incident(stamp, None, What::Event(words));
                }
            }
            _ => {}
        }
    }

    fn worker_ended(&mut self, worker: u32, record: &Record, reason: Reason, backwards: bool) {
        let Some(steps) = self.steps(worker) else {
            return;
        };
        let step = steps.line(record.seq, record.stamp, backwards);
        self.take_step(worker, record.stamp, step);
        if reason == Reason::Stopped {
            self.incident(record.stamp, Some(worker), What::Stopped);
        }
    }

    /// The log is at its end: `lost` says up to which number each worker has lost its last lines.
    pub(super) fn finish(&mut self, lost: impl IntoIterator<Item = (u32, u64)>, backwards: bool) {
        let mut ends = BTreeMap::new();
        for (worker, end) in lost {
            let known = ends.entry(worker).or_insert(end);
            *known = end.max(*known);
        }
        for (worker, end) in ends {
            let gaps = self
                .steps(worker)
                .map(|steps| steps.missing(end, backwards));
            for gap in gaps.into_iter().flatten() {
                self.gap(worker, gap);
            }
        }
    }

    /// Whether there are lost lines to be shown.
    pub(super) fn has_losses(&self) -> bool {
        self.over_time.iter().any(|(_, column)| column.lost > 0)
    }

    /// The audit has found that nothing is lost: what came late had only been missing for a while.
    pub(super) fn nothing_is_lost(&mut self) {
        self.over_time.iter_mut().for_each(|column| column.lost = 0);
        let opening = self.opening.iter_mut();
        let columns = opening.flat_map(|opening| &mut opening.columns);
        columns.for_each(|column| column.lost = 0);
        for cell in self.rows.iter_mut().flat_map(Series::iter_mut) {
            cell.attempts.lost = 0;
            cell.spent[Activity::Unknown as usize] = 0;
        }
    }

    fn count_opening(&mut self, stamp: u64, add: impl FnOnce(&mut Attempts)) {
        if let Some(opening) = &mut self.opening {
            opening.count(stamp, add);
        }
    }

    fn incident(&mut self, stamp: u64, worker: Option<u32>, what: What) {
        if self.incidents.len() == INCIDENTS_MAX {
            self.incidents_more += 1;
            return;
        }
        self.incidents.push(Incident {
            stamp,
            worker,
            what,
        });
    }
}

impl Opening {
    /// Long enough for several retries to be seen in it; none where nothing is waited for.
    fn of(workload: &Workload, from: u64) -> Option<Self> {
        let delay = workload.time_scale.apply(workload.retry.delay);
        let width = delay.0.saturating_mul(RETRIES_SHOWN) / OPENING_COLUMNS;
        (width > 0 && delay != Micros::MAX).then(|| Self {
            from,
            width,
            columns: vec![Attempts::default(); OPENING_COLUMNS as usize],
        })
    }

    fn count(&mut self, stamp: u64, add: impl FnOnce(&mut Attempts)) {
        let column = stamp.checked_sub(self.from).map(|past| past / self.width);
        let column = column.and_then(|column| usize::try_from(column).ok());
        if let Some(column) = column.and_then(|column| self.columns.get_mut(column)) {
            add(column);
        }
    }
}

/// How long before each of `count` lines the line before it was logged, as the plan has it: at least a microsecond.
fn delays(rules: &Rules, mut position: Position, count: u64) -> Vec<u64> {
    let mut out = Vec::new();
    let mut delay = 0_u64;
    for _ in 0..count {
        out.push(delay.saturating_add(1));
        let outcome = rules.outcome(position);
        delay = outcome.delay().map_or(0, |delay| delay.0);
        match rules.after(position, outcome) {
            Some(next) => position = next,
            // Nothing is planned behind it but the worker's end.
            None => position.attempt += 1,
        }
    }
    out
}

/// An event of the main thread that deserves a mark, in words.
pub(super) fn words(event: &Event) -> Option<String> {
    Some(match event {
        Event::ThreadRefused { worker, error } => format!("Worker-{worker} was refused: {error}"),
        Event::LogGap { lost, .. } => {
            format!("Log gap: the program itself says that {lost} lines are not in the file")
        }
        Event::LogReopened {} => "the log was renamed or deleted, and opened anew".into(),
        Event::ThreadDump { cause, .. } => format!("thread dump ({cause})"),
        Event::Stalled { cycle, .. } if cycle.is_empty() => "the run stalled".into(),
        Event::Stalled { cycle, .. } => format!("the run stalled: {cycle}"),
        Event::RunEnded { reason, cause, .. } if *reason != Reason::Finished => {
            format!("the run ended: {reason} ({cause})")
        }
        _ => return None,
    })
}
