//! Two workers, step by step, up to the same counter value.

use std::collections::HashMap;

use serde_json::json;

use super::Exhibit;
use crate::lab::{
    records::LogRecord,
    trial::{Trial, TrialRun},
};

/// Two workers that both wrote the same value.
struct Collision<'a> {
    value: u64,
    first: (u32, &'a LogRecord),
    second: (u32, &'a LogRecord),
    /// Successes that were logged in between.
    between: usize,
    /// The highest counter among them.
    highest: u64,
}

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let collision = Collision::first_of(run)?;
    let (completed, counter) = (run.number("/operations/completed"), run.number("/counter"));
    let (value, before) = (collision.value, collision.value - 1);
    let [(one, first), (two, second)] = [collision.first, collision.second];
    let brief = format!(
        "Worker-{one} and Worker-{two} both wrote the value {value} ({log}, lines {} and {}): both had read \
         {before}. {completed} operations were completed, and the counter says {counter}.",
        first.line,
        second.line,
        log = run.log_file,
    );
    let reading = if collision.between == 0 {
        "Each worker did right by what it knew; but".to_owned()
    } else {
        format!(
            "While Worker-{two} was on its way with the {before} that it had read, the others counted on to {}. \
             Then it wrote {value} over that:",
            collision.highest
        )
    };
    let reading = format!(
        "{reading} what Worker-{two} knew was old by the time it wrote. That makes {} operations, and a counter \
         that went from {before} to {value}. Rows with a line number stand in the log. The reading does not, but it \
         follows: who writes {value} has read {before}.",
        collision.between + 2
    );
    Some(Exhibit {
        brief,
        lines: collision.table(run),
        reading,
        data: json!({
            "value": value,
            "workers": [one, two],
            "lines": [first.line, second.line],
            "completed": completed,
            "counter": counter,
        }),
    })
}

impl<'a> Collision<'a> {
    /// The first that the log shows.
    fn first_of(run: &'a TrialRun) -> Option<Self> {
        let successes: Vec<_> = run
            .records
            .iter()
            .filter_map(|record| Some((record.success()?, record)))
            .collect();
        let mut seen = HashMap::new();
        for (at, ((worker, value), record)) in successes.iter().enumerate() {
            let (other, earlier, then) = *seen.entry(*value).or_insert((*worker, *record, at));
            if other != *worker {
                let between = &successes[then + 1..at];
                let highest = between.iter().map(|((_, value), _)| *value).max();
                return Some(Self {
                    value: *value,
                    first: (other, earlier),
                    second: (*worker, record),
                    between: between.len(),
                    highest: highest.unwrap_or(*value),
                });
            }
        }
        None
    }

    fn table(&self, run: &TrialRun) -> Vec<String> {
        let start = run.records.first().map_or(0, |record| record.micros);
        let time = |record: &LogRecord| format!("{} us", record.micros.saturating_sub(start));
        let (value, before) = (self.value, self.value - 1);
        let [(one, first), (two, second)] = [self.first, self.second];
        let row = |line: &str, time: &str, left: &str, right: &str, counter: &str| {
            format!("{line:>5}  {time:>9}  {left:<22}{right:<22}{counter:>7}")
        };
        let [left, right] = [one, two].map(|worker| format!("Worker-{worker}"));
        let mut lines = vec![
            row("line", "time", &left, &right, "counter"),
            row("", "", &format!("reads {before}"), "", &before.to_string()),
            row("", "", "", &format!("reads {before}"), &before.to_string()),
            row(
                "",
                "",
                "adds 1, makes text",
                "adds 1, makes text",
                &before.to_string(),
            ),
            row(
                &first.line.to_string(),
                &time(first),
                &format!("writes {value}"),
                "",
                &value.to_string(),
            ),
        ];
        if self.between > 0 {
            let others = format!("({} more operations, of all workers)", self.between);
            lines.push(format!(
                "{:>5}  {:>9}  {others:<44}{:>7}",
                "...", "", self.highest
            ));
        }
        lines.push(row(
            &second.line.to_string(),
            &time(second),
            "",
            &format!("writes {value} again"),
            &value.to_string(),
        ));
        lines
    }
}
