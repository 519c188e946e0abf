//! The log as trace events: a track for each worker, on which operations hold their attempts and backoffs.
//!
//! Slices are written as the log is read. An operation stands before what it holds, as viewers want it, so its parts wait
//! until it ends. The size has a bound: what comes behind it is counted, and the trace says so.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    history,
    output::Pending,
    spans::{Line, PerWorker, Span, WorkerLines},
    text::{count, shown},
};
use crate::{
    audit::{Attempt, AttemptKind, Location, Observer, Producer, Record, Run, Select},
    log::event::Event,
};

/// How long the trace may grow; viewers fail on hundreds of megabytes.
const BYTES_MAX: usize = 64 << 20;
/// An operation of more parts than this is written in pieces.
const PARTS_MAX: usize = 256;
/// A point of the counters is set with each so many attempts.
const COUNTED: u64 = 20;
/// The track of the main thread; those of the workers follow.
const MAIN: u32 = 1;

/// An event as viewers read it. Times are microseconds since 1970.
#[derive(Clone, Debug, Default, Serialize)]
struct TraceEvent {
    name: String,
    /// What it is: X a slice, i an instant, C a counter, M a name.
    #[serde(rename = "ph")]
    kind: &'static str,
    /// The run and the thread that it belongs to.
    #[serde(rename = "pid")]
    run: u32,
    #[serde(rename = "tid")]
    track: u32,
    #[serde(rename = "ts")]
    from: u64,
    #[serde(rename = "dur", skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    /// How far an instant reaches: t is its track.
    #[serde(rename = "s", skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
    args: Value,
}

impl TraceEvent {
    fn end(&self) -> u64 {
        self.from + self.length.unwrap_or(0)
    }
}

/// Where events belong: a run, counted from 1, and a thread of it.
#[derive(Clone, Copy)]
struct Track {
    run: u32,
    number: u32,
}

impl Track {
    fn main(run: &Run) -> Self {
        let run = run.index + 1;
        Self { run, number: MAIN }
    }

    fn worker(run: &Run, worker: u32) -> Self {
        let number = worker + MAIN + 1;
        Self {
            number,
            ..Self::main(run)
        }
    }

    fn event(self, name: &str, kind: &'static str, stamp: u64, args: Value) -> TraceEvent {
        TraceEvent {
            name: name.to_owned(),
            kind,
            run: self.run,
            track: self.number,
            from: stamp,
            args,
            ..TraceEvent::default()
        }
    }

    fn slice(self, name: &str, from: u64, to: u64, args: Value) -> TraceEvent {
        TraceEvent {
            length: Some(to.saturating_sub(from)),
            ..self.event(name, "X", from, args)
        }
    }

    fn instant(self, name: &str, stamp: u64, args: Value) -> TraceEvent {
        TraceEvent {
            scope: Some("t"),
            ..self.event(name, "i", stamp, args)
        }
    }

    fn name(self, what: &str, name: &str) -> TraceEvent {
        self.event(what, "M", 0, json!({"name": name}))
    }
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

    fn put(&mut self, event: &TraceEvent) {
        if self.is_full() {
            self.left_out += 1;
        } else {
            self.write(event);
        }
    }

    fn write(&mut self, event: &TraceEvent) {
        let comma = if self.written == 0 { "" } else { ",\n" };
        let text = format!("{comma}{}", json!(event));
        self.file.write(text.as_bytes());
        self.written += text.len();
    }
}

/// A worker's lines, and the operation that is under way.
#[derive(Clone, Default)]
struct WorkerTrack {
    lines: WorkerLines,
    iteration: u64,
    /// Its attempts and backoffs, in the order of the input.
    parts: Vec<TraceEvent>,
    attempts: u64,
    /// Its first attempt is among them; how it ended, if its last one is.
    has_first: bool,
    ended: Option<AttemptKind>,
}

impl WorkerTrack {
    fn take(&mut self, out: &mut TraceWriter<'_>, track: Track, line: Line, backwards: bool) {
        for span in self.lines.take(line, backwards).into_iter().flatten() {
            self.span(out, track, span);
        }
    }

