//! The log as trace events: a track for each worker, on which operations hold their attempts and backoffs.
//!
//! Slices are written as the log is read. An operation stands before what it holds, as viewers want it, so its parts wait
//! until it ends. The size has a bound: what comes behind it is counted, and the trace says so.

use serde_json::{Value, json};

use super::{
    history,
    spans::{AttemptSpan, Span, WorkerLine, WorkerLines},
    text::{count, shown},
};
use crate::{
    audit::{AttemptKind, AttemptRecord, Location, Observer, Producer, Record, Run, Select},
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
/// The track of the main thread; those of the workers follow.
const MAIN: u32 = 1;

/// Where events belong: a run, counted from 1, and a thread of it.
type Track = (u32, u32);

fn main_of(run: &Run) -> Track {
    (run.index + 1, MAIN)
}

fn worker_of(run: &Run, worker: u32) -> Track {
    (run.index + 1, worker + MAIN + 1)
}

/// An event as viewers read it: of the kind M it gives a name, of the kind C it sets counters. Times are microseconds since
/// 1970.
fn event(track: Track, kind: &str, name: &str, stamp: u64, args: Value) -> Value {
    let (run, thread) = track;
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
    /// Its first attempt is among them; how it ended, if its last one is.
    has_first: bool,
    ended: Option<AttemptKind>,
}

impl WorkerTrack {
    fn take(&mut self, out: &mut TraceWriter<'_>, track: Track, line: WorkerLine, backwards: bool) {
        for span in self.lines.take(line, backwards).into_iter().flatten() {
            self.span(out, track, span);
        }
    }

    /// Takes in what a line says of the time before it.
    fn span(&mut self, out: &mut TraceWriter<'_>, track: Track, span: Span) {
        match span {
            Span::Sleep { from, to, after } => {
                let time = (from, to);
                let slice = |name| slice(track, name, time, json!({}));
                if after == AttemptKind::Retry {
                    return self.parts.push((time, slice("backoff")));
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
                    out.put(&slice(
                        track,
                        "lines missing",
                        time,
                        json!({"lines": gap.count}),
                    ));
                }
            }
            Span::Late(at) => out.put(&instant(track, "line out of order", at, json!({}))),
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
        self.has_first |= position.attempt == 1;
        if kind != AttemptKind::Retry {
            self.ended = Some(kind);
        }
        let time = (attempt.from, attempt.to);
        let args = json!({"attempt": position.attempt, "outcome": outcome(kind)});
        self.parts.push((time, slice(track, "attempt", time, args)));
    }

    /// Writes the operation that is under way, then what it holds: viewers want the outer slice first.
    fn operation(&mut self, out: &mut TraceWriter<'_>, track: Track) {
        let name = match (self.has_first, self.ended) {
            (true, Some(_)) => "operation",
            _ => "operation, in part",
        };
        let args = json!({
            "iteration": self.iteration,
            "attempts": self.attempts,
            "outcome": self.ended.map_or("unknown", outcome),
        });
        (self.attempts, self.has_first, self.ended) = (0, false, None);
        self.parts.sort_by_key(|((from, _), _)| *from);
        if let (Some((first, _)), Some((last, _))) = (self.parts.first(), self.parts.last()) {
            out.put(&slice(track, name, (first.0, last.1), args));
        }
        self.parts.drain(..).for_each(|(_, part)| out.put(&part));
    }
}

/// A run that has tracks.
struct TracedRun {
    workers: PerWorker<WorkerTrack>,
    completed: u64,
    failed: u64,
}

/// Writes what the audit reads.
pub(super) struct Trace<'a> {
    select: Select,
    out: TraceWriter<'a>,
    /// By the run's place in the audit's registry.
    runs: Vec<Option<TracedRun>>,
    /// The input has its newest lines first.
    backwards: bool,
}

impl<'a> Trace<'a> {
    /// A trace without events, of the runs that are to be judged.
    pub(super) fn new(file: &'a mut Pending, select: Select) -> Self {
        file.write(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n");
        let out = TraceWriter {
            file,
            written: 0,
            left_out: 0,
        };
        Self {
            select,
            out,
            runs: Vec::new(),
            backwards: false,
        }
    }

    /// Closes the trace.
    pub(super) fn finish(mut self) {
        for (run, traced) in (1..).zip(&mut self.runs) {
            let workers = traced.iter_mut().map(|traced| &mut traced.workers);
            for workers in workers {
                for number in workers.numbers() {
                    let track = (run, number + MAIN + 1);
                    workers[number].operation(&mut self.out, track);
                }
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

    /// The run's tracks, and what writes them; none of a run that is not to be judged, or when the trace
    /// is full.
    fn run(&mut self, run: &Run) -> Option<(&mut TracedRun, &mut TraceWriter<'a>)> {
        if !self.select.may_be(run.id) {
            return None;
        }
        let index = run.index as usize;
        if self.out.is_full() {
            self.out.left_out += 1;
            return None;
        }
        if index >= self.runs.len() {
            self.runs.resize_with(index + 1, || None);
        }
        let out = &mut self.out;
        let traced = self.runs[index].get_or_insert_with(|| {
            let id = format!("run {:016x}", run.id);
            out.put(&name(main_of(run), "process_name", &id));
            out.put(&name(main_of(run), "thread_name", "main"));
            let workers = PerWorker::new(run.workers(), |_| WorkerTrack::default());
            for worker in workers.numbers() {
                let track = worker_of(run, worker);
                let place = json!({"sort_index": track.1});
                out.put(&name(track, "thread_name", &format!("Worker-{worker}")));
                out.put(&event(track, "M", "thread_sort_index", 0, place));
            }
            TracedRun {
                workers,
                completed: 0,
                failed: 0,
            }
        });
        Some((traced, out))
    }
}

impl Observer for Trace<'_> {
    fn begins(&mut self, backwards: bool) {
        self.backwards = backwards;
    }

    fn attempt(&mut self, run: &Run, attempt: &AttemptRecord, _: Location) {
        let (stamp, kind, position) = (attempt.stamp, attempt.kind, attempt.position);
        let backwards = self.backwards;
        let Some((traced, out)) = self.run(run) else {
            return;
        };
        let Some(worker) = traced.workers.get_mut(attempt.worker) else {
            return;
        };
        let track = worker_of(run, attempt.worker);
        worker.take(out, track, WorkerLine::of(run, attempt), backwards);
        if kind != AttemptKind::Success {
            let args = json!({"iteration": position.iteration, "attempt": position.attempt});
            out.put(&instant(track, outcome(kind), stamp, args));
        }
        match kind {
            AttemptKind::Success => traced.completed += 1,
            AttemptKind::Retry | AttemptKind::Abandon => traced.failed += 1,
            AttemptKind::Panic => {}
        }
        let (completed, failed) = (traced.completed, traced.failed);
        // Read backwards, the counts would fall.
        if !backwards && (completed + failed).is_multiple_of(COUNTED) {
            let args = json!({"completed": completed, "failed attempts": failed});
            out.put(&event(main_of(run), "C", "attempts", stamp, args));
        }
    }

    fn event(&mut self, run: &Run, record: &Record, _: Location) {
        let (Some(what), stamp, backwards) = (&record.event, record.stamp, self.backwards) else {
            return;
        };
        let Some((traced, out)) = self.run(run) else {
            return;
        };
        let mut track = main_of(run);
        if let Producer::Worker(number) = record.author {
            let Some(worker) = traced.workers.get_mut(number) else {
                return;
            };
            track = worker_of(run, number);
            worker.take(out, track, WorkerLine::other(record.seq, stamp), backwards);
        }
        if let Some(bytes) = history::memory(what) {
            let args = json!({"bytes": bytes});
            out.put(&event(main_of(run), "C", "resident bytes", stamp, args));
        } else if !matches!(what, Event::ThreadStarted { .. }) {
            let told = history::words(what).map(|words| shown(&words));
            let args = told.map_or_else(|| json!({}), |told| json!({"told": told}));
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
