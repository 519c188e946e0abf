use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use crate::rig::{Rig, json_lines};

/// Debian's libfaketime, for programs with threads.
fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("/usr/lib can be read");
    let mut found = folders
        .filter_map(Result::ok)
        .map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    found
        .find(|library| library.exists())
        .expect("libfaketime is needed: .ci/services fetches it (Debian's package faketime)")
}

/// The program with a wall clock that is set, and a monotonic one that is the machine's.
fn at(rig: &Rig, args: &str) -> Command {
    let mut command = rig.command(args);
    command
        .env("LD_PRELOAD", faketime())
        .env("DONT_FAKE_MONOTONIC", "1");
    command
}

#[test]
#[ignore = "needs libfaketime: a part of cargo test --test cli faults -- --ignored"]
fn a_clock_that_is_set_back_and_forward_moves_no_time_stamp() {
    for flush in ["5ms", "0"] {
        let rig = Rig::new();
        fs::write(rig.path("clock"), "+0").unwrap();
        let mut command = at(
            &rig,
            &format!(
                "-t 4 -n unlimited --duration 1200ms --success-delay 1ms --retry-delay 2ms -q --summary json \
                 --log-format json --sample-interval 50ms --stall-after 10s --flush-interval {flush}"
            ),
        );
        command
            .env("FAKETIME_TIMESTAMP_FILE", rig.path("clock"))
            .env("FAKETIME_NO_CACHE", "1")
            .stdout(std::process::Stdio::piped());
        let run = rig.start_command(command);
        run.until("app.log", "Worker-3");
        for offset in ["-3600", "+86400", "-315360000", "+0", "+3000000000"] {
            thread::sleep(Duration::from_millis(150));
            fs::write(rig.path("clock"), offset).unwrap();
        }
        let summary = run.finish().code(0).json();
        let wall = summary["wall_seconds"].as_f64().unwrap();
        // No worker waits for a pause that would end behind the deadline: the run may end some milliseconds before it.
        assert!((1.1..60.0).contains(&wall), "{summary}");
        let longest = summary["operation_seconds"]["max"].as_f64().unwrap();
        assert!(longest < 60.0, "{summary}");
        let log = json_lines(&rig.read("app.log"));
        let stamps: Vec<&str> = log
            .iter()
            .filter_map(|line| line["timestamp"].as_str())
            .collect();
        assert!(stamps.is_sorted(), "time runs backwards");
        // What is fake is the clock that the program sees, and it has seen it: the audit above all.
        assert_eq!(
            stamps.first().map(|s| &s[..4]),
            stamps.last().map(|s| &s[..4])
        );
        rig.audit("app.log").code(0);
    }
}

/// The date in the names follows the clock, wherever it is set to.
#[test]
#[ignore = "needs libfaketime: a part of cargo test --test cli faults -- --ignored"]
fn rotation_follows_a_clock_that_is_set_and_loses_nothing() {
    let rig = Rig::new();
    fs::write(rig.path("clock"), "@2026-11-24 10:30:00").unwrap();
    let mut command = at(
        &rig,
        "-t 4 -n unlimited --duration 1s --success-delay 1ms --retry-delay 2ms -q --rotation hourly",
    );
    command
        .env("FAKETIME_TIMESTAMP_FILE", rig.path("clock"))
        .env("FAKETIME_NO_CACHE", "1")
        .stdout(std::process::Stdio::null());
    let run = rig.start_command(command);
    run.until("app.log.2026-11-24-10", "Worker-3");
    for hour in ["12", "09"] {
        thread::sleep(Duration::from_millis(100));
        fs::write(rig.path("clock"), format!("@2026-11-24 {hour}:30:00")).unwrap();
        run.until(&format!("app.log.2026-11-24-{hour}"), "Worker-");
    }
    run.finish().code(0);
    rig.audit("app.log.2026-11-24-09 app.log.2026-11-24-10 app.log.2026-11-24-12")
        .code(0);
}

/// At full speed over the end of an hour, and of a day that ends a year.
#[test]
#[ignore = "needs libfaketime: a part of cargo test --test cli faults -- --ignored"]
fn rotation_at_its_boundary_under_load_loses_nothing() {
    for (rotation, before, after, clock) in [
        (
            "hourly",
            "app.log.2026-11-24-10",
            "app.log.2026-11-24-11",
            "2026-11-24 10:59:59.7",
        ),
        (
            "daily",
            "app.log.2026-12-31",
            "app.log.2027-01-01",
            "2026-12-31 23:59:59.7",
        ),
    ] {
        let rig = Rig::new();
        let args =
            format!("-t 4 -n unlimited --duration 700ms --time-scale 0 -q --rotation {rotation}");
        let mut command = at(&rig, &args);
        command
            .env("TZ", "UTC")
            .env("FAKETIME", format!("@{clock}"));
        rig.finish(command).code(0);
        for part in [before, after] {
            assert!(
                fs::metadata(rig.path(part)).unwrap().len() > 100_000,
                "{part} is short"
            );
        }
        rig.audit(&format!("{before} {after}")).code(0);
    }
}

/// A new hour each few readings of the clock, no descriptor for a new file, and a standard error that is full: what cannot
/// be told there must not end the writer.
#[test]
#[ignore = "needs libfaketime: a part of cargo test --test cli faults -- --ignored"]
fn a_rotation_that_fails_with_nobody_to_tell_is_an_error_and_no_death() {
    // The number of descriptors that is one too few for a second file depends on what the libraries keep open.
    let mut failed = 0;
    for descriptors in 7..=10 {
        for minutes in [0, 40, 50] {
            let rig = Rig::new();
            let line = format!(
                "ulimit -n {descriptors}; export LD_PRELOAD='{}' DONT_FAKE_MONOTONIC=1; \
                 export FAKETIME='@2026-11-24 10:{minutes:02}:00 i1200'; \
                 exec hifi -t 2 -n 200 --time-scale 0 -q --rotation hourly 2>/dev/full",
                faketime().display()
            );
            let mut command = super::shell(&rig, &line);
            command.stdout(std::process::Stdio::piped());
            let finished = rig.finish_as_is(command);
            failed += u32::from(finished.exit_code() == Some(1));
            if !matches!(finished.exit_code(), Some(0 | 1)) {
                finished.fail("it was to end in order");
            }
            for entry in fs::read_dir(rig.path("")).unwrap() {
                fs::remove_file(entry.unwrap().path()).unwrap();
            }
        }
    }
    assert!(failed > 0, "every new file could be opened");
}