    /// Takes in what a line says of the time before it.
    fn span(&mut self, out: &mut TraceWriter<'_>, track: Track, span: Span) {
        match span {
            Span::Sleep {
                from,
                to,
                after: AttemptKind::Retry,
            } => {
                self.parts.push(track.slice("backoff", from, to, json!({})));
            }
            Span::Sleep { from, to, after } => {
                let name = match after {
                    AttemptKind::Success => "wait",
                    _ => "wait after abandoning",
                };
                self.operation(out, track);
                out.put(&track.slice(name, from, to, json!({})));
            }
            Span::Attempt {
                from,
                to,
                position,
                kind,
                ..
            } => {
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
                let args = json!({"attempt": position.attempt, "outcome": outcome(kind)});
                self.parts.push(track.slice("attempt", from, to, args));
            }
            Span::Gap {
                count,
                since,
                until,
            } => {
                self.operation(out, track);
                if let Some(to) = until {
                    let from = since.unwrap_or(to).min(to);
                    out.put(&track.slice("lines missing", from, to, json!({"lines": count})));
                }
            }
            Span::Late { at } => out.put(&track.instant("line out of order", at, json!({}))),
        }
    }

    /// Writes the operation that is under way, then what it holds: viewers want the outer slice first.
    fn operation(&mut self, out: &mut TraceWriter<'_>, track: Track) {
        let whole = self.has_first && self.ended.is_some();
        let name = if whole {
            "operation"
        } else {
            "operation, in part"
        };
        let outcome = self.ended.map_or("unknown", outcome);
        let args =
            json!({"iteration": self.iteration, "attempts": self.attempts, "outcome": outcome});
        (self.attempts, self.has_first, self.ended) = (0, false, None);
        self.parts.sort_by_key(|part| part.from);
        if let (Some(first), Some(last)) = (self.parts.first(), self.parts.last()) {
            out.put(&track.slice(name, first.from, last.end(), args));
        }
        self.parts.drain(..).for_each(|part| out.put(&part));
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
            let Some(traced) = traced else { continue };
            for (number, worker) in (traced.workers.first + MAIN + 1..).zip(&mut traced.workers.all)
            {
                worker.operation(&mut self.out, Track { run, number });
            }
        }
        let mut left_out = "nothing".to_owned();
        if self.out.left_out > 0 {
            let (all, bound) = (count(self.out.left_out), BYTES_MAX >> 20);
            left_out = format!("{all} events: the trace ends at {bound} MiB");
            // The trace says so on a track that is seen at once.
            let first = Track { run: 0, number: 0 };
            let name = format!("left out: {left_out}");
            self.out.write(&first.name("process_name", &name));
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
            let main = Track::main(run);
            out.put(&main.name("process_name", &format!("run {:016x}", run.id)));
            out.put(&main.name("thread_name", "main"));
            let workers = PerWorker::new(run.workload());
            for worker in run.workload().map_or(0..0, |workload| workload.workers()) {
                let track = Track::worker(run, worker);
                out.put(&track.name("thread_name", &format!("Worker-{worker}")));
                let place = json!({"sort_index": track.number});
                out.put(&track.event("thread_sort_index", "M", 0, place));
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

    fn attempt(&mut self, run: &Run, attempt: &Attempt, _: Location) {
        let (stamp, kind, position) = (attempt.stamp, attempt.kind, attempt.position);
        let backwards = self.backwards;
        let Some((traced, out)) = self.run(run) else {
            return;
        };
        let Some(worker) = traced.workers.get(attempt.worker) else {
            return;
        };
        let track = Track::worker(run, attempt.worker);
        worker.take(out, track, Line::of(run, attempt), backwards);
        if kind != AttemptKind::Success {
            let args = json!({"iteration": position.iteration, "attempt": position.attempt});
            out.put(&track.instant(outcome(kind), stamp, args));
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
            out.put(&Track::main(run).event("attempts", "C", stamp, args));
        }
    }

    fn event(&mut self, run: &Run, record: &Record, _: Location) {
        let (Some(event), stamp) = (&record.event, record.stamp) else {
            return;
        };
        let backwards = self.backwards;
        let Some((traced, out)) = self.run(run) else {
            return;
        };
        let main = Track::main(run);
        let track = match record.author {
            Producer::Worker(number) => {
                let Some(worker) = traced.workers.get(number) else {
                    return;
                };
                let track = Track::worker(run, number);
                worker.take(out, track, Line::other(record.seq, stamp), backwards);
                track
            }
            Producer::Main => main,
        };
        if let Some(bytes) = history::memory(event) {
            out.put(&main.event("resident bytes", "C", stamp, json!({"bytes": bytes})));
        } else if !matches!(event, Event::ThreadStarted { .. }) {
            out.put(&track.instant(&event.message(), stamp, details(event)));
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

/// What else an event tells.
fn details(event: &Event) -> Value {
    match history::words(event) {
        Some(words) => json!({"told": shown(&words)}),
        None => json!({}),
    }
}
