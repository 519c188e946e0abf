//! One who logs: a thread's way from an event to a line that is on its way to the sinks.
//!
//! Mostly the line is handed over to the author's lane, and made anew if it came too late for its place in time. With a
//! flush interval of zero the author takes the sinks' lock, and goes on when its line is written.
//!
//! This file must not know what a line says.

use std::sync::Arc;

use tracing::Level;

use super::{
    lanes::{Refused, Taken},
    line::Encoder,
    pipeline::Pipeline,
    tray::FinishedLine,
};
use crate::log::clock::Stamp;

/// What is decided about a line as it is logged: its time stamp and its number.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// Microseconds since 1970.
    pub micros: u64,
    /// The number along the lane.
    pub seq: u64,
}

/// One who logs: a thread's way into its lane.
#[derive(Debug)]
pub struct Author {
    pipeline: Arc<Pipeline>,
    lane: usize,
    encoder: Encoder,
    /// What the next line's number should be. Another thread that signs as `main` may take it first.
    next_seq: u64,
    last_stamp: Stamp,
    /// Whether it may be refused for want of room, which it then sees to.
    patient: bool,
}

impl Author {
    /// The author for worker number `worker`, or for `main`.
    pub fn new(pipeline: Arc<Pipeline>, worker: Option<u32>) -> Self {
        let thread = worker.map_or_else(|| "main".to_owned(), |n| format!("Worker-{n}"));
        Self {
            lane: pipeline.lane(worker),
            encoder: Encoder::new(&thread, pipeline.run, worker, pipeline.json),
            pipeline,
            next_seq: 0,
            last_stamp: Stamp::default(),
            patient: true,
        }
    }

    /// One that needs no room: the writer's, which must not wait until it lets itself go on.
    pub fn impatient(self) -> Self {
        Self {
            patient: false,
            ..self
        }
    }

    /// The time stamp of the last line.
    pub fn last_stamp(&self) -> Stamp {
        self.last_stamp
    }

    /// Logs one line of the level `level`: `make` makes and finishes it in the encoder, and may be called again.
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
        loop {
            let (stamp, seq) = (pipeline.clock.now(), self.next_seq);
            make(
                &mut self.encoder,
                Head {
                    micros: pipeline.clock.micros(stamp),
                    seq,
                },
            );
            let (text, json) = (self.encoder.text(), self.encoder.json());
            let line = FinishedLine {
                stamp,
                seq,
                text,
                json,
                to_console,
            };
            match pipeline.lanes.put(self.lane, line, self.patient) {
                Ok(taken) => {
                    self.next_seq = seq + 1;
                    self.last_stamp = stamp;
                    if taken == Taken::HalfFull {
                        pipeline.see_to_sweep();
                    }
                    return;
                }
                Err(Refused::MakeAnew { seq }) => self.next_seq = seq,
                Err(Refused::NoRoom) => pipeline.make_room(self.lane),
            }
        }
    }

    fn write_through(&mut self, to_console: bool, make: impl Fn(&mut Encoder, Head)) {
        let mut sinks = self.pipeline.sinks();
        let stamp = self.pipeline.clock.now();
        let seq = self.pipeline.lanes.number(self.lane);
        make(
            &mut self.encoder,
            Head {
                micros: self.pipeline.clock.micros(stamp),
                seq,
            },
        );
        self.last_stamp = stamp;
        sinks.attempt(|sinks| {
            sinks.put(self.encoder.text(), self.encoder.json(), to_console);
            sinks.write(stamp);
            sinks.console.drain();
        });
        if sinks.file.has_reports() {
            self.pipeline.lanes.hurry();
        }
    }
}
