//! The limit is on the address space (RLIMIT_AS), which code, stacks and the allocator's reserves count in as well.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read, Write},
    thread,
};

use serde_json::Value;

use crate::rig::{Finished, Rig};

/// Bytes that the audit may take, whatever it reads.
const MEMORY: u64 = 256 << 20;

/// A run's log, as JSON where `options` say so; it is audited with what a test puts around it.
fn log(rig: &Rig, options: &str) -> String {
    rig.hifi(&format!(
        "-q -t 2 -n 20 --seed 1 --time-scale 0 {options} --log-file true.log"
    ))
    .code(0);
    let log = rig.read("true.log");
    rig.audit("true.log").code(0);
    log
}

/// Audits what comes down a pipe, under the limit.
fn audit(rig: &Rig, input: impl Read + Send + 'static) -> Finished {
    audit_within(rig, MEMORY, "", input)
}

fn audit_within(
    rig: &Rig,
    memory: u64,
    options: &str,
    mut input: impl Read + Send + 'static,
) -> Finished {
    let command = rig.limited(memory, &format!("audit --format json {options} -"));
    rig.fed(command, move |mut stdin| {
        // A reader that gives up early is judged by what it says.
        let _ = io::copy(&mut input, &mut stdin);
    })
}

fn text(text: impl Into<Vec<u8>>) -> io::Cursor<Vec<u8>> {
    io::Cursor::new(text.into())
}

fn endless(byte: u8, bytes: u64) -> impl Read + Send + 'static {
    io::repeat(byte).take(bytes)
}

/// The only run's count of a kind of difference.
fn count(verdict: &Value, kind: &str) -> u64 {
    assert_eq!(
        verdict["runs"].as_array().map(Vec::len),
        Some(1),
        "{verdict}"
    );
    verdict["runs"][0]["counts"][kind]
        .as_u64()
        .expect("a count")
}

fn assert_only(verdict: &Value, kind: &str, expected: u64) {
    for (name, found) in verdict["runs"][0]["counts"].as_object().expect("counts") {
        let expected = if name == kind { expected } else { 0 };
        assert_eq!(found.as_u64(), Some(expected), "{name}: {verdict}");
    }
}

/// A line without an end, before, behind and without a log. Brackets are a document's, and NUL bytes a hole: neither is
/// another program's line.
fn without_a_newline(bytes: u64) {
    let rig = Rig::new();
    let log = log(&rig, "");
    for (byte, foreign) in [(b'x', 1), (b'{', 0), (b'2', 1), (0, 0), (0xff, 1)] {
        let verdict = audit(&rig, endless(byte, bytes)).code(2).json();
        let counted = (verdict["lines"].as_u64(), verdict["stray_count"].as_u64());
        assert_eq!(counted, (Some(1), Some(foreign)), "{verdict}");
        let behind = text(log.clone()).chain(endless(byte, bytes));
        let verdict = audit(&rig, behind).code(foreign as i32).json();
        assert_only(&verdict, "unexpected", foreign);
        let before = endless(byte, bytes).chain(text(log.clone()));
        let verdict = audit(&rig, before).code(foreign as i32).json();
        assert_only(&verdict, "unexpected", 0);
        assert_eq!(verdict["stray_count"], foreign, "{verdict}");
    }
}

/// Whatever stands around the lines of a log, none of them is said to be missing or changed.
fn accuses_no_line(verdict: &Value) {
    for kind in ["lost", "duplicated", "reordered", "altered", "books"] {
        assert_eq!(count(verdict, kind), 0, "{kind}: {verdict}");
    }
}

#[test]
fn a_line_of_megabytes_is_one_unexpected_line() {
    without_a_newline(8 << 20);
}

#[test]
#[ignore = "takes minutes"]
fn a_line_of_a_gigabyte_is_one_unexpected_line() {
    without_a_newline(1 << 30);
}

