//! How `hifi audit` ends, whatever its reader does and wherever it stands.

use std::{fs, io::Write, process::Stdio};

use crate::rig::Rig;

#[test]
fn a_reader_that_has_seen_enough_does_not_change_the_verdict() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 50 --time-scale 0 -q --log-file whole")
        .code(0);
    let whole = rig.read("whole");
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(
        rig.path("damaged"),
        lines[..20].join("\n") + "\n" + &lines[21..].join("\n"),
    )
    .unwrap();
    for format in ["text", "json", "github"] {
        let mut command = rig.command(&format!("audit --format {format} damaged"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(1), "{format}");
    }
    fs::remove_file(rig.path("damaged")).unwrap();
}

#[test]
fn a_folder_in_the_place_of_the_log_concerns_a_run_only() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 20 --time-scale 0 -q --log-file other.log")
        .code(0);
    fs::create_dir(rig.path("app.log")).unwrap();
    rig.hifi("audit other.log").code(0);
    rig.hifi("plan -t 1 -n 1").code(0);
    rig.hifi("-t 1 -n 1").code(2).complains("--log-file");
    fs::remove_dir(rig.path("app.log")).unwrap();
}

/// The log of a run whose start never comes is held back, and there is a limit to that.
#[test]
fn an_audit_past_its_memory_does_not_wait_for_more() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 20000 --time-scale 0 -q --log-file whole")
        .code(0);
    let whole = rig.read("whole");
    let (_, rest) = whole.split_once('\n').unwrap();
    let mut command = rig.command("audit --memory 1 -");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    // The audit may have ended before it has read all, and its input is not closed before it has.
    let _ = input.write_all(rest.as_bytes());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}
