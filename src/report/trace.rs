//! The log as trace events: a track for each worker, on which operations hold their attempts and backoffs.
//!
//! Slices are written as the log is read. An operation stands before what it holds, as viewers want it, so its parts wait
//! until it ends. The size has a bound: what comes behind it is counted, and the trace says so.

use serde_json::{Value, json};

use super::{
    findings::shown,
    history,
    output::Pending,
    steps::{LineGap, Step, Stretch, WorkerSteps},
    units::count,
};
use crate::{
    audit::{Attempt, AttemptKind, Location, Observer, Producer, Record, Run, Select},
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
    select: Select,
    out: TraceWriter<'a>,
    /// By the run's place in the audit's registry.
    runs: Vec<Option<TracedRun>>,
    /// The input has its newest lines first.
    backwards: bool,
}

/// A run that has tracks.
struct TracedRun {
    /// The number of its first worker: a shard's are counted through the whole run.
    first_worker: u32,
    workers: Vec<WorkerTrack>,
    completed: u64,
    failed: u64,
    main_is_named: bool,
}

/// A worker's steps, and the operation that is under way.
#[derive(Clone, Default)]
struct WorkerTrack {
    steps: WorkerSteps,
    iteration: u64,
    /// Its attempts and backoffs, in the order of the input.
    parts: Vec<Slice>,
    /// Its first attempt and its last are among them; how it ended.
    has_first: bool,
    ended: Option<AttemptKind>,
    is_named: bool,
}

#[derive(Clone)]
struct Slice {
    name: &'static str,
    from: u64,
    to: u64,
    args: Value,
}

/// A track: the run that it belongs to, and its number there.
type Track = (u32, u32);

/// The trace as it grows, up to its bound.
struct TraceWriter<'a> {
    file: &'a mut Pending,
    written: usize,
    left_out: u64,
}

impl TraceWriter<'_> {
    fn is_full(&self) -> bool {
        self.written > BYTES_MAX
    }

    fn put(&mut self, track: Track, name: &str, kind: &str, stamp: u64, args: Value) {
        self.put_with(track, name, kind, stamp, args, None);
    }

    /// Writes an event as viewers read it, with one more field than all have. Times are microseconds since 1970, and runs are
    /// counted from 1.
    fn put_with(
        &mut self,
        (run, track): Track,
        name: &str,
        kind: &str,
        stamp: u64,
        args: Value,
        more: Option<(&str, Value)>,
    ) {
        if self.is_full() {
            self.left_out += 1;
            return;
        }
        let mut event =
            json!({"name": name, "ph": kind, "pid": run + 1, "tid": track, "ts": stamp});
        if let Some((name, value)) = more {
            event[name] = value;
        }
        event["args"] = args;
        self.write(&event);
    }

    fn write(&mut self, event: &Value) {
        let comma = if self.written == 0 { "" } else { ",\n" };
        let text = format!("{comma}{event}");
        self.file.write(text.as_bytes());
        self.written += text.len();
    }

    /// Names a process or a track, or gives it its place.
    fn name(&mut self, track: Track, what: &str, args: Value) {
        self.put(track, what, "M", 0, args);
    }

    fn slice(&mut self, track: Track, slice: Slice) {
        let length = Some(("dur", (slice.to - slice.from).into()));
        self.put_with(track, slice.name, "X", slice.from, slice.args, length);
    }

    fn instant(&mut self, track: Track, name: &str, stamp: u64, args: Value) {
        self.put_with(track, name, "i", stamp, args, Some(("s", "t".into())));
    }

    fn counter(&mut self, run: u32, name: &str, stamp: u64, args: Value) {
        self.put((run, MAIN), name, "C", stamp, args);
    }

    /// Writes the operation that is under way, then what it holds: viewers want the outer slice first.
    fn operation(&mut self, track: Track, worker: &mut WorkerTrack) {
        let mut parts = std::mem::take(&mut worker.parts);
        parts.sort_by_key(|part| part.from);
        let (has_first, ended) = (worker.has_first, worker.ended);
        (worker.has_first, worker.ended) = (false, None);
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return;
        };
        let outcome = ended.map_or("unknown", outcome);
        let attempts = parts.iter().filter(|part| part.name == "attempt").count();
        let whole = Slice {
            name: if has_first && ended.is_some() {
                "operation"
            } else {
                "operation, in part"
            },
            from: first.from,
            to: last.to,
            args: json!({"iteration": worker.iteration, "attempts": attempts, "outcome": outcome}),
        };
        self.slice(track, whole);
        parts.into_iter().for_each(|part| self.slice(track, part));
    }
}

