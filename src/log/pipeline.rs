//! The pipeline: what producers and writer share, and how lines get from the queue to the sinks.
//!
//! How lines are handed over without loss and in order is told in [`queue`](super::queue). Here is decided who drains at
//! once when a batch is half full: the producer itself, or, where there are more cores than workers, the writer on a core of
//! its own. What is due later is the [`writer`](super::writer)'s alone.

use std::{
    num::NonZero,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use tracing::Level;

use super::{
    queue::{Drain, Queue},
    report::SinkReport,
    sinks::Sinks,
};
use crate::{
    log::clock::Clock,
    log::config::{LogConfig, LogFormat},
    sync::if_free,
};

/// Producers fill it in a fraction of a millisecond: with less, thousands of them would mostly wait for each other. With more,
/// its lines would have left the cores' caches when they are written.
const BATCH_BYTES: usize = 512 << 10;
/// A console with a longer backlog holds the producers up. What the queue holds by then is added to it.
const BACKLOG_BYTES_MAX: usize = 256 << 10;
/// How often, a millisecond apart, a text for people is offered to the console once the writer is gone.
const SAY_ATTEMPTS: u32 = 500;

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
    /// Whoever drains has the drain's lock first.
    sinks: Mutex<Sinks>,
    /// There are more cores than workers.
    writer_has_core: bool,
    held_up: AtomicBool,
    pub(super) closing: AtomicBool,
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
        Self {
            run,
            clock,
            flush_interval: config.flush_interval.into(),
            json: config.format == LogFormat::Json,
            console_level: config.console.level,
            queue: Queue::new(workers + 1, BATCH_BYTES),
            workers,
            sinks: Mutex::new(sinks),
            writer_has_core: cores > workers,
            held_up: AtomicBool::new(false),
            closing: AtomicBool::new(false),
        }
    }

    /// The producer's number in the queue for worker number `worker`, or for `main`. The shards before this one have as many
    /// workers each, whose numbers come before those of this one.
    pub(super) fn number(&self, worker: Option<u32>) -> usize {
        worker.map_or(self.workers, |n| n as usize % self.workers)
    }

    /// For a producer that has filled half the batch: has it written.
    #[cold]
    pub(super) fn see_to_drain(&self) {
        if self.writer_has_core {
            self.queue.hurry();
        } else if let Some(drain) = self.queue.drain_if_free(|| self.clock.now()) {
            self.write_for_producer(&drain);
        }
    }

    /// For a producer that found the batch full: drains, if nobody else has made room meanwhile.
    #[cold]
    pub(super) fn make_room(&self) {
        if let Some(drain) = self.queue.drain_if_full(|| self.clock.now()) {
            self.write_for_producer(&drain);
        }
    }

    /// Writes all lines that are there, in time order, and offers the console its backlog. Returns how soon that should be
    /// done again, if something is left of it.
    pub(super) fn write_all(&self) -> Option<Duration> {
        let drain = self.queue.drain(|| self.clock.now());
        let mut sinks = self.write(&drain);
        sinks.console.push();
        self.heed_backlog(&sinks);
        (sinks.console.backlog() > 0).then(|| sinks.console.pause())
    }

    /// A producer cannot log what the file reports: the writer sees to that.
    fn write_for_producer(&self, drain: &Drain) {
        let sinks = self.write(drain);
        let writer_wanted = sinks.file.has_reports() || sinks.console.backlog() > 0;
        self.heed_backlog(&sinks);
        drop(sinks);
        if writer_wanted {
            self.queue.hurry();
        }
    }

    fn heed_backlog(&self, sinks: &Sinks) {
        self.held_up.store(
            sinks.console.backlog() > BACKLOG_BYTES_MAX,
            Ordering::SeqCst,
        );
    }

    /// Waits while the console is too far behind.
    #[inline]
    pub(super) fn wait_for_console(&self) {
        while self.held_up.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Writes what was drained.
    fn write(&self, drain: &Drain) -> MutexGuard<'_, Sinks> {
        let mut sinks = self.sinks();
        sinks.attempt(|sinks| sinks.write(drain.batch(), self.clock.now()));
        sinks
    }

    /// Writes a text for people to the console, whole, between two lines of the log and whatever its level.
    pub fn say(&self, text: &str) {
        self.sinks().console.say(text);
        if !self.closing.load(Ordering::SeqCst) {
            // What the reader has not taken yet is the writer's business.
            return self.queue.hurry();
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
        let sinks = if_free(self.sinks.try_lock())?;
        Some((sinks.file.report(), sinks.console.report()))
    }

    /// After a panic while they were locked the sinks have been given up: there is no need for poison.
    pub(super) fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
