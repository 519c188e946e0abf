//! The log pipeline: authors make lines, a writer thread takes them in time order to the sinks.
//!
//! How lines are handed over without loss and in order is told in [`lanes`](super::lanes). Here is decided when: a sweep
//! begins when a line has waited for half the flush interval (the other half is for the sweep itself), or
//! at once when a tray is half full. With a flush interval of zero there are no trays to sweep: an author takes the sinks' lock, and
//! goes on when its line is written.
//!
//! This file must not know what a line says, nor what can go wrong with a sink.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;
use tracing::Level;

use super::{
    console::Console,
    event::Event,
    file::LogFile,
    lanes::{Call, FinishedLine, Lanes, MakeAnew, Sweep},
    layer,
    line::Encoder,
    report::{LogReport, SinkReport},
    sinks::Sinks,
};
use crate::{
    bug::SetUp,
    clock::{Clock, Stamp},
    config::{LogConfig, LogFormat},
    stop::Stop,
};

/// As many lanes may hold lines at one time. With those that are being written there are twice as many trays.
const TRAYS_MAX: usize = 32;
/// An author fills it in a fraction of a millisecond: with less, thousands of them would mostly wait for each other.
const TRAY_BYTES: usize = 256 << 10;
/// A console with a longer backlog holds the authors up. What their trays hold by then is added to it.
const BACKLOG_BYTES_MAX: usize = 256 << 10;
/// How often, a millisecond apart, a text for people is offered to the console once the writer is gone.
const SAY_ATTEMPTS: u32 = 500;
/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_secs(1);

/// The log of a run, from the opening of the file to its last line. To drop it is to close it.
#[derive(Debug)]
pub struct Log {
    pipeline: Arc<Pipeline>,
    writer: Option<JoinHandle<()>>,
}

impl Log {
    /// Opens the file and starts the writer, for a run with the id `run` and `threads` workers.
    ///
    /// # Errors
    /// The file cannot be opened, or the writer's thread cannot be started.
    pub fn open(
        config: &LogConfig,
        run: u64,
        threads: u32,
        clock: Clock,
        stop: Arc<Stop>,
    ) -> anyhow::Result<Self> {
        let file = LogFile::open(&config.path, config.rotation)?;
        let console = Console::open(&config.console, stop);
        let authors = threads as usize + 1;
        let pipeline = Arc::new(Pipeline {
            run,
            clock,
            flush_interval: config.flush_interval.into(),
            json: config.format == LogFormat::Json,
            console_level: config.console.level,
            lanes: Lanes::new(authors, TRAYS_MAX, TRAY_BYTES),
            sinks: Mutex::new(Sinks::new(config, file, console)),
            reports_held: AtomicBool::new(false),
        });
        let writer = Writer::new(Arc::clone(&pipeline));
        let writer = thread::Builder::new()
            .name("log-writer".into())
            .spawn(move || writer.serve_to_the_end())
            .context(
                "cannot start the log's writer thread; allow this user more processes (ulimit -u)",
            )?;
        Ok(Self {
            pipeline,
            writer: Some(writer),
        })
    }

    /// The part that authors and the layer share.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Writes all that was logged so far. What follows goes through what `set_up` puts before the file.
    ///
    /// # Errors
    /// The file cannot be opened a second time.
    pub fn detour(&self, set_up: SetUp) -> anyhow::Result<()> {
        self.pipeline.lanes.flush();
        self.pipeline.sinks().file.detour(set_up)
    }

    /// Writes all that was logged so far. What follows goes to the file itself again.
    pub fn end_detour(&self) {
        self.pipeline.lanes.flush();
        self.pipeline.sinks().file.end_detour();
    }

    /// Writes all that was logged so far, and from then on keeps back reports of trouble until the log is closed.
    /// Returns how many lines were logged: from here on the caller alone decides how many follow.
    pub fn settle(&self) -> u64 {
        self.pipeline.reports_held.store(true, Ordering::SeqCst);
        self.pipeline.lanes.flush();
        self.pipeline.lanes.lines()
    }

    /// Writes all that was logged, ends the writer, and says what became of the lines.
    pub fn close(mut self) -> LogReport {
        self.finish();
        let sinks = self.pipeline.sinks();
        let lines = self.pipeline.lanes.lines();
        LogReport {
            lines,
            file: sinks.file_report(lines),
            console: sinks.console.report(),
        }
    }

    fn finish(&mut self) {
        if let Some(writer) = self.writer.take() {
            self.pipeline.lanes.close();
            // The writer holds no figure that its end could take along: a panic has been printed by then.
            let _ = writer.join();
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.finish();
    }
}

/// What authors, layer and writer share.
#[derive(Debug)]
pub struct Pipeline {
    run: u64,
    clock: Clock,
    /// How long a line may wait. With zero an author waits until its line is written.
    flush_interval: Duration,
    json: bool,
    /// Lines of at most this level go to the console; none where it is off.
    console_level: Option<Level>,
    /// A lane per worker, and the last one for `main`.
    lanes: Lanes,
    sinks: Mutex<Sinks>,
    /// Reports of trouble have to wait: the run is counting its lines.
    reports_held: AtomicBool,
}

/// What the pipeline decides about a line: its time stamp and its number.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Microseconds since 1970.
    pub micros: u64,
    /// The number along the lane.
    pub seq: u64,
}

