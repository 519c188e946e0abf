//! The log: from an event to a line in the file and on the console, and back.
//!
//! ```text
//! event ──tracing──> layer ──> logger ──line──> queue ──batch, in time order──> sinks ──> file
//!                                                                                  └──> console
//! ```
//!
//! `event` says what there is to say, `account` what is said at the end, and `line` how a line looks, written (into a
//! `buffer`) and read. `layer` takes events from `tracing` to the thread's `logger`, which stamps them by the `clock` and
//! puts lines into the `queue`. In the `pipeline` a drain takes them as a `batch`, in time order, to the `sinks`: the `file`
//! and the `console`, which is a `stream`. The `writer` sees to it that none waits too long. `config` is what the log needs
//! to be told, `report` what became of the lines.

pub(crate) mod account;
pub(crate) mod batch;
pub(crate) mod buffer;
pub mod clock;
pub mod config;
pub(crate) mod console;
pub mod event;
pub(crate) mod file;
pub(crate) mod layer;
pub mod line;
pub(crate) mod logger;
pub(crate) mod pipeline;
pub(crate) mod queue;
pub(crate) mod report;
pub(crate) mod sinks;
pub mod stream;
pub(crate) mod writer;

use std::sync::Arc;

use anyhow::bail;

use self::{
    console::Console,
    file::Wrap,
    pipeline::Pipeline,
    queue::{OpenTo, Role},
    sinks::{Destination, Sinks},
    stream::Patience,
};
pub use self::{
    layer::{LogLayer, commit, last_stamp, sign_on},
    logger::Logger,
    report::LogReport,
};
use crate::{log::clock::Clock, log::config::LogConfig, threads::Background};

/// The log of a run, from the opening of the file to its last line. To drop it is to close it.
#[derive(Debug)]
pub struct Log {
    pipeline: Arc<Pipeline>,
    writer: Option<Background>,
}

impl Log {
    /// Opens the file and starts the writer, for a run with the id `run` and `threads` workers. A reader of the console
    /// that stalls is waited for as far as `patience` goes.
    ///
    /// # Errors
    /// The file cannot be opened, or the writer's thread cannot be started.
    pub fn open(
        config: &LogConfig,
        run: u64,
        threads: u32,
        clock: Clock,
        patience: &Patience,
    ) -> anyhow::Result<Self> {
        let destination = Destination::open(config, patience)?;
        let console = Console::open(&config.console, patience.clone());
        let sinks = Sinks::new(config, destination, console);
        let pipeline = Arc::new(Pipeline::new(config, run, threads, clock, sinks));
        let writer = Some(writer::start(Arc::clone(&pipeline))?);
        Ok(Self { pipeline, writer })
    }

    /// The logger for worker number `worker`.
    pub fn worker(&self, worker: u32) -> Logger {
        Logger::new(Arc::clone(&self.pipeline), Some(worker), Role::Other)
    }

    /// The logger for the thread that leads the run.
    pub fn main(&self) -> Logger {
        Logger::new(Arc::clone(&self.pipeline), None, Role::Main)
    }

    /// The part that loggers and the layer share.
    pub fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Writes all that was logged so far. What follows goes through what `wrap` puts before the file.
    ///
    /// # Errors
    /// The file cannot be opened a second time.
    pub fn reopen(&self, wrap: Wrap) -> anyhow::Result<()> {
        self.pipeline.write_all();
        match self.pipeline.output().sinks.log.file() {
            Some(file) => file.reopen(wrap),
            None => {
                bail!("standard output cannot be opened a second time; name a file with --log-file")
            }
        }
    }

    /// Writes all that was logged so far, and from then on takes no lines but those of `main`: of workers that got stuck,
    /// observers and the writer there are no more. Returns how many lines were logged: from here on the caller alone decides
    /// how many follow.
    pub fn settle(&mut self) -> u64 {
        self.pipeline.queue.open_to(OpenTo::MainAndWriter);
        self.writer = None;
        self.pipeline.flush();
        if let Some(file) = self.pipeline.output().sinks.log.file() {
            file.awaits_last_line = true;
        }
        self.pipeline.queue.lines()
    }

