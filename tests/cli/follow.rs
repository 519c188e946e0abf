use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    os::fd::AsFd,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::rig::{Rig, Started, json_lines};

/// A run of one worker, without sleeps: its lines stand in the same order whenever it is run.
const RUN: &str = "-t 1 -n 100 --seed 7 --time-scale 0 -q --summary none --log-file";

/// Starts to follow; what it tells goes to the file `told`.
fn follow<'a>(rig: &'a Rig, args: &str) -> Started<'a> {
    let mut command = rig.command(&format!("audit --follow {args}"));
    command
        .stdout(File::create(rig.path("told")).unwrap())
        .stderr(Stdio::piped());
    rig.start_command(command)
}

/// A truthful log's lines.
fn lines(rig: &Rig) -> Vec<String> {
    rig.hifi(&format!("{RUN} whole.log")).code(0);
    let log = rig.read("whole.log");
    log.lines().map(|line| format!("{line}\n")).collect()
}

fn append(rig: &Rig, name: &str, lines: &[String]) {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(rig.path(name))
        .unwrap();
    file.write_all(lines.concat().as_bytes()).unwrap();
}

/// Waits until the file has been read to its end.
fn until_read(rig: &Rig, canary: &Started<'_>, name: &str) {
    let path = rig.path(name).canonicalize().unwrap();
    let length = fs::metadata(&path).unwrap().len();
    let process = format!("/proc/{}", canary.id());
    let is_read = || {
        let descriptors = fs::read_dir(format!("{process}/fd")).unwrap().flatten();
        descriptors
            .filter(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|to| to == path))
            .any(|descriptor| {
                let number = descriptor.file_name().into_string().unwrap();
                let info = fs::read_to_string(format!("{process}/fdinfo/{number}"));
                info.is_ok_and(|info| {
                    info.split_whitespace().nth(1) == Some(length.to_string().as_str())
                })
            })
    };
    for _ in 0..10_000 {
        if is_read() {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    panic!("{name} was not read");
}

/// The place of the worker's line with this number.
fn place(lines: &[String], seq: u32) -> usize {
    let marks = [" worker=0 ".into(), format!(" seq={seq} ")];
    let is = |line: &String| marks.iter().all(|mark| line.contains(mark));
    lines.iter().position(is).unwrap()
}

#[test]
fn a_run_is_followed_from_before_its_first_line_to_its_end() {
    let rig = Rig::new();
    let canary = follow(&rig, "--until-end canary.log");
    rig.hifi("-t 3 -n 20 --success-delay 1ms --retry-delay 2ms -q --log-file canary.log")
        .code(0);
    canary.finish().code(0);
    let told = rig.read("told");
    assert!(told.starts_with("CLEAN: 1 run and "), "{told}");
}

#[test]
fn what_is_missing_is_told_when_patience_is_over_and_taken_back_when_it_comes() {
    let rig = Rig::new();
    let lines = lines(&rig);
    let gone = place(&lines, 9);
    append(&rig, "followed", &lines[..gone]);
    append(&rig, "followed", &lines[gone + 1..gone + 60]);
    let canary = follow(&rig, "--patience 200ms --any-order followed");
    canary.until("told", ": lost: Worker-0: seq 9, before followed:");
    append(&rig, "followed", &lines[gone..gone + 1]);
    canary.until("told", ": late: Worker-0: seq 9, came after all");
    append(&rig, "followed", &lines[gone + 60..]);
    canary.signal("TERM");
    canary.finish().code(0);
    let told = rig.read("told");
    let last: Vec<_> = told.lines().skip(2).collect();
    assert!(last[0].starts_with("CLEAN: 1 run and "), "{told}");
}

/// Everything that can be wrong with lines is told as it comes, and once; the verdict is that of the audit.
#[test]
fn each_difference_is_told_once_and_the_verdict_is_that_of_the_audit() {
    let rig = Rig::new();
    let mut lines = lines(&rig);
    let lost = place(&lines, 5);
    lines.remove(lost);
    let moved = place(&lines, 12);
    let line = lines.remove(moved);
    lines.insert(place(&lines, 16), line);
    let first = |line: &String| line.contains(" attempt=1 ");
    let altered = 30 + lines[30..].iter().position(first).unwrap();
    lines[altered] = lines[altered].replacen("attempt=1 ", "attempt=9 ", 1);
    lines.insert(altered + 3, lines[altered + 1].clone());
    lines.insert(altered + 9, "what another program says\n".into());
    let cut = place(&lines, 60);
    lines[cut] = lines[cut][..lines[cut].len() - 20].to_owned() + "\n";
    let canary = follow(&rig, "--patience 100ms --until-end --format json followed");
    for some in lines.chunks(7) {
        append(&rig, "followed", some);
        thread::sleep(Duration::from_millis(3));
    }
    canary.finish().code(1);
    let told = json_lines(&rig.read("told"));
    let (verdict, told) = told.split_last().unwrap();
    let mut kinds: Vec<_> = told
        .iter()
        .map(|news| news["finding"]["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    let expected = [
        "altered",
        "duplicated",
        "lost",
        "reordered",
        "truncated",
        "unexpected",
    ];
    assert_eq!(kinds, expected, "{told:#?}");
    assert!(
        told.iter()
            .all(|news| news["time"].is_string() && news["event"] == "finding")
    );
    let plain = rig.audit("followed").code(1).json();
    assert_eq!(*verdict, plain);
}

#[test]
fn a_log_is_followed_through_renaming_truncation_and_deletion() {
    let rig = Rig::new();
    let lines = lines(&rig);
    let parts: Vec<_> = lines.chunks(lines.len() / 4 + 1).collect();
    let followed = rig.path("followed");
    append(&rig, "followed", parts[0]);
    let canary = follow(&rig, "--until-end followed");
    // Nobody can read what is gone, nor see that a file was truncated which is longer by then.
    let seen = || until_read(&rig, &canary, "followed");
    seen();
    fs::rename(&followed, rig.path("followed.1")).unwrap();
    append(&rig, "followed.1", &parts[1][..3]);
    append(&rig, "followed", &parts[1][3..]);
    seen();
    File::create(&followed).unwrap();
    seen();
    append(&rig, "followed", parts[2]);
    seen();
    fs::remove_file(&followed).unwrap();
    append(&rig, "followed", parts[3]);
    canary.finish().code(0);
    assert!(
        rig.read("told").starts_with("CLEAN"),
        "{}",
        rig.read("told")
    );
}

/// The program opens its log anew, and the audit follows it there.
#[test]
fn a_run_whose_log_is_renamed_is_followed() {
    let rig = Rig::new();
    let canary = follow(&rig, "--until-end app.log");
    let run = rig.start("-t 4 --duration 3s --success-delay 1ms --retry-delay 1ms -q");
    run.until_longer_than("app.log", 20_000);
    // It has it open: what is written there until the run notices is read as well.
    let is_open = || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", canary.id())).unwrap();
        let log = rig.path("app.log").canonicalize().unwrap();
        descriptors
            .flatten()
            .any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|to| to == log))
    };
    while !is_open() {
        thread::sleep(Duration::from_millis(5));
    }
    fs::rename(rig.path("app.log"), rig.path("app.log.1")).unwrap();
    run.until_longer_than("app.log", 20_000);
    run.finish().code(0);
    canary.finish().code(0);
    rig.audit("app.log app.log.1").code(0);
}

