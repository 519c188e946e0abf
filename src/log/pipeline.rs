//! The pipeline: what producers and writer share, and how lines get from the queue to the sinks.
//!
//! How lines are handed over without loss and in order is told in [`queue`](super::queue). Here is decided who drains at
//! once when a batch is half full: the producer itself, or, where there are more cores than workers, the writer on a core of
//! its own. What is due later is the [`writer`](super::writer)'s alone.

use std::{iter, mem, num::NonZero, sync::Arc, thread, time::Duration};

use tracing::Level;

use super::{
    batch::FinishedLine,
    console::Console,
    event::Event,
    queue::{Drain, Queue, Role, STRIPES, Slot},
    report::SinkReport,
    sinks::Sinks,
    stream::Stream,
};
use crate::{
    log::clock::{Clock, Stamp},
    log::config::{LogConfig, LogFormat},
    sync::{Mutex, MutexGuard, PoisonError, ignoring_poison},
};

/// What a stripe holds at most. With more, the lines would have left the cores' caches when they are written.
const BATCH_BYTES: usize = 256 << 10;
/// The same where the writer has a core of its own: it takes a while to wake, and is woken for more at once.
const WRITER_BATCH_BYTES: usize = 512 << 10;
/// A report that is written may bring about another, of a file that fails again. After so many nobody waits for the next.
const REPORTS_MAX: u32 = 3;

/// What producers and writer share.
#[derive(Debug)]
pub struct Pipeline {
    /// The run's id.
    pub(super) run: u64,
    /// The run's clock.
    pub(super) clock: Clock,
    /// How long a line may wait. With zero a producer waits until its line is written.
    pub(super) flush_interval: Duration,
    /// Lines are made as JSON as well.
    pub(super) json: bool,
    /// Lines of at most this level go to the console; none where it is off.
    pub(super) console_level: Option<Level>,
    pub(super) queue: Queue,
    /// How many workers there are; `main` comes after them.
    workers: usize,
    output: Mutex<Output>,
    /// One of the sinks, which can be had without their lock.
    pub(crate) console: Arc<Console>,
    /// The other, where it is standard output.
    stdout: Option<Arc<Stream>>,
    /// There are more cores than workers.
    writer_has_core: bool,
}

/// What takes lines out of the queue, and what they are written to. Whoever has it writes what it took before releasing it.
#[derive(Debug)]
pub(super) struct Output {
    drain: Drain,
    pub(super) sinks: Sinks,
}

impl Pipeline {
    /// The pipeline of the run with the id `run` and `threads` workers, as `config` has it.
    pub(super) fn new(
        config: &LogConfig,
        run: u64,
        threads: u32,
        clock: Clock,
        sinks: Sinks,
    ) -> Self {
        let workers = threads as usize;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let writer_has_core = cores > workers;
        let batch_bytes = if writer_has_core {
            WRITER_BATCH_BYTES
        } else {
            BATCH_BYTES
        };
        let queue = Queue::new(workers + 1, STRIPES, batch_bytes);
        let (console, stdout) = (Arc::clone(&sinks.console), sinks.log.stdout());
        let drain = Drain::of(&queue);
        Self {
            run,
            clock,
            flush_interval: config.flush_interval.into(),
            json: config.format == LogFormat::Json,
            console_level: config.console.level,
            queue,
            workers,
            console,
            stdout,
            output: Mutex::new(Output { drain, sinks }),
            writer_has_core,
        }
    }

    /// The place in the queue of worker number `worker`, or of `main`. The shards before this one have as many workers each,
    /// whose numbers come before those of this one.
    pub(super) fn slot(&self, worker: Option<u32>) -> Slot {
        let producer = worker.map_or(self.workers, |n| n as usize % self.workers);
        self.queue.slot(producer)
    }

    /// For a producer that has filled half its batch: has it written.
    #[cold]
    pub(super) fn see_to_drain(&self) {
        if self.writer_has_core {
            self.queue.hurry();
        } else if let Some(output) = ignoring_poison(self.output.try_lock()) {
            self.write_for_producer(output);
        }
    }

