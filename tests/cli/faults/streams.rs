use std::{
    fs::{self, File},
    io::{PipeReader, PipeWriter, Read, Write, pipe},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::{assert_whole, shell};
use crate::rig::Rig;

const RUN: &str = "-t 4 -n 300 --time-scale 0 -q";

/// Nobody wants a summary where standard output is closed, as with /dev/null.
#[test]
fn standard_output_that_is_closed_is_not_missed() {
    let rig = Rig::new();
    let run = shell(&rig, &format!("hifi {RUN} >&-"));
    rig.finish(run).code(0);
    assert!(rig.read("app.log").contains(" Run ended "));
}

#[test]
fn a_summary_that_nobody_can_read_ends_with_1_and_is_told() {
    for output in ["/dev/full", "gone"] {
        let rig = Rig::new();
        let mut command = rig.command(RUN);
        command.stderr(Stdio::piped());
        if output == "gone" {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            command.stdout(writer);
        } else {
            command.stdout(File::create(output).unwrap());
        }
        rig.finish_as_is(command)
            .code(1)
            .complains("cannot write the summary to standard output");
        assert!(rig.read("app.log").contains(" Run ended "));
    }
}

/// A pipe that is full already.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = pipe().unwrap();
    // A pipe takes whole blocks of this size until it is full; the writer that fills it is left behind in its last write.
    let mut filler = writer.try_clone().unwrap();
    let filling = thread::spawn(move || {
        for _ in 0..16 {
            filler.write_all(&[b'x'; 4096]).unwrap();
        }
    });
    filling.join().unwrap();
    (reader, writer)
}

#[test]
fn a_summary_waits_for_its_reader() {
    let rig = Rig::new();
    let (mut reader, writer) = full_pipe();
    let mut command = rig.command(RUN);
    command.stdout(writer).stderr(Stdio::null());
    let run = rig.start_command(command);
    run.until("app.log", " Run ended ");
    thread::sleep(Duration::from_millis(200));
    let mut all = String::new();
    reader.read_to_string(&mut all).unwrap();
    run.finish().code(0);
    let summary = all.trim_start_matches('x');
    assert!(
        summary.starts_with("Operations ") && summary.contains("\nReplay "),
        "{summary}"
    );
}

/// One Ctrl-C is enough, wherever the run is by then.
#[test]
fn a_reader_of_the_summary_that_stalls_for_ever_costs_a_stop_half_a_second() {
    for (more, seen) in [
        ("-n 5 --time-scale 0", " Run ended "),
        ("-n unlimited", "next=retry"),
    ] {
        let rig = Rig::new();
        let (_reader, writer) = full_pipe();
        let mut command = rig.command(&format!("-t 4 -q {more}"));
        command.stdout(writer).stderr(Stdio::piped());
        let run = rig.start_command(command);
        run.until("app.log", seen);
        run.signal("INT");
        run.finish().code(1).complains("its reader stalls");
        assert!(rig.read("app.log").contains(" Run ended "));
    }
}

/// So is the end of a run's duration.
#[test]
fn a_reader_of_the_summary_that_stalls_does_not_outlast_the_duration() {
    let rig = Rig::new();
    let (_reader, writer) = full_pipe();
    let mut command = rig.command("-t 4 -q --duration 200ms");
    command.stdout(writer).stderr(Stdio::piped());
    rig.finish_as_is(command)
        .code(1)
        .complains("its reader stalls");
}

/// Nobody will ever read it: the run ends, and says once what is wrong.
#[test]
fn a_log_whose_reader_has_gone_ends_the_run() {
    let rig = Rig::new();
    let (reader, writer) = pipe().unwrap();
    let mut command =
        rig.command("-t 4 -n unlimited --success-delay 1ms -q --log-file - --summary none");
    command.stdout(writer).stderr(Stdio::piped());
    let run = rig.start_command(command);
    thread::sleep(Duration::from_millis(100));
    drop(reader);
    let finished = run.finish().code(1);
    let complaint = "cannot write the log to standard output";
    assert_eq!(finished.stderr().matches(complaint).count(), 1);
}

/// Both are full: there is nobody left to tell, and the run ends all the same.
#[test]
fn a_complaint_does_not_wait_for_ever_either() {
    let rig = Rig::new();
    let (_reader, writer) = full_pipe();
    let mut command = rig.command("-t 2 -n 5 --time-scale 0 -q");
    command
        .stderr(writer)
        .stdout(File::create("/dev/full").unwrap());
    rig.finish_as_is(command).code(1);
}

/// The console, then the summary: the second does not begin to wait anew.
#[test]
fn two_readers_that_stall_cost_a_stop_no_more_than_one() {
    let rig = Rig::new();
    let ((_reader, output), (_other, console)) = (full_pipe(), full_pipe());
    let mut command = rig.command("-t 4 -n unlimited --success-delay 1ms");
    command.stdout(output).stderr(console);
    let run = rig.start_command(command);
    run.until("app.log", " worker=3 seq=40 ");
    run.signal("INT");
    let signalled = Instant::now();
    run.finish().code(1);
    let took = signalled.elapsed();
    assert!(took < Duration::from_millis(900), "{took:?}");
    assert!(rig.read("app.log").contains(" Run ended "));
}

