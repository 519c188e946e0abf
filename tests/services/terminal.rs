//! A terminal's recording of the console, in colour and with the summary, is a log like another.

use std::{fs, process::Command};

use crate::{
    rig::Rig,
    shippers::program,
    whole::{Log, RUN, without},
};

#[test]
#[ignore = "needs script"]
fn a_terminals_recording_is_a_log() {
    let rig = Rig::new();
    let mut script = Command::new(program("script", "bsdutils"));
    script
        .args(["--quiet", "--return", "--command"])
        .arg(format!(
            "{} {RUN} --log-file written",
            env!("CARGO_BIN_EXE_hifi")
        ))
        .arg("recording")
        .current_dir(rig.path(""));
    rig.finish(script).code(1);
    let recording = rig.read("recording");
    assert!(recording.contains("\x1b[32m"), "it has no colours");
    assert!(recording.contains(" panicked after "), "it has no summary");
    let log = Log::new(rig.read("written"), "text");
    log.is_whole_in(&rig, "recording");
    let short = without(&recording, &log.missing.mark("text"));
    fs::write(rig.path("short"), short).unwrap();
    log.is_short_in(&rig, "short");
}
