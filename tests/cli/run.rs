use serde_json::Value;

use crate::rig::{Rig, is_root};

/// The figures of a JSON summary that must agree with each other in every honest run.
fn assert_balanced(summary: &Value) {
    let n = |pointer: &str| {
        summary
            .pointer(pointer)
            .and_then(Value::as_u64)
            .unwrap_or_else(|| panic!("{pointer}"))
    };
    let ended = [
        "completed",
        "abandoned",
        "panicked",
        "interrupted",
        "not_started",
    ];
    assert_eq!(
        n("/operations/planned"),
        ended
            .iter()
            .map(|how| n(&format!("/operations/{how}")))
            .sum::<u64>()
    );
    assert_eq!(n("/counter"), n("/operations/completed"));
    assert_eq!(n("/counter"), n("/data_length") + n("/dropped_items"));
    assert_eq!(n("/log_lines"), n("/file/lines"));
    assert_eq!(n("/file/lost") + n("/file/errors"), 0);
}

#[test]
fn the_main_job_ends_with_its_summary() {
    let rig = Rig::new();
    let finished = rig
        .hifi("--threads 10 --iterations 100 --time-scale 0 --seed 42")
        .code(0);
    let finished = finished
        .prints("finished")
        .prints("990 completed")
        .prints("10 abandoned")
        .prints("990 data length");
    let finished = finished
        .prints("Replay          hifi --seed 42 --threads 10 --iterations 100 --time-scale 0\n");
    assert!(
        finished
            .stdout()
            .lines()
            .all(|line| line.chars().count() <= 80),
        "{}",
        finished.stdout()
    );
    let log = rig.read("app.log");
    assert_eq!(
        log,
        finished.stderr(),
        "file and console hold the same lines in the same order"
    );
    assert!(log.contains(" INFO main Total operations completed: 990 run="));
    assert!(log.contains(" INFO main Total data processed: 990 run="));
}

#[test]
fn without_retries_every_failure_is_abandoned_as_the_seed_does() {
    let rig = Rig::new();
    let summary = rig
        .hifi("--max-retries 0 --time-scale 0 --seed 1 --summary json --quiet")
        .code(0)
        .json();
    assert_balanced(&summary);
    assert_eq!(summary["retries"], 0);
    assert_eq!(
        summary["operations"]["abandoned"],
        summary["failed_attempts"]
    );
    assert_eq!(
        summary["operations"]["completed"],
        1000 - summary["failed_attempts"].as_u64().unwrap()
    );
}

#[test]
fn rates_of_zero_and_one() {
    let rig = Rig::new();
    let all = rig
        .hifi("--failure-rate 0 --time-scale 0 --summary json -q")
        .code(0)
        .json();
    assert_eq!(
        (&all["operations"]["completed"], &all["failed_attempts"]),
        (&1000.into(), &0.into())
    );
    let none = rig
        .hifi("--failure-rate 1 --max-retries 2 --time-scale 0 --summary json -q")
        .code(0)
        .json();
    assert_eq!(
        (&none["operations"]["abandoned"], &none["failed_attempts"]),
        (&1000.into(), &3000.into())
    );
    assert_eq!(none["counter"], 0);
}

#[test]
fn the_same_seed_repeats_every_outcome() {
    let figures = |summary: Value| {
        (
            summary["operations"].clone(),
            summary["failed_attempts"].clone(),
        )
    };
    let rig = Rig::new();
    let run = |args: &str| {
        figures(
            rig.hifi(&format!("{args} --time-scale 0 --summary json -q"))
                .json(),
        )
    };
    assert_eq!(
        run("--seed 7 --panic-rate 0.001"),
        run("--seed 7 --panic-rate 0.001 --flush-interval 0 --jitter 1")
    );
    assert_ne!(run("--seed 7"), run("--seed 8"));
}

#[test]
fn unexpected_errors_end_their_workers_and_nothing_else() {
    let rig = Rig::new();
    let args = "--threads 64 --iterations 1000 --panic-rate 0.0005 --time-scale 0 --seed 5 --summary json -q";
    let finished = rig
        .hifi(args)
        .code(1)
        .complains("ended by an unexpected error");
    let summary = finished.json();
    assert_balanced(&summary);
    let panicked = summary["operations"]["panicked"].as_u64().unwrap();
    assert!(panicked > 10, "{summary}");
    let log = rig.read("app.log");
    let count = |text: &str| log.lines().filter(|line| line.contains(text)).count() as u64;
    assert_eq!(count(" Unexpected error run="), panicked);
    assert_eq!(
        count(" reason=panicked "),
        panicked + 1,
        "the workers, and the run"
    );
    assert!(
        count("error=\"simulated panic\"") > 0
            && count("error=\"simulated panic under the lock\"") > 0
    );
    assert!(
        !finished.stderr().contains("panicked at"),
        "a planned panic stays off the console"
    );
}

