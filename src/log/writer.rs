//! The writer: the thread that sees to it that no line waits too long.
//!
//! It drains when a line has waited for half the flush interval (the other half is for the drain itself). The file's
//! reports of trouble become lines here.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use super::{
    layer,
    logger::Logger,
    pipeline::Pipeline,
    queue::{Call, Role},
};
use crate::threads::Background;

/// How often an idle writer looks around.
const IDLE: Duration = Duration::from_secs(1);

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
    let Pipeline { queue, clock, .. } = pipeline;
    let patience = (pipeline.flush_interval / 2).min(IDLE);
    loop {
        let (oldest, came) = queue.news();
        // While lines come, the writer watches them itself: to wake it for the first of each batch would cost the producers more
        // than the lines.
        let (watches, left) = match oldest {
            Some(line) => {
                let due = line.after(patience);
                (true, Duration::from_nanos(due.nanos_since(clock.now())))
            }
            None if came => (true, patience),
            None => (false, IDLE),
        };
        match queue.wait(watches, left) {
            Call::Close => return,
            Call::LineCame => {}
            Call::TimeUp if !left.is_zero() => {}
            Call::TimeUp | Call::Urgent => {
                pipeline.emit_reports();
                pipeline.write_all();
            }
        }
    }
}
