//! Two workers, step by step, up to the same counter value.

use std::collections::HashMap;

use super::Exhibit;
use crate::lab::{records::LogRecord, trial::Trial};

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let success = |record| Some((LogRecord::success(record)?, record));
    let successes: Vec<((u32, u64), &LogRecord)> = run.records.iter().filter_map(success).collect();
    // The first value that two workers have written.
    let mut written = HashMap::new();
    let (then, now) = (0..)
        .zip(&successes)
        .find_map(|(now, ((worker, value), _))| {
            let (first, then) = *written.entry(*value).or_insert((*worker, now));
            (first != *worker).then_some((then, now))
        })?;
    let (((one, value), first), ((two, _), second)) = (successes[then], successes[now]);
    let between = successes[then + 1..now].iter();
    let highest = between.clone().map(|((_, value), _)| *value).max();
    let (others, highest) = (between.len(), highest.unwrap_or(value));
    let (log, before) = (&run.log_file, value - 1);
    let (completed, counter) = (run.number("/operations/completed"), run.number("/counter"));

    let start = run.records.first().map_or(0, |record| record.micros);
    let time = |record: &LogRecord| format!("{} us", record.micros.saturating_sub(start));
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
            row("...", "", &format!("{others} more operations"), "", highest),
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
