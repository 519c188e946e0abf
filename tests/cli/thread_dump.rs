use std::{fs::File, process::Stdio, thread, time::Duration};

use crate::rig::{PIPE_BYTES, Rig};

/// A run whose workers sleep, with its standard error in the file `console`.
fn asleep<'a>(rig: &'a Rig, more: &str) -> crate::rig::Started<'a> {
    let mut command = rig.command(&format!("-t 3 --failure-rate 1 --summary json {more}"));
    command.stderr(File::create(rig.path("console")).expect("a file"));
    command.stdout(Stdio::piped());
    let run = rig.start_command(command);
    for worker in 0..3 {
        run.until("app.log", &format!(" Worker-{worker} I/O operation failed"));
    }
    run
}

#[test]
fn sigquit_dumps_the_threads_and_the_run_goes_on() {
    for more in ["", "--quiet", "--log-level off", "--flush-interval 0"] {
        let rig = Rig::new();
        let run = asleep(&rig, &format!("--retry-delay 1h {more}"));
        run.signal("QUIT");
        run.until("app.log", "Thread dump");
        run.until("console", "No deadlock found.");
        run.signal("INT");
        let summary = run.finish().code(130).json();
        assert_eq!(summary["reason"], "stopped");
        assert_eq!(summary["problems"].as_array().map(Vec::len), Some(0));

        let console = rig.read("console");
        let dump = console
            .split("Full thread dump hifi ")
            .nth(1)
            .and_then(|rest| rest.split("No deadlock found.").next())
            .unwrap_or_else(|| panic!("a dump in {console}"));
        for worker in 0..3 {
            let line = dump
                .lines()
                .find(|line| line.starts_with(&format!("\"Worker-{worker}\" #{worker} os_thread=")))
                .unwrap_or_else(|| panic!("Worker-{worker} in {dump}"));
            assert!(line.contains(" sleeping after a failure for "), "{line}");
            assert!(line.ends_with(", iteration 1, attempt 1"), "{line}");
        }
        for name in ["main", "log-writer", "signals"] {
            assert!(
                dump.contains(&format!("\"{name}\" os_thread=")),
                "{name} in {dump}"
            );
        }
        assert!(
            dump.contains("Lock Processor: held by nobody, waited for by nobody"),
            "{dump}"
        );

        let log = rig.read("app.log");
        let event = log
            .lines()
            .find(|line| line.contains("Thread dump"))
            .unwrap_or_default();
        assert!(
            event.contains("cause=SIGQUIT starting=0 idle=0 working=0 waiting=0 sleeping=0 backing_off=3 ended=0 deadlocks=0 sum="),
            "{event}"
        );
    }
}

/// No line of the log is torn by a dump, and the books of a run with many dumps balance.
#[test]
fn dumps_stand_between_the_lines_of_a_busy_run() {
    let rig = Rig::new();
    let mut command = rig.command("-t 4 -n 200000 --time-scale 0 --summary json");
    command.stderr(File::create(rig.path("console")).expect("a file"));
    command.stdout(Stdio::piped());
    let run = rig.start_command(command);
    run.until("app.log", "Run started");
    for _ in 0..20 {
        run.signal("QUIT");
    }
    run.until("console", "Full thread dump");
    run.finish().code(0);
    for line in rig.read("console").lines() {
        let whole = line.starts_with("20") && line.contains(" sum=");
        let dump = line.is_empty()
            || [
                "Full thread dump",
                "\"",
                "   - ",
                "Lock ",
                "No deadlock",
                "DEADLOCK",
            ]
            .iter()
            .any(|start| line.starts_with(start));
        assert!(whole || dump, "{line}");
    }
}

#[test]
fn a_dump_without_standard_error_is_noted_in_the_log() {
    let rig = Rig::new();
    let mut command = rig.command("-t 1 --failure-rate 1 --retry-delay 1h --log-file app.log");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    command.stderr(Stdio::from(writer)).stdout(Stdio::piped());
    let run = rig.start_command(command);
    drop(reader);
    run.until("app.log", "next=retry");
    run.signal("QUIT");
    run.until("app.log", "Thread dump");
    run.signal("TERM");
    run.finish().code(143);
}

/// Nobody reads standard error: the workers wait for the console for ever.
#[test]
fn a_standstill_ends_the_run() {
    let rig = Rig::new();
    let mut command =
        rig.command("-t 4 -n unlimited --time-scale 0 --stall-after 300ms --summary json");
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    command.stderr(Stdio::from(writer)).stdout(Stdio::piped());
    let run = rig.start_command(command);
    let finished = run.finish().code(1);
    let summary = finished.json();
    assert_eq!(summary["reason"], "stopped");
    assert_eq!(summary["stopped_by"], "stall");
    assert_eq!(summary["workers_stuck"], 0, "the stop made them come round");
    let problems = summary["problems"].to_string();
    assert!(
        problems.contains("no worker made progress for "),
        "{problems}"
    );
    let log = rig.read("app.log");
    assert!(
        log.contains(" ERROR main Run stalled run="),
        "it is noted in the log"
    );
    let last = log.lines().last().unwrap_or_default();
    assert!(last.contains("reason=stopped cause=stall"), "{last}");
}

/// A run that sleeps does not stand still, and neither does one that is fast.
#[test]
fn a_run_that_moves_or_sleeps_is_left_alone() {
    let rig = Rig::new();
    let run = asleep(
        &rig,
        "--stall-after 500ms --retry-delay 1500ms --max-retries 0 -n 1",
    );
    run.finish().code(0);
    rig.hifi("-t 2 -n 20000 --time-scale 0 --quiet --stall-after 1s")
        .code(0);
}

/// Ctrl-Z stops watchdog and worker alike. When both go on, the watchdog wakes late and the worker has not moved.
#[test]
fn a_run_that_was_suspended_is_left_alone() {
    let rig = Rig::new();
    let run =
        rig.start("-t 1 -n unlimited --time-scale 0 --flush-interval 0 --stall-after 100ms -q");
    run.until("app.log", "Operation result");
    for _ in 0..8 {
        run.signal("STOP");
        thread::sleep(Duration::from_millis(150));
        run.signal("CONT");
        thread::sleep(Duration::from_millis(10));
    }
    run.signal("TERM");
    run.finish().code(143);
}

/// Every worker waits for the console, which nobody reads. That is when a dump is wanted.
#[test]
fn a_reader_that_stalls_does_not_hold_a_dump_up() {
    let rig = Rig::new();
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let mut command = rig.command("-t 4 -n unlimited --time-scale 0 --flush-interval 0");
    command.stderr(Stdio::from(writer)).stdout(Stdio::null());
    let run = rig.start_command(command);
    run.until_longer_than("app.log", PIPE_BYTES);
    run.signal("QUIT");
    run.until("app.log", "Thread dump");
    run.signal("TERM");
    run.finish().code(143);
}
