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
    pub(super) pipeline: Arc<Pipeline>,
    slot: Slot,
    role: Role,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that logs as `main` may take it first.
    next_seq: u64,
    /// The time stamp of the last line.
    pub(super) last_stamp: Stamp,
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

    /// Logs one line of the level `level`: `make` makes and finishes it in the encoder, and may be called again. A line for
    /// which the log is closed is dropped.
    #[inline]
    pub fn log(&mut self, level: Level, make: impl Fn(&mut Encoder, Head)) {
        let pipeline = &*self.pipeline;
        let (slot, role, encoder) = (self.slot, self.role, &mut self.encoder);
        if role != Role::Writer {
            pipeline.wait_for_room();
        }
        let to_console = pipeline.console_level.is_some_and(|max| level <= max);
        let text_is_needed = to_console || !pipeline.json;
        // With a flush interval of zero nobody else logs from a line's time stamp on until it is written.
        let mut output = pipeline.flush_interval.is_zero().then(|| pipeline.output());
        if output.is_some() {
            match pipeline.queue.number(slot, role) {
                Some(seq) => self.next_seq = seq,
                None => return,
            }
        }
        loop {
            let (stamp, seq) = (pipeline.clock.now(), self.next_seq);
            let micros = pipeline.clock.micros(stamp);
            make(encoder, Head { micros, seq });
            let line = FinishedLine {
                stamp,
                seq,
                text: if text_is_needed { encoder.text() } else { &[] },
                json: encoder.json(),
                to_console,
            };
            if let Some(output) = output.take() {
                pipeline.write_line(output, &line, role);
            } else {
                match pipeline.queue.put(slot, role, &line) {
                    Put::Waits => {}
                    Put::HalfFull => pipeline.see_to_drain(),
                    Put::MakeAnew(seq) => {
                        self.next_seq = seq;
                        continue;
                    }
                    Put::Full => {
                        pipeline.make_room(slot);
                        continue;
                    }
                    Put::Closed => return,
                }
            }
            self.next_seq = seq + 1;
            self.last_stamp = stamp;
            return;
        }
    }
}
