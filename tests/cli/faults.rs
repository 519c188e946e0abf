//! The rows of the README's "Guarantees and their limits", each with its fault caused for real.
//!
//! What takes long, or needs Debian's faketime, is ignored by default and run by
//! `cargo test --test cli faults -- --ignored`.

use std::{
    fs::{self, File, OpenOptions},
    io::Read,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::rig::{PIPE_BYTES, Rig, Tmpfs, is_root};

/// The clock is set while a run lasts.
mod clock;
/// Many processes append to one log.
mod crowd;
/// Names, links, folders and file systems.
mod disk;
/// Errors of the disk at random moments.
mod injected;
/// Too few threads, descriptors and bytes; the largest and the smallest runs.
mod limits;
/// Signals at random moments.
mod moments;
/// SIGKILL at random moments, and what the flush interval promises.
#[cfg(feature = "monitoring")]
mod sigkill;
/// Many minutes at full speed.
#[cfg(feature = "monitoring")]
mod soak;
/// Standard input, output and error; the environment.
mod streams;

/// A run of the shell, in which streams can be closed.
fn shell(rig: &Rig, line: &str) -> Command {
    let mut command = Command::new("bash");
    command.args([
        "-c",
        &line.replace("hifi", &format!("'{}'", env!("CARGO_BIN_EXE_hifi"))),
    ]);
    command.current_dir(rig.path("")).stdin(Stdio::null());
    command
}

/// Expects a log that holds the whole run.
fn assert_whole(rig: &Rig, lines: usize) {
    let log = rig.read("app.log");
    assert_eq!(log.lines().count(), lines);
    assert!(
        log.lines()
            .last()
            .is_some_and(|last| last.contains("Run ended"))
    );
}

#[test]
fn a_full_disk_is_told_counted_and_ends_with_1() {
    let rig = Rig::new();
    let finished = rig
        .hifi("-t 2 -n 20 --time-scale 0 --log-file /dev/full --summary json")
        .code(1);
    let finished =
        finished.complains("cannot write to the log file /dev/full: No space left on device");
    let summary = finished.json();
    assert_eq!(summary["file"]["lines"], 0);
    assert_eq!(summary["file"]["lost"], summary["log_lines"]);
    assert_eq!(
        summary["console"]["lines"], summary["log_lines"],
        "the console has all of them"
    );
}

#[test]
fn a_disk_that_is_freed_goes_on_with_a_gap_that_names_what_is_missing() {
    if !is_root("a disk that fills up") {
        return;
    }
    let rig = Rig::new();
    let _disk = Tmpfs::mount(&rig.path("disk"), "2m");
    fs::write(rig.path("disk/filler"), vec![0; 1 << 20]).unwrap();
    let mut command = rig.command(
        "-t 4 -n unlimited --success-delay 2ms --retry-delay 1ms --failure-rate 0.1 --log-file disk/app.log --summary json",
    );
    command
        .stderr(File::create(rig.path("console")).unwrap())
        .stdout(Stdio::piped());
    let run = rig.start_command(command);
    // It fills in about three seconds; once that was told, there is room again.
    run.until(
        "console",
        "cannot write to the log file disk/app.log: No space left on device",
    );
    fs::remove_file(rig.path("disk/filler")).unwrap();
    run.until("disk/app.log", "Log gap");
    run.signal("INT");
    let finished = run.finish().code(1);
    let summary = finished.json();
    let verdict = rig.audit("disk/app.log").code(1).json();
    let judged = &verdict["runs"][0];
    assert_eq!(judged["lines"], summary["file"]["lines"]);
    assert_eq!(judged["counts"]["lost"], summary["file"]["lost"]);
    assert_eq!(
        judged["counts"]["announced"], summary["file"]["lost"],
        "the gap names all that is missing"
    );
    let total = |pointer: &str| {
        summary
            .pointer(pointer)
            .and_then(serde_json::Value::as_u64)
            .unwrap()
    };
    assert_eq!(
        total("/file/lines") + total("/file/lost"),
        total("/log_lines")
    );
}

/// The limit falls on a line's end, where nothing shows that more was to come, in front of its newline, and within a line.
#[test]
fn a_file_that_may_not_grow_is_an_error_and_no_death() {
    let options = "-t 1 -n 60 --seed 3 --success-delay 1ms --retry-delay 1ms -q --summary json";
    let whole = Rig::new();
    whole.hifi(options).code(0);
    let log = whole.read("app.log");
    let ends: Vec<_> = log.match_indices('\n').map(|(at, _)| at + 1).collect();
    let mut cut_short = Vec::new();
    for limit in [ends[20] - 1, ends[20], ends[20] + 1, ends[20] + 100] {
        let rig = Rig::new();
        let limited = format!("exec prlimit --fsize={limit} hifi {options}");
        let finished = rig
            .finish(shell(&rig, &limited))
            .code(1)
            .complains("File too large");
        // What follows the limit is lost, as is told; up to there nothing is.
        let log = rig.read("app.log");
        assert_eq!(log.len(), limit);
        let last = log.lines().last().expect("lines");
        let cut = !last.contains(" sum=");
        let lines = log.lines().count() - usize::from(cut);
        let summary = finished.json();
        assert_eq!(summary["file"]["lines"], lines, "{limit}: {summary}");
        let verdict = rig.audit("app.log").code(if cut { 1 } else { 2 }).json();
        let counts = verdict["runs"][0]["counts"].as_object().expect("counts");
        for (kind, count) in counts {
            let expected = u64::from(cut && kind == "truncated");
            assert_eq!(*count, expected, "{kind} at {limit}: {verdict}");
        }
        assert_eq!(verdict["runs"][0]["lines"], lines, "{limit}: {verdict}");
        rig.audit("--killed app.log").code(0);
        cut_short.push(cut);
    }
    assert!(
        cut_short.contains(&true) && cut_short.contains(&false),
        "{cut_short:?}"
    );
}

#[test]
fn a_broken_console_harms_neither_file_nor_exit_code() {
    for stream in [
        "2>&-",
        "2>/dev/full",
        "2> >(head -n 1 >/dev/null)",
        "2> >(exec <&-)",
    ] {
        let rig = Rig::new();
        let finished = rig
            .finish(shell(
                &rig,
                &format!("hifi -t 4 -n 3000 --time-scale 0 --summary json {stream}"),
            ))
            .code(0);
        let summary = finished.json();
        assert_eq!(summary["file"]["lines"], summary["log_lines"], "{stream}");
        assert_whole(&rig, summary["log_lines"].as_u64().unwrap() as usize);
    }
}

#[test]
fn a_slow_reader_is_waited_for_and_gets_every_line() {
    let rig = Rig::new();
    let run = shell(
        &rig,
        "hifi -t 4 -n 3000 --time-scale 0 --seed 6 2> >(sleep 0.5; cat >console) >/dev/null; wait $!",
    );
    rig.finish(run).code(0);
    assert!(
        rig.read("console") == rig.read("app.log"),
        "the reader got something else"
    );
}

#[test]
fn a_reader_that_is_always_late_costs_no_memory() {
    const LINES: usize = 300_000;
    let rig = Rig::new();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = rig.command(&format!("-t 3 -n {LINES} --time-scale 0 --data-limit 10"));
    command.stderr(Stdio::from(writer)).stdout(Stdio::null());
    let run = rig.start_command(command);
    let status = format!("/proc/{}/status", run.id());
    let (mut chunk, mut bytes, mut peak) = ([0; PIPE_BYTES as usize], 0, 0);
    loop {
        // It takes a piece in any case, and stays behind.
        thread::sleep(Duration::from_micros(200));
        match reader.read(&mut chunk).unwrap() {
            0 => break,
            n => bytes += n,
        }
        let told = fs::read_to_string(&status).unwrap_or_default();
        let told = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let told = told.and_then(|words| words.split_whitespace().next());
        peak = told.and_then(|number| number.parse().ok()).unwrap_or(peak);
    }
    run.finish().code(0);
    assert_eq!(bytes, rig.read("app.log").len());
    assert!(
        (1 << 10..bytes / 4 / 1024).contains(&peak),
        "{peak} KiB for {bytes} bytes"
    );
}

#[test]
fn a_reader_that_stalls_for_ever_costs_a_stop_half_a_second() {
    for flush in ["5ms", "0"] {
        let rig = Rig::new();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut command = rig.command(&format!(
            "-t 4 -n 1000000 --time-scale 0 --summary json --flush-interval {flush}"
        ));
        command.stderr(Stdio::from(writer)).stdout(Stdio::piped());
        let run = rig.start_command(command);
        run.until_longer_than("app.log", PIPE_BYTES);
        run.signal("INT");
        let finished = run.finish().code(130);
        let summary = finished.json();
        assert!(summary["console"]["lost"].as_u64() > Some(0), "{summary}");
        assert_eq!(summary["file"]["lines"], summary["log_lines"]);
        assert_whole(&rig, summary["log_lines"].as_u64().unwrap() as usize);
        let mut got = [0; 10];
        reader.read_exact(&mut got).unwrap();
    }
}

/// Runs with a standard error that nobody reads until the run has ended. Returns the summary, and the lines that reached the pipe.
fn with_a_stalled_reader(rig: &Rig, args: &str, signal: Option<&str>) -> (serde_json::Value, u64) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = rig.command(&format!("{args} --summary json"));
    command.stderr(Stdio::from(writer)).stdout(Stdio::piped());
    let run = rig.start_command(command);
    run.until_longer_than("app.log", PIPE_BYTES);
    signal.into_iter().for_each(|name| run.signal(name));
    let summary = run.finish().json();
    let mut got = Vec::new();
    reader.read_to_end(&mut got).unwrap();
    let lines = got.iter().filter(|b| **b == b'\n').count() as u64;
    (summary, lines)
}