    /// For a producer that found its batch full: drains, if nobody else has made room meanwhile.
    #[cold]
    pub(super) fn make_room(&self, slot: Slot) {
        let output = self.output();
        if self.queue.is_full(slot) {
            self.write_for_producer(output);
        }
    }

    /// Writes all lines that are there, in time order.
    pub(super) fn write_all(&self) {
        self.drain(&mut self.output());
    }

    fn write_for_producer(&self, mut output: MutexGuard<'_, Output>) {
        self.drain(&mut output);
        self.leave_reports(output);
    }

    fn drain(&self, output: &mut Output) {
        output.drain.take(&self.queue, || self.clock.now());
        output.write(self.clock.now());
    }

    /// Writes one line at once. To read the clock once more would cost more than all else that is done here.
    pub(super) fn write_line(
        &self,
        mut output: MutexGuard<'_, Output>,
        line: &FinishedLine<'_>,
        role: Role,
    ) {
        output.drain.take_line(line);
        output.write(line.stamp);
        self.leave_reports(output);
        if role != Role::Writer {
            self.wait_until_written();
        }
    }

    /// A producer cannot log what the file reports: the writer sees to that.
    fn leave_reports(&self, mut output: MutexGuard<'_, Output>) {
        let file = output.sinks.log.file();
        if file.is_some_and(|file| !file.reports.is_empty()) {
            drop(output);
            self.queue.hurry();
        }
    }

    /// Logs what the file has to report. Says whether there was something.
    pub(super) fn emit_reports(&self) -> bool {
        // The sinks must be free again before an event is emitted: it may be written to them at once.
        let reports: Vec<Event> = self
            .output()
            .sinks
            .log
            .file()
            .map(|file| mem::take(&mut file.reports))
            .unwrap_or_default();
        reports.iter().for_each(Event::emit);
        !reports.is_empty()
    }

    /// Writes all that is there, also to a file that was failing, and with it what the file has to report. There is no writer
    /// meanwhile.
    pub(super) fn flush(&self) {
        self.write_all();
        if let Some(file) = self.output().sinks.log.file() {
            file.try_at_once();
        }
        for _ in 0..REPORTS_MAX {
            if !self.emit_reports() {
                return;
            }
            self.write_all();
        }
    }

    /// Writes all that is there now, for a producer that tells somebody of its lines. Returns when lines were lost last: one that
    /// was logged later is in the log.
    pub(super) fn commit(&self) -> Option<Stamp> {
        self.write_for_producer(self.output());
        self.stdout
            .iter()
            .for_each(|stdout| stdout.wait_until_written());
        self.output().sinks.last_loss()
    }

    /// What has a reader that may stall.
    fn streams(&self) -> impl Iterator<Item = &Stream> {
        iter::once(&self.console.stream).chain(self.stdout.as_deref())
    }

    /// Waits while a reader is too far behind. No lock may be held by the caller.
    #[inline]
    pub(super) fn wait_for_room(&self) {
        self.streams().for_each(Stream::wait_for_room);
    }

    /// Waits until the readers have got all lines so far. No lock may be held by the caller.
    pub(super) fn wait_until_written(&self) {
        self.streams().for_each(Stream::wait_until_written);
    }

    /// What became of the lines of file and console so far; none while they are being written.
    pub fn reports_if_free(&self) -> Option<(SinkReport, SinkReport)> {
        let output = ignoring_poison(self.output.try_lock())?;
        Some((output.sinks.log.report(), self.console.stream.report()))
    }

    /// After a panic while they were locked the sinks have been given up: there is no need for poison.
    pub(super) fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Output {
    /// Writes what was taken, it being `now`.
    fn write(&mut self, now: Stamp) {
        let batch = self.drain.batch();
        self.sinks.attempt(|sinks| sinks.write(batch, now));
    }
}