#[test]
fn noise_costs_no_memory_and_hides_no_line() {
    let rig = Rig::new();
    let log = log(&rig, "");
    for (noise, foreign) in [
        (&b"\n"[..], 0),
        (b"\xfe\xc0\xaf\xff\n", 1),
        (b" sum=", 1),
        (b"{\"log\":", 1),
        (b"{\"timestamp\":\"", 1),
        (b"<134>Nov 24 21:57:15 host hifi: \n", 1),
        (
            b"run=0000000000000001 worker=3 seq=5 iteration=5 attempt=1 counter=8 sum=00112233\n",
            1,
        ),
    ] {
        let noise = noise.repeat(4_000_000 / noise.len());
        let lines = noise.iter().filter(|b| **b == b'\n').count().max(1) as u64;
        let around = [&noise[..], b"\n", log.as_bytes(), &noise].concat();
        let verdict = audit(&rig, text(around)).code(foreign as i32).json();
        accuses_no_line(&verdict);
        assert_eq!(verdict["runs"][0]["lines"], log.lines().count());
        let strays = verdict["stray_count"].as_u64().expect("a count");
        let others = count(&verdict, "unexpected") + count(&verdict, "truncated");
        assert_eq!(strays + others, 2 * lines * foreign, "{verdict}");
    }
}

/// The beginnings of records, one behind the other: they are cut short, or no lines of the program, and hide none.
#[test]
fn records_that_only_begin_hide_no_line() {
    let rig = Rig::new();
    let log = log(&rig, "");
    let noise = b"2026-11-24T21:57:15.488111Z  INFO ".repeat(100_000);
    let around = [&noise[..], b"\n", log.as_bytes(), &noise].concat();
    let verdict = audit(&rig, text(around)).code(1).json();
    accuses_no_line(&verdict);
    assert_eq!(verdict["runs"][0]["lines"], log.lines().count());
    assert!(count(&verdict, "truncated") > 0, "{verdict}");
}

/// Each second byte being NUL, it is UTF-16, and the log within it is not.
#[test]
fn a_log_between_lines_in_another_encoding_cannot_be_told() {
    let rig = Rig::new();
    let log = log(&rig, "");
    for noise in [&b"\0\n"[..], b"\xff\xfe\xc0\xaf\n"] {
        let noise = noise.repeat(1_000_000);
        let around = [&noise[..], b"\n", log.as_bytes(), &noise].concat();
        audit(&rig, text(around))
            .code(2)
            .prints("nothing can be read as a record");
    }
}

#[test]
fn deep_json_is_an_unexpected_line() {
    let rig = Rig::new();
    let log = log(&rig, "--log-format json");
    for (opening, foreign) in [
        ("[", 0),
        ("{\"log\":", 1),
        ("{\"message\":{\"x\":", 1),
        ("{\"run\":[", 1),
    ] {
        let deep = format!("{log}{}\n", opening.repeat(100_000));
        let verdict = audit(&rig, text(deep)).code(foreign as i32).json();
        assert_only(&verdict, "unexpected", foreign);
    }
    let closed = format!(
        "{log}{{\"log\":{}{}}}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_only(&audit(&rig, text(closed)).code(1).json(), "unexpected", 1);
}

#[test]
fn numbers_past_64_bits_are_altered_fields() {
    for options in ["", "--log-format json"] {
        let rig = Rig::new();
        let log = log(&rig, options);
        for huge in [
            "18446744073709551616",
            "99999999999999999999999999",
            "-1",
            "1e400",
        ] {
            for field in ["worker", "seq", "iteration", "attempt", "counter"] {
                let mark = if options.is_empty() {
                    format!(" {field}=")
                } else {
                    format!("\"{field}\":")
                };
                // The fourth attempt: its other fields still say which line it was.
                let at = log.match_indices(&mark).nth(3).expect("four attempts").0 + mark.len();
                let digits = log[at..].bytes().take_while(u8::is_ascii_digit).count();
                let bad = format!("{}{huge}{}", &log[..at], &log[at + digits..]);
                let verdict = audit(&rig, text(bad)).code(1).json();
                assert_eq!(
                    count(&verdict, "altered") + count(&verdict, "unexpected"),
                    1,
                    "{field} {huge}: {verdict}"
                );
                assert_eq!(count(&verdict, "books"), 0, "{field} {huge}: {verdict}");
            }
        }
    }
}

/// The log with other values in its "Run started", under a checksum that holds.
fn started_with(log: &str, changes: &[(&str, &str)]) -> String {
    let (first, rest) = log.split_once('\n').expect("lines");
    let (canonical, _) = first.rsplit_once(" sum=").expect("a checksum");
    let words = canonical.split(' ').map(|word| {
        let change = changes.iter().find(|(name, _)| {
            word.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('='))
        });
        change.map_or(word.to_owned(), |(name, value)| format!("{name}={value}"))
    });
    let canonical = words.collect::<Vec<_>>().join(" ");
    let sum = hifi::log::line::checksum(canonical.as_bytes());
    format!("{canonical} sum={sum:08x}\n{rest}")
}

