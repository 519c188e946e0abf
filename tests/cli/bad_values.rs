use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt};

use crate::rig::Rig;

/// What is typed, and what is said of it.
const REFUSED: &[(&str, [&str; 3])] = &[
    ("--threads 0", ["'0'", "--threads", "from 1 to 4096"]),
    ("--threads 4097", ["'4097'", "--threads", "from 1 to 4096"]),
    ("--threads -1", ["'-1'", "--threads", "from 1 to 4096"]),
    (
        "--threads 1e400",
        ["'1e400'", "--threads", "from 1 to 4096"],
    ),
    (
        "--seed abc",
        ["'abc'", "--seed", "from 0 to 18446744073709551615"],
    ),
    (
        "--log-file=",
        ["''", "--log-file", "it is empty; name a file"],
    ),
    (
        "plan --worker -1",
        ["'-1'", "--worker", "a whole number from 0"],
    ),
    (
        "audit --allow-lost -1",
        ["'-1'", "--allow-lost", "a whole number from 0"],
    ),
    ("audit --memory 0", ["'0'", "--memory", "from 1 to 1048576"]),
    (
        "--iterations 0",
        ["'0'", "--iterations", "a whole number from 1"],
    ),
    (
        "--iterations 1.5",
        ["'1.5'", "--iterations", "a whole number from 1"],
    ),
    (
        "--failure-rate 1.5",
        ["'1.5'", "--failure-rate", "a number from 0 to 1"],
    ),
    (
        "--failure-rate NaN",
        ["'NaN'", "--failure-rate", "a number from 0 to 1"],
    ),
    (
        "--failure-rate -0.1",
        ["'-0.1'", "--failure-rate", "a number from 0 to 1"],
    ),
    (
        "--panic-rate inf",
        ["'inf'", "--panic-rate", "a number from 0 to 1"],
    ),
    ("--jitter 2", ["'2'", "--jitter", "a number from 0 to 1"]),
    ("--time-scale -1", ["'-1'", "--time-scale", "0 or more"]),
    (
        "--success-delay 10x",
        ["'10x'", "--success-delay", "such as 10ms"],
    ),
    (
        "--retry-delay 10",
        ["'10'", "--retry-delay", "such as 10ms"],
    ),
    (
        "--max-retry-delay -1s",
        ["'-1s'", "--max-retry-delay", "such as 10ms"],
    ),
    (
        "--flush-interval often",
        ["'often'", "--flush-interval", "such as 10ms"],
    ),
    (
        "--duration forever",
        ["'forever'", "--duration", "such as 10ms"],
    ),
    (
        "--seed 1 --shard 8/8 --group x",
        ["'8/8'", "--shard", "such as 2/8"],
    ),
    (
        "--shard 1/8 --group x",
        ["required", "--seed <U64>", "not provided"],
    ),
    (
        "--seed 1 --shard 1/8",
        ["--group <ID>", "--shard <I/N>", "such as the job's"],
    ),
    (
        "--seed 1 --group x",
        ["required", "--shard <I/N>", "not provided"],
    ),
    (
        "--seed 1 --shard 1/8 --group a,b",
        ["'a,b'", "--group", "letters, digits"],
    ),
    (
        "--seed 1 --shard auto",
        ["'auto'", "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"],
    ),
    (
        "plan --seed 1 --threads 2 --shard 1/2 --worker 4",
        ["'4'", "--worker", "workers 2 to 3"],
    ),
    (
        "--max-retries -1",
        ["'-1'", "--max-retries", "from 0 to 4294967295"],
    ),
    (
        "--backoff linear",
        ["'linear'", "--backoff", "fixed, exponential"],
    ),
    (
        "--seed 18446744073709551616",
        [
            "'18446744073709551616'",
            "--seed",
            "from 0 to 18446744073709551615",
        ],
    ),
    (
        "--data-limit few",
        ["'few'", "--data-limit", "or unlimited"],
    ),
    ("--log-file .", ["'.'", "--log-file", "name a file in it"]),
    (
        "--log-file missing/app.log",
        ["'missing/app.log'", "--log-file", "create it first"],
    ),
    (
        "--log-file - --bug lossy-log",
        ["'-'", "--log-file", "name one"],
    ),
    ("--log-format xml", ["'xml'", "--log-format", "text, json"]),
    (
        "--rotation weekly",
        ["'weekly'", "--rotation", "never, hourly, daily"],
    ),
    (
        "--log-level loud",
        ["'loud'", "--log-level", "off, error, warn"],
    ),
    ("--summary yaml", ["'yaml'", "--summary", "text, json"]),
    ("plan --worker 10", ["'10'", "--worker", "workers 0 to 9"]),
];

#[test]
fn a_bad_value_is_refused_with_option_value_and_remedy_before_anything_exists() {
    for (args, words) in REFUSED {
        let rig = Rig::new();
        let finished = rig.hifi(args).code(2);
        words
            .iter()
            .fold(finished, |finished, word| finished.complains(word));
        assert_eq!(
            fs::read_dir(rig.path("")).unwrap().count(),
            0,
            "{args} left something behind"
        );
    }
}

#[test]
fn a_bad_rust_log_is_refused() {
    let rig = Rig::new();
    let mut command = rig.command("--time-scale 0");
    command.env("RUST_LOG", "hifi=loud");
    rig.finish(command)
        .code(2)
        .complains("'hifi=loud'")
        .complains("RUST_LOG")
        .complains("unset it");
    assert!(!rig.path("app.log").exists());
}

#[test]
fn a_log_path_that_is_not_utf8_is_refused() {
    let rig = Rig::new();
    let mut command = rig.command("--log-file");
    command.arg(OsStr::from_bytes(b"app\xff.log"));
    rig.finish(command)
        .code(2)
        .complains("--log-file")
        .complains("not UTF-8");
}

#[test]
fn what_only_the_system_knows_ends_with_1() {
    let rig = Rig::new();
    let long = "x".repeat(4096);
    rig.hifi(&format!("--log-file {long}"))
        .code(1)
        .complains("cannot open the log file")
        .complains("--log-file");
    std::process::Command::new("mkfifo")
        .arg(rig.path("pipe"))
        .status()
        .unwrap();
    rig.hifi("--log-file pipe")
        .code(1)
        .complains("pipe is a pipe")
        .complains("name a file");
}
