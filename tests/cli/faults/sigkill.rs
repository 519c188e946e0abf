use std::{
    fs::{self, File},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    http::{get, served_address},
    rig::{Rig, left_out},
};

/// Attempts that the run says it has logged: a worker counts an attempt after its line has been handed over.
fn attempts(metrics: &str) -> u64 {
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("hifi_attempts_total{"));
    counts
        .filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok())
        .sum()
}

/// Whole lines in the log that tell of an attempt.
fn attempt_lines(log: &[u8]) -> u64 {
    let whole = log.len() - log.iter().rev().take_while(|b| **b != b'\n').count();
    String::from_utf8_lossy(&log[..whole])
        .matches(" attempt=")
        .count() as u64
}

/// Whether a program can be given a processor whenever it wants one, whatever else the machine does.
fn has_real_time() -> bool {
    let status = Command::new("chrt").args(["--fifo", "1", "true"]).status();
    let given = status.is_ok_and(|status| status.success());
    if !given {
        left_out("a flush interval of 5 ms: real-time priority (chrt) is not to be had");
    }
    given
}

/// The same command, with real-time priority.
fn in_real_time(command: &Command) -> Command {
    let mut same = Command::new("chrt");
    same.args(["--fifo", "1"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().expect("the rig's folder"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null());
    same
}

/// SIGKILL at random moments. The witness of what was logged when is the run's own metrics: what they count at one
/// moment was logged before it, and must be in the file if the kill comes a flush interval later.
fn kill_at_random_moments(flush: Duration, moments: u32) {
    let mut judged = 0;
    for _ in 0..moments {
        let rig = Rig::new();
        let hifi = rig.command(&format!(
            "-t 4 -n unlimited --success-delay 50us --retry-delay 100us -q --metrics-addr 127.0.0.1:0 --flush-interval {}us",
            flush.as_micros()
        ));
        // The promise is the program's, not that of a machine that has no time for it.
        let mut command = if (Duration::from_micros(1)..LONG).contains(&flush) {
            in_real_time(&hifi)
        } else {
            hifi
        };
        command
            .stderr(File::create(rig.path("console")).unwrap())
            .stdout(Stdio::null());
        let run = rig.start_command(command);
        let moment = Duration::from_micros(rand::random_range(0..60_000));
        thread::sleep(moment);
        let served = served_address(&rig.read("console"), "metrics");
        let counted = served.and_then(|addr| get(addr, "/metrics").ok());
        let counted = counted.map_or(0, |(_, metrics)| attempts(&metrics));
        thread::sleep(flush);
        run.signal("KILL");
        let finished = run.finish();
        assert_eq!(finished.ended_by(), Some(9));
        let log = fs::read(rig.path("app.log")).unwrap_or_default();
        if attempt_lines(&log) < counted {
            finished.fail(&format!(
                "killed {flush:?} after {counted} attempts were logged, at {moment:?} and later, it left {} of them",
                attempt_lines(&log)
            ));
        }
        judged += u32::from(counted > 0);
        if log.contains(&b'\n') {
            let verdict = rig.audit("--killed app.log");
            if verdict.exit_code() != Some(0) {
                finished.fail(&format!(
                    "at {moment:?}: the audit says {}",
                    verdict.stdout()
                ));
            }
        } else {
            // There is no line to audit.
            let _ = fs::remove_file(rig.path("app.log"));
        }
    }
    assert!(
        judged >= moments / 2,
        "only {judged} of {moments} runs had begun their work"
    );
}

/// A machine that is busy with other things delays a write by some milliseconds: only a longer interval hides that.
const LONG: Duration = Duration::from_millis(50);

fn at_all_intervals(moments: u32) {
    kill_at_random_moments(Duration::ZERO, moments);
    kill_at_random_moments(Duration::from_millis(100), moments);
    if has_real_time() {
        kill_at_random_moments(Duration::from_millis(5), moments);
    }
}

#[test]
fn sigkill_costs_the_flush_interval_and_leaves_no_hole() {
    at_all_intervals(3);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn sigkill_at_many_moments_costs_the_flush_interval_and_leaves_no_hole() {
    at_all_intervals(100);
}
