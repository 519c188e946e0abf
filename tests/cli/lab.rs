use serde_json::Value;

use crate::rig::{Finished, Rig};

const NAMES: [&str; 6] = [
    "unbounded-memory",
    "lost-update",
    "split-state",
    "swallowed-errors",
    "lossy-log",
    "deadlock",
];

/// The lab on one specimen, with a seed that it draws itself and that a failure shows.
#[track_caller]
fn caught_and_fixed(rig: &Rig, name: &str) -> (Finished, Value) {
    let finished = rig.hifi(&format!("lab {name} --format json"));
    let json = finished.json();
    let specimen = json["specimens"][0].clone();
    if json["good"] != true || specimen["caught"] != true || specimen["fixed_is_clean"] != true {
        finished.fail(&format!("{name} with the seed {}", json["seed"]));
    }
    (finished.code(0), specimen)
}

/// What its exhibit shows, in a sentence or two.
fn brief(specimen: &Value) -> &str {
    specimen["exhibit"].as_str().unwrap()
}

/// How often each bug must be caught in one run of the test suite; see the test at the end for the rest.
const SEEDS: usize = 3;

#[test]
fn lost_update_is_caught() {
    let rig = Rig::new();
    for _ in 0..SEEDS {
        let (finished, specimen) = caught_and_fixed(&rig, "lost-update");
        let (broken, brief) = (&specimen["broken"], brief(&specimen));
        let completed = &broken["summary"]["operations"]["completed"];
        let is_short = completed.as_u64() > broken["summary"]["counter"].as_u64();
        let (one, rest) = brief.split_once(" and ").unwrap();
        let (two, _) = rest.split_once(" both wrote ").unwrap();
        if !is_short || one == two || ![one, two].iter().all(|name| name.starts_with("Worker-")) {
            finished.fail("two workers wrote the same value, so the counter is short");
        }
        assert_eq!(broken["exit_code"], 1);
        assert!(broken["counts"]["books"].as_u64() >= Some(2), "{broken}");
        assert_eq!(specimen["fixed"]["summary"]["counter"], *completed);
    }
}

#[test]
fn split_state_is_caught() {
    let rig = Rig::new();
    for _ in 0..SEEDS {
        let (_, specimen) = caught_and_fixed(&rig, "split-state");
        let broken = &specimen["broken"];
        assert_eq!(broken["summary"]["counter"], 0);
        assert!(broken["counts"]["books"].as_u64() > Some(100), "{broken}");
    }
}

#[test]
fn swallowed_errors_are_caught() {
    let rig = Rig::new();
    for _ in 0..SEEDS {
        let (_, specimen) = caught_and_fixed(&rig, "swallowed-errors");
        let broken = &specimen["broken"];
        assert_eq!(broken["exit_code"], 0, "it claims that all is well");
        assert_eq!(broken["problems"].as_array().map(Vec::len), Some(0));
        assert_eq!(broken["summary"]["operations"]["completed"], 200);
        assert_eq!(broken["summary"]["failed_attempts"], 0);
        let planned = &specimen["fixed"]["summary"]["failed_attempts"];
        assert!(planned.as_u64() > Some(0), "{specimen}");
        assert!(
            broken["counts"]["unexpected"].as_u64() > Some(0),
            "{broken}"
        );
    }
}

#[test]
fn lossy_log_is_caught() {
    let rig = Rig::new();
    for _ in 0..SEEDS {
        let (_, specimen) = caught_and_fixed(&rig, "lossy-log");
        let broken = &specimen["broken"];
        assert_eq!(broken["exit_code"], 0, "it claims that all is well");
        assert_eq!(broken["problems"].as_array().map(Vec::len), Some(0));
        assert_eq!(broken["summary"]["file"]["lost"], 0);
        let number = |pointer| broken.pointer(pointer).and_then(Value::as_u64).unwrap();
        let [said, there, gone] =
            ["/summary/file/lines", "/lines_in_file", "/counts/lost"].map(number);
        assert_eq!(said, there + gone, "what is gone is known to the line");
        let told = format!("{there} lines; {gone} are gone");
        assert!(brief(&specimen).contains(&told), "{specimen}");
    }
}

#[test]
fn unbounded_memory_is_caught() {
    let rig = Rig::new();
    let (_, specimen) = caught_and_fixed(&rig, "unbounded-memory");
    let broken = &specimen["broken"];
    assert_eq!(broken["exit_code"], 0, "it claims that all is well");
    assert_eq!(broken["audit"], "clean", "its log is as it must be");
    let peak = |run: &Value| run["summary"]["peak_memory_bytes"].as_u64();
    assert!(peak(broken) > peak(&specimen["fixed"]), "{specimen}");
}