    /// Closes the log, and says what became of the lines.
    pub fn close(self) -> LogReport {
        let pipeline = Arc::clone(&self.pipeline);
        drop(self);
        let lines = pipeline.queue.lines();
        let sinks = &pipeline.output().sinks;
        LogReport {
            path: sinks.log.path(),
            lines,
            file: sinks.file_report(lines),
            console: pipeline.console.stream.report(),
        }
    }
}

impl Drop for Log {
    /// Writes what is there. Only if the last line cannot be written, there is something to be said behind it: which lines are
    /// missing.
    fn drop(&mut self) {
        self.writer = None;
        self.pipeline.write_all();
        if let Some(file) = self.pipeline.output().sinks.log.file() {
            file.end();
        }
        self.pipeline.flush();
        self.pipeline.queue.open_to(OpenTo::Nobody);
        self.pipeline.wait_until_written();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path, time::Duration};

    use tracing::{Level, Subscriber};
    use tracing_subscriber::{Layer, layer::Context, prelude::*};

    use super::{event::Event, *};
    use crate::{
        log::config::{ConsoleConfig, LogFormat, Rotation},
        plan::workload::Micros,
    };

    /// Panics where the writer itself has something to log.
    struct Strike;

    impl<S: Subscriber> Layer<S> for Strike {
        fn on_event(&self, _event: &tracing::Event<'_>, _context: Context<'_, S>) {
            assert_ne!(
                std::thread::current().name(),
                Some("log-writer"),
                "on purpose"
            );
        }
    }

    fn patience() -> Patience {
        Patience::new(Arc::default(), None)
    }

    fn config(path: &Path, flush_interval: Micros) -> LogConfig {
        LogConfig {
            path: Some(path.into()),
            format: LogFormat::Text,
            rotation: Rotation::Never,
            flush_interval,
            console: ConsoleConfig {
                level: None,
                coloured: false,
                progress: false,
            },
        }
    }

    #[test]
    fn a_panic_of_the_writer_loses_lines_that_are_counted_and_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.log");
        let config = config(&path, Micros(1000));
        let mut log = Log::open(&config, 7, 1, Clock::start(), &patience()).unwrap();
        tracing_subscriber::registry()
            .with(Strike)
            .with(LogLayer::new(Arc::clone(log.pipeline())))
            .init();
        let log_lines = |count| {
            (0..count).for_each(|worker| Event::ThreadStarted { worker }.emit());
        };
        sign_on(log.main());
        log_lines(10);
        log.pipeline.write_all();
        // The writer notices that the log is renamed, and is about to log that.
        fs::rename(&path, folder.path().join("app.log.1")).unwrap();
        let has_struck = || log.pipeline.output().sinks.file_report(0).errors > 0;
        while !has_struck() {
            log_lines(1);
            std::thread::sleep(Duration::from_millis(1));
        }
        // Many more than a batch has room for.
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

    #[test]
    fn a_panic_at_the_sinks_loses_lines_that_are_counted_and_holds_nobody_up() {
        for flush_interval in [Micros(0), Micros(1000)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("app.log");
            let config = config(&path, flush_interval);
            let mut log = Log::open(&config, 7, 1, Clock::start(), &patience()).unwrap();
            let mut main = log.main();
            let mut log_lines = |count| {
                for _ in 0..count {
                    main.log(Level::INFO, |encoder, head| {
                        encoder.begin(head.micros, Level::INFO, "A line", head.seq);
                        encoder.finish();
                    });
                }
            };
            log_lines(10);
            assert_eq!(log.settle(), 10);
            log.pipeline
                .output()
                .sinks
                .attempt(|_| panic!("on purpose"));
            // Many more than a batch has room for.
            log_lines(20_000);
            let report = log.close();
            assert_eq!((report.lines, report.file.errors), (20_010, 1));
            assert_eq!((report.file.lines, report.file.lost), (10, 20_000));
            assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 10);
        }
    }
}
