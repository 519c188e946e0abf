use std::{
    fs,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use super::shell;
use crate::rig::{Finished, Rig, is_root, left_out};

/// All the helpers that a run can have.
#[cfg(feature = "monitoring")]
const HELPERS: &str = "--metrics-addr 127.0.0.1:0 --sample-interval 1ms --stall-after 10s";
#[cfg(not(feature = "monitoring"))]
const HELPERS: &str = "--sample-interval 1ms --stall-after 10s";

/// Expects a run that ended in order: with its work done, or with a word on why it was not. Returns whether it was.
fn ended_in_order(rig: &Rig, finished: Finished) -> bool {
    let log = fs::read_to_string(rig.path("app.log")).unwrap_or_default();
    // A helper that is refused is no worker.
    let refused = log
        .lines()
        .find(|line| line.contains("\"cannot start the thread "));
    assert!(refused.is_none_or(|line| line.contains(" No worker could be started ")));
    let code = finished.exit_code();
    match code {
        Some(0) => {}
        Some(1) => {
            let told = finished.stderr() + &finished.stdout();
            assert!(
                told.contains("hifi: ") || told.contains("PROBLEM "),
                "{told}"
            );
        }
        _ => finished.fail("it was to end in order"),
    }
    if log.is_empty() {
        let _ = fs::remove_file(rig.path("app.log"));
    } else {
        rig.audit("app.log").code(0);
    }
    code == Some(0)
}

#[test]
fn too_few_descriptors_are_told_and_the_log_is_whole() {
    let mut done = 0;
    for descriptors in 5..=16 {
        let rig = Rig::new();
        let line =
            format!("ulimit -n {descriptors}; exec hifi -t 4 -n 200 --time-scale 0 -q {HELPERS}");
        done += u32::from(ended_in_order(&rig, rig.finish(shell(&rig, &line))));
    }
    assert!(
        (1..12).contains(&done),
        "{done} of 12 runs had enough of them"
    );
}

/// The log is renamed while there is no descriptor for a new one: an error until there is one again.
#[test]
fn a_log_that_cannot_be_opened_anew_is_an_error_until_it_can() {
    let rig = Rig::new();
    let mut command = rig.command("-t 2 -n unlimited --success-delay 1ms -q --summary json");
    command
        .stderr(fs::File::create(rig.path("console")).unwrap())
        .stdout(std::process::Stdio::piped());
    let run = rig.start_command(command);
    let allow = |descriptors: &str| {
        let mut prlimit = Command::new("prlimit");
        prlimit.args([
            "--pid",
            &run.id().to_string(),
            &format!("--nofile={descriptors}:"),
        ]);
        assert!(prlimit.status().is_ok_and(|status| status.success()));
    };
    run.until("app.log", " worker=1 seq=9 ");
    allow("3");
    fs::rename(rig.path("app.log"), rig.path("app.log.1")).unwrap();
    run.until("console", "Too many open files");
    allow("64");
    run.until("app.log", "Log gap");
    run.signal("TERM");
    let summary = run.finish().code(1).json();
    let verdict = rig.audit("app.log.1 app.log").code(1).json();
    let counts = &verdict["runs"][0]["counts"];
    assert!(summary["file"]["lost"].as_u64() > Some(0), "{summary}");
    assert_eq!(counts["lost"], summary["file"]["lost"], "{verdict}");
    assert_eq!(counts["announced"], summary["file"]["lost"], "{verdict}");
}

/// The program in the folder of a rig that is open to all, to be run as another user than root.
fn for_all(rig: &Rig) -> std::path::PathBuf {
    let hifi = rig.path("hifi");
    fs::copy(env!("CARGO_BIN_EXE_hifi"), &hifi).unwrap();
    let opened = Command::new("chmod").arg("777").arg(rig.path("")).status();
    assert!(opened.is_ok_and(|status| status.success()));
    hifi
}

#[test]
fn too_few_threads_are_told_and_the_log_is_whole() {
    if !is_root("a limit of threads") {
        return;
    }
    // The limit is the user's: each test needs one of its own.
    static USERS: AtomicU32 = AtomicU32::new(0);
    let mut done = 0;
    for threads in 1..=12 {
        let rig = Rig::new();
        let hifi = for_all(&rig);
        let mut command = Command::new("setpriv");
        let user = 55_000 + USERS.fetch_add(1, Ordering::SeqCst);
        command
            .args([&format!("--reuid={user}"), "--clear-groups", "prlimit"])
            .arg(format!("--nproc={threads}"))
            .arg(hifi)
            .args("-t 4 -n 200 --time-scale 0 -q".split(' '))
            .args(HELPERS.split(' '))
            .current_dir(rig.path(""));
        done += u32::from(ended_in_order(&rig, rig.finish(command)));
    }
    assert!(
        (1..12).contains(&done),
        "{done} of 12 runs had enough of them"
    );
}

/// A control group's limit of threads, as containers have it. Removed when it is dropped.
struct Threads(std::path::PathBuf);

impl Threads {
    fn new(most: u32) -> Option<Self> {
        for root in ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"] {
            let group =
                std::path::Path::new(root).join(format!("faults-test-{}", std::process::id()));
            if fs::create_dir(&group).is_err() {
                continue;
            }
            let group = Self(group);
            if fs::write(group.0.join("pids.max"), most.to_string()).is_ok() {
                return Some(group);
            }
        }
        left_out("a control group's limit of threads: no group can be made here");
        None
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_control_group_without_room_for_threads_is_told() {
    let Some(group) = Threads::new(50) else {
        return;
    };
    let rig = Rig::new();
    let procs = group.0.join("cgroup.procs");
    let line = format!(
        "echo $$ >'{}' && exec hifi -t 100 -q --summary json",
        procs.display()
    );
    let finished = rig.finish(shell(&rig, &line)).code(1);
    let finished = finished
        .complains("could not be started")
        .complains("fewer --threads than 100");
    assert_eq!(finished.json()["stopped_by"], "failure");
    rig.audit("app.log").code(0);
}

/// Where memory ends, the program is ended: what it had written is whole.
#[test]
fn too_little_memory_ends_the_run_with_whole_lines() {
    let mut done = 0;
    for megabytes in [4, 8, 12, 16, 20, 24, 28, 32, 256] {
        let rig = Rig::new();
        let mut command = Command::new("prlimit");
        command
            .args([&format!("--as={}", megabytes << 20), "--core=0"])
            .arg(env!("CARGO_BIN_EXE_hifi"))
            .args("-t 16 -n 2000 --time-scale 0 -q".split(' '))
            .current_dir(rig.path(""));
        let finished = rig.finish(command);
        done += u32::from(finished.exit_code() == Some(0));
        match (finished.exit_code(), finished.ended_by()) {
            (Some(0 | 1 | 127), _) | (_, Some(6 | 11)) => {}
            _ => finished.fail("it was to end, or to be ended"),
        }
        let log = fs::read_to_string(rig.path("app.log")).unwrap_or_default();
        if log.contains('\n') {
            rig.audit("--killed app.log").code(0);
        } else {
            let _ = fs::remove_file(rig.path("app.log"));
        }
    }
    assert!((1..9).contains(&done), "{done} of 9 runs had enough of it");
}

#[test]
fn the_largest_and_the_smallest_runs() {
    for (args, code) in [
        ("-t 4096 -n 5 --time-scale 0", 0),
        ("-t 1 -n 1 --time-scale 0", 0),
        (
            "-t 4 -n 18446744073709551615 --duration 30ms --time-scale 0",
            0,
        ),
        (
            "-t 4096 -n 18446744073709551615 --duration 1us --time-scale 0",
            0,
        ),
        ("-t 4 -n 200 --failure-rate 0 --success-delay 0ms", 0),
        (
            "-t 4 -n 200 --failure-rate 1 --retry-delay 0ms --success-delay 0ms",
            0,
        ),
        ("-t 4 -n 5 --panic-rate 1 --time-scale 0", 1),
        ("-t 4 -n 20 --duration 580000years --time-scale 0", 0),
        ("-t 4 -n 20 --data-limit 0 --time-scale 0", 0),
        ("-t 4 -n 20 --max-retries 4294967295 --time-scale 0", 0),
    ] {
        let rig = Rig::new();
        let summary = rig
            .hifi(&format!("{args} -q --summary json"))
            .code(code)
            .json();
        let problems = summary["problems"].as_array().map(Vec::len);
        assert_eq!(
            problems,
            Some(usize::try_from(code).unwrap()),
            "{args}: {summary}"
        );
    }
}

#[test]
fn a_delay_of_years_is_cut_short() {
    let rig = Rig::new();
    let years = "-t 4 -q --failure-rate 0.5 --success-delay 500000years --retry-delay 500000years \
                 --max-retry-delay 500000years --duration 580000years --flush-interval 580000years";
    let run = rig.start(&format!(
        "{years} --sample-interval 580000years --stall-after 580000years"
    ));
    // Nothing of the log may be due before the end: the threads tell when they are there.
    run.until_threads(10);
    run.signal("INT");
    run.finish().code(130).prints("INTERRUPTED by SIGINT");
}
