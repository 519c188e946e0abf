//! The log as trace events: a track for each worker, on which operations hold their attempts and backoffs.
//!
//! Slices are written as the log is read. An operation stands before what it holds, as viewers want it, so its parts wait
//! until it ends. The size has a bound: what comes behind it is counted, and the trace says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    history::{self, Attempts, failed, logged},
    spans::{AttemptSpan, Span, WorkerLine, WorkerLines},
    text::{count, shown},
};
use crate::{
    audit::{AttemptKind, AttemptRecord, Location, Observer, Record, Run},
    files::Pending,
    log::event::Event,
    plan::per_worker::PerWorker,
};

/// How long the trace may grow; viewers fail on hundreds of megabytes.
const BYTES_MAX: usize = 64 << 20;
/// An operation of more parts than this is written in pieces.
const PARTS_MAX: usize = 256;
/// A point of the counters is set with each so many attempts.
const COUNTED: u64 = 20;

/// Where events belong: a run, counted from 1, and a thread of it, of which main is the first.
type Track = (u32, u32);

fn track(run: &Run, worker: Option<u32>) -> Track {
    (run.index + 1, worker.map_or(1, |number| number + 2))
}

/// An event as viewers read it: of the kind M it gives a name, of the kind C it sets counters. Times are microseconds since
/// 1970.
fn event((run, thread): Track, kind: &str, name: &str, stamp: u64, args: Value) -> Value {
    json!({"name": name, "ph": kind, "pid": run, "tid": thread, "ts": stamp, "args": args})
}

fn instant(track: Track, name: &str, stamp: u64, args: Value) -> Value {
    let mut instant = event(track, "i", name, stamp, args);
    instant["s"] = "t".into();
    instant
}

fn slice(track: Track, name: &str, (from, to): (u64, u64), args: Value) -> Value {
    let mut slice = event(track, "X", name, from, args);
    slice["dur"] = to.saturating_sub(from).into();
    slice
}

fn name(track: Track, what: &str, name: &str) -> Value {
    event(track, "M", what, 0, json!({"name": name}))
}

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

    fn put(&mut self, event: &Value) {
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.write(event);
        }
    }

    fn write(&mut self, event: &Value) {
        let comma = if self.written == 0 { "" } else { ",\n" };
        let text = format!("{comma}{event}");
        self.file.write(text.as_bytes());
        self.written += text.len();
    }
}

/// A worker's lines, and the operation that is under way.
#[derive(Clone, Default)]
struct WorkerTrack {
    lines: WorkerLines,
    iteration: u64,
    /// Its attempts and backoffs, in the order of the input: their times, and their slices.
    parts: Vec<((u64, u64), Value)>,
    attempts: u64,
    /// How it ended, if its last attempt is among them.
    ended: Option<AttemptKind>,
}

impl WorkerTrack {
    /// Takes in what a line says of the time before it.
    fn take(&mut self, out: &mut TraceWriter<'_>, track: Track, line: WorkerLine, backwards: bool) {
        for span in self.lines.take(line, backwards).into_iter().flatten() {
            match span {
                Span::Sleep { from, to, after } => {
                    let slice = |name| slice(track, name, (from, to), json!({}));
                    if after == AttemptKind::Retry {
                        self.parts.push(((from, to), slice("backoff")));
                        continue;
                    }
                    self.operation(out, track);
                    out.put(&slice(match after {
                        AttemptKind::Success => "wait",
                        _ => "wait after abandoning",
                    }));
                }
                Span::Attempt(attempt) => self.attempt(out, track, attempt),
                Span::Missing(gap) => {
                    self.operation(out, track);
                    if let Some(to) = gap.until {
                        let time = (gap.since.unwrap_or(to).min(to), to);
                        let lines = json!({"lines": gap.count});
                        out.put(&slice(track, "lines missing", time, lines));
                    }
                }
                Span::Late(at) => out.put(&instant(track, "line out of order", at, json!({}))),
            }
        }
    }

    fn attempt(&mut self, out: &mut TraceWriter<'_>, track: Track, attempt: AttemptSpan) {
        let (position, kind) = (attempt.position, attempt.kind);
        let another = self.attempts > 0 && position.iteration != self.iteration;
        if another || self.parts.len() > PARTS_MAX {
            self.operation(out, track);
        }
        self.iteration = position.iteration;
        self.attempts += 1;
        if kind != AttemptKind::Retry {
            self.ended = Some(kind);
        }
        let time = (attempt.from, attempt.to);
        let args = json!({"attempt": position.attempt, "outcome": outcome(kind)});
        self.parts.push((time, slice(track, "attempt", time, args)));
    }

    /// Writes the operation that is under way, then what it holds: viewers want the outer slice first.
    fn operation(&mut self, out: &mut TraceWriter<'_>, track: Track) {
        let args = json!({
            "iteration": self.iteration,
            "attempts": self.attempts,
            "outcome": self.ended.map_or("unknown", outcome),
        });
        (self.attempts, self.ended) = (0, None);
        self.parts.sort_by_key(|((from, _), _)| *from);
        if let (Some((first, _)), Some((last, _))) = (self.parts.first(), self.parts.last()) {
            out.put(&slice(track, "operation", (first.0, last.1), args));
        }
        self.parts.drain(..).for_each(|(_, part)| out.put(&part));
    }
}

