//! From `tracing` to the log: each thread signs on as a producer, and its events become lines.
//!
//! The layer takes the program's own events; those of other crates are not the log's business.

use std::{cell::RefCell, fmt, sync::Arc};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    event::TARGET,
    line::Encoder,
    pipeline::Pipeline,
    producer::{Head, Producer},
    queue::Role,
};
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
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        if metadata.target() != TARGET {
            return;
        }
        PRODUCER.with_borrow_mut(|producer| {
            let observer = || Producer::new(Arc::clone(&self.pipeline), None, Role::Other);
            let producer = producer.get_or_insert_with(observer);
            let level = *metadata.level();
            producer.log(level, |encoder, head| {
                let mut line = LineVisitor {
                    encoder,
                    level,
                    head,
                    begun: false,
                };
                event.record(&mut line);
                line.begin("");
                encoder.finish();
            });
        });
    }
}

/// Takes an event's fields into a line. The message comes first, as the event table has it.
struct LineVisitor<'a> {
    encoder: &'a mut Encoder,
    level: Level,
    head: Head,
    begun: bool,
}

impl LineVisitor<'_> {
    /// Begins the line, if it has not begun.
    #[inline]
    fn begin(&mut self, message: &str) {
        if !self.begun {
            self.begun = true;
            self.encoder
                .begin(self.head.micros, self.level, message, self.head.seq);
        }
    }

    /// Whether this field is the message that the line begins with.
    #[inline]
    fn is_message(&self, field: &Field) -> bool {
        !self.begun && field.name() == "message"
    }
}

impl Visit for LineVisitor<'_> {
    #[inline]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.begin("");
        self.encoder.number(field.name(), value);
    }

    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        if self.is_message(field) {
            self.begin(value);
        } else {
            self.begin("");
            self.encoder.string(field.name(), value);
        }
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.begin("");
        self.encoder.float(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin("");
        self.encoder.literal(field.name(), &value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
