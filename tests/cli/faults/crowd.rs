use std::{collections::BTreeSet, fs, thread, time::Duration};

use crate::rig::Rig;

/// The runs that have begun in a log, by their ids. A run's first line may stand behind a fragment that another left.
fn runs(log: &[u8]) -> BTreeSet<String> {
    let log = String::from_utf8_lossy(log);
    let starts = log.split(" Run started run=").skip(1);
    starts
        .filter_map(|rest| Some(rest.get(..16)?.to_owned()))
        .collect()
}

/// Processes append to one log at full speed; some are killed, and the others go on to their end.
fn append_together(living: usize, victims: usize) {
    let rig = Rig::new();
    let doomed: Vec<_> = (0..victims)
        .map(|_| rig.start("-t 4 -n unlimited --time-scale 0 -q"))
        .collect();
    let others: Vec<_> = (0..living)
        .map(|_| rig.start("-t 4 -n 20000 --time-scale 0 -q --summary json"))
        .collect();
    for victim in doomed {
        thread::sleep(Duration::from_micros(rand::random_range(0..30_000)));
        victim.signal("KILL");
        assert_eq!(victim.finish().ended_by(), Some(9));
    }
    let mut ids = BTreeSet::new();
    for run in others {
        let summary = run.finish().code(0).json();
        ids.insert(summary["run"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), living);
    for id in &ids {
        rig.audit(&format!("--run {id} app.log")).code(0);
    }
    for id in runs(&fs::read(rig.path("app.log")).unwrap()).difference(&ids) {
        rig.audit(&format!("--run {id} --killed app.log")).code(0);
    }
}

#[test]
fn two_processes_append_to_one_log() {
    append_together(2, 0);
    append_together(1, 1);
}

#[test]
fn ten_processes_append_to_one_log_and_four_are_killed() {
    append_together(6, 4);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn processes_append_to_one_log_and_are_killed_again_and_again() {
    for _ in 0..3 {
        append_together(1, 1);
        append_together(5, 5);
    }
}