#[test]
fn what_a_reader_that_stalls_has_got_is_counted() {
    for flush in ["5ms", "0"] {
        let rig = Rig::new();
        let args = format!("-t 4 -n unlimited --time-scale 0 --flush-interval {flush}");
        let (summary, got) = with_a_stalled_reader(&rig, &args, Some("TERM"));
        assert!(got > 0, "{summary}");
        assert_eq!(summary["console"]["lines"], got, "{summary}");
        let lost = summary["log_lines"].as_u64().map(|all| all - got);
        assert_eq!(summary["console"]["lost"].as_u64(), lost, "{summary}");
    }
}

#[test]
fn a_reader_that_stalls_does_not_outlast_the_duration() {
    let rig = Rig::new();
    let (summary, got) = with_a_stalled_reader(&rig, "-t 4 --duration 300ms --time-scale 0", None);
    assert_eq!(summary["stopped_by"], "duration");
    assert_eq!(summary["console"]["lines"], got, "{summary}");
    assert_eq!(summary["file"]["lines"], summary["log_lines"], "{summary}");
}

#[test]
fn a_console_that_is_a_file_is_appended_to() {
    let rig = Rig::new();
    fs::write(rig.path("console"), "before\n").unwrap();
    let mut command = rig.command("-t 2 -n 5 --time-scale 0");
    command
        .stderr(
            OpenOptions::new()
                .append(true)
                .open(rig.path("console"))
                .unwrap(),
        )
        .stdout(Stdio::null());
    rig.finish_as_is(command).code(0);
    assert_eq!(
        rig.read("console"),
        format!("before\n{}", rig.read("app.log"))
    );
}

