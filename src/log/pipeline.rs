//! The log pipeline: what authors and writer share, and how lines get from the lanes to the sinks.
//!
//! How lines are handed over without loss and in order is told in [`lanes`](super::lanes). Here is decided who sweeps at
//! once when a tray is half full: the author itself, or, where there are more cores than workers, the writer on a core of
//! its own. What is due later is the [`writer`](super::writer)'s alone.
//!
//! This file must not know what a line says, nor what can go wrong with a sink.

use std::{
    num::NonZero,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    thread,
    time::Duration,
};

use tracing::Level;

use super::{
    lanes::{Lanes, Sweep},
    report::SinkReport,
    sinks::Sinks,
};
use crate::{
    log::clock::Clock,
    log::config::{LogConfig, LogFormat},
    sync::if_free,
};

/// As many lanes may hold lines at one time for each core, since a worker that runs needs one, and this many at least.
/// With those that are being written there are twice as many trays. More would only leave the cache while a sweep is held up.
const TRAYS_PER_CORE: usize = 2;
const TRAYS_MIN: usize = 8;
/// An author fills it in a fraction of a millisecond: with less, thousands of them would mostly wait for each other.
const TRAY_BYTES: usize = 256 << 10;
/// A console with a longer backlog holds the authors up. What their trays hold by then is added to it.
const BACKLOG_BYTES_MAX: usize = 256 << 10;
/// How often, a millisecond apart, a text for people is offered to the console once the writer is gone.
const SAY_ATTEMPTS: u32 = 500;

/// What authors and writer share.
#[derive(Debug)]
pub struct Pipeline {
    /// The run's id.
    pub(super) run: u64,
    /// The run's clock.
    pub(super) clock: Clock,
    /// How long a line may wait. With zero an author waits until its line is written.
    pub(super) flush_interval: Duration,
    /// Lines are made as JSON as well.
    pub(super) json: bool,
    /// Lines of at most this level go to the console; none where it is off.
    pub(super) console_level: Option<Level>,
    /// A lane per worker, and the last one for `main`.
    pub(super) lanes: Lanes,
    /// Whoever sweeps has the sweep's lock first.
    sinks: Mutex<Sinks>,
    /// There are more cores than workers.
    writer_has_core: bool,
    /// Reports of trouble have to wait: the run is counting its lines.
    pub(super) reports_held: AtomicBool,
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
        let threads = threads as usize;
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let trays = (cores * TRAYS_PER_CORE).max(TRAYS_MIN);
        Self {
            run,
            clock,
            flush_interval: config.flush_interval.into(),
            json: config.format == LogFormat::Json,
            console_level: config.console.level,
            lanes: Lanes::new(threads + 1, trays, TRAY_BYTES),
            sinks: Mutex::new(sinks),
            writer_has_core: cores > threads,
            reports_held: AtomicBool::new(false),
        }
    }

    /// The number of the lane for worker number `worker`, or for `main`. The shards before this one have as many workers
    /// each, whose numbers come before those of this one.
    pub(super) fn lane(&self, worker: Option<u32>) -> usize {
        let workers = self.lanes.count() - 1;
        worker.map_or(workers, |n| n as usize % workers)
    }

    /// For an author whose tray is half full: has the trays swept.
    #[cold]
    pub(super) fn see_to_sweep(&self) {
        if self.writer_has_core {
            self.lanes.hurry();
        } else if let Some(sweep) = self.lanes.sweep_if_free(|| self.clock.now()) {
            self.write_for_author(sweep);
        }
    }

    /// For an author that finds no room in its lane: sweeps, if nobody else has made room, as soon as the console lets it.
    #[cold]
    pub(super) fn make_room(&self, lane: usize) {
        self.lanes.wait_until_let_go();
        if let Some(sweep) = self.lanes.sweep_for_room(lane, || self.clock.now()) {
            self.write_for_author(sweep);
        }
    }

    /// Writes all lines that are there, in time order, and offers the console its backlog. Returns how soon that should be
    /// done again, if something is left of it.
    pub(super) fn write_all(&self) -> Option<Duration> {
        let mut sinks = self.write(self.lanes.sweep(|| self.clock.now()));
        sinks.console.push();
        self.heed_backlog(&sinks);
        (sinks.console.backlog() > 0).then(|| sinks.console.pause())
    }

    /// An author has no time for a busy reader of the console, and cannot log what the file reports: the writer sees to that,
    /// and comes again by itself as long as there is a backlog.
    fn write_for_author(&self, sweep: MutexGuard<'_, Sweep>) {
        let writer_comes = self.sinks().console.backlog() > 0;
        let sinks = self.write(sweep);
        let writer_wanted =
            sinks.file.has_reports() || sinks.console.backlog() > 0 && !writer_comes;
        self.heed_backlog(&sinks);
        drop(sinks);
        if writer_wanted {
            self.lanes.hurry();
        }
    }

    fn heed_backlog(&self, sinks: &Sinks) {
        self.lanes
            .hold_up(sinks.console.backlog() > BACKLOG_BYTES_MAX);
    }

    /// Writes what was swept.
    fn write(&self, mut sweep: MutexGuard<'_, Sweep>) -> MutexGuard<'_, Sinks> {
        let mut sinks = self.sinks();
        sinks.attempt(|sinks| {
            while let Some(run) = sweep.next_run() {
                if sinks.put_run(&run) {
                    sinks.write(self.clock.now());
                }
            }
            sinks.write(self.clock.now());
        });
        sinks
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
        let sinks = if_free(self.sinks.try_lock())?;
        Some((sinks.file.report(), sinks.console.report()))
    }

    /// After a panic while they were locked the sinks have been given up: there is no need for poison.
    pub(super) fn sinks(&self) -> MutexGuard<'_, Sinks> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
