//! What an audit needs of memory does not grow with the log, whatever is around its lines.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, BufWriter, Write},
    process::{Child, Command, Stdio},
};

use crate::rig::Rig;

/// What is around a line.
type Shape = fn(&str) -> String;

/// So much it may take for any log in order.
const MOST_KIB: u64 = 64 << 10;

#[test]
#[ignore = "takes ten seconds"]
fn memory_stays_flat_through_each_shape() {
    let rig = Rig::new();
    for format in ["text", "json"] {
        rig.hifi(&format!(
            "-t 8 -n 90000 --time-scale 0 -q --log-format {format} --log-file {format}"
        ))
        .code(0);
        let log = || BufReader::new(File::open(rig.path(format)).unwrap());
        let shapes: [(&str, Shape); 3] = [
            ("bare", |line| format!("{line}\n")),
            ("Docker's", |line| {
                let line = serde_json::to_string(&format!("{line}\n")).unwrap();
                format!(
                    "{{\"log\":{line},\"stream\":\"stderr\",\"time\":\"2026-11-25T09:34:57.123456789Z\"}}\n"
                )
            }),
            ("CRI's", |line| {
                format!("2026-11-25T09:34:57.123456789Z stdout F {line}\n")
            }),
        ];
        for (name, wrap) in shapes {
            let peak = peak(&rig, |input| {
                let mut input = BufWriter::new(input);
                for line in log().lines() {
                    input.write_all(wrap(&line.unwrap()).as_bytes()).unwrap();
                }
                input.flush().unwrap();
            });
            eprintln!("{format}, {name}: {peak} KiB");
            assert!(peak < MOST_KIB, "{format}, {name}: {peak} KiB");
        }
        let mut packer = Command::new("gzip");
        packer
            .args(["--fast", "--stdout", format])
            .current_dir(rig.path(""));
        let mut packer = packer.stdout(Stdio::piped()).spawn().unwrap();
        let mut packed = packer.stdout.take().unwrap();
        let peak = peak(&rig, |input| {
            io::copy(&mut packed, input).unwrap();
        });
        assert!(packer.wait().unwrap().success());
        eprintln!("{format}, packed: {peak} KiB");
        assert!(peak < MOST_KIB, "{format}, packed: {peak} KiB");
    }
}

/// The most memory that an audit takes, in KiB, which must be clean.
fn peak(rig: &Rig, feed: impl FnOnce(&mut dyn Write)) -> u64 {
    let mut command = rig.command("audit --format json -");
    command
        .stdin(Stdio::piped())
        .stdout(File::create(rig.path("verdict")).unwrap());
    let mut audit = command.spawn().unwrap();
    let mut input = audit.stdin.take().unwrap();
    feed(&mut input);
    let peak = high_water(&audit);
    drop(input);
    assert_eq!(audit.wait().unwrap().code(), Some(0));
    let verdict: serde_json::Value = serde_json::from_str(&rig.read("verdict")).unwrap();
    assert!(
        verdict["runs"][0]["lines"].as_u64() > Some(1_000_000),
        "{verdict}"
    );
    peak
}

fn high_water(process: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}
