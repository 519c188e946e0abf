//! A run's log as OTLP, written by protobuf's own JSON and binary writers.

use std::{env, fs, path::PathBuf, process::Command};

use crate::{rig::Rig, whole::Log};

const JSON: [&str; 4] = ["pretty", "lines", "names", "defaults"];

#[test]
#[ignore = "needs opentelemetry-proto"]
fn otlp_of_a_text_log_is_whole() {
    let rig = Rig::new();
    let log = Log::of_run(&rig, "text");
    write(&rig, &log);
    for form in JSON.iter().chain(&["binary"]) {
        log.is_whole_in(&rig, &format!("whole/body.{form}"));
        log.is_short_in(&rig, &format!("short/body.{form}"));
    }
}

/// Fields that are spread over a binary format cannot be read, and nobody is accused for that.
#[test]
#[ignore = "needs opentelemetry-proto"]
fn otlp_of_a_json_log_is_whole_or_cannot_be_read() {
    let rig = Rig::new();
    let log = Log::of_run(&rig, "json");
    write(&rig, &log);
    for name in ["body", "attributes", "fields"] {
        for form in JSON {
            log.is_whole_in(&rig, &format!("whole/{name}.{form}"));
            log.is_short_in(&rig, &format!("short/{name}.{form}"));
        }
    }
    log.is_whole_in(&rig, "whole/body.binary");
    log.is_short_in(&rig, "short/body.binary");
    for name in ["attributes", "fields"] {
        let verdict = rig.audit(&format!("whole/{name}.binary")).code(2).json();
        assert_eq!(verdict["runs"], serde_json::json!([]), "{name}");
        assert_ne!(verdict["cannot_tell"], serde_json::json!([]), "{name}");
    }
}

/// Writes the log in all forms, with its line and without.
fn write(rig: &Rig, log: &Log) {
    let python = env::var_os("HIFI_OTLP").map(PathBuf::from);
    let python = python.filter(|python| python.exists()).expect(
        "HIFI_OTLP must name the Python that has the package opentelemetry-proto (.ci/services installs it)",
    );
    for (folder, text) in [("whole", &log.text), ("short", &log.without())] {
        fs::create_dir(rig.path(folder)).unwrap();
        fs::write(rig.path("log"), text).unwrap();
        let mut command = Command::new(&python);
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/services/otlp.py"
            ))
            .args(["log", folder])
            .current_dir(rig.path(""));
        rig.finish(command).code(0);
    }
}
