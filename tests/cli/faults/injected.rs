//! What a preloaded library makes of the system: errors of the disk at random moments, also at the very end of a run, and a
//! clock of the far future. What is missing in the log is known from standard error, which gets every line as well.

use std::{collections::HashSet, fs, path::PathBuf, process::Command};

use crate::rig::{Rig, left_out};

/// When it is preloaded, it sets the wall clock CLOCK_AHEAD seconds ahead, and makes writes to the log fail with FAIL_ERRNO: from
/// the write number FAIL_FROM on, FAIL_COUNT of them. The one before is a short write of FAIL_AFTER bytes, if that is not zero;
/// if it is below zero, of a line without its newline.
const FAILING: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

static long setting(const char *name) {
    const char *value = getenv(name);
    return value ? atol(value) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(clock, time);
    if (clock == CLOCK_REALTIME) time->tv_sec += setting("CLOCK_AHEAD");
    return result;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    static long writes;
    char link[64], path[4096];
    if (!real) real = (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 8 && !memcmp(path + length - 8, "/app.log", 8)) {
        long number = __atomic_add_fetch(&writes, 1, __ATOMIC_SEQ_CST) - setting("FAIL_FROM");
        long part = setting("FAIL_AFTER");
        const char *newline = memchr(bytes, '\n', size);
        if (part < 0 && newline) part = newline - (const char *)bytes;
        if (number == -1 && part > 0 && (size_t)part < size) return real(fd, bytes, part);
        if (number >= 0 && number < setting("FAIL_COUNT")) {
            errno = setting("FAIL_ERRNO");
            return -1;
        }
    }
    return real(fd, bytes, size);
}
"#;

const ENOSPC: i64 = 28;
const EIO: i64 = 5;

/// The library, built in the folder of a rig; none where there is no C compiler.
fn library(rig: &Rig) -> Option<PathBuf> {
    let (source, library) = (rig.path("failing.c"), rig.path("failing.so"));
    fs::write(&source, FAILING).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"])
        .arg(&library)
        .arg(&source);
    let built = cc.arg("-ldl").status().is_ok_and(|status| status.success());
    built.then_some(library)
}

/// Numbers that look random, each run of the test the same.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn errors_at_random_moments(runs: u64) {
    let workshop = Rig::new();
    let Some(library) = library(&workshop) else {
        return left_out("errors of the disk: there is no C compiler");
    };
    let mut random = Random(7);
    let mut gaps = 0;
    for _ in 0..runs {
        let rig = Rig::new();
        let ends = ["-n 25", "-n unlimited --duration 60ms"][random.below(2) as usize];
        let args = format!(
            "-t 4 {ends} --success-delay 1ms --retry-delay 1ms --failure-rate 0.2 --flush-interval 2ms --summary json"
        );
        let part = (random.below(3) * random.below(200)) as i64;
        let fails = [
            ("FAIL_FROM", 3 + random.below(35) as i64),
            ("FAIL_COUNT", 1 + random.below(2) as i64),
            ("FAIL_AFTER", [part, part, -1][random.below(3) as usize]),
            ("FAIL_ERRNO", [ENOSPC, EIO][random.below(2) as usize]),
        ];
        let mut command = rig.command(&args);
        command.env("LD_PRELOAD", &library);
        command.envs(fails.map(|(name, value)| (name, value.to_string())));
        let finished = rig.finish(command);
        let (console, log) = (finished.stderr(), rig.read("app.log"));
        let written: HashSet<&str> = log.lines().collect();
        let all = console.lines().filter(|line| line.starts_with("20"));
        let lost = all.filter(|line| !written.contains(line)).count() as u64;
        let told = format!("{args} {fails:?} in {}", rig.path("").display());
        let summary = finished.json();
        assert_eq!(summary["file"]["lost"], lost, "{told}");
        let verdict = rig.audit("app.log").json();
        let judged = &verdict["runs"][0]["counts"];
        for (kind, expected) in [
            ("lost", lost),
            ("announced", lost),
            ("books", 0),
            ("unexpected", 0),
        ] {
            assert_eq!(judged[kind], expected, "{kind} of {told}: {verdict}");
        }
        gaps += u64::from(lost > 0);
    }
    assert!(gaps > runs / 2, "only {gaps} of {runs} runs lost lines");
}

#[test]
fn errors_of_the_disk_are_told_to_the_line() {
    errors_at_random_moments(10);
}

#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored"]
fn two_hundred_errors_of_the_disk_are_told_to_the_line() {
    errors_at_random_moments(200);
}

#[test]
fn a_clock_past_the_year_9999_is_an_error_and_nothing_is_created() {
    let rig = Rig::new();
    let Some(library) = library(&rig) else {
        return left_out("a clock of the far future: there is no C compiler");
    };
    let mut command = rig.command("-n 5 --time-scale 0");
    command.env("LD_PRELOAD", &library);
    command.env("CLOCK_AHEAD", "260000000000");
    rig.finish(command).code(1).complains("past the year 9999");
    assert!(!rig.path("app.log").exists());
}
