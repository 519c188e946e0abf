use std::{
    fs,
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::shell;
use crate::rig::{Finished, Rig};

/// A run of some 40 ms, most of them at work.
const RUN: &str =
    "-t 4 -n unlimited --duration 40ms --success-delay 100us --retry-delay 200us --summary json -q";

const ENDING: [(&str, i32); 3] = [("INT", 2), ("TERM", 15), ("HUP", 1)];

/// A random moment: during start-up, the run, or the flush and the shutdown, in turn.
fn moment(number: u32) -> Duration {
    let micros = match number % 3 {
        0 => 0..6_000,
        1 => 6_000..40_000,
        _ => 38_000..50_000,
    };
    Duration::from_micros(rand::random_range(micros))
}

/// Expects a log that holds whole lines of a whole run, or of one that was killed; none at all where it had not begun.
fn assert_sound(rig: &Rig, killed: bool, finished: &Finished, moment: &str) {
    let log = fs::read(rig.path("app.log")).unwrap_or_default();
    if !log.contains(&b'\n') && killed {
        // There is no line to audit.
        let _ = fs::remove_file(rig.path("app.log"));
        return;
    }
    let verdict = rig.audit(if killed {
        "--killed app.log"
    } else {
        "app.log"
    });
    if verdict.exit_code() != Some(0) {
        finished.fail(&format!("{moment}: the audit says {}", verdict.stdout()));
    }
}

/// One signal at a random moment. A run that has begun ends in order, with its summary.
fn one_signal(signal: &str, number: i32, moment: Duration) {
    let rig = Rig::new();
    let run = rig.start(RUN);
    thread::sleep(moment);
    run.signal(signal);
    let finished = run.finish();
    let moment = format!("SIG{signal} after {moment:?}");
    if finished.ended_by() == Some(number) {
        // Nothing had begun: the handlers are there before the log is.
        assert!(
            !rig.path("app.log").exists(),
            "{moment}: a log without a handler"
        );
        return;
    }
    let stopped_by = match finished.exit_code() {
        Some(0) => "duration".to_owned(),
        Some(code) if code == 128 + number && signal != "QUIT" => format!("SIG{signal}"),
        _ => finished.fail(&moment),
    };
    assert_eq!(finished.json()["stopped_by"], stopped_by, "{moment}");
    assert_sound(&rig, false, &finished, &moment);
}

fn at_random_moments(moments: u32) {
    for number in 0..moments {
        for (signal, code) in ENDING.into_iter().chain([("QUIT", 3)]) {
            one_signal(signal, code, moment(number));
        }
    }
}

#[test]
fn a_signal_at_any_moment_ends_the_run_in_order() {
    at_random_moments(3);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn a_signal_at_any_of_many_moments_ends_the_run_in_order() {
    at_random_moments(30);
}

/// Two signals, one soon after the other: what was written is whole, and the code tells of one of them.
fn twice(moments: u32) {
    for number in 0..moments {
        let (first, first_number) = ENDING[number as usize % 3];
        let (second, second_number) = ENDING[rand::random_range(0..3)];
        let (before, between) = (
            moment(number / 3),
            Duration::from_micros(rand::random_range(0..2000)),
        );
        let rig = Rig::new();
        let run = rig.start(RUN);
        thread::sleep(before);
        run.signal(first);
        thread::sleep(between);
        run.signal(second);
        let finished = run.finish();
        let moment = format!("SIG{first} after {before:?} and SIG{second} after {between:?}");
        let told = match (finished.ended_by(), finished.exit_code()) {
            (Some(signal), None) => [first_number, second_number].contains(&signal),
            (None, Some(code)) => [0, 128 + first_number, 128 + second_number].contains(&code),
            _ => false,
        };
        if !told {
            finished.fail(&moment);
        }
        assert_sound(&rig, true, &finished, &moment);
    }
}

#[test]
fn two_signals_in_a_row_leave_whole_lines() {
    twice(6);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn two_signals_in_a_row_at_many_moments_leave_whole_lines() {
    twice(60);
}

/// A terminal sends Ctrl-C to all of a pipeline: whoever reads standard error is gone before the run is.
fn to_the_group(moments: u32) {
    for number in 0..moments {
        let rig = Rig::new();
        let line = format!(
            "trap : INT; hifi {RUN} --log-level info 2> >(cat >console) >summary; echo $? >code"
        )
        .replace(" -q", "");
        let mut command = shell(&rig, &line);
        command.process_group(0).stderr(Stdio::null());
        let run = rig.start_command(command);
        // The shell's own start comes first.
        let moment = moment(number) + Duration::from_millis(3);
        thread::sleep(moment);
        let sent = Command::new("kill")
            .args(["-s", "INT", "--", &format!("-{}", run.id())])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
        let finished = run.finish();
        let moment = format!("SIGINT to the group after {moment:?}");
        if finished.ended_by().is_some() || !rig.path("code").exists() {
            // The shell had not set its trap yet.
            assert!(!rig.path("app.log").exists(), "{moment}");
            continue;
        }
        let code = rig.read("code");
        assert!(["0", "130"].contains(&code.trim()), "{moment}: {code}");
        if rig.path("app.log").exists() {
            let summary: serde_json::Value = serde_json::from_str(&rig.read("summary")).unwrap();
            assert_eq!(summary["file"]["lines"], summary["log_lines"], "{moment}");
            assert_sound(&rig, false, &finished, &moment);
        }
    }
}

#[test]
fn ctrl_c_to_the_group_keeps_file_and_summary() {
    to_the_group(3);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn ctrl_c_to_the_group_at_many_moments_keeps_file_and_summary() {
    to_the_group(30);
}
