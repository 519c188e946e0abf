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
