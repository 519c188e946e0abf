//! The log as trace events: a track for each worker, on which operations hold their attempts and backoffs.
//!
//! Slices are written as the log is read. An operation stands before what it holds, as viewers want it, so its parts wait
//! until it ends. The size has a bound: what comes behind it is counted, and the trace says so.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{
    findings::shown,
    history,
    output::Pending,
    steps::{Gap, Step, Why, WorkerSteps},
    units::count,
};
use crate::{
    audit::{Attempt, Kind, Location, Observer, Producer, Record, Run},
    log::event::{Event, Known},
    plan::workload::Workload,
};

/// How long the trace may grow; viewers fail on hundreds of megabytes.
const BYTES_MAX: usize = 64 << 20;
/// An operation of more parts than this is written in pieces.
const PARTS_MAX: usize = 256;
/// A point of the counters is set with each so many attempts.
const COUNTED: u64 = 20;
/// How many runs have tracks.
const RUNS_MAX: usize = 64;
/// The track of the main thread; those of the workers follow.
const MAIN: u32 = 1;

/// Writes what the audit reads.
pub(super) struct Trace<'a> {
    out: &'a mut Pending,
    written: usize,
    /// By the run's place in the audit's registry.
    runs: Vec<Option<TracedRun>>,
    left_out: u64,
    named: HashSet<(u32, u32)>,
}

/// A run that has tracks.
struct TracedRun {
    /// The number of its first worker: a shard's are counted through the whole run.
    first_worker: u32,
    workers: Vec<WorkerTrack>,
    attempts: u64,
    completed: u64,
    failed: u64,
}

/// A worker's steps, and the operation that is under way.
#[derive(Clone)]
struct WorkerTrack {
    steps: WorkerSteps,
    /// Name, start and end of each part.
    parts: Vec<Slice>,
}

#[derive(Clone)]
struct Slice {
    name: &'static str,
    from: u64,
    to: u64,
    args: Value,
}

impl<'a> Trace<'a> {
    pub(super) fn new(out: &'a mut Pending) -> Self {
        out.write(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        Self {
            out,
            written: 0,
            runs: Vec::new(),
            left_out: 0,
            named: HashSet::new(),
        }
    }

    /// Closes the trace.
    pub(super) fn finish(mut self) {
        for index in 0..self.runs.len() {
            let Some(run) = &mut self.runs[index] else {
                continue;
            };
            let open: Vec<_> = run
                .workers
                .iter_mut()
                .map(|worker| std::mem::take(&mut worker.parts))
                .collect();
            for (worker, parts) in (run.first_worker..).zip(open) {
                self.operation(
                    index as u32,
                    worker,
                    "operation, unfinished",
                    json!({}),
                    parts,
                );
            }
        }
        let left_out = match self.left_out {
            0 => "nothing".to_owned(),
            n => format!(
                "{} events: the trace is cut at {} MiB",
                count(n),
                BYTES_MAX >> 20
            ),
        };
        let comma = if self.written == 0 { "" } else { ",\n" };
        // Whatever was left out, the trace says so, on a track that is seen at once.
        let word = event(
            0,
            0,
            "process_name",
            "M",
            0,
            json!({"name": format!("left out: {left_out}")}),
        );
        let word = if self.left_out > 0 {
            format!("{comma}{word}")
        } else {
            String::new()
        };
        let other =
            json!({"program": concat!("hifi ", env!("CARGO_PKG_VERSION")), "left_out": left_out});
        self.out
            .write(format!("{word}\n],\"otherData\":{other}}}\n").as_bytes());
    }

    fn is_full(&self) -> bool {
        self.written > BYTES_MAX
    }

    fn emit(&mut self, value: &Value) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let text = value.to_string();
        let comma = if self.written == 0 { "" } else { ",\n" };
        self.out.write(comma.as_bytes());
        self.out.write(text.as_bytes());
        self.written += comma.len() + text.len();
    }

