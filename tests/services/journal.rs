//! A run's log goes into a journal, and comes out in each form in which journalctl prints one.

use std::{fmt::Write, fs, path::Path, process::Command};

use crate::{rig::Rig, shippers::program, whole::Log};

/// The forms with what a line needs to be found in them.
const FORMS: [&str; 15] = [
    "short",
    "short-full",
    "short-iso",
    "short-iso-precise",
    "short-precise",
    "short-monotonic",
    "short-unix",
    "verbose",
    "export",
    "json",
    "json-pretty",
    "json-sse",
    "json-seq",
    "cat",
    "with-unit",
];

#[test]
#[ignore = "needs systemd-journal-remote"]
fn journalctl_prints_a_text_log_whole_in_each_form() {
    through_the_journal("text");
}

#[test]
#[ignore = "needs systemd-journal-remote"]
fn journalctl_prints_a_json_log_whole_in_each_form() {
    through_the_journal("json");
}

fn through_the_journal(format: &'static str) {
    let rig = Rig::new();
    let log = Log::of_run(&rig, format);
    store(&rig, &log.text, "whole.journal");
    store(&rig, &log.without(), "short.journal");
    for form in FORMS {
        for order in ["", "--reverse"] {
            print(&rig, "whole.journal", form, order);
            log.is_whole_in(&rig, "printed");
            print(&rig, "short.journal", form, order);
            log.is_short_in(&rig, "printed");
        }
    }
}

/// Makes a journal of lines.
fn store(rig: &Rig, text: &str, journal: &str) {
    fs::write(rig.path("entries"), entries(text)).unwrap();
    let writer = Path::new("/lib/systemd/systemd-journal-remote");
    assert!(
        writer.exists(),
        "{writer:?} is not there: the Debian package systemd-journal-remote is missing (.ci/services installs it)"
    );
    let mut command = Command::new(writer);
    command
        .args(["--output", journal, "entries"])
        .current_dir(rig.path(""));
    rig.finish(command).code(0);
}

/// The lines as entries of the journal's export format, with fields in front of the message and behind it.
fn entries(text: &str) -> String {
    let mut entries = String::new();
    for (line, number) in text.lines().zip(0..) {
        let (wall, clock) = (1_795_000_000_000_000_u64 + number, 1_000_000 + number);
        write!(
            entries,
            "__REALTIME_TIMESTAMP={wall}\n__MONOTONIC_TIMESTAMP={clock}\n\
             _BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=0123456789abcdef0123456789abcdee\n\
             _HOSTNAME=host\nSYSLOG_IDENTIFIER=hifi\nMESSAGE={line}\nPRIORITY=6\n_PID=812\n\
             _SYSTEMD_UNIT=hifi.service\n\n"
        )
        .unwrap();
    }
    entries
}

fn print(rig: &Rig, journal: &str, form: &str, order: &str) {
    let mut command = Command::new(program("journalctl", "systemd"));
    command
        .args(["--no-pager", "--quiet", "--output", form, "--file", journal])
        .args(order.split_whitespace())
        .current_dir(rig.path(""))
        .stdout(fs::File::create(rig.path("printed")).unwrap());
    rig.finish_as_is(command).code(0);
}
