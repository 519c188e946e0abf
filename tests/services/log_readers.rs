//! The log in the hands of those who read logs: jq, with the README's own commands, and lnav, without a word of configuration.

#[cfg(feature = "monitoring")]
use std::fs;
use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

use crate::rig::{Rig, json_lines};

/// A run with every kind of line that a healthy disk gives.
const RUN: &str = "-t 4 -n 60 --failure-rate 0.5 --panic-rate 0.005 --seed 3 --time-scale 0.001 -q";

/// What each command of the README's block `sh jq` prints, in order.
fn jq(rig: &Rig) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let block = readme.split("```sh jq\n").nth(1).expect("a block for jq");
    let block = block.split("```").next().unwrap().replace("\\\n", " ");
    let commands = block.lines().filter(|line| !line.trim().is_empty());
    commands
        .map(|line| {
            let mut shell = Command::new("bash");
            shell
                .args(["-c", &format!("set -o pipefail; {line}")])
                .current_dir(rig.path(""));
            let finished = rig.finish(shell).code(0);
            assert_eq!(finished.stderr(), "", "{line} (Debian: jq)");
            finished.stdout()
        })
        .collect()
}

#[test]
#[ignore = "needs jq"]
fn the_readmes_jq_commands_tell_what_the_log_holds() {
    let rig = Rig::new();
    let summary = rig
        .hifi(&format!(
            "{RUN} --log-format json --log-file app.json.log --summary json"
        ))
        .code(1)
        .json();
    let log = json_lines(&rig.read("app.json.log"));
    let answers = jq(&rig);
    let [failures, slowest, abandoned, pace, unexpected] = answers.as_slice() else {
        panic!("the README has other commands than this test: {answers:#?}");
    };

    let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
    for line in log.iter().filter(|line| line["next"].is_string()) {
        *expected
            .entry(line["thread"].as_str().unwrap())
            .or_default() += 1;
    }
    let counted: BTreeMap<&str, u64> = failures
        .lines()
        .map(|line| line.trim().split_once(' ').unwrap())
        .map(|(count, worker)| (worker, count.parse().unwrap()))
        .collect();
    assert_eq!(counted, expected);
    assert_eq!(
        counted.values().sum::<u64>(),
        summary["failed_attempts"].as_u64().unwrap()
    );

    the_slowest_are_told(&log, &summary, slowest, unexpected);

    let count = |text: &str| text.lines().count() as u64;
    assert_eq!(
        count(abandoned),
        summary["operations"]["abandoned"].as_u64().unwrap()
    );
    let completed: u64 = pace
        .lines()
        .map(|line| {
            line.trim()
                .split_once(' ')
                .unwrap()
                .0
                .parse::<u64>()
                .unwrap()
        })
        .sum();
    assert_eq!(
        completed,
        summary["operations"]["completed"].as_u64().unwrap()
    );
    let unexpected: Vec<Value> = json_lines(unexpected);
    assert_eq!(
        unexpected.len() as u64,
        summary["operations"]["panicked"].as_u64().unwrap()
    );
    assert!(
        unexpected
            .iter()
            .all(|line| line["message"] == "Unexpected error")
    );
}

fn the_slowest_are_told(log: &[Value], summary: &Value, slowest: &str, unexpected: &str) {
    let rows: Vec<Vec<&str>> = slowest
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 5, "{slowest}");
    let seconds: Vec<f64> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
    assert!(seconds.is_sorted_by(|a, b| a >= b), "{slowest}");
    // An operation's time as the run took it begins a moment earlier: its first line tells of its first attempt's end. One
    // that an unexpected error ended has no such time.
    let longest = summary["operation_seconds"]["max"].as_f64().unwrap();
    for (row, seconds) in rows.iter().zip(&seconds) {
        let panicked = unexpected.lines().any(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["thread"] == row[1] && line["iteration"].as_u64() == row[2].parse().ok()
        });
        assert!(
            *seconds > 0.0 && (panicked || *seconds <= longest + 1e-6),
            "{slowest}, and {longest}"
        );
    }
    for row in &rows {
        let lines = log.iter().filter(|line| {
            line["thread"] == row[1] && line["iteration"].as_u64() == row[2].parse().ok()
        });
        assert_eq!(lines.count().to_string(), row[3], "{slowest}");
    }
}

#[test]
#[ignore = "needs lnav"]
fn lnav_knows_time_and_level_of_every_line() {
    let rig = Rig::new();
    rig.hifi(RUN).code(1);
    let mut lnav = Command::new("lnav");
    lnav.args([
        "-n",
        "-c",
        ";SELECT log_time, log_level, log_body FROM all_logs",
        "-c",
        ":write-json-to -",
        "app.log",
    ])
    .current_dir(rig.path(""))
    .env("HOME", rig.path(""))
    .env("TZ", "UTC");
    let rows = rig.finish(lnav).code(0).json();
    let rows = rows.as_array().unwrap();
    let log = rig.read("app.log");
    assert_eq!(rows.len(), log.lines().count());
    for (row, line) in rows.iter().zip(log.lines()) {
        let (stamp, rest) = line.split_once(' ').unwrap();
        // It shows milliseconds.
        assert_eq!(row["log_time"], stamp[..23].replace('T', " "), "{line}");
        let level = rest.trim_start().split(' ').next().unwrap();
        assert_eq!(row["log_level"], level.to_lowercase(), "{line}");
    }
}

#[cfg(feature = "monitoring")]
#[test]
#[ignore = "needs lnav"]
fn lnav_reads_the_json_log_by_the_format_that_the_report_prints() {
    let rig = Rig::new();
    rig.hifi(&format!("{RUN} --log-format json")).code(1);
    fs::create_dir_all(rig.path(".lnav/formats/hifi")).unwrap();
    rig.hifi("report --format lnav -o .lnav/formats/hifi/format.json")
        .code(0);
    let mut lnav = Command::new("lnav");
    lnav.args([
        "-n",
        "-c",
        ";SELECT log_time, log_level, thread, iteration, attempt, next FROM hifi_json_log",
        "-c",
        ":write-json-to -",
        "app.log",
    ])
    .current_dir(rig.path(""))
    .env("HOME", rig.path(""))
    .env("TZ", "UTC");
    let finished = rig.finish(lnav).code(0);
    assert_eq!(finished.stderr(), "");
    let rows = finished.json();
    let rows = rows.as_array().unwrap();
    let log = json_lines(&rig.read("app.log"));
    assert_eq!(rows.len(), log.len());
    for (row, line) in rows.iter().zip(&log) {
        let stamp = line["timestamp"].as_str().unwrap();
        assert_eq!(row["log_time"], stamp[..23].replace('T', " "), "{line}");
        assert_eq!(
            row["log_level"],
            line["level"].as_str().unwrap().to_lowercase()
        );
        // It shows numbers of JSON as text.
        let text = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        for field in ["thread", "iteration", "attempt", "next"] {
            assert_eq!(text(&row[field]), text(&line[field]), "{field}: {line}");
        }
    }
}