#[test]
fn a_pipe_is_followed_to_its_end() {
    let rig = Rig::new();
    let mut lines = lines(&rig);
    for (lost, code) in [(false, 0), (true, 1)] {
        if lost {
            lines.remove(50);
        }
        let lines = lines.clone();
        let feed = move |mut pipe: std::process::ChildStdin| {
            for some in lines.chunks(20) {
                pipe.write_all(some.concat().as_bytes()).unwrap();
                thread::sleep(Duration::from_millis(2));
            }
        };
        let finished = rig.fed(rig.command("audit --follow -"), feed).code(code);
        let word = if lost { "FINDINGS" } else { "CLEAN" };
        assert!(finished.stdout().contains(word), "{}", finished.stdout());
    }
}

#[test]
fn several_files_are_followed_at_once() {
    let rig = Rig::new();
    let canary = follow(&rig, "--until-end --format json one.log two.log three.log");
    let runs: Vec<_> = ["one", "two", "three"]
        .map(|name| {
            rig.start(&format!(
                "-t 2 -n 50 --success-delay 1ms --retry-delay 1ms -q --log-file {name}.log"
            ))
        })
        .into_iter()
        .collect();
    for run in runs {
        run.finish().code(0);
    }
    // One of them may have ended before another began.
    canary.finish();
    let told = rig.read("told");
    let verdict = json_lines(&told).pop().unwrap();
    let runs = verdict["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["status"] == "clean"), "{told}");
}

#[test]
fn a_signal_brings_the_verdict_and_its_code() {
    for (signal, args, code, word) in [
        ("INT", "", 2, "CANNOT TELL"),
        ("TERM", "--killed", 0, "CLEAN"),
        ("HUP", "--killed", 0, "CLEAN"),
    ] {
        let rig = Rig::new();
        let lines = lines(&rig);
        append(&rig, "followed", &lines[..lines.len() / 2]);
        let canary = follow(&rig, &format!("{args} followed"));
        until_read(&rig, &canary, "followed");
        canary.signal(signal);
        canary.finish().code(code);
        let told = rig.read("told");
        assert!(told.starts_with(word), "{signal}: {told}");
    }
}

/// There are no threads to dump here.
#[test]
fn a_request_to_quit_ends_it_at_once() {
    let rig = Rig::new();
    rig.hifi("-t 2 -n 5 --time-scale 0 -q").code(0);
    // Whoever runs the tests may ignore the signal, which is inherited.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=QUIT", env!("CARGO_BIN_EXE_hifi")])
        .args(["audit", "--follow", "app.log"])
        .current_dir(rig.path(""))
        .stdout(Stdio::null());
    let canary = rig.start_command(command);
    until_read(&rig, &canary, "app.log");
    canary.signal("QUIT");
    assert_eq!(canary.finish().ended_by(), Some(3));
}

#[test]
fn a_run_that_began_before_is_judged_from_there_if_it_is_known() {
    let rig = Rig::new();
    let mut lines = lines(&rig);
    append(&rig, "head", &lines[..1]);
    let rest = lines.split_off(lines.len() / 3);
    append(&rig, "rest", &rest);
    let options = "--seed 7 -t 1 -n 100 --time-scale 0";
    for known in ["--started head", options] {
        let canary = follow(&rig, &format!("--until-end {known} rest"));
        canary.finish().code(0);
        let told = rig.read("told");
        assert!(told.contains(": joined: it began before"), "{told}");
        assert!(told.contains("CLEAN: 1 run"), "{told}");
        assert!(
            told.contains("Note: it began before the first line"),
            "{told}"
        );
    }
    // What is lost behind its first line is lost all the same.
    let mut holed = rest.clone();
    holed.remove(place(&rest, 100));
    append(&rig, "holed", &holed);
    follow(&rig, "--until-end --patience 50ms --started head holed")
        .finish()
        .code(1);
    let told = rig.read("told");
    assert!(
        told.contains(": lost: Worker-0: seq 100, before holed:"),
        "{told}"
    );
    // Nobody knows what it must have logged.
    let canary = follow(&rig, "--patience 50ms rest");
    canary.until("told", "cannot tell: its \"Run started\" has not come");
    canary.signal("TERM");
    canary.finish().code(2);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it() {
    let rig = Rig::new();
    let mut lines = lines(&rig);
    for _ in 0..3 {
        lines.remove(60);
        lines.remove(30);
    }
    append(&rig, "followed", &lines[..lines.len() - 1]);
    let hifi = env!("CARGO_BIN_EXE_hifi");
    let mut shell = Command::new("bash");
    let words = format!(
        "set -o pipefail; '{hifi}' audit -f --patience 50ms followed | head -n 1; echo ${{PIPESTATUS[0]}}"
    );
    shell.args(["-c", &words]).current_dir(rig.path(""));
    append(&rig, "more", &lines[..1]);
    let writer = thread::spawn({
        let path = rig.path("followed");
        let again = lines[40].clone();
        move || {
            for _ in 0..20 {
                thread::sleep(Duration::from_millis(100));
                let file = OpenOptions::new().append(true).open(&path);
                file.unwrap().write_all(again.as_bytes()).unwrap();
            }
        }
    });
    let finished = rig.finish(shell);
    writer.join().unwrap();
    assert!(
        finished.stdout().ends_with("\n1\n"),
        "{}",
        finished.stdout()
    );
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let rig = Rig::new();
    rig.hifi("audit --follow nowhere/app.log")
        .code(2)
        .complains("there is no folder nowhere; create it first");
    rig.hifi("audit --follow .")
        .code(2)
        .complains("it is a directory");
    rig.hifi("audit --follow --run last x")
        .code(2)
        .complains("all or a run's id is needed");
    rig.hifi("audit --patience 1s x")
        .code(2)
        .complains("--follow");
    rig.hifi("audit --follow --patience 0 x")
        .code(2)
        .complains("at least 1ms is needed");
    rig.hifi("audit --follow --started nowhere x")
        .code(2)
        .complains("nowhere cannot be read");
}

/// Ten million lines of a thousand runs, one after the other.
#[test]
#[ignore = "takes minutes: cargo test --test cli follow -- --ignored"]
fn memory_stays_flat_over_a_thousand_runs() {
    const RUNS: u32 = 1000;
    let rig = Rig::new();
    let mut command = rig.command("audit --follow --patience 1s --format json -");
    command
        .stdin(Stdio::piped())
        .stdout(File::create(rig.path("told")).unwrap());
    let mut canary = command.spawn().unwrap();
    let pipe = canary.stdin.take().unwrap();
    let resident = || -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", canary.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.unwrap().trim().trim_end_matches(" kB");
        kib.parse().unwrap()
    };
    let mut early = 0;
    for number in 0..RUNS {
        let run = "-t 10 -n 710 --time-scale 0 -q --summary none --log-file -";
        let mut run = rig.command(&format!("{run} --seed {number}"));
        run.stdout(pipe.as_fd().try_clone_to_owned().unwrap());
        assert!(run.status().unwrap().success());
        if number == RUNS / 5 {
            early = resident();
        }
    }
    let late = resident();
    drop(pipe);
    assert_eq!(canary.wait().unwrap().code(), Some(0));
    let verdict = json_lines(&rig.read("told")).pop().unwrap();
    eprintln!("{} lines, {early} KiB, then {late} KiB", verdict["lines"]);
    assert!(verdict["lines"].as_u64().unwrap() > 9_900_000);
    assert_eq!(verdict["runs"].as_array().unwrap().len(), RUNS as usize);
    // What is said of each run is kept.
    assert!(late < early + 4096, "{early} KiB, then {late} KiB");
}

#[cfg(feature = "monitoring")]
mod shown {
    use super::*;
    use crate::http::{get, served_address};

    /// Waits until the metrics are as they are to be.
    fn until_exported(addr: std::net::SocketAddr, are: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        for _ in 0..200 {
            let answer = get(addr, "/metrics").unwrap();
            assert_eq!(answer.0, 200);
            text = answer.1;
            if are(&text) {
                return text;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("{text}");
    }

    /// Starts an audit that follows, and waits until its metrics are served.
    fn exporting(rig: &Rig, mut command: Command) -> (Started<'_>, std::net::SocketAddr) {
        command
            .stdout(File::create(rig.path("told")).unwrap())
            .stderr(File::create(rig.path("said")).unwrap());
        let canary = rig.start_command(command);
        canary.until("said", "/metrics\n");
        let addr = served_address(&rig.read("said"), "metrics").unwrap();
        (canary, addr)
    }

    #[test]
    fn how_things_stand_is_exported() {
        let rig = Rig::new();
        let lines = lines(&rig);
        let gone = place(&lines, 9);
        let command = rig.command(
            "audit --follow --patience 100ms --metrics-addr 127.0.0.1:0 --format json followed",
        );
        let (canary, addr) = exporting(&rig, command);
        append(&rig, "followed", &lines[..gone]);
        append(&rig, "followed", &lines[gone + 1..gone + 60]);
        append(&rig, "followed", &lines[20..21]);
        canary.until("told", "\"lost\"");
        canary.until("told", "\"duplicated\"");
        let expected = [
            &format!("hifi_audit_lines_total {}", gone + 60),
            "hifi_audit_findings_total{kind=\"lost\"} 1",
            "hifi_audit_findings_total{kind=\"duplicated\"} 1",
            "hifi_audit_findings_total{kind=\"late\"} 0",
            "hifi_audit_missing 1",
            "hifi_audit_runs{state=\"silent\"} 1",
            "hifi_audit_delay_seconds_bucket{le=\"+Inf\"} 0",
        ];
        let text = until_exported(addr, |text| {
            let has = |line: &&str| text.lines().any(|found| found == *line);
            expected.iter().all(has)
        });
        assert!(
            text.contains("\nhifi_audit_last_line_timestamp_seconds "),
            "{text}"
        );
        assert!(text.contains("\nprocess_resident_memory_bytes "), "{text}");
        assert_eq!(get(addr, "/threads").unwrap().0, 404);
        canary.signal("TERM");
        canary.finish().code(1);
    }

    /// The time of a line that is logged while it is followed is taken when it comes.
    #[test]
    fn delay_is_counted_of_lines_that_come_while_it_follows() {
        let rig = Rig::new();
        let command = rig.command("audit -f --metrics-addr 127.0.0.1:0 app.log");
        let (canary, addr) = exporting(&rig, command);
        rig.hifi("-t 2 -n 30 --success-delay 1ms --retry-delay 1ms -q")
            .code(0);
        let ended = "\nhifi_audit_runs{state=\"ended\"} 1\n";
        let text = until_exported(addr, |text| text.contains(ended));
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("{name}: {text}"))
                .trim()
                .parse()
                .unwrap()
        };
        let lines = rig.read("app.log").lines().count() as f64;
        assert_eq!(value("hifi_audit_delay_seconds_count "), lines);
        assert!(
            value("hifi_audit_delay_seconds_sum ") / lines < 1.0,
            "{text}"
        );
        assert_eq!(value("hifi_audit_runs{state=\"ended\"} "), 1.0);
        canary.signal("INT");
        canary.finish().code(0);
    }

    #[test]
    fn a_terminal_shows_a_live_line_and_takes_it_away() {
        let rig = Rig::new();
        let lines = lines(&rig);
        append(&rig, "followed", &lines);
        let mut command = Command::new("script");
        let words = format!("'{}' audit -f followed", env!("CARGO_BIN_EXE_hifi"));
        let words = format!("timeout --foreground -s INT 6 {words}");
        command.args(["--quiet", "--return", "--command", &words, "/dev/null"]);
        command.current_dir(rig.path("")).stdin(Stdio::null());
        let shown = rig.finish(command).stdout();
        assert!(shown.contains(" lines, "), "{shown:?}");
        assert!(shown.contains("/s, 0 lost, silent for "), "{shown:?}");
        assert!(shown.contains("\x1b[J\rCLEAN: 1 run"), "{shown:?}");
    }
}
