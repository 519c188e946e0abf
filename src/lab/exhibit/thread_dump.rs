//! The thread dump of a run that stands still, and the cycle in it.

use super::Exhibit;
use crate::lab::trial::Trial;

pub(super) fn show(trial: &Trial) -> Option<Exhibit> {
    let run = &trial.broken;
    let dump = run.stderr.split("Full thread dump ").nth(1)?;
    let cycle = dump
        .lines()
        .find_map(|line| line.strip_prefix("DEADLOCK: "))?;
    let mut lines: Vec<String> = dump
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("DEADLOCK: "))
        // The program's other threads wait as they should.
        .filter(|line| !line.starts_with('"') || line.starts_with("\"Worker-"))
        .map(|line| line.replace(", iteration", ",\n      iteration"))
        .flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    lines.push("DEADLOCK".into());
    for link in cycle.split("; ") {
        lines.push(format!("   {link}"));
    }
    let stalled = run
        .problems()
        .into_iter()
        .find(|problem| problem.starts_with("no worker made progress"))?;
    Some(Exhibit {
        brief: format!("The watchdog: {stalled}. The thread dump names the cycle: {cycle}."),
        lines,
    })
}
