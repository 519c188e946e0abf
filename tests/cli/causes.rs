//! The likely causes that the audit prints: for damage that public bug reports describe the right one, where the log shows it,
//! and none where it does not.

use std::{collections::HashSet, fs};

use serde_json::json;

use crate::rig::Rig;

const RUN: &str = "-t 4 -n 2000 --time-scale 0 --seed 42";

type Lines<'a> = &'a [&'a str];

/// Damage that is done to a log's lines, whether the run's options are given, and what is said of it: the kind and words.
type Case = (
    &'static str,
    fn(Lines) -> String,
    bool,
    &'static [[&'static str; 2]],
);

const CASES: [Case; 20] = [
    (
        "a rotated file is sent again as a whole",
        |l| text(&[&l[..400], &l[400..500], &l[..400], &l[500..]]),
        false,
        &[["duplicated", "read again from its beginning"]],
    ),
    (
        "a push is sent again",
        |l| text(&[&l[..450], &l[400..450], &l[450..]]),
        false,
        &[["duplicated", "a block of 50 lines"]],
    ),
    (
        "one part is lost and another sent twice",
        |l| text(&[&l[..300], &l[380..700], &l[580..]]),
        false,
        &[["duplicated", "a block of 120 lines"]],
    ),
    (
        "each line is sent twice",
        |l| l.iter().map(|line| format!("{line}\n{line}\n")).collect(),
        false,
        &[],
    ),
    (
        "single lines are sent twice",
        |l| {
            let copies = |i| if i % 50 == 20 { 2 } else { 1 };
            l.iter()
                .zip(0..)
                .map(|(line, i)| format!("{line}\n").repeat(copies(i)))
                .collect()
        },
        false,
        &[],
    ),
    (
        "reading stops at the rotation",
        |l| text(&[&l[..600]]),
        false,
        &[],
    ),
    (
        "a rotated part is not given",
        |l| text(&[&l[600..]]),
        true,
        &[["lost", "the beginning is missing"]],
    ),
    (
        "reading begins at the offset of another file",
        |l| text(&[&l[500..]])[60..].to_owned(),
        true,
        &[["lost", "in the middle of a line"]],
    ),
    (
        "single lines are dropped",
        |l| {
            let kept = l.iter().zip(0..).filter(|(_, i)| i % 40 != 21);
            kept.map(|(line, _)| format!("{line}\n")).collect()
        },
        false,
        &[],
    ),
    (
        "lines of one time are shown once",
        |l| {
            let mut seen = HashSet::new();
            let kept = l.iter().filter(|line| seen.insert(&line[..27]));
            kept.map(|line| format!("{line}\n")).collect()
        },
        false,
        &[["lost", "equal time stamps"]],
    ),
    (
        "a limit on the rate",
        |l| {
            noted(
                l,
                700..800,
                "journald[33]: Suppressed 100 messages from hifi.service",
            )
        },
        false,
        &[["lost", "line 701 says that 100 lines were dropped"]],
    ),
    (
        "a limit on the rate of somebody else",
        |l| {
            let note = "journald[33]: Suppressed 400 messages from sshd.service";
            text(&[&l[..700], &l[701..740], &[note], &l[740..]])
        },
        false,
        &[],
    ),
    (
        "a block is sent again twice",
        |l| text(&[&l[..450], &l[400..450], &l[400..450], &l[450..]]),
        false,
        &[[
            "duplicated",
            "a block of 50 lines that was sent or read again as a whole, 2 times",
        ]],
    ),
    (
        "single lines are dropped from a log that has its newest first",
        |l| {
            let kept = l.iter().enumerate().filter(|(i, _)| i % 300 != 250);
            let mut kept: Vec<&str> = kept.map(|(_, line)| *line).collect();
            kept.reverse();
            text(&[&kept])
        },
        false,
        &[],
    ),
    (
        "no limit on the rate, though somebody dropped something",
        |l| noted(l, 700..800, "            0 items dropped by the data limit"),
        false,
        &[],
    ),
    (
        "a hole at the loss",
        |l| text(&[&l[..500]]) + &"\0".repeat(4096) + &text(&[&l[520..]]),
        false,
        &[["lost", "4096 NUL bytes"]],
    ),
    (
        "a hole far from the loss",
        |l| text(&[&l[..300]]) + &"\0".repeat(4096) + &text(&[&l[300..700], &l[710..]]),
        false,
        &[],
    ),
    (
        "a hole and no loss",
        |l| text(&[&l[..500]]) + &"\0".repeat(4096) + &text(&[&l[500..]]),
        false,
        &[],
    ),
    (
        "long lines are cut",
        |l| {
            l.iter()
                .map(|line| format!("{}\n", &line[..line.len().min(160)]))
                .collect()
        },
        true,
        &[["truncated", "cut at 160 bytes"]],
    ),
    (
        "batches are taken apart by their level",
        |l| {
            let apart = |batch: Lines| {
                let (info, error): (Vec<&str>, Vec<&str>) =
                    batch.iter().partition(|line| line.contains(" INFO "));
                text(&[&info, &error])
            };
            l.chunks(125).map(apart).collect()
        },
        false,
        &[],
    ),
];

#[test]
fn the_cause_is_printed_where_the_log_shows_it_and_nowhere_else() {
    let rig = Rig::new();
    rig.hifi(&format!("{RUN} -q --log-file whole")).code(0);
    let whole = rig.read("whole");
    let lines: Vec<&str> = whole.lines().collect();
    for (what, damage, told, expected) in CASES {
        fs::write(rig.path("damaged"), damage(&lines)).unwrap();
        let options = if told { RUN } else { "" };
        let verdict = rig.audit(&format!("{options} damaged")).json();
        let causes = verdict["runs"][0]["causes"].as_array().unwrap();
        assert_eq!(causes.len(), expected.len(), "{what}: {causes:?}");
        for (cause, [kind, words]) in causes.iter().zip(expected) {
            assert_eq!(cause["kind"], json!(kind), "{what}: {cause}");
            assert!(
                cause["text"].as_str().unwrap().contains(words),
                "{what}: {cause}"
            );
        }
    }
}

fn text(parts: &[Lines]) -> String {
    parts
        .iter()
        .flat_map(|lines| lines.iter())
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The lines without some, and in their place what somebody says of that.
fn noted(lines: Lines, lost: std::ops::Range<usize>, note: &str) -> String {
    text(&[&lines[..lost.start], &[note], &lines[lost.end..]])
}
