//! From `tracing` to the log: each thread signs on as a producer, and its events become lines.
//!
//! The layer takes the program's own events; those of other crates are not the log's business.

use std::{cell::RefCell, sync::Arc};

use tracing::{Event, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{event, pipeline::Pipeline, producer::Producer, queue::Role};
use crate::log::clock::Stamp;

thread_local! {
    /// What the calling thread logs as. A thread that never signed on observes the run, and logs as `main`.
    static PRODUCER: RefCell<Option<Producer>> = const { RefCell::new(None) };
}

/// Makes the calling thread log as `producer`, from now until it ends.
pub fn sign_on(producer: Producer) {
    PRODUCER.set(Some(producer));
}

/// The time stamp of the calling thread's last line; the clock's beginning if it has none.
#[inline]
pub fn last_stamp() -> Stamp {
    PRODUCER.with_borrow(|producer| {
        producer
            .as_ref()
            .map_or(Stamp::default(), Producer::last_stamp)
    })
}

/// Has all lines written that were logged so far. Returns when lines were lost last: one that was logged later is in the log, for
/// certain.
pub fn commit() -> Option<Stamp> {
    PRODUCER.with_borrow(|producer| producer.as_ref().and_then(Producer::commit))
}

/// The `tracing` layer that turns the program's events into lines.
#[derive(Debug)]
pub struct LogLayer {
    pipeline: Arc<Pipeline>,
}

impl LogLayer {
    /// A layer that feeds `pipeline`.
    pub fn new(pipeline: Arc<Pipeline>) -> Self {
        Self { pipeline }
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, emitted: &Event<'_>, _context: Context<'_, S>) {
        event::take(emitted, |event| {
            PRODUCER.with_borrow_mut(|producer| {
                let observer = || Producer::new(Arc::clone(&self.pipeline), None, Role::Other);
                let producer = producer.get_or_insert_with(observer);
                let (level, message) = (event.level(), event.message());
                producer.log(level, |encoder, head| {
                    encoder.begin(head.micros, level, &message, head.seq);
                    event.encode(encoder);
                    encoder.finish();
                });
            });
        });
    }
}
