use std::{fs::File, process::Stdio};

use crate::rig::{PIPE_BYTES, Rig};

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
    run.finish().code(130).prints("INTERRUPTED by SIGINT");
}

/// A reader that never reads holds the first signal's half second up; the second does not wait for it.
#[test]
fn the_second_signal_ends_at_once() {
    let rig = Rig::new();
    let mut command = rig.command("-t 4 -n 1000000 --time-scale 0");
    let (_reader, writer) = std::io::pipe().unwrap();
    command.stderr(Stdio::from(writer)).stdout(Stdio::null());
    let run = rig.start_command(command);
    run.until_longer_than("app.log", PIPE_BYTES);
    run.signals(&["INT", "TERM"]);
    let finished = run.finish();
    // Where both come at the same moment, either of them may be the second.
    assert!(matches!(finished.exit_code(), Some(130 | 143)));
    assert!(!rig.read("app.log").contains(" Run ended "));
    rig.audit("--killed app.log").code(0);
}

#[test]
fn a_hangup_that_was_ignored_stays_ignored() {
    let rig = Rig::new();
    let mut command = std::process::Command::new("nohup");
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
