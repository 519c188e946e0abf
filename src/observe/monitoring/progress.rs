//! The progress line: one line on the terminal while a quiet run lasts.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context;
use console::Term;

use crate::{
    observe::watch::Sources,
    plan::workload::{Limit, Workload},
    work::recorder::{Counts, Totals},
    work::status::State,
};

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// The line. To drop it is to remove it.
#[derive(Debug)]
pub struct Progress {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Shows the line until this is dropped.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn start(sources: Sources) -> anyhow::Result<Self> {
        let (end, ended) = channel();
        let thread = thread::Builder::new()
            .name("progress".into())
            .spawn(move || show(&sources, &ended))
            .context(
                "cannot start the progress line; allow this user more processes (ulimit -u)",
            )?;
        Ok(Self {
            end: Some(end),
            thread: Some(thread),
        })
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn show(sources: &Sources, ended: &Receiver<()>) {
    let pipeline = &sources.dumper.pipeline;
    let terminal = Term::stderr();
    let started = Instant::now();
    while ended.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        let counts = Totals::counts(&sources.counters);
        let mut line = line(&sources.workload, &counts, started.elapsed());
        if sources.backlog.is_some() {
            let views = sources.board.read();
            let idle = views.iter().filter(|view| view.state == State::Idle);
            line += &format!(", {} workers wait for a request", idle.count());
        }
        // The last column stays free: a line that fills it would leave the cursor in two minds.
        let width = usize::from(terminal.size().1).saturating_sub(1);
        pipeline.show(line.get(..width).unwrap_or(&line));
    }
    pipeline.show("");
}

/// How far the run has come after `elapsed`, in one line.
fn line(workload: &Workload, counts: &Counts, elapsed: Duration) -> String {
    let done = counts.completed + counts.abandoned + counts.panicked;
    let seconds = elapsed.as_secs_f64();
    let rate = if seconds > 0.0 {
        done as f64 / seconds
    } else {
        0.0
    };
    let planned = match workload.iterations {
        Limit::At(each) => Some(each.saturating_mul(workload.threads.into())),
        Limit::Unlimited => None,
    };
    let by_count = planned
        .filter(|_| rate > 0.0)
        .map(|planned| planned.saturating_sub(done) as f64 / rate);
    let by_time = workload.duration.map(|duration| {
        Duration::from(duration)
            .saturating_sub(elapsed)
            .as_secs_f64()
    });
    let left = match (by_count, by_time) {
        (Some(count), Some(time)) => Some(count.min(time)),
        (count, time) => count.or(time),
    };
    let mut line = match planned {
        Some(planned) => format!("{done}/{planned} operations"),
        None => format!("{done} operations"),
    };
    line += &format!(
        ", {rate:.0}/s, {} failures, {} retries",
        counts.failed_attempts, counts.retries
    );
    if let Some(left) = left {
        line += &format!(", {} left", time_left(left));
    }
    line
}

/// A time in whole seconds, or in hours and minutes.
pub(super) fn time_left(seconds: f64) -> String {
    match seconds {
        s if s < 600.0 => format!("{s:.0} s"),
        s if s < 360_000.0 => {
            let minutes = (s / 60.0) as u64;
            format!("{}h {:02}m", minutes / 60, minutes % 60)
        }
        s => format!("{:.0} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn the_line_by_hand() {
        let counts = Counts {
            completed: 40,
            abandoned: 9,
            panicked: 1,
            failed_attempts: 60,
            retries: 30,
        };
        for (args, expected) in [
            (
                "hifi",
                "50/1000 operations, 10/s, 60 failures, 30 retries, 95 s left",
            ),
            (
                "hifi --duration 1m",
                "50 operations, 10/s, 60 failures, 30 retries, 55 s left",
            ),
            (
                "hifi -n unlimited",
                "50 operations, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi -n 200000 -t 1",
                "50/200000 operations, 10/s, 60 failures, 30 retries, 5h 33m left",
            ),
        ] {
            let workload = Cli::parse_from(args.split(' '))
                .run
                .workload
                .into_workload();
            assert_eq!(
                line(&workload, &counts, Duration::from_secs(5)),
                expected,
                "{args}"
            );
        }
        let workload = Cli::parse_from(["hifi"]).run.workload.into_workload();
        assert_eq!(
            line(&workload, &Counts::default(), Duration::ZERO),
            "0/1000 operations, 0/s, 0 failures, 0 retries"
        );
    }
}