    /// The run's tracks; none where there are too many runs.
    fn run(&mut self, run: &Run) -> Option<&mut TracedRun> {
        let index = run.index as usize;
        if index >= RUNS_MAX {
            self.left_out += 1;
            return None;
        }
        if index >= self.runs.len() {
            self.runs.resize_with(index + 1, || None);
        }
        if self.runs[index].is_none() {
            let name = format!("run {:016x}", run.id);
            self.emit(&event(
                run.index,
                MAIN,
                "process_name",
                "M",
                0,
                json!({"name": name}),
            ));
            let workers = run.workload().map_or(0..0, Workload::workers);
            let worker = WorkerTrack {
                steps: WorkerSteps::new(),
                parts: Vec::new(),
            };
            self.runs[index] = Some(TracedRun {
                first_worker: workers.start,
                workers: vec![worker; workers.len()],
                attempts: 0,
                completed: 0,
                failed: 0,
            });
        }
        self.runs[index].as_mut()
    }

    /// Writes the name of a track, the first time that something is to be on it.
    fn name(&mut self, run: u32, track: u32, name: &str) {
        if self.named.insert((run, track)) {
            self.emit(&event(
                run,
                track,
                "thread_name",
                "M",
                0,
                json!({"name": name}),
            ));
            self.emit(&event(
                run,
                track,
                "thread_sort_index",
                "M",
                0,
                json!({"sort_index": track}),
            ));
        }
    }

    fn slice(&mut self, run: u32, track: u32, slice: &Slice) {
        let mut value = event(run, track, slice.name, "X", slice.from, slice.args.clone());
        value["dur"] = (slice.to - slice.from).into();
        self.emit(&value);
    }

    fn instant(&mut self, run: u32, track: u32, name: &str, stamp: u64, args: Value) {
        let mut value = event(run, track, name, "i", stamp, args);
        value["s"] = "t".into();
        self.emit(&value);
    }

    /// Writes an operation, then what it holds.
    fn operation(
        &mut self,
        run: u32,
        worker: u32,
        name: &'static str,
        args: Value,
        parts: Vec<Slice>,
    ) {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return;
        };
        let whole = Slice {
            name,
            from: first.from,
            to: last.to,
            args,
        };
        self.slice(run, track(worker), &whole);
        for part in &parts {
            self.slice(run, track(worker), part);
        }
    }

    /// Takes in an attempt that follows its worker's last line.
    fn follow(&mut self, run: &Run, attempt: &Attempt, step: Step) {
        let Step::Next {
            pause,
            began,
            operation_began,
        } = step
        else {
            return;
        };
        let Some(worker) = self.worker(run, attempt.worker) else {
            return;
        };
        let mut sleep = None;
        if let Some(pause) = pause {
            let slice = Slice {
                name: match pause.why {
                    Why::Success => "wait",
                    Why::Backoff => "backoff",
                    Why::Abandoned => "wait after abandoning",
                },
                from: pause.from,
                to: pause.to,
                args: json!({}),
            };
            match pause.why {
                // Where lines are missing the parts before it are too.
                Why::Backoff if !worker.parts.is_empty() => worker.parts.push(slice),
                _ => sleep = Some(slice),
            }
        }
        worker.parts.push(Slice {
            name: "attempt",
            from: began,
            to: attempt.stamp,
            args: json!({"attempt": attempt.position.attempt, "outcome": outcome(attempt.kind)}),
        });
        let ended = attempt.kind != Kind::Retry;
        let whole = ended || worker.parts.len() > PARTS_MAX;
        let parts = whole.then(|| std::mem::take(&mut worker.parts));
        if let Some(sleep) = sleep {
            self.slice(run.index, track(attempt.worker), &sleep);
        }
        if let Some(parts) = parts {
            let name = match operation_began {
                Some(_) if ended => "operation",
                _ => "operation, in part",
            };
            let args = json!({
                "iteration": attempt.position.iteration,
                "attempts": attempt.position.attempt,
                "outcome": outcome(attempt.kind),
            });
            self.operation(run.index, attempt.worker, name, args, parts);
        }
    }

    /// Lines are missing, or stand where they should not: what was under way is closed.
    fn interrupted(&mut self, run: &Run, worker: u32, stamp: u64, gap: Option<Gap>) {
        let Some(known) = self.worker(run, worker) else {
            return;
        };
        let parts = std::mem::take(&mut known.parts);
        self.operation(run.index, worker, "operation, in part", json!({}), parts);
        match gap {
            Some(gap) => {
                let slice = Slice {
                    name: "lines missing",
                    from: gap.since.unwrap_or(stamp).min(stamp),
                    to: stamp,
                    args: json!({"lines": gap.count}),
                };
                self.slice(run.index, track(worker), &slice);
            }
            None => self.instant(
                run.index,
                track(worker),
                "line out of order",
                stamp,
                json!({}),
            ),
        }
    }

    fn worker(&mut self, run: &Run, worker: u32) -> Option<&mut WorkerTrack> {
        let known = self.run(run)?;
        let place = worker.checked_sub(known.first_worker)?;
        known.workers.get_mut(place as usize)
    }

    fn take_step(&mut self, run: &Run, worker: u32, stamp: u64, step: Step) {
        match step {
            Step::Next { .. } => {}
            Step::Gap(gap) => self.interrupted(run, worker, stamp, Some(gap)),
            Step::Late => self.interrupted(run, worker, stamp, None),
        }
    }

    fn count(&mut self, run: &Run, attempt: &Attempt) {
        let Some(known) = self.run(run) else {
            return;
        };
        known.attempts += 1;
        known.completed += u64::from(attempt.kind == Kind::Success);
        known.failed += u64::from(matches!(attempt.kind, Kind::Retry | Kind::Abandon));
        if known.attempts.is_multiple_of(COUNTED) {
            let args = json!({"completed": known.completed, "failed attempts": known.failed});
            self.emit(&event(
                run.index,
                MAIN,
                "attempts",
                "C",
                attempt.stamp,
                args,
            ));
        }
    }
}