impl<'a> Trace<'a> {
    /// A trace without events, of the runs that are to be judged.
    pub(super) fn new(file: &'a mut Pending, select: Select) -> Self {
        file.write(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        Self {
            select,
            out: TraceWriter {
                file,
                written: 0,
                left_out: 0,
            },
            runs: Vec::new(),
            backwards: false,
        }
    }

    /// Closes the trace.
    pub(super) fn finish(mut self) {
        for (run, known) in (0..).zip(&mut self.runs) {
            let Some(known) = known else { continue };
            for (worker, steps) in (known.first_worker..).zip(&mut known.workers) {
                self.out.operation((run, track(worker)), steps);
            }
        }
        let mut left_out = "nothing".to_owned();
        if self.out.left_out > 0 {
            // The trace says so on a track that is seen at once.
            let bound = BYTES_MAX >> 20;
            left_out = format!(
                "{} events: the trace ends at {bound} MiB and at {RUNS_MAX} runs",
                count(self.out.left_out)
            );
            let name = json!({"name": format!("left out: {left_out}")});
            self.out.write(
                &json!({"name": "process_name", "ph": "M", "pid": 0, "tid": 0, "ts": 0, "args": name}),
            );
        }
        let other =
            json!({"program": concat!("hifi ", env!("CARGO_PKG_VERSION")), "left_out": left_out});
        self.out
            .file
            .write(format!("\n],\"otherData\":{other}}}\n").as_bytes());
    }

    /// The run's tracks, and what writes them; none of a run that is not to be judged, or where there are too many runs, or
    /// when the trace is full.
    fn run(&mut self, run: &Run) -> Option<(&mut TracedRun, &mut TraceWriter<'a>)> {
        if !self.select.may_be(run.id) {
            return None;
        }
        let index = run.index as usize;
        if index >= RUNS_MAX && self.select == Select::All || self.out.is_full() {
            self.out.left_out += 1;
            return None;
        }
        if index >= self.runs.len() {
            self.runs.resize_with(index + 1, || None);
        }
        let out = &mut self.out;
        let known = self.runs[index].get_or_insert_with(|| {
            let name = json!({"name": format!("run {:016x}", run.id)});
            out.name((run.index, MAIN), "process_name", name);
            let workers = run.workload().map_or(0..0, Workload::workers);
            TracedRun {
                first_worker: workers.start,
                workers: vec![WorkerTrack::default(); workers.len()],
                completed: 0,
                failed: 0,
                main_is_named: false,
            }
        });
        Some((known, out))
    }

    /// A worker, its track, and what writes it.
    fn worker(
        &mut self,
        run: &Run,
        worker: u32,
    ) -> Option<(&mut WorkerTrack, Track, &mut TraceWriter<'a>)> {
        let (known, out) = self.run(run)?;
        let place = worker.checked_sub(known.first_worker)?;
        let known = known.workers.get_mut(place as usize)?;
        let track = (run.index, track(worker));
        if !std::mem::replace(&mut known.is_named, true) {
            out.name(
                track,
                "thread_name",
                json!({"name": format!("Worker-{worker}")}),
            );
            out.name(track, "thread_sort_index", json!({"sort_index": track.1}));
        }
        Some((known, track, out))
    }
}

impl WorkerTrack {
    /// Writes what a line adds to the track.
    fn take_step(&mut self, out: &mut TraceWriter<'_>, track: Track, stamp: u64, step: Step) {
        match step {
            Step::First => {}
            Step::Next(stretch) => self.stretch(out, track, stretch),
            Step::LineGap(gap) => {
                out.operation(track, self);
                let LineGap {
                    count,
                    since,
                    until,
                    ..
                } = gap;
                let to = until.unwrap_or(stamp);
                let from = since.unwrap_or(to).min(to);
                let args = json!({"lines": count});
                let name = "lines missing";
                out.slice(
                    track,
                    Slice {
                        name,
                        from,
                        to,
                        args,
                    },
                );
            }
            Step::Late => out.instant(track, "line out of order", stamp, json!({})),
        }
    }

