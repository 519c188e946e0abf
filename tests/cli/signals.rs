use std::{
    fs::File,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::rig::Rig;

#[test]
fn the_first_signal_ends_the_run_in_words() {
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        let rig = Rig::new();
        let run = rig.start("-t 5 --retry-delay 1h --failure-rate 0.5 --summary json --quiet");
        run.until("app.log", "next=retry");
        run.signal(signal);
        let summary = run.finish().code(128 + number).json();
        assert_eq!(summary["stopped_by"], format!("SIG{signal}"));
        assert_eq!(summary["reason"], "stopped");
        let log = rig.read("app.log");
        assert_eq!(log.matches(" Worker ended ").count(), 5);
        let last = log.lines().last().unwrap_or_default();
        assert!(
            last.contains(&format!(
                " Run ended run={}",
                summary["run"].as_str().unwrap()
            )),
            "{last}"
        );
        assert!(
            last.contains(&format!(
                "reason=stopped cause=SIG{signal} lines={} ",
                log.lines().count()
            )),
            "{last}"
        );
        assert!(summary["operations"]["interrupted"].as_u64() > Some(0));
    }
}

#[test]
fn the_summary_is_marked_as_interrupted() {
    let rig = Rig::new();
    let run = rig.start("-q");
    run.until("app.log", "Started thread: Worker-9");
    run.signal("INT");
    let finished = run.finish().code(130);
    finished
        .prints("INTERRUPTED by SIGINT")
        .prints("10 ended early");
}

/// Two workers in a deadlock never end: the first signal cannot end the run, which says so, and the second does.
#[test]
fn the_second_signal_ends_a_run_that_cannot_stop() {
    let rig = Rig::new();
    let mut command = rig.command("--bug deadlock -t 2 --time-scale 0 -q");
    command.stderr(File::create(rig.path("console")).unwrap());
    let run = rig.start_command(command);
    run.until("app.log", "Run started");
    while !rig.read("console").contains("DEADLOCK: ") {
        run.signal("QUIT");
        thread::sleep(Duration::from_millis(20));
    }
    run.signal("INT");
    run.until(
        "console",
        "hifi: SIGINT was heard, but the program has not ended yet; send it again to end it at once",
    );
    run.signal("TERM");
    run.finish().code(143);
    assert!(!rig.read("app.log").contains(" Run ended "));
    rig.audit("--killed app.log").code(0);
}

/// `timeout` signals its child, and at once its child's group.
#[test]
fn what_comes_with_the_first_signal_is_the_same_request() {
    let rig = Rig::new();
    for _ in 0..5 {
        let run = rig.start("-t 64 --failure-rate 1 --retry-delay 1h -q --summary json");
        run.until("app.log", "Started thread: Worker-63");
        run.signals(&["TERM", "TERM", "TERM"]);
        let summary = run.finish().code(143).json();
        assert_eq!(summary["stopped_by"], "SIGTERM");
        assert!(rig.read("app.log").contains(" Run ended "));
        std::fs::remove_file(rig.path("app.log")).unwrap();
    }
}

/// A run without end gets one signal while it starts.
#[test]
fn no_signal_is_swallowed() {
    signals_over_the_start(60);
}

#[test]
#[ignore = "it takes a minute: cargo test --test cli -- --ignored swallowed"]
fn none_of_five_thousand_signals_is_swallowed() {
    signals_over_the_start(5000);
}

fn signals_over_the_start(count: u32) {
    let rig = Rig::new();
    // A shell that is there already signals sooner than one that has to be started.
    let mut shell = Command::new("sh")
        .args(["-c", "while read id; do kill -s TERM $id; done"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ids = shell.stdin.take().unwrap();
    for number in 0..count {
        let run = rig.start("-t 1 -n unlimited --failure-rate 1 --retry-delay 1h -q");
        thread::sleep(Duration::from_micros(5000) * number / count);
        writeln!(ids, "{}", run.id()).unwrap();
        let finished = run.finish();
        match finished.ended_by() {
            Some(15) => assert!(!rig.path("app.log").exists(), "a log without a handler"),
            _ => {
                finished.code(143);
                std::fs::remove_file(rig.path("app.log")).unwrap();
            }
        }
    }
    drop(ids);
    shell.wait().unwrap();
}

#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let rig = Rig::new();
    let mut command = Command::new("nohup");
    command.arg(env!("CARGO_BIN_EXE_hifi")).args([
        "-t",
        "2",
        "-n",
        "30",
        "--failure-rate",
        "0",
        "-q",
    ]);
    command
        .current_dir(rig.path(""))
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command.stderr(File::create(rig.path("stderr")).unwrap());
    let run = rig.start_command(command);
    run.until("app.log", "Started thread: Worker-1");
    run.signal("HUP");
    run.finish().code(0);
}