impl Pipeline {
    /// The author for worker number `worker`, or for `main`.
    pub fn author(self: &Arc<Self>, worker: Option<u32>) -> Author {
        let main = self.lanes.count() - 1;
        let thread = worker.map_or_else(|| "main".to_owned(), |n| format!("Worker-{n}"));
        Author {
            pipeline: Arc::clone(self),
            lane: worker.map_or(main, |n| n as usize),
            encoder: Encoder::new(&thread, self.run, worker, self.json),
            next_seq: 0,
            last_stamp: Stamp::default(),
            patient: true,
        }
    }

    /// Writes a text for people to the console, whole, between two lines of the log and whatever its level.
    pub fn say(&self, text: &str) {
        self.sinks().console.say(text);
        if !self.lanes.is_closing() {
            // What the reader has not taken yet is the writer's business.
            return self.lanes.hurry();
        }
        for _ in 0..SAY_ATTEMPTS {
            thread::sleep(Duration::from_millis(1));
            let mut sinks = self.sinks();
            sinks.console.push();
            if sinks.console.backlog() == 0 {
                return;
            }
        }
    }

    /// Shows a progress line of `text` on the console, in place of the one before; an empty one goes.
    pub fn show(&self, text: &str) {
        self.sinks().console.show(text);
    }