/// A run that has tracks.
struct TracedRun {
    workers: PerWorker<WorkerTrack>,
    total: Attempts,
}

/// Writes what the audit reads.
pub(super) struct Trace<'a> {
    out: TraceWriter<'a>,
    /// By the run's place in the audit's registry.
    runs: BTreeMap<u32, TracedRun>,
}

impl<'a> Trace<'a> {
    /// A trace without events.
    pub(super) fn new(file: &'a mut Pending) -> Self {
        file.write(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        Self {
            out: TraceWriter {
                file,
                written: 0,
                left_out: 0,
            },
            runs: BTreeMap::new(),
        }
    }

    /// Closes the trace.
    pub(super) fn finish(mut self) {
        for (index, run) in &mut self.runs {
            for number in run.workers.numbers() {
                run.workers[number].operation(&mut self.out, (index + 1, number + 2));
            }
        }
        let mut left_out = "nothing".to_owned();
        if self.out.left_out > 0 {
            let (all, bound) = (count(self.out.left_out), BYTES_MAX >> 20);
            left_out = format!("{all} events: the trace ends at {bound} MiB");
            // The trace says so on a track that is seen at once.
            let told = format!("left out: {left_out}");
            self.out.write(&name((0, 0), "process_name", &told));
        }
        let program = concat!("hifi ", env!("CARGO_PKG_VERSION"));
        let other = json!({"program": program, "left_out": left_out});
        let end = format!("\n],\"otherData\":{other}}}\n");
        self.out.file.write(end.as_bytes());
    }

    /// The run's tracks, and what writes them; none when the trace is full.
    fn run(&mut self, run: &Run) -> Option<(&mut TracedRun, &mut TraceWriter<'a>)> {
        if self.out.is_full() {
            self.out.left_out += 1;
            return None;
        }
        let out = &mut self.out;
        let traced = self.runs.entry(run.index).or_insert_with(|| {
            let main = track(run, None);
            out.put(&name(main, "process_name", &format!("run {:016x}", run.id)));
            out.put(&name(main, "thread_name", "main"));
            for worker in run.workers() {
                let track = track(run, Some(worker));
                out.put(&name(track, "thread_name", &format!("Worker-{worker}")));
            }
            TracedRun {
                workers: PerWorker::new(run.workers(), |_| WorkerTrack::default()),
                total: Attempts::default(),
            }
        });
        Some((traced, out))
    }
}

impl Observer for Trace<'_> {
    fn attempt(&mut self, run: &Run, attempt: &AttemptRecord, _: Location, backwards: bool) {
        let (stamp, kind, position) = (attempt.stamp, attempt.kind, attempt.position);
        if let Some((TracedRun { workers, total }, out)) = self.run(run)
            && let Some(worker) = workers.get_mut(attempt.worker)
        {
            let thread = track(run, Some(attempt.worker));
            worker.take(out, thread, WorkerLine::of(run, attempt), backwards);
            if kind != AttemptKind::Success {
                let args = json!({"iteration": position.iteration, "attempt": position.attempt});
                out.put(&instant(thread, outcome(kind), stamp, args));
            }
            total[kind as usize] += 1;
            // Read backwards, the counts would fall.
            if !backwards && logged(total).is_multiple_of(COUNTED) {
                let completed = total[AttemptKind::Success as usize];
                let args = json!({"completed": completed, "failed attempts": failed(total)});
                out.put(&event(track(run, None), "C", "attempts", stamp, args));
            }
        }
    }

    fn event(&mut self, run: &Run, record: &Record, _: Location, backwards: bool) {
        let (Some(what), stamp) = (&record.event, record.stamp) else {
            return;
        };
        let Some((traced, out)) = self.run(run) else {
            return;
        };
        let number = record.author.worker();
        let track = track(run, number);
        if let Some(number) = number {
            let Some(worker) = traced.workers.get_mut(number) else {
                return;
            };
            worker.take(out, track, WorkerLine::other(record.seq, stamp), backwards);
        }
        if let Some(bytes) = history::memory(what) {
            let args = json!({"bytes": bytes});
            out.put(&event(track, "C", "resident bytes", stamp, args));
        } else if !matches!(what, Event::ThreadStarted { .. }) {
            let told = history::words(what).map(|words| json!({"told": shown(&words)}));
            let args = told.unwrap_or_else(|| json!({}));
            out.put(&instant(track, &what.message(), stamp, args));
        }
    }
}

fn outcome(kind: AttemptKind) -> &'static str {
    match kind {
        AttemptKind::Success => "succeeded",
        AttemptKind::Retry => "failed, to be tried again",
        AttemptKind::Abandon => "failed, abandoned",
        AttemptKind::Panic => "panicked",
    }
}