#[test]
fn a_start_that_claims_what_no_run_can_have_is_not_believed() {
    let rig = Rig::new();
    let log = log(&rig, "");
    let huge = (1_u64 << 60).to_string();
    for (name, value) in [
        ("failure_rate", "NaN"),
        ("failure_rate", "inf"),
        ("failure_rate", "1.5"),
        ("threads", "0"),
        ("threads", "4097"),
        ("threads", &huge),
        ("iterations", "18446744073709551616"),
        ("time_scale", "NaN"),
        ("schema", "2"),
    ] {
        let bad = started_with(&log, &[(name, value)]);
        let finished = audit(&rig, text(bad)).code(2);
        assert_eq!(finished.json()["status"], "cannot_tell", "{name}={value}");
    }
}

/// 2^60 operations: what is there is judged, and what is not there is not counted one by one.
#[test]
fn a_start_that_claims_a_plan_without_end_costs_nothing() {
    let rig = Rig::new();
    let log = log(&rig, "");
    let huge = (1_u64 << 60).to_string();
    for threads in ["2", "4096"] {
        let bad = started_with(&log, &[("iterations", &huge), ("threads", threads)]);
        let verdict = audit(&rig, text(bad)).code(1).json();
        assert!(count(&verdict, "books") > 0, "{verdict}");
        let cut = bad_end(&log, &huge, threads);
        audit(&rig, text(cut)).code(2);
    }
}

/// The log of such a run, without its ends.
fn bad_end(log: &str, iterations: &str, threads: &str) -> String {
    let bad = started_with(log, &[("iterations", iterations), ("threads", threads)]);
    let lines = bad
        .lines()
        .filter(|line| !line.contains(" ended ") && !line.contains("Total"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// So many runs that their accounts do not fit.
#[test]
fn more_runs_than_memory_holds_are_said() {
    let rig = Rig::new();
    let log = log(&rig, "");
    let (start, _) = started_with(&log, &[("threads", "4096")])
        .split_once('\n')
        .map(|(start, rest)| (start.to_owned(), rest.to_owned()))
        .expect("lines");
    let (canonical, _) = start.rsplit_once(" sum=").expect("a checksum");
    let (before, behind) = canonical.split_once(" run=").expect("a run");
    let behind = &behind[16..];
    let starts = (0..2000).map(|run| {
        let canonical = format!("{before} run={run:016x}{behind}");
        let sum = hifi::log::line::checksum(canonical.as_bytes());
        format!("{canonical} sum={sum:08x}\n")
    });
    let starts: String = starts.collect();
    let finished = audit_within(&rig, MEMORY, "--memory 16", text(starts)).code(2);
    finished.prints("--memory allows more");
}

/// A log that grows while it is read: what is there is judged, and the end is not yet.
#[test]
fn a_log_that_grows_is_read_as_far_as_it_goes() {
    let rig = Rig::new();
    let log = log(&rig, "");
    let (start, rest) = log.split_at(log.len() / 2);
    let whole = rig.path("growing");
    fs::write(&whole, start).expect("it can be written");
    let mut grower = OpenOptions::new()
        .append(true)
        .open(&whole)
        .expect("it can be opened");
    let rest = rest.to_owned();
    let writer = thread::spawn(move || {
        for piece in rest.as_bytes().chunks(7) {
            grower.write_all(piece).expect("it can be written");
        }
    });
    // Cut anywhere, even within a line, it is never called clean before it is whole, and nothing is called wrong but a
    // last line that is still being written.
    loop {
        let ended = writer.is_finished();
        let finished = rig.hifi("audit --format json growing");
        let verdict = finished.json();
        if verdict["status"] == "clean" {
            break;
        }
        assert!(!ended, "it is whole, and not clean: {verdict}");
        let counts = verdict["runs"][0]["counts"].as_object().expect("counts");
        for (kind, count) in counts {
            let fragment = kind == "truncated" || kind == "altered" || kind == "unexpected";
            let allowed = u64::from(fragment);
            assert!(count.as_u64() <= Some(allowed), "{kind}: {verdict}");
        }
    }
    writer.join().expect("the writer ends");
    rig.audit("growing").code(0);
}