#[test]
fn a_run_needs_neither_standard_input_nor_an_environment() {
    for before in [
        "",
        "env -i",
        "env -u TERM",
        "env TERM=",
        "env TERM=nonsense COLUMNS=x",
        "env LANG=C LC_ALL=C",
        "env LANG=de_DE.ISO-8859-1",
        "env HOME=/nowhere TMPDIR=/nowhere",
    ] {
        let rig = Rig::new();
        let line = format!("{before} hifi -t 4 -n 300 --time-scale 0 --seed 9 --summary json <&-");
        let finished = rig.finish(shell(&rig, &line)).code(0);
        assert_eq!(finished.stderr(), rig.read("app.log"), "{before}");
        let lines = finished.json()["log_lines"].as_u64().unwrap();
        assert_whole(&rig, usize::try_from(lines).unwrap());
        fs::remove_file(rig.path("app.log")).unwrap();
        // On a terminal, with a progress line.
        let mut script = std::process::Command::new("script");
        let line = format!(
            "{before} '{}' {RUN} --duration 300ms",
            env!("CARGO_BIN_EXE_hifi")
        );
        script
            .args(["-q", "-e", "-c", &line, "/dev/null"])
            .current_dir(rig.path(""))
            .stdin(Stdio::null());
        rig.finish(script).code(0);
    }
}

/// What goes where: the shell's redirections, and what is wrong with them.
#[test]
fn a_log_that_a_standard_stream_would_harm_is_refused() {
    const TWICE: &str = "would stand there twice";
    const OVER: &str = "would overwrite lines of the log";
    let rig = Rig::new();
    for (line, why) in [
        ("hifi RUN -q > app.log", OVER),
        ("hifi RUN -q 2> app.log", OVER),
        ("hifi RUN 2>> app.log", TWICE),
        ("hifi RUN > app.log 2>> other", OVER),
        ("ln -f app.log hard; hifi RUN -q > hard", OVER),
        ("ln -sf app.log soft; hifi RUN -q > soft", OVER),
        ("hifi RUN -q --log-file /dev/stdout > app.log", OVER),
        ("hifi RUN --log-file /dev/stderr 2>> app.log", TWICE),
        ("hifi RUN --log-file - > app.log 2>&1", TWICE),
        ("hifi RUN -q --log-file - > app.log 2> app.log", OVER),
    ] {
        let shell_line = line.replace("RUN", "-t 2 -n 5 --time-scale 0");
        let line = format!("echo kept > app.log; {shell_line}");
        let finished = rig.finish(shell(&rig, &line)).code(2);
        let log = rig.read("app.log");
        assert!(!log.contains("Run started"), "{line}: {log}");
        let other = fs::read_to_string(rig.path("other")).unwrap_or_default();
        let told = finished.stderr() + &log + &other;
        assert!(told.contains(why), "{line}: {told}");
        fs::remove_file(rig.path("app.log")).unwrap();
    }
}

/// Where both can only append, or have one place in the file, the log holds all of it, and the summary behind.
#[test]
fn a_summary_that_is_appended_to_the_log_is_let_through() {
    for line in [
        "hifi RUN >> app.log",
        "hifi RUN --log-file /dev/stdout >> app.log",
        "hifi RUN --log-file - >> app.log 2>&1",
        "hifi RUN --log-file - > app.log 2>&1",
    ] {
        let rig = Rig::new();
        rig.finish(shell(&rig, &line.replace("RUN", RUN))).code(0);
        let log = rig.read("app.log");
        assert!(
            log.starts_with("20") && log.contains("\nReplay "),
            "{line}: {log}"
        );
        let verdict = rig.audit("app.log").json();
        assert_eq!(verdict["runs"][0]["counts"]["lost"], 0, "{line}: {verdict}");
        assert_eq!(
            verdict["runs"][0]["counts"]["altered"], 0,
            "{line}: {verdict}"
        );
    }
}

#[test]
fn a_device_cannot_be_rotated() {
    let rig = Rig::new();
    for path in ["/dev/null", "-"] {
        rig.hifi(&format!("{RUN} --rotation daily --log-file {path}"))
            .code(2)
            .complains("--rotation begins new files");
    }
    let finished = rig
        .hifi(&format!("{RUN} --rotation daily --summary json"))
        .code(0);
    let name = finished.json()["log_file"].as_str().unwrap().to_owned();
    assert!(rig.read(&name).contains(" Run ended "), "{name}");
}

#[test]
fn a_system_error_is_told_once() {
    let rig = Rig::new();
    fs::create_dir(rig.path("folder")).unwrap();
    let finished = rig.hifi(&format!("{RUN} --log-file /proc/app.log")).code(1);
    let told = finished.stderr();
    assert_eq!(told.matches("(os error ").count(), 1, "{told}");
}