    fn stretch(&mut self, out: &mut TraceWriter<'_>, track: Track, stretch: Stretch) {
        let iteration = stretch
            .attempt
            .map_or(0, |(position, _)| position.iteration);
        if iteration != self.iteration || self.parts.len() > PARTS_MAX {
            out.operation(track, self);
        }
        self.iteration = iteration;
        if let Some(pause) = stretch.pause {
            let slice = Slice {
                name: match pause.after {
                    AttemptKind::Success => "wait",
                    AttemptKind::Retry => "backoff",
                    _ => "wait after abandoning",
                },
                from: pause.from,
                to: pause.to,
                args: json!({}),
            };
            match pause.after {
                AttemptKind::Retry => self.parts.push(slice),
                _ => out.slice(track, slice),
            }
        }
        if let Some((position, kind)) = stretch.attempt {
            self.has_first |= position.attempt == 1;
            if kind != AttemptKind::Retry {
                self.ended = Some(kind);
            }
            self.parts.push(Slice {
                name: "attempt",
                from: stretch.began,
                to: stretch.ended,
                args: json!({"attempt": position.attempt, "outcome": outcome(kind)}),
            });
        }
    }
}

impl Observer for Trace<'_> {
    fn begins(&mut self, backwards: bool) {
        self.backwards = backwards;
    }

    fn attempt(&mut self, run: &Run, attempt: &Attempt, _: Location) {
        let (stamp, kind, position) = (attempt.stamp, attempt.kind, attempt.position);
        let backwards = self.backwards;
        let Some((worker, track, out)) = self.worker(run, attempt.worker) else {
            return;
        };
        let step = worker.steps.attempt(run, attempt, backwards);
        worker.take_step(out, track, stamp, step);
        let begin = worker.steps.begin(backwards);
        worker.take_step(out, track, stamp, begin);
        if kind != AttemptKind::Success {
            let args = json!({"iteration": position.iteration, "attempt": position.attempt});
            out.instant(track, outcome(kind), stamp, args);
        }
        let Some((known, out)) = self.run(run) else {
            return;
        };
        known.completed += u64::from(kind == AttemptKind::Success);
        known.failed += u64::from(matches!(kind, AttemptKind::Retry | AttemptKind::Abandon));
        // Read backwards, the counts would fall.
        if !backwards && (known.completed + known.failed).is_multiple_of(COUNTED) {
            let args = json!({"completed": known.completed, "failed attempts": known.failed});
            out.counter(run.index, "attempts", stamp, args);
        }
    }

    fn event(&mut self, run: &Run, record: &Record, _: Location) {
        let (Some(event), stamp) = (&record.event, record.stamp) else {
            return;
        };
        let backwards = self.backwards;
        match (record.author, event) {
            (Producer::Worker(worker), _) => {
                if let Some((worker, track, out)) = self.worker(run, worker) {
                    let step = worker.steps.line(record.seq, stamp, backwards);
                    worker.take_step(out, track, stamp, step);
                    out.instant(track, &event.message(), stamp, details(event));
                }
            }
            (Producer::Main, Event::ThreadStarted { .. }) => {}
            (Producer::Main, _) => {
                let Some((known, out)) = self.run(run) else {
                    return;
                };
                if let Event::Sample {
                    resident_bytes: Known(Some(bytes)),
                    ..
                } = event
                {
                    return out.counter(
                        run.index,
                        "resident bytes",
                        stamp,
                        json!({"bytes": bytes}),
                    );
                }
                if !std::mem::replace(&mut known.main_is_named, true) {
                    out.name((run.index, MAIN), "thread_name", json!({"name": "main"}));
                }
                out.instant((run.index, MAIN), &event.message(), stamp, details(event));
            }
        }
    }
}

fn track(worker: u32) -> u32 {
    worker + MAIN + 1
}

fn outcome(kind: AttemptKind) -> &'static str {
    match kind {
        AttemptKind::Success => "succeeded",
        AttemptKind::Retry => "failed, to be tried again",
        AttemptKind::Abandon => "failed, abandoned",
        AttemptKind::Panic => "panicked",
    }
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
