//! From `tracing` to the log: each thread signs on as a logger, and its events become lines.
//!
//! The layer takes the program's own events; those of other crates are not the log's business.

use std::{cell::RefCell, sync::Arc};

use tracing::{Event, Subscriber};
use tracing_subscriber::{Layer, layer::Context};

use super::{event, logger::Logger, pipeline::Pipeline, queue::Role};
use crate::log::clock::Stamp;

thread_local! {
    /// What the calling thread logs as. A thread that never signed on observes the run, and logs as `main`.
    static LOGGER: RefCell<Option<Logger>> = const { RefCell::new(None) };
}

/// Makes the calling thread log as `logger`, from now until it ends.
pub fn sign_on(logger: Logger) {
    LOGGER.set(Some(logger));
}

/// The time stamp of the calling thread's last line; the clock's beginning if it has none.
#[inline]
pub fn last_stamp() -> Stamp {
    LOGGER.with_borrow(|logger| logger.as_ref().map_or(Stamp::default(), |it| it.last_stamp))
}

/// Has all lines written that were logged so far. Returns when lines were lost last: one that was logged later is in the log, for
/// certain.
pub fn commit() -> Option<Stamp> {
    LOGGER.with_borrow(|logger| logger.as_ref().and_then(|it| it.pipeline.commit()))
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
            LOGGER.with_borrow_mut(|logger| {
                let observer = || Logger::new(Arc::clone(&self.pipeline), None, Role::Other);
                let logger = logger.get_or_insert_with(observer);
                let (level, message) = (event.level(), event.message());
                logger.log(level, |encoder, head| {
                    encoder.begin(head.micros, level, &message, head.seq);
                    event.encode(encoder);
                    encoder.finish();
                });
            });
        });
    }
}
