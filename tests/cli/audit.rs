//! How `hifi audit` ends, whatever its reader does and wherever it stands.

use std::{fs, io::Write, os::unix::fs::symlink, process::Stdio};

#[cfg(feature = "monitoring")]
use {
    flate2::{Compression, write::GzEncoder},
    serde_json::json,
};

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

/// What is not the log's fault is said of the archive, in every form, and the other parts are judged.
#[cfg(feature = "monitoring")]
#[test]
fn an_archive_that_is_damaged_is_no_clean_log() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 20 --time-scale 0 -q --log-file app.log")
        .code(0);
    let whole = fs::read(rig.path("app.log")).unwrap();
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(&whole).unwrap();
    let mut packed = packer.finish().unwrap();
    let sum = packed.len() - 8;
    packed[sum] ^= 1;
    fs::write(rig.path("sum.gz"), &packed).unwrap();
    fs::write(rig.path("none.gz"), &packed[..12]).unwrap();
    for (inputs, words) in [("sum.gz", "checksum"), ("none.gz app.log", "none.gz")] {
        rig.hifi(&format!("audit --format github {inputs}"))
            .code(2)
            .prints(words);
        let verdict = rig.audit(inputs).code(2).json();
        assert_eq!(
            verdict["runs"][0]["lines"],
            json!(whole.iter().filter(|b| **b == b'\n').count())
        );
    }
}

#[test]
fn a_file_is_read_once_however_it_is_named() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 20 --time-scale 0 -q").code(0);
    symlink(rig.path("app.log"), rig.path("link.log")).unwrap();
    rig.hifi("audit app.log ./app.log link.log").code(0);
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
