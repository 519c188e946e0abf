use std::process::{Command, Stdio};

use crate::rig::Rig;

/// Runs the program on a terminal of its own, and returns what it showed there.
fn on_a_terminal(rig: &Rig, args: &str) -> String {
    shell_on_a_terminal(rig, &format!("'{}' {args}", env!("CARGO_BIN_EXE_hifi")))
}

/// Runs words of the shell on a terminal of their own, and returns what they showed there.
fn shell_on_a_terminal(rig: &Rig, words: &str) -> String {
    let mut command = Command::new("script");
    command.args(["--quiet", "--return", "--command", words, "/dev/null"]);
    command.current_dir(rig.path("")).stdin(Stdio::null());
    rig.finish(command).code(0).stdout()
}

#[test]
fn a_quiet_run_shows_one_line_on_a_terminal_and_takes_it_away() {
    let rig = Rig::new();
    let shown = on_a_terminal(&rig, "-q -t 2 -n 5 --failure-rate 0 --success-delay 100ms");
    let (line, rest) = shown
        .rsplit_once(" retries\x1b[J\r")
        .expect("a progress line");
    assert!(line.contains("/10 operations, "), "{shown}");
    assert!(
        rest.starts_with("\x1b[J\rOperations "),
        "the line is gone before the summary: {shown:?}"
    );
    assert!(!shown.contains("Worker-0"), "{shown}");
}

#[test]
fn there_is_none_without_a_terminal_or_beside_the_log() {
    let rig = Rig::new();
    let finished = rig
        .hifi("-q -t 2 -n 3 --failure-rate 0 --success-delay 100ms")
        .code(0);
    assert_eq!(finished.stderr(), "");
    let shown = on_a_terminal(&rig, "-t 2 -n 3 --failure-rate 0 --success-delay 100ms");
    assert!(!shown.contains(" operations, "), "{shown}");
}

/// A terminal that obeys no control sequences shows neither a progress line nor colours.
#[test]
fn a_dumb_terminal_gets_plain_text() {
    let rig = Rig::new();
    let hifi = env!("CARGO_BIN_EXE_hifi");
    for args in ["-q", "", "lab lossy-log"] {
        let options = "-t 2 -n 3 --failure-rate 0 --success-delay 100ms";
        let options = if args.starts_with("lab") { "" } else { options };
        let shown = shell_on_a_terminal(&rig, &format!("TERM=dumb '{hifi}' {args} {options}"));
        assert!(!shown.contains('\x1b'), "{shown:?}");
    }
}
