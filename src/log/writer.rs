//! The writer: the thread that sees to it that no line waits too long.
//!
//! It drains when a line has waited for half the flush interval (the other half is for the drain itself). The file's
//! reports of trouble become lines here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use super::{layer, logger::Logger, pipeline::Pipeline, queue::Role};
use crate::threads::Background;

/// Starts the thread that drains when it is due, until it is dropped, which closes the queue.
///
/// # Errors
/// The system refuses it.
pub(super) fn start(pipeline: Arc<Pipeline>) -> anyhow::Result<Background> {
    let closing = Arc::clone(&pipeline);
    Background::start(
        "log-writer",
        move || closing.queue.close(),
        move || {
            layer::sign_on(Logger::new(Arc::clone(&pipeline), None, Role::Writer));
            // Of what comes after an error of the program itself nobody knows whether it is whole: it is taken from the
            // producers, counted and lost.
            if catch_unwind(AssertUnwindSafe(|| serve(&pipeline))).is_err() {
                pipeline.output().sinks.given_up = true;
                serve(&pipeline);
            }
        },
    )
}

fn serve(pipeline: &Pipeline) {
    let patience = pipeline.flush_interval / 2;
    while pipeline.queue.wait(patience, || pipeline.clock.now()) {
        pipeline.emit_reports();
        pipeline.write_all();
    }
}
