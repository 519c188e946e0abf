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

/// Makes the command that runs in a folder.
type InFolder = fn(&Path) -> Command;

/// Those that run beside the program, each with a log of its own or with that of the program.
const OTHERS: [(&str, InFolder); 5] = [
    ("the plain port", |folder| {
        let mut port = in_folder(&std::env::current_exe().unwrap(), folder);
        port.env(super::plain_port::ASKED_FOR, format!("{THREADS} {EACH}"));
        port
    }),
    ("the program with --log-format json", |folder| {
        let mut program = hifi(folder, THREADS, EACH);
        program.args(["--log-format", "json", "--log-file", "json.log"]);
        program
    }),
    ("the program with --flush-interval 0", |folder| {
        let mut program = hifi(folder, THREADS, EACH);
        program.args(["--flush-interval", "0", "--log-file", "written_through.log"]);
        program
    }),
    ("the audit of its log", |folder| {
        let mut audit = in_folder(Path::new(env!("CARGO_BIN_EXE_hifi")), folder);
        audit.args(["audit", "app.log"]);
        audit
    }),
    ("wc -l of its log", |folder| {
        let mut count = in_folder(Path::new("wc"), folder);
        count.args(["-l", "app.log"]);
        count
    }),
];

/// Runs `rounds` rounds and prints what came of them: for each of the others its time in that of the program.
pub(crate) fn print(rounds: usize) {
    let mut ratios = OTHERS.map(|_| Vec::new());
    for round in 0..=rounds {
        let folder = tempfile::tempdir().unwrap();
        let program = timed(&mut hifi(folder.path(), THREADS, EACH));
        for ((_, command), ratios) in OTHERS.iter().zip(&mut ratios) {
            let took = timed(&mut command(folder.path()));
            // The first round warms up.
            if round > 0 {
                ratios.push(took.as_secs_f64() / program.as_secs_f64());
            }
        }
    }
    println!(
        "{} operations of {THREADS} workers, file and standard error, {rounds} rounds.",
        THREADS * EACH
    );
    println!("Time in that of the program:");
    for ((other, _), ratios) in OTHERS.iter().zip(ratios) {
        println!("  {:6.2}  {other}", median(ratios));
    }
    println!();
}

/// Runs the program in a folder of its own, which is removed.
pub(crate) fn run_hifi(threads: u64, each: u64) {
    let folder = tempfile::tempdir().unwrap();
    timed(&mut hifi(folder.path(), threads, each));
}

/// A log of the program.
pub(crate) fn make_log(folder: &Path, threads: u64, each: u64) -> PathBuf {
    timed(&mut hifi(folder, threads, each));
    folder.join("app.log")
}

fn hifi(folder: &Path, threads: u64, each: u64) -> Command {
    let mut command = in_folder(Path::new(env!("CARGO_BIN_EXE_hifi")), folder);
    command.args(["--time-scale", "0", "--max-retries", "0"]);
    command.args(["--threads", &threads.to_string()]);
    command.args(["--iterations", &each.to_string()]);
    command
}

fn in_folder(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
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

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
