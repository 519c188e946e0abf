//! A logger: a thread's way from an event to a line that is on its way to the sinks.
//!
//! The line is put into the queue, and made anew if it came too late for its place in time. With a flush interval of zero the
//! logger goes on when its line is written.

use std::sync::Arc;

use tracing::Level;

use super::{
    batch::FinishedLine,
    line::Encoder,
    pipeline::Pipeline,
    queue::{Put, Role, Slot},
};
use crate::log::clock::Stamp;

/// What is decided about a line as it is logged: its time stamp and its number.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Microseconds since 1970.
    pub micros: u64,
    /// The number along the producer's lines.
    pub seq: u64,
}

/// A thread's way into the log.
#[derive(Debug)]
pub struct Logger {
    pipeline: Arc<Pipeline>,
    slot: Slot,
    role: Role,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that logs as `main` may take it first.
    next_seq: u64,
    last_stamp: Stamp,
}

impl Logger {
    /// The logger for worker number `worker`, or one that logs as `main`.
    pub(super) fn new(pipeline: Arc<Pipeline>, worker: Option<u32>, role: Role) -> Self {
        let thread = worker.map_or_else(|| "main".to_owned(), |n| format!("Worker-{n}"));
        Self {
            slot: pipeline.slot(worker),
            role,
            encoder: Encoder::new(&thread, pipeline.run, worker, pipeline.json),
            pipeline,
            next_seq: 0,
            last_stamp: Stamp::default(),
        }
    }

    /// The time stamp of the last line.
    pub fn last_stamp(&self) -> Stamp {
        self.last_stamp
    }

    /// Has all lines written that were logged so far. Returns when lines were lost last.
    pub fn commit(&self) -> Option<Stamp> {
        self.pipeline.commit()
    }

    /// Logs one line of the level `level`: `make` makes and finishes it in the encoder, and may be called again. A line for
    /// which the log is closed is dropped.
    #[inline]
    pub fn log(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        if self.role != Role::Writer {
            self.pipeline.wait_for_room();
        }
        if self.pipeline.flush_interval.is_zero() {
            self.write_through(level, make);
        } else {
            self.hand_over(level, make);
        }
    }

    /// Writes a line. Nobody else logs from its time stamp on until it is written.
    #[inline]
    fn write_through(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        let pipeline = &*self.pipeline;
        let output = pipeline.output();
        let Some(seq) = pipeline.queue.number(self.slot, self.role) else {
            return;
        };
        let stamp = pipeline.clock.now();
        let line = finished_line(pipeline, &mut self.encoder, (stamp, seq), level, make);
        pipeline.write_line(output, &line);
        self.last_stamp = stamp;
        if self.role != Role::Writer {
            pipeline.wait_until_written();
        }
    }

    /// Puts a line into the queue.
    #[inline]
    fn hand_over(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        let pipeline = &*self.pipeline;
        loop {
            let (stamp, seq) = (pipeline.clock.now(), self.next_seq);
            let line = finished_line(pipeline, &mut self.encoder, (stamp, seq), level, &make);
            match pipeline.queue.put(self.slot, self.role, &line) {
                put @ (Put::Waits | Put::HalfFull) => {
                    self.next_seq = seq + 1;
                    self.last_stamp = stamp;
                    if put == Put::HalfFull {
                        pipeline.see_to_drain();
                    }
                    return;
                }
                Put::MakeAnew(seq) => self.next_seq = seq,
                Put::Full => pipeline.make_room(self.slot),
                Put::Closed => return,
            }
        }
    }
}

/// Makes a line with this time stamp and number, in the forms that the sinks need.
#[inline]
fn finished_line<'a>(
    pipeline: &Pipeline,
    encoder: &'a mut Encoder,
    (stamp, seq): (Stamp, u64),
    level: Level,
    make: impl Fn(&mut Encoder, Head),
) -> FinishedLine<'a> {
    let micros = pipeline.clock.micros(stamp);
    make(encoder, Head { micros, seq });
    let to_console = pipeline.console_level.is_some_and(|max| level <= max);
    let text_is_needed = to_console || !pipeline.json;
    FinishedLine {
        stamp,
        seq,
        text: if text_is_needed { encoder.text() } else { &[] },
        json: encoder.json(),
        to_console,
    }
}
