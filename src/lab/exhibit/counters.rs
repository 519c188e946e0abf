//! The counter values of each worker.

use std::collections::BTreeMap;

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
    let runs = [&trial.broken, &trial.fixed];
    let workers = runs.map(by_worker);
    let [broken, _] = &workers;
    let row = |name: &str, [left, right]: [String; 2]| format!("{name:<12}{left:<32}{right}");
    let mut lines = vec![row("", ["with the bug".into(), "the fixed program".into()])];
    for worker in broken.keys() {
        let values = workers.each_ref().map(|workers| match workers.get(worker) {
            Some((low, high, count)) => format!("{count} values, from {low} to {high}"),
            None => "no success".into(),
        });
        lines.push(row(&format!("Worker-{worker}"), values));
    }
    let figures = runs.map(|run| (run.number("/counter"), run.number("/operations/completed")));
    let totals = figures.map(|(counter, completed)| format!("{counter} of {completed}"));
    lines.push(row("total", totals));
    let [(counter, completed), _] = figures;
    (broken.len() > 1).then(|| Exhibit {
        brief: format!(
            "Each of the {} workers counted from 1. They completed {completed} operations; the total is {counter}.",
            broken.len()
        ),
        lines,
    })
}
