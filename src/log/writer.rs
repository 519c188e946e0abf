//! The writer: the thread that sees to it that no line waits too long.
//!
//! It drains when a line has waited for half the flush interval (the other half is for the drain itself). The file's
//! reports of trouble become lines here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    event::Event,
    file::LogFile,
    layer,
    pipeline::Pipeline,
    producer::Producer,
    queue::{Call, OpenTo, Role},
};

/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_secs(1);
/// A report that is written may bring about another, of a file that fails again. After so many nobody waits for the next.
const REPORTS_MAX: u32 = 3;

/// The thread that drains when it is due.
#[derive(Debug)]
pub(crate) struct Writer {
    pipeline: Arc<Pipeline>,
}

impl Writer {
    /// The writer for `pipeline`.
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline }
    }

    /// Serves until the log is closed, whatever strikes: `main` waits for this thread. Of what comes after an error of the
    /// program itself nobody knows whether it is whole: it is taken from the producers, counted and lost.
    pub(crate) fn serve_to_the_end(self) {
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.pipeline.sinks().give_up();
            self.serve();
        }
    }

    fn serve(&self) {
        layer::sign_on(Producer::new(
            Arc::clone(&self.pipeline),
            None,
            Role::Writer,
        ));
        let Pipeline { queue, clock, .. } = &*self.pipeline;
        let patience = (self.pipeline.flush_interval / 2).min(IDLE);
        loop {
            // Mostly another thread has seen to the line that was known before.
            let due = queue.oldest_line().map(|line| line.after(patience));
            let now = clock.now();
            if due.is_some_and(|due| due <= now) {
                self.drain();
                continue;
            }
            let left = due.map_or(IDLE, |due| Duration::from_nanos(due.nanos_since(now)));
            match queue.wait(due.is_some(), left) {
                Call::LineWaits | Call::TimeUp => {}
                Call::Urgent => self.drain(),
                Call::Flush(asked) => {
                    self.flush();
                    queue.flushed(asked);
                }
                Call::Close => return self.close(),
            }
        }
    }

    fn drain(&self) {
        self.emit_reports();
        self.pipeline.write_all();
    }

    /// Does something with the file, if the log goes to one.
    fn with_file<T: Default>(&self, work: impl FnOnce(&mut LogFile) -> T) -> T {
        self.pipeline
            .sinks()
            .log
            .file()
            .map(work)
            .unwrap_or_default()
    }

    /// Logs what the file has to report. Says whether there was something.
    fn emit_reports(&self) -> bool {
        // The sinks must be free again before an event is emitted: it may be written through to them.
        let reports: Vec<Event> = self.with_file(LogFile::take_reports);
        reports.iter().for_each(Event::emit);
        !reports.is_empty()
    }

    /// Writes all that is there, also to a file that was failing, and with it what the file has to report.
    fn flush(&self) {
        self.pipeline.write_all();
        self.with_file(LogFile::try_at_once);
        for _ in 0..REPORTS_MAX {
            if !self.emit_reports() {
                return;
            }
            self.pipeline.write_all();
        }
    }

    /// Writes the last line. Only if that fails, there is something to be said behind it: which lines are missing.
    fn close(&self) {
        self.pipeline.write_all();
        self.with_file(LogFile::end);
        self.pipeline.queue.open_to(OpenTo::MainAndWriter);
        self.flush();
        self.pipeline.queue.open_to(OpenTo::Nobody);
    }
}