impl Observer for Trace<'_> {
    fn attempt(&mut self, run: &Run, attempt: &Attempt, _: Location) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let Some(worker) = self.worker(run, attempt.worker) else {
            return;
        };
        let step = worker.steps.attempt(run, attempt);
        self.name(
            run.index,
            track(attempt.worker),
            &format!("Worker-{}", attempt.worker),
        );
        self.take_step(run, attempt.worker, attempt.stamp, step);
        self.follow(run, attempt, step);
        if attempt.kind != Kind::Success {
            let args = json!({"iteration": attempt.position.iteration, "attempt": attempt.position.attempt});
            self.instant(
                run.index,
                track(attempt.worker),
                outcome(attempt.kind),
                attempt.stamp,
                args,
            );
        }
        self.count(run, attempt);
    }

    fn event(&mut self, run: &Run, record: &Record, _: Location) {
        let (Some(event_), stamp) = (&record.event, record.stamp) else {
            return;
        };
        match (record.author, event_) {
            (Producer::Worker(worker), _) => {
                let Some(known) = self.worker(run, worker) else {
                    return;
                };
                let step = known.steps.line(record.seq, stamp);
                self.take_step(run, worker, stamp, step);
                self.instant(
                    run.index,
                    track(worker),
                    &event_.message(),
                    stamp,
                    details(event_),
                );
            }
            (Producer::Main, Event::ThreadStarted { worker }) => {
                let worker = u32::try_from(*worker).unwrap_or(u32::MAX);
                if let Some(known) = self.worker(run, worker) {
                    known.steps.started(stamp);
                }
            }
            (Producer::Main, Event::Sample { resident_bytes, .. }) => {
                if let (Known(Some(bytes)), Some(_)) = (*resident_bytes, self.run(run)) {
                    self.emit(&event(
                        run.index,
                        MAIN,
                        "resident bytes",
                        "C",
                        stamp,
                        json!({"bytes": bytes}),
                    ));
                }
            }
            (Producer::Main, _) => {
                if self.run(run).is_some() {
                    self.name(run.index, MAIN, "main");
                    self.instant(run.index, MAIN, &event_.message(), stamp, details(event_));
                }
            }
        }
    }
}

fn track(worker: u32) -> u32 {
    worker + MAIN + 1
}

fn outcome(kind: Kind) -> &'static str {
    match kind {
        Kind::Success => "succeeded",
        Kind::Retry => "failed, to be tried again",
        Kind::Abandon => "failed, abandoned",
        Kind::Panic => "panicked",
    }
}

/// What all events of a trace have. Times are microseconds since 1970.
fn event(run: u32, track: u32, name: &str, phase: &str, stamp: u64, args: Value) -> Value {
    json!({"name": name, "ph": phase, "pid": run + 1, "tid": track, "ts": stamp, "args": args})
}

/// What else an event tells.
fn details(event: &Event) -> Value {
    match event {
        Event::WorkerEnded {
            reason,
            completed,
            abandoned,
            ..
        } => json!({"reason": reason.word(), "completed": completed, "abandoned": abandoned}),
        event => match history::words(event) {
            Some(words) => json!({"told": shown(&words)}),
            None => json!({}),
        },
    }
}