#[test]
fn deadlock_is_caught() {
    let rig = Rig::new();
    let (_, specimen) = caught_and_fixed(&rig, "deadlock");
    assert_eq!(specimen["broken"]["summary"]["stopped_by"], "stall");
    let cycle = brief(&specimen);
    for lock in ["waits for counter, held by", "waits for data, held by"] {
        assert!(cycle.contains(lock), "{cycle}");
    }
}

/// Fewer workers than it takes: refused before anything is there.
#[test]
fn a_bug_between_workers_needs_two() {
    let rig = Rig::new();
    for name in ["lost-update", "split-state", "deadlock"] {
        rig.hifi(&format!("--bug {name} --threads 1"))
            .code(2)
            .complains("invalid value '1' for '--threads <N>'")
            .complains(&format!("--bug {name} "))
            .complains("needs 2 or more");
    }
    assert!(!rig.path("app.log").exists());
    for command in ["--bug", "lab"] {
        let refused = rig.hifi(&format!("{command} off-by-one")).code(2);
        NAMES
            .iter()
            .fold(refused, |said, name| said.complains(name));
    }
}

/// The smallest run that can go wrong does: two workers, one operation each.
#[test]
fn two_operations_are_enough() {
    let rig = Rig::new();
    let run = "-t 2 -n 1 --failure-rate 0 --time-scale 0 --quiet --summary json";
    let summary = rig.hifi(&format!("{run} --bug lost-update")).code(1).json();
    assert_eq!(summary["operations"]["completed"], 2);
    assert_eq!(summary["counter"], 1);
    let replay = summary["replay"].as_str().unwrap();
    assert!(replay.ends_with(" --bug lost-update"), "{replay}");
    rig.audit("app.log").code(1);
    let stuck = rig
        .hifi(&format!("{run} --bug deadlock --stall-after 100ms"))
        .code(1);
    assert_eq!(stuck.json()["workers_stuck"], 2);
}

/// A worker does not wait for bad luck that cannot come any more.
#[test]
fn bad_luck_is_not_waited_for_in_vain() {
    let rig = Rig::new();
    // With this seed only Worker-0 completes its operation.
    let options = "-t 2 -n 1 --seed 4 --failure-rate 0.5 --max-retries 0 --time-scale 0 --quiet";
    let plan = rig.hifi(
        "plan -t 2 -n 1 --seed 4 --failure-rate 0.5 --max-retries 0 --time-scale 0 --format json",
    );
    let outcomes = crate::rig::json_lines(&plan.stdout());
    let successes = outcomes.iter().filter(|line| line["outcome"] == "success");
    assert_eq!(successes.count(), 1);
    for bug in ["lost-update", "deadlock"] {
        rig.hifi(&format!("{options} --bug {bug}")).code(0);
    }
}

#[test]
fn a_page_fits_80_columns_and_tells_all_of_it() {
    let rig = Rig::new();
    let mut command = rig.command("lab");
    let temporary = rig.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    command.env("TMPDIR", &temporary);
    let mut pages = rig.finish(command).code(0).stdout();
    for name in NAMES {
        pages += &rig
            .hifi(&format!("lab {name}"))
            .code(0)
            .prints("Try it")
            .stdout();
    }
    for line in pages.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert!(!line.contains('\x1b'), "colours are for terminals: {line}");
    }
    for heading in [
        "The story",
        "What the broken run said",
        "What the evidence shows",
        "The cause",
        "The fix",
        "The fixed run",
        "  CLEAN",
    ] {
        assert_eq!(
            pages.lines().filter(|line| *line == heading).count(),
            12,
            "{heading}"
        );
    }
    for exhibit in [
        "both wrote the value",
        "MB resident",
        "DEADLOCK",
        "left its plan",
        "counter values that were there before",
        "lost, says the summary",
    ] {
        assert!(pages.contains(exhibit), "{exhibit}");
    }
    let left = std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

/// Fifty random seeds for each: every bug is caught and every fixed run is clean. Some minutes; CI runs it.
#[test]
#[ignore = "it takes minutes: cargo test --test cli -- --ignored fifty"]
fn fifty_of_fifty() {
    let rig = Rig::new();
    for name in NAMES {
        for _ in 0..50 {
            caught_and_fixed(&rig, name);
        }
        println!("{name}: caught 50 times of 50, the fixed run clean 50 times of 50");
    }
}
