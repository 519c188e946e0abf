//! A log that is packed by the programs that pack logs, as a file and on standard input, whole and cut short.

use std::{
    fs::{self, File},
    process::Command,
};

use serde_json::Value;

use crate::{
    rig::{Finished, Rig},
    shippers::program,
};

#[test]
#[ignore = "needs gzip, zstd, xz and bzip2"]
fn a_packed_log_is_judged_as_far_as_it_goes() {
    let rig = Rig::new();
    let run = "-t 8 -n 15000 --failure-rate 0.5 --seed 3 --time-scale 0 -q --summary json --log-file written";
    let logged = rig.hifi(run).code(0).json()["log_lines"].as_u64().unwrap();
    for (packer, package) in [
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("xz", "xz-utils"),
        ("bzip2", "bzip2"),
    ] {
        let mut command = Command::new(program(packer, package));
        command
            .args(["-1", "-c", "written"])
            .current_dir(rig.path(""))
            .stdout(File::create(rig.path("packed")).unwrap());
        rig.finish_as_is(command).code(0);
        let packed = fs::read(rig.path("packed")).unwrap();
        fs::write(rig.path("cut"), &packed[..packed.len() / 3 * 2]).unwrap();
        for given in [audited, audited_on_stdin] {
            let whole = given(&rig, "packed").code(0).json();
            assert_eq!(whole["lines"], logged, "{packer}");
            let cut = given(&rig, "cut").code(2).json();
            let lines = cut["lines"].as_u64().unwrap();
            assert!((logged / 10..logged).contains(&lines), "{packer}: {lines}");
            let counts = cut["runs"][0]["counts"].as_object().unwrap();
            assert!(
                counts.values().all(|count| *count == 0),
                "{packer}: {counts:?}"
            );
            let why = cut["cannot_tell"].as_array().unwrap();
            let said = |why: &Value| why.as_str().unwrap().contains("cannot be read to its end");
            assert!(why.iter().any(said), "{packer}: {why:?}");
        }
    }
}

fn audited(rig: &Rig, file: &str) -> Finished {
    rig.audit(file)
}

fn audited_on_stdin(rig: &Rig, file: &str) -> Finished {
    let mut command = rig.command("audit --format json -");
    command.stdin(File::open(rig.path(file)).unwrap());
    rig.finish(command)
}
