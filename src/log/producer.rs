//! A producer: a thread's way from an event to a line that is on its way to the sinks.
//!
//! Mostly the line is put into the queue, and made anew if it came too late for its place in time. With a flush interval of
//! zero the producer takes the sinks' lock, and goes on when its line is written.

use std::sync::Arc;

use tracing::Level;

use super::{
    batch::FinishedLine,
    line::Encoder,
    pipeline::Pipeline,
    queue::{Refused, Role, Taken},
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
pub struct Producer {
    pipeline: Arc<Pipeline>,
    /// Its number in the queue.
    number: usize,
    role: Role,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that logs as `main` may take it first.
    next_seq: u64,
    last_stamp: Stamp,
}

impl Producer {
    /// The producer for worker number `worker`, or one that logs as `main`.
    pub(super) fn new(pipeline: Arc<Pipeline>, worker: Option<u32>, role: Role) -> Self {
        let thread = worker.map_or_else(|| "main".to_owned(), |n| format!("Worker-{n}"));
        Self {
            number: pipeline.number(worker),
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
        if self.role != Role::Writer {
            pipeline.wait_for_room();
        }
        loop {
            let (stamp, seq) = (pipeline.clock.now(), self.next_seq);
            let micros = pipeline.clock.micros(stamp);
            make(&mut self.encoder, Head { micros, seq });
            let text_is_needed = to_console || !pipeline.json;
            let line = FinishedLine {
                stamp,
                seq,
                text: if text_is_needed {
                    self.encoder.text()
                } else {
                    &[]
                },
                json: self.encoder.json(),
                to_console,
            };
            match pipeline.queue.put(self.number, self.role, &line) {
                Ok(taken) => {
                    self.next_seq = seq + 1;
                    self.last_stamp = stamp;
                    if taken == Taken::HalfFull {
                        pipeline.see_to_drain();
                    }
                    return;
                }
                Err(Refused::MakeAnew(seq)) => self.next_seq = seq,
                Err(Refused::Full) => pipeline.make_room(self.number),
                Err(Refused::Closed) => return,
            }
        }
    }

    fn write_through(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        if self.role != Role::Writer {
            self.pipeline.wait_for_room();
        }
        let mut sinks = self.pipeline.sinks();
        let Some(seq) = self.pipeline.queue.number(self.number, self.role) else {
            return;
        };
        let stamp = self.pipeline.clock.now();
        let micros = self.pipeline.clock.micros(stamp);
        make(&mut self.encoder, Head { micros, seq });
        self.last_stamp = stamp;
        let line = FinishedLine {
            stamp,
            seq,
            text: self.encoder.text(),
            json: self.encoder.json(),
            to_console,
        };
        sinks.attempt(|sinks| sinks.write_line(&line));
        let reports = sinks.log.has_reports();
        drop(sinks);
        if reports {
            self.pipeline.queue.hurry();
        }
        if self.role != Role::Writer {
            self.pipeline.wait_until_written();
        }
    }
}