/// Twenty schedules, and the books balance to the digit in each.
#[test]
fn a_million_operations_of_64_workers_balance_twenty_times() {
    let rig = Rig::new();
    for seed in 0..20 {
        let args = format!(
            "--threads 64 --iterations 15625 --panic-rate 0.00001 --time-scale 0 --seed {seed} --summary json -q \
             --log-file {seed}.log"
        );
        let summary = rig.hifi(&args).json();
        assert_balanced(&summary);
        assert_eq!(summary["operations"]["planned"], 1_000_000);
        std::fs::remove_file(rig.path(&format!("{seed}.log"))).unwrap();
    }
}

#[test]
fn the_data_limit_drops_the_oldest_items() {
    let rig = Rig::new();
    let summary = rig
        .hifi("--data-limit 10 --time-scale 0 --failure-rate 0 --summary json -q")
        .code(0)
        .json();
    assert_balanced(&summary);
    assert_eq!(
        (&summary["data_length"], &summary["dropped_items"]),
        (&10.into(), &990.into())
    );
    let summary = rig
        .hifi("--data-limit unlimited --time-scale 0 --failure-rate 0 --summary json -q")
        .code(0)
        .json();
    assert_eq!(
        (&summary["data_length"], &summary["dropped_items"]),
        (&1000.into(), &0.into())
    );
}

#[test]
fn a_duration_ends_a_run_without_end() {
    let rig = Rig::new();
    let summary = rig
        .hifi("--duration 50ms --time-scale 0 --summary json -q")
        .code(0)
        .json();
    assert_eq!(summary["stopped_by"], "duration");
    assert_eq!(summary["workers_ended_early"], 0);
    assert_eq!(summary["operations"]["planned"], Value::Null);
    assert_eq!(summary["counter"], summary["operations"]["completed"]);
    assert!(
        rig.read("app.log")
            .contains(" reason=stopped cause=duration ")
    );
}

/// The sleep after a success would last beyond the duration, and nothing could follow it.
#[test]
fn a_run_does_not_sleep_beyond_its_duration() {
    let rig = Rig::new();
    let args = "-t 2 --failure-rate 0 --duration 1s --success-delay 1h --summary json -q";
    let summary = rig.hifi(args).code(0).json();
    assert_eq!(summary["stopped_by"], "duration");
    assert_eq!(summary["operations"]["completed"], 2);
}

/// The last line says how the run ended: it is in sight where the summary is taller than the screen.
#[test]
fn the_last_line_says_how_the_run_ended() {
    let rig = Rig::new();
    let last = |finished: crate::rig::Finished| {
        let text = finished.stdout();
        text.lines().last().unwrap_or_default().to_owned()
    };
    let whole = last(rig.hifi("-n 1 --time-scale 0 -q").code(0));
    assert!(
        whole.starts_with("Run ") && whole.contains(" finished after "),
        "{whole}"
    );
    let timed = last(rig.hifi("--duration 20ms --time-scale 0 -q").code(0));
    assert!(timed.contains(" ended by its --duration after "), "{timed}");
    let broken = last(rig.hifi("-n 9 --panic-rate 1 --time-scale 0 -q").code(1));
    assert!(broken.contains(" panicked after "), "{broken}");
}

#[test]
fn delays_that_overflow_saturate() {
    let rig = Rig::new();
    let args = "-t 2 -n 20 --failure-rate 0.9 --max-retries 4294967295 --backoff exponential --retry-delay 580000years \
                --max-retry-delay 580000years --time-scale 0 --jitter 0.5 --seed 3 -q";
    rig.hifi(args).code(0);
    let endless = rig.start("-t 2 --failure-rate 1 --retry-delay 580000years --time-scale 1e300 --log-file endless.log -q");
    endless.until("endless.log", "delay_us=18446744073709551615");
    endless.signal("TERM");
    endless.finish().code(143);
}

#[test]
fn a_thread_that_cannot_be_started_stops_the_run() {
    if !is_root("a limit of threads") {
        return;
    }
    // Root itself has no such limit, so the program is run as another user, in a folder open to it.
    let rig = Rig::new();
    let hifi = rig.path("hifi");
    std::fs::copy(env!("CARGO_BIN_EXE_hifi"), &hifi).unwrap();
    std::process::Command::new("chmod")
        .arg("777")
        .arg(rig.path(""))
        .status()
        .unwrap();
    let mut command = std::process::Command::new("setpriv");
    command
        .args(["--reuid=54321", "--clear-groups", "prlimit", "--nproc=20"])
        .arg(&hifi);
    command
        .args(["--threads", "100", "--summary", "json", "--quiet"])
        .current_dir(rig.path(""));
    let finished = rig
        .finish(command)
        .code(1)
        .complains("could not be started")
        .complains("fewer --threads than 100");
    let summary = finished.json();
    assert_balanced(&summary);
    assert_eq!(summary["stopped_by"], "failure");
    let log = rig.read("app.log");
    assert!(
        log.contains("ERROR main Thread could not be started: Worker-")
            && log.contains(" reason=stopped cause=failure")
    );
}
