//! The writer: the thread that sees to it that no line waits too long, and to all that no producer should be kept with.
//!
//! It drains when a line has waited for half the flush interval (the other half is for the drain itself). The file's
//! reports of trouble become lines here, and a reader of the console that is busy is offered its backlog again and again.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    event::Event,
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
pub struct Writer {
    pipeline: Arc<Pipeline>,
    /// While the console has a backlog: when it is offered again.
    offer: Option<Instant>,
}

impl Writer {
    /// The writer for `pipeline`.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self {
            pipeline,
            offer: None,
        }
    }

    /// Serves until the log is closed, whatever strikes: `main` waits for this thread. Of what comes after an error of the
    /// program itself nobody knows whether it is whole: it is taken from the producers, counted and lost.
    pub fn serve_to_the_end(mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.pipeline.sinks().give_up();
            self.serve();
        }
    }

    fn serve(&mut self) {
        layer::sign_on(Producer::new(
            Arc::clone(&self.pipeline),
            None,
            Role::Writer,
        ));
        // When the oldest line that waits has waited long enough.
        let mut due: Option<Instant> = None;
        loop {
            let next = [due, self.offer].into_iter().flatten().min();
            let patience = next.map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            match self.pipeline.queue.wait(due.is_some(), patience.min(IDLE)) {
                Call::LineWaits => {
                    due = Some(Instant::now() + (self.pipeline.flush_interval / 2).min(IDLE));
                    continue;
                }
                Call::TimeUp if next.is_none_or(|at| at > Instant::now()) => continue,
                Call::Urgent | Call::TimeUp => {
                    self.emit_reports();
                    self.write_all();
                }
                Call::Flush(asked) => {
                    self.flush();
                    self.pipeline.queue.flushed(asked);
                }
                Call::Close => return self.close(),
            }
            due = None;
        }
    }

    /// Writes all lines that are there, in time order.
    fn write_all(&mut self) {
        let pause = self.pipeline.write_all();
        self.offer = pause.map(|pause| Instant::now() + pause);
    }

    /// Logs what the file has to report. Says whether there was something.
    fn emit_reports(&self) -> bool {
        // The sinks must be free again before an event is emitted: it may be written through to them.
        let reports: Vec<Event> = self.pipeline.sinks().file.take_reports();
        reports.iter().for_each(Event::emit);
        !reports.is_empty()
    }

    /// Writes all that is there, also to a file that was failing, and with it what the file has to report.
    fn flush(&mut self) {
        self.write_all();
        self.pipeline.sinks().file.try_at_once();
        for _ in 0..REPORTS_MAX {
            if !self.emit_reports() {
                return;
            }
            self.write_all();
        }
    }

    /// Writes the last line. Only if that fails, there is something to be said behind it: which lines are missing.
    fn close(&mut self) {
        self.write_all();
        self.pipeline.sinks().file.forget_reopening();
        self.pipeline.queue.open_to(OpenTo::MainAndWriter);
        self.flush();
        self.pipeline.queue.open_to(OpenTo::Nobody);
        self.pipeline.sinks().console.drain();
    }
}
