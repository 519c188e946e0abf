//! The race: the program and a plain port of it, on the same work, side by side.
//!
//! Each round runs both, one after the other; a ratio is taken round by round, and its median is quoted.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const THREADS: u64 = 10;
const EACH: u64 = 50_000;

/// Runs `rounds` rounds and prints what came of them.
pub fn print(rounds: usize) {
    let mut ratios = Vec::new();
    let mut audits = Vec::new();
    for round in 0..=rounds {
        let folder = tempfile::tempdir().unwrap();
        let hifi = timed(&mut hifi(folder.path(), THREADS, EACH));
        let audit = timed(
            Command::new(env!("CARGO_BIN_EXE_hifi"))
                .arg("audit")
                .current_dir(folder.path()),
        );
        let mut port = Command::new(std::env::current_exe().unwrap());
        port.env(super::plain_port::ASKED_FOR, format!("{THREADS} {EACH}"))
            .current_dir(folder.path());
        let port = timed(&mut port);
        // The first round warms up.
        if round > 0 {
            ratios.push(port.as_secs_f64() / hifi.as_secs_f64());
            audits.push(hifi.as_secs_f64() / audit.as_secs_f64());
        }
    }
    println!(
        "{} operations of {THREADS} workers, file and standard error, {rounds} rounds:",
        THREADS * EACH
    );
    println!(
        "  the plain port takes {:.1} times as long as the program",
        median(ratios)
    );
    println!(
        "  the program takes {:.1} times as long as the audit of its log",
        median(audits)
    );
    println!();
}

/// Runs the program in a folder of its own, which is removed.
pub fn run_hifi(threads: u64, each: u64) {
    let folder = tempfile::tempdir().unwrap();
    timed(&mut hifi(folder.path(), threads, each));
}

/// A log of the program.
pub fn make_log(folder: &Path, threads: u64, each: u64) -> PathBuf {
    timed(&mut hifi(folder, threads, each));
    folder.join("app.log")
}

fn hifi(folder: &Path, threads: u64, each: u64) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hifi"));
    command.args(["--time-scale", "0", "--max-retries", "0"]);
    command.args([
        "--threads",
        &threads.to_string(),
        "--iterations",
        &each.to_string(),
    ]);
    command.current_dir(folder);
    command
}

fn timed(command: &mut Command) -> Duration {
    let start = Instant::now();
    let status = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let took = start.elapsed();
    assert!(status.success(), "{command:?}: {status}");
    took
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