    /// What became of the lines of file and console so far; none while they are being written.
    pub fn reports_if_free(&self) -> Option<(SinkReport, SinkReport)> {
        let sinks = match self.sinks.try_lock() {
            Ok(sinks) => sinks,
            Err(TryLockError::Poisoned(poison)) => poison.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some((sinks.file.report(), sinks.console.report()))
    }

    /// A block of lines is written in steps that leave it whole, so poison has no meaning here.
    fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who logs: a thread's way into its lane.
#[derive(Debug)]
pub struct Author {
    pipeline: Arc<Pipeline>,
    lane: usize,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that signs as `main` may take it first.
    next_seq: u64,
    last_stamp: Stamp,
    /// Whether a full tray makes it wait. The writer itself must not: it would wait for itself.
    patient: bool,
}

impl Author {
    /// The time stamp of the last line.
    pub fn last_stamp(&self) -> Stamp {
        self.last_stamp
    }

    /// Logs one line of the level `level`: `make` makes and finishes it in the encoder, and may be called again.
    #[inline]
    pub fn log(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        let to_console = self.pipeline.console_level.is_some_and(|max| level <= max);
        if self.pipeline.flush_interval.is_zero() {
            self.write_through(to_console, make);
        } else {
            self.hand_over(to_console, make);
        }
    }

    #[inline]
    fn hand_over(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        let pipeline = &*self.pipeline;
        loop {
            let (stamp, seq) = (pipeline.clock.now(), self.next_seq);
            make(
                &mut self.encoder,
                Head {
                    micros: pipeline.clock.micros(stamp),
                    seq,
                },
            );
            let (text, json) = (self.encoder.text(), self.encoder.json());
            let line = FinishedLine {
                stamp,
                seq,
                text,
                json,
                to_console,
            };
            match pipeline.lanes.put(self.lane, line, self.patient) {
                Ok(()) => {
                    self.next_seq = seq + 1;
                    self.last_stamp = stamp;
                    return;
                }
                Err(MakeAnew { seq }) => self.next_seq = seq,
            }
        }
    }

    fn write_through(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        let mut sinks = self.pipeline.sinks();
        let stamp = self.pipeline.clock.now();
        let seq = self.pipeline.lanes.number(self.lane);
        make(
            &mut self.encoder,
            Head {
                micros: self.pipeline.clock.micros(stamp),
                seq,
            },
        );
        self.last_stamp = stamp;
        sinks.put(self.encoder.text(), self.encoder.json(), to_console);
        sinks.write(stamp);
        sinks.console.drain();
        if sinks.file.has_reports() {
            self.pipeline.lanes.hurry();
        }
    }
}

/// The thread that empties the trays.
#[derive(Debug)]
struct Writer {
    pipeline: Arc<Pipeline>,
    sweep: Sweep,
    /// While the console has a backlog: when it is offered again.
    offer: Option<Instant>,
}

impl Writer {
    fn new(pipeline: Arc<Pipeline>) -> Self {
        Self {
            sweep: Sweep::default(),
            pipeline,
            offer: None,
        }
    }

    /// Serves until the log is closed, whatever strikes: authors and `main` wait for this thread, so it must not go. What
    /// it has in hand when an error of the program itself strikes is lost, and all that comes after, since nobody
    /// knows what is whole; it is taken from the authors and counted.
    fn serve_to_the_end(mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.sweep = Sweep::default();
            self.pipeline.sinks().give_up();
            self.serve();
        }
    }

    fn serve(&mut self) {
        let mut clerk = self.pipeline.author(None);
        clerk.patient = false;
        layer::sign_on(clerk);
        // When the oldest line that waits has waited long enough.
        let mut due: Option<Instant> = None;
        loop {
            let next = [due, self.offer].into_iter().flatten().min();
            let patience = next.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            match self.pipeline.lanes.wait(due.is_some(), patience.min(IDLE)) {
                Call::LineWaits => {
                    due = Some(Instant::now() + (self.pipeline.flush_interval / 2).min(IDLE));
                    continue;
                }
                Call::TimeUp if next.is_none_or(|at| at > Instant::now()) => continue,
                Call::Urgent | Call::TimeUp => {
                    self.report_trouble();
                    self.write_all();
                }
                Call::Flush(asked) => {
                    self.emit_reports();
                    self.write_all();
                    self.pipeline.lanes.flushed(asked);
                }
                Call::Close => return self.close(),
            }
            due = None;
        }
    }

    /// Writes all lines that are there, in time order.
    fn write_all(&mut self) {
        let pipeline = &*self.pipeline;
        self.sweep.take(&pipeline.lanes, || pipeline.clock.now());
        let mut sinks = pipeline.sinks();
        while let Some(run) = self.sweep.next_run() {
            if sinks.put_run(&run) {
                sinks.write(pipeline.clock.now());
            }
        }
        sinks.write(pipeline.clock.now());
        sinks.console.push();
        let backlog = sinks.console.backlog();
        self.offer = (backlog > 0).then(|| Instant::now() + sinks.console.pause());
        drop(sinks);
        pipeline.lanes.hold_up(backlog > BACKLOG_BYTES_MAX);
    }

    /// Logs what the file has to report, unless the run is counting its lines.
    fn report_trouble(&self) {
        if !self.pipeline.reports_held.load(Ordering::SeqCst) {
            self.emit_reports();
        }
    }

    fn emit_reports(&self) {
        // The sinks must be free again before the event is emitted: it may be written through to them.
        let reports: Vec<Event> = self.pipeline.sinks().file.take_reports();
        reports.iter().for_each(Event::emit);
    }

    /// Writes what is left. A file that was failing gets its last chance, and tells what it has missed.
    fn close(&mut self) {
        self.write_all();
        self.pipeline.sinks().file.make_last_attempt();
        for _ in 0..2 {
            self.emit_reports();
            self.write_all();
        }
        self.pipeline.sinks().console.drain();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tracing::Subscriber;
    use tracing_subscriber::{Layer, layer::Context, prelude::*};

    use super::*;
    use crate::{
        config::{ConsoleConfig, Rotation},
        log::LogLayer,
        workload::Micros,
    };

    /// Panics where the writer itself has something to log.
    struct Strike;

    impl<S: Subscriber> Layer<S> for Strike {
        fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
            assert_ne!(thread::current().name(), Some("log-writer"), "on purpose");
        }
    }

    #[test]
    fn a_panic_of_the_writer_loses_lines_that_are_counted_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let config = LogConfig {
            path: path.clone(),
            format: LogFormat::Text,
            rotation: Rotation::Never,
            flush_interval: Micros(1000),
            console: ConsoleConfig {
                level: None,
                coloured: false,
                progress: false,
            },
        };
        let log = Log::open(&config, 7, 1, Clock::start(), Arc::default()).unwrap();
        tracing_subscriber::registry()
            .with(Strike)
            .with(LogLayer::new(Arc::clone(log.pipeline())))
            .init();
        let log_lines = |count| {
            (0..count).for_each(|worker| Event::ThreadStarted { worker }.emit());
        };
        layer::sign_on(log.pipeline().author(Some(0)));
        log_lines(10);
        log.settle();
        log.pipeline().reports_held.store(false, Ordering::SeqCst);
        // The writer notices that the log is renamed, and is about to log that.
        fs::rename(&path, folder.path().join("app.log.1")).unwrap();
        while !path.exists() {
            log_lines(1);
            thread::sleep(Duration::from_millis(1));
        }
        // Many more than a tray has room for.
        log_lines(20_000);
        log.settle();
        let report = log.close();
        assert!(report.file.lines >= 10 && report.file.lost > 10_000 && report.file.errors == 1);
        assert_eq!(report.lines, report.file.lines + report.file.lost);
        let on_disk = |name| {
            fs::read_to_string(folder.path().join(name))
                .unwrap()
                .lines()
                .count() as u64
        };
        assert_eq!(on_disk("app.log") + on_disk("app.log.1"), report.file.lines);
    }
}
