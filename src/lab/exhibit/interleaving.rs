//! Two workers, step by step, up to the same counter value.

use std::collections::HashMap;

use super::Exhibit;
use crate::lab::{records::Success, trial::Trial};

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let successes = &run.seen.successes;
    // The first value that two workers have written.
    let mut written = HashMap::new();
    let again = |(now, success): (usize, &Success)| {
        let known = written.entry(success.counter);
        let (worker, then) = *known.or_insert((success.worker, now));
        (worker != success.worker).then_some((then, now))
    };
    let (then, now) = successes.iter().enumerate().find_map(again)?;
    let (first, second) = (successes[then], successes[now]);
    let (one, two, value) = (first.worker, second.worker, first.counter);
    let between = successes[then + 1..now].iter();
    let highest = between.clone().map(|success| success.counter).max();
    let (others, highest) = (between.len(), highest.unwrap_or(value));
    let (log, before) = (&run.log_file, value - 1);
    let (completed, counter) = (run.number("/operations/completed"), run.number("/counter"));

    let start = run.seen.start.unwrap_or(0);
    let time = |success: Success| format!("{} us", success.micros.saturating_sub(start));
    let row = |line: &str, time: &str, left: &str, right: &str, counter: u64| {
        format!("{line:>5}  {time:>9}  {left:<22}{right:<22}{counter:>7}")
    };
    let reads = format!("reads {before}");
    let adds = "adds 1, makes text";
    Some(Exhibit {
        brief: format!(
            "Worker-{one} and Worker-{two} both wrote the value {value} ({log}, lines {} and {}): both had read \
             {before}. {completed} operations were completed, and the counter says {counter}.",
            first.line, second.line,
        ),
        lines: vec![
            format!(
                " line       time  {:<22}{:<22}counter",
                format!("Worker-{one}"),
                format!("Worker-{two}")
            ),
            row("", "", &reads, "", before),
            row("", "", "", &reads, before),
            row("", "", adds, adds, before),
            row(
                &first.line.to_string(),
                &time(first),
                &format!("writes {value}"),
                "",
                value,
            ),
            row("...", "", &format!("{others} more"), "", highest),
            row(
                &second.line.to_string(),
                &time(second),
                "",
                &format!("writes {value} again"),
                value,
            ),
        ],
    })
}
