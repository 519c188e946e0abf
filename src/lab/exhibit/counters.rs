//! The counter values of each worker.

use std::collections::BTreeMap;

use serde_json::json;

use super::Exhibit;
use crate::lab::trial::{Trial, TrialRun};

/// The lowest and the highest counter value of each worker, and how many there are.
fn by_worker(run: &TrialRun) -> BTreeMap<u32, (u64, u64, u64)> {
    let mut workers = BTreeMap::new();
    for (worker, counter) in run.records.iter().filter_map(|record| record.success()) {
        let (low, high, count) = workers.entry(worker).or_insert((counter, counter, 0));
        (*low, *high, *count) = (counter.min(*low), counter.max(*high), *count + 1);
    }
    workers
}

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let (broken, fixed) = (by_worker(&trial.broken), by_worker(&trial.fixed));
    let (completed, counter) = (
        trial.broken.number("/operations/completed"),
        trial.broken.number("/counter"),
    );
    if broken.len() < 2 {
        return None;
    }
    let mut lines = vec![format!(
        "{:<12}{:<32}{}",
        "", "with the bug", "the fixed program"
    )];
    let words = |workers: &BTreeMap<_, _>, worker: &u32| match workers.get(worker) {
        Some((low, high, count)) => format!("{count} values, from {low} to {high}"),
        None => "no success".into(),
    };
    for worker in broken.keys() {
        lines.push(format!(
            "{:<12}{:<32}{}",
            format!("Worker-{worker}"),
            words(&broken, worker),
            words(&fixed, worker)
        ));
    }
    let total = |run: &TrialRun| {
        let (counter, completed) = (run.number("/counter"), run.number("/operations/completed"));
        format!("{counter} of {completed}")
    };
    let totals = [&trial.broken, &trial.fixed].map(total);
    lines.push(format!("{:<12}{:<32}{}", "total", totals[0], totals[1]));
    Some(Exhibit {
        brief: format!(
            "Each of the {} workers counted from 1. They completed {completed} operations; the total is {counter}.",
            broken.len()
        ),
        lines,
        reading: "With one counter for all, no value can come twice, so each worker's values have gaps in which the \
                  others counted. Here none has a gap: nobody else was there."
            .into(),
        data: json!({
            "workers": broken.iter().map(|(worker, (low, high, count))| json!({
                "worker": worker, "lowest": low, "highest": high, "count": count,
            })).collect::<Vec<_>>(),
            "completed": completed,
            "counter": counter,
        }),
    })
}
