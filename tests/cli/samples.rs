use serde_json::Value;

use crate::rig::{Rig, json_lines};

/// A log alone shows what the process used over time.
#[test]
fn samples_are_in_the_log() {
    let rig = Rig::new();
    let args =
        "-t 3 --duration 200ms --sample-interval 20ms --log-format json --quiet --summary json";
    let summary = rig.hifi(args).code(0).json();
    let log = json_lines(&rig.read("app.log"));
    let samples: Vec<&Value> = log
        .iter()
        .filter(|line| line["message"] == "Sample")
        .collect();
    assert!(
        samples.len() >= 2,
        "one at the start and one at the end at least"
    );
    for sample in &samples {
        assert_eq!(
            (&sample["level"], &sample["thread"]),
            (&"INFO".into(), &"main".into())
        );
        for (figure, least) in [
            ("resident_bytes", 1 << 20),
            ("cpu_us", 0),
            ("threads", 3),
            ("open_files", 4),
        ] {
            assert!(sample[figure].as_u64() >= Some(least), "{figure}: {sample}");
        }
        assert!(
            sample["data_length"].as_u64() <= sample["counter"].as_u64(),
            "{sample}"
        );
    }
    let last = samples[samples.len() - 1];
    assert_eq!(
        last["counter"], summary["counter"],
        "the last one sees all that was done"
    );
    assert_eq!(last["data_length"], summary["data_length"]);
    let lines = log[log.len() - 1]["lines"].as_u64();
    assert_eq!(lines, Some(log.len() as u64), "the samples are counted");
}

#[test]
fn the_summary_tells_what_was_used() {
    let rig = Rig::new();
    let summary = rig
        .hifi("-t 3 -n 5 --time-scale 0 --quiet --summary json")
        .code(0)
        .json();
    assert!(summary["resident_memory_bytes"].as_u64() > Some(1 << 20));
    assert!(summary["threads"].as_u64() >= Some(3), "{summary}");
    assert!(summary["open_files"].as_u64() >= Some(4), "{summary}");
    rig.hifi("-t 3 -n 5 --time-scale 0 --quiet")
        .code(0)
        .prints(" open files");
}

/// A process that has been another program before, as cargo is under `cargo run`, tells of its run alone.
#[test]
fn the_summary_does_not_count_what_was_used_before_the_run() {
    let rig = Rig::new();
    // Until it has used half a second, in ticks of 10 ms.
    let busy = "while read -r all < /proc/$$/stat && set -- $all && [ $((${14} + ${15})) -lt 50 ]; do :; done";
    let run = "exec hifi -t 3 -n 5 --time-scale 0 --quiet --summary json";
    let run = run.replace("hifi", env!("CARGO_BIN_EXE_hifi"));
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", &format!("{busy}; {run}")])
        .current_dir(rig.path(""));
    let summary = rig.finish(shell).code(0).json();
    assert!(summary["cpu_seconds"].as_f64() < Some(0.5), "{summary}");
}
