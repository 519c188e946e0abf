//! The progress line: one line on the terminal while a quiet run lasts.

use std::{
    ops::ControlFlow,
    time::{Duration, Instant},
};

use console::Term;

use crate::{
    log::{account::Account, console::CLEAR, stream::Stream},
    observe::sources::Sources,
    observe::watch::{self, Look},
    plan::{
        format::counted,
        workload::{Limit, Workload},
    },
    threads::Background,
    work::recorder::Totals,
    work::status::State,
};

/// How often the line is drawn.
const INTERVAL: Duration = Duration::from_millis(100);

/// Shows the line, from the second look on, until the watcher is dropped.
///
/// # Errors
/// The system refuses the thread.
pub(super) fn start(sources: Sources) -> anyhow::Result<Background> {
    let terminal = Term::stderr();
    let started = Instant::now();
    watch::repeat("progress", INTERVAL, move |look| {
        let console = &sources.pipeline.console.stream;
        if look == Look::ForTheLastTime {
            show(console, "");
        } else if started.elapsed() >= INTERVAL {
            let account = Totals::account(&sources.counters);
            let accounts = sources.counters.iter().map(|counters| counters.account());
            let at_work = accounts.filter(|account| account.panicked == 0);
            let done = at_work.map(|account| account.completed + account.abandoned);
            let fewest = done.min().unwrap_or(0);
            let mut facts = facts(&sources.workload, &account, fewest, started.elapsed());
            if sources.backlog.is_some() {
                let views = sources.board.read();
                let idle = views.iter().filter(|view| view.state == State::Idle);
                facts.push(counted(idle.count() as u64, "idle worker"));
            }
            show(console, &fitted(&facts, terminal.size().1.into()));
        }
        ControlFlow::Continue(())
    })
}

/// Shows a line in place of the one before; an empty one goes. A reader that stalls misses some. The cursor stays at the
/// line's beginning: a terminal that is made narrower breaks the line, and from there all of it is overwritten.
fn show(console: &Stream, line: &str) {
    if console.is_idle() || line.is_empty() {
        console.write_text(format!("{line}{CLEAR}").as_bytes());
    }
}

/// How far the run has come after `elapsed`: facts, the most important first. `fewest` operations were done by the
/// slowest of the workers that are still at work.
fn facts(workload: &Workload, account: &Account, fewest: u64, elapsed: Duration) -> Vec<String> {
    let done = account.completed + account.abandoned + account.panicked;
    let rate = match elapsed.as_secs_f64() {
        0.0 => 0.0,
        seconds => done as f64 / seconds,
    };
    let threads = f64::from(workload.threads);
    let (planned, by_count) = match workload.iterations {
        Limit::At(each) => (
            format!("/{}", each.saturating_mul(workload.threads.into())),
            // The slowest worker is the last to end, and all have done about as much in a second.
            (rate > 0.0).then(|| each.saturating_sub(fewest) as f64 / (rate / threads)),
        ),
        Limit::Unlimited => (String::new(), None),
    };
    let by_time = workload.duration.map(|duration| {
        Duration::from(duration)
            .saturating_sub(elapsed)
            .as_secs_f64()
    });
    let left = by_count.into_iter().chain(by_time).reduce(f64::min);
    let mut facts = vec![format!("{done}{planned} operations")];
    facts.extend(left.and_then(time_left));
    facts.push(format!("{rate:.0}/s"));
    facts.push(format!("{} failures", account.failed_attempts));
    facts.push(format!("{} retries", account.retries));
    facts
}

/// The facts in one line, as far as a terminal of `width` columns has room for them. Its last column stays free: in a line that
/// fills it, the cursor may stand in the next.
pub(super) fn fitted(facts: &[String], width: usize) -> String {
    let room = width.saturating_sub(1);
    console::truncate_str(&facts.join(", "), room, "…").into_owned()
}

/// How much time is left, in whole seconds, or in minutes where it is long; nothing where none is.
fn time_left(seconds: f64) -> Option<String> {
    let time = match seconds.ceil() as u64 {
        0 => return None,
        long if long >= 600 => long - long % 60,
        short => short,
    };
    let time = humantime::format_duration(Duration::from_secs(time));
    Some(format!("{time} left"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Cli;

    const ACCOUNT: Account = Account {
        completed: 40,
        abandoned: 9,
        panicked: 1,
        interrupted: 0,
        failed_attempts: 60,
        retries: 30,
    };

    fn facts_of(args: &str, fewest: u64, account: &Account, elapsed: u64) -> Vec<String> {
        let workload = Cli::parse_from(args.split(' '))
            .run
            .workload
            .into_workload();
        facts(&workload, account, fewest, Duration::from_secs(elapsed))
    }

    #[test]
    fn the_facts_by_hand() {
        for (args, fewest, expected) in [
            (
                "hifi",
                5,
                "50/1000 operations, 1m 35s left, 10/s, 60 failures, 30 retries",
            ),
            // Most workers have ended, and one has hardly begun.
            (
                "hifi",
                0,
                "50/1000 operations, 1m 40s left, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi -n 5",
                5,
                "50/50 operations, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi --duration 1m",
                5,
                "50 operations, 55s left, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi --duration 5100ms",
                5,
                "50 operations, 1s left, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi -n unlimited",
                5,
                "50 operations, 10/s, 60 failures, 30 retries",
            ),
            (
                "hifi -n 200000 -t 1",
                50,
                "50/200000 operations, 5h 33m left, 10/s, 60 failures, 30 retries",
            ),
        ] {
            let facts = facts_of(args, fewest, &ACCOUNT, 5);
            assert_eq!(fitted(&facts, 100), expected, "{args}");
        }
        assert_eq!(
            fitted(&facts_of("hifi", 0, &Account::ZERO, 0), 100),
            "0/1000 operations, 0/s, 0 failures, 0 retries"
        );
    }

    #[test]
    fn a_narrow_terminal_shows_what_matters_most() {
        let facts = facts_of("hifi", 5, &ACCOUNT, 5);
        for (width, expected) in [
            (
                68,
                "50/1000 operations, 1m 35s left, 10/s, 60 failures, 30 retries",
            ),
            (
                60,
                "50/1000 operations, 1m 35s left, 10/s, 60 failures, 30 ret…",
            ),
            (19, "50/1000 operation…"),
            (1, "…"),
            (0, "…"),
        ] {
            assert_eq!(fitted(&facts, width), expected, "{width}");
        }
    }
}
