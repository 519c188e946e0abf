//! A container's monitor writes the log of a run that logs in a burst to standard output: it reads 8 KiB at a time, and what
//! is left of a line is a part of its own.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::{
    rig::Rig,
    shippers::program,
    whole::{Line, Log, RUN, without},
};

#[test]
#[ignore = "needs conmon"]
fn conmon_cuts_the_lines_of_a_burst_and_the_log_is_whole() {
    for format in ["text", "json"] {
        let rig = Rig::new();
        let written = contained(&rig, &format!("{RUN} --log-format {format}"));
        let parts = written.matches(" stdout P ").count();
        assert!(parts > 10, "{parts} lines were cut");
        let mut log = Log::new(whole_lines(&written), format);
        log.is_whole_in(&rig, "container");
        log.missing.seq = uncut(&written, &log);
        fs::write(
            rig.path("short"),
            without(&written, &log.missing.mark(format)),
        )
        .unwrap();
        log.is_short_in(&rig, "short");
    }
}

/// The program's lines: a part belongs to the line whose last part follows.
fn whole_lines(written: &str) -> String {
    let lines = written.lines().filter(|line| line.contains(" stdout F "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The number of a line that was not cut.
fn uncut(written: &str, log: &Log) -> u64 {
    let lines: Vec<&str> = written.lines().collect();
    let is_uncut = |seq: &u64| {
        let line = Line {
            seq: *seq,
            ..log.missing
        };
        let mark = line.mark(log.format);
        lines.windows(2).any(|pair| {
            pair[0].contains(" stdout F ")
                && pair[1].contains(" stdout F ")
                && pair[1].contains(&mark)
        })
    };
    (100..200).find(is_uncut).expect("most lines are not cut")
}

/// What conmon writes of the program's standard output and standard error. A script is the runtime: there is no container.
fn contained(rig: &Rig, args: &str) -> String {
    let runtime = format!(
        "#!/bin/sh\n[ \"$1\" = create ] || exit 0\n\
         while [ $# -gt 1 ]; do [ \"$1\" = --pid-file ] && file=$2; shift; done\n\
         {} {args} -q --summary none --log-file - &\nprintf %s $! > \"$file\"\n",
        env!("CARGO_BIN_EXE_hifi")
    );
    fs::write(rig.path("runtime"), runtime).unwrap();
    fs::set_permissions(rig.path("runtime"), fs::Permissions::from_mode(0o755)).unwrap();
    for folder in ["bundle", "sockets", "exits"] {
        fs::create_dir(rig.path(folder)).unwrap();
    }
    let mut conmon = Command::new(program("conmon", "conmon"));
    conmon
        .args([
            "--api-version",
            "1",
            "--sync",
            "--cid",
            "c",
            "--cuuid",
            "c",
            "--name",
            "c",
        ])
        .arg("--runtime")
        .arg(rig.path("runtime"))
        .arg("--bundle")
        .arg(rig.path("bundle"))
        .arg("--container-pidfile")
        .arg(rig.path("pid"))
        .arg("--log-path")
        .arg(format!("k8s-file:{}", rig.path("container").display()))
        .arg("--socket-dir-path")
        .arg(rig.path("sockets"))
        .arg("--exit-dir")
        .arg(rig.path("exits"))
        .current_dir(rig.path(""));
    // conmon ends as the program does: some workers end by an unexpected error.
    rig.finish(conmon).code(1);
    rig.read("container")
}
