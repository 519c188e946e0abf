//! The writer: the thread that sees to it that no line waits too long, and to all that no author should be kept with.
//!
//! A sweep begins when a line has waited for half the flush interval (the other half is for the sweep itself). The file's
//! reports of trouble become lines here, and a reader of the console that is busy is offered its backlog again and again.
//!
//! This file must not know what a line says, nor what can go wrong with a sink.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::{author::Author, event::Event, lanes::Call, layer, pipeline::Pipeline};

/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_secs(1);

/// The thread that sweeps when it is due.
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

    /// Serves until the log is closed, whatever strikes: `main` waits for this thread, and so do authors that are
    /// held up: it must not go. Of what comes after an error of the program itself nobody knows whether it is whole: it is
    /// taken from the authors, counted and lost.
    pub fn serve_to_the_end(mut self) {
        if catch_unwind(AssertUnwindSafe(|| self.serve())).is_err() {
            self.pipeline.sinks().give_up();
            self.serve();
        }
    }

    fn serve(&mut self) {
        layer::sign_on(Author::new(Arc::clone(&self.pipeline), None).impatient());
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
        let pause = self.pipeline.write_all();
        self.offer = pause.map(|pause| Instant::now() + pause);
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
