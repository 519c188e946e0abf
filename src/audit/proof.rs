//! The audit's own proof: truthful logs are clean, and whatever is planted in one is named, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{
    record::Author,
    simulate::{self, Course, Dice, Entry},
    *,
};

const START: u64 = 1_795_455_720_000_000;

fn course(run: u64, json: bool, stop_after: Option<u64>) -> Course {
    Course {
        run,
        start: START,
        json,
        stop_after,
    }
}

fn config(bytes: Vec<u8>) -> AuditConfig {
    AuditConfig::new(vec![Input::Bytes("app.log".into(), bytes)])
}

fn audit(config: &AuditConfig) -> Verdict {
    run(config, &mut |_, _| {}).unwrap()
}

fn assert_clean(verdict: &Verdict, what: &str) {
    assert_eq!(verdict.status, Status::Clean, "{what}: {}", report(verdict));
}

#[test]
fn truthful_logs_are_clean() {
    let mut dice = Dice(1);
    for json in [false, true] {
        for (threads, iterations, panic_rate, stop) in [
            (1, 1, "0", None),
            (10, 100, "0", None),
            (10, 100, "0.01", None),
            (7, 300, "0", Some(500)),
            (3, 200, "0.002", Some(100)),
            (200, 3, "0", None),
        ] {
            let mut workload = simulate::workload(7, threads, iterations);
            workload.panic_rate = panic_rate.parse().unwrap();
            let entries = simulate::run(&workload, &course(1, json, stop), &mut dice);
            let verdict = audit(&config(simulate::log(&entries)));
            assert_clean(&verdict, &format!("{threads} {panic_rate} {stop:?}"));
            assert_eq!(verdict.lines, entries.len() as u64);
        }
    }
}
