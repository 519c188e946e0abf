//! From `tracing` to the log: each thread signs its events as an author, and they become lines.
//!
//! The layer takes the program's own events; those of other crates are not the log's business.
//! This file must not know what the events mean, nor what becomes of a line.

use std::{cell::RefCell, fmt, sync::Arc};

use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

use super::{
    author::{Author, Head},
    event::TARGET,
    line::Encoder,
    pipeline::Pipeline,
};
use crate::log::clock::Stamp;

thread_local! {
    /// Who the calling thread signs as. A thread that never signed on is `main` from its first event.
    static AUTHOR: RefCell<Option<Author>> = const { RefCell::new(None) };
}

/// Makes the calling thread sign its events as `author`, from now until it ends.
pub fn sign_on(author: Author) {
    AUTHOR.set(Some(author));
}

/// The time stamp of the calling thread's last line; the clock's beginning if it has none.
#[inline]
pub fn last_stamp() -> Stamp {
    AUTHOR.with_borrow(|author| author.as_ref().map_or(Stamp::default(), Author::last_stamp))
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
        AUTHOR.with_borrow_mut(|author| {
            let author =
                author.get_or_insert_with(|| Author::new(Arc::clone(&self.pipeline), None));
            let level = *metadata.level();
            author.log(level, |encoder, head| {
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
        if value.is_finite() {
            self.encoder.literal(field.name(), &value.to_string());
        } else {
            self.encoder.string(field.name(), &value.to_string());
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin("");
        self.encoder
            .literal(field.name(), if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