#[test]
fn a_summary_that_cannot_be_written_ends_with_1() {
    let rig = Rig::new();
    let mut command = rig.command("-t 2 -n 5 --time-scale 0 -q");
    command
        .stdout(File::create("/dev/full").unwrap())
        .stderr(Stdio::piped());
    rig.finish_as_is(command)
        .code(1)
        .complains("cannot write the summary");
}

#[test]
fn a_log_that_is_renamed_is_opened_anew_and_nothing_is_lost() {
    let rig = Rig::new();
    let run = rig.start("-t 2 -n unlimited --success-delay 1ms --failure-rate 0 -q --summary json");
    for part in 1..=3 {
        run.until("app.log", " worker=1 seq=");
        fs::rename(rig.path("app.log"), rig.path(&format!("app.log.{part}"))).unwrap();
        run.until("app.log", "Log reopened");
    }
    run.signal("TERM");
    let summary = run.finish().code(143).json();
    assert_eq!(summary["file"]["lines"], summary["log_lines"]);
}

#[test]
fn a_log_that_is_deleted_takes_its_lines_along_and_is_opened_anew() {
    let rig = Rig::new();
    let run = rig
        .start("-t 2 -n unlimited --success-delay 1ms --failure-rate 0 -q --summary json --seed 3");
    run.until("app.log", " worker=1 seq=20 ");
    fs::remove_file(rig.path("app.log")).unwrap();
    run.until("app.log", "Log reopened");
    run.signal("TERM");
    let summary = run.finish().code(143).json();
    let verdict = rig
        .audit("app.log --seed 3 -t 2 -n unlimited --success-delay 1ms --failure-rate 0")
        .code(1)
        .json();
    let left = rig.read("app.log").lines().count() as u64;
    assert_eq!(
        verdict["runs"][0]["counts"]["lost"].as_u64(),
        summary["log_lines"].as_u64().map(|all| all - left),
        "{verdict}"
    );
}

/// The end comes before anybody has looked whether the log still has its name. "Run ended" is the last line all the same.
#[test]
fn a_log_that_is_renamed_just_before_the_end_is_clean() {
    for sleep in [20, 150] {
        let rig = Rig::new();
        let run = rig.start(&format!(
            "-t 1 -n 3 --success-delay {sleep}ms --failure-rate 0 -q"
        ));
        run.until("app.log", " seq=2 ");
        fs::rename(rig.path("app.log"), rig.path("app.log.1")).unwrap();
        run.finish().code(0);
        let second = fs::read_to_string(rig.path("app.log")).unwrap_or_default();
        let log = rig.read("app.log.1") + &second;
        assert!(
            log.lines()
                .last()
                .is_some_and(|last| last.contains(" Run ended ")),
            "{log}"
        );
        let parts = if second.is_empty() {
            "app.log.1"
        } else {
            "app.log.1 app.log"
        };
        rig.audit(parts).code(0);
    }
}
