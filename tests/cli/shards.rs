use serde_json::Value;

use crate::rig::{Rig, json_lines};

/// A run with retries, abandoned operations and unexpected errors.
const RUN: &str =
    "--seed 7 -n 30 --failure-rate 0.5 --panic-rate 0.01 --time-scale 0 --log-format json -q";

/// What a log says of its workers' attempts: all but run, time, counter and checksum.
fn attempts(log: &str) -> Vec<Vec<Value>> {
    let fields = [
        "worker",
        "seq",
        "thread",
        "iteration",
        "attempt",
        "next",
        "delay_us",
        "error",
    ];
    let mut attempts: Vec<_> = json_lines(log)
        .into_iter()
        .filter(|line| line.get("iteration").is_some())
        .map(|line| fields.map(|field| line[field].clone()).to_vec())
        .collect();
    attempts.sort_by_key(|line| (line[0].as_u64(), line[1].as_u64()));
    attempts
}

#[test]
fn the_shards_do_together_what_the_whole_run_does() {
    let rig = Rig::new();
    rig.hifi(&format!("{RUN} -t 6 --log-file whole.log"))
        .code(1);
    for shard in ["0/3", "1/3", "2/3"] {
        rig.hifi(&format!(
            "{RUN} -t 2 --shard {shard} --group job-7 --log-file parts.log"
        ));
    }
    let expected = attempts(&rig.read("whole.log"));
    assert_eq!(attempts(&rig.read("parts.log")), expected);
    assert_eq!(expected.last().unwrap()[2], "Worker-5");
    rig.audit("whole.log").code(0);
}

#[test]
fn a_shard_says_so_in_log_summary_metrics_and_replay() {
    let rig = Rig::new();
    let shard = "--seed 7 -t 2 -n 3 --time-scale 0 -q --shard 2/8 --group job-7";
    let text = rig
        .hifi(&format!(
            "{shard} --log-format json --metrics-file hifi.prom"
        ))
        .code(0)
        .stdout();
    assert!(
        text.contains("\nShard           2/8 of group job-7\n"),
        "{text}"
    );
    let first = &json_lines(&rig.read("app.log"))[0];
    assert_eq!(
        (&first["shard"], &first["group"]),
        (&"2/8".into(), &"job-7".into())
    );
    #[cfg(feature = "monitoring")]
    assert!(
        rig.read("hifi.prom").contains("shard=\"2/8\"")
            && rig.read("hifi.prom").contains("group=\"job-7\"")
    );
    let summary = rig
        .hifi(&format!("{shard} --log-file other.log --summary json"))
        .code(0)
        .json();
    assert_eq!(
        (&summary["shard"], &summary["group"]),
        (&"2/8".into(), &"job-7".into())
    );
    assert!(
        rig.read("other.log")
            .lines()
            .next()
            .unwrap()
            .contains(" shard=2/8 group=job-7 sum=")
    );
    let replay = summary["replay"]
        .as_str()
        .unwrap()
        .trim_start_matches("hifi ");
    rig.hifi(&format!(
        "{replay} -q --log-format json --log-file replay.log"
    ))
    .code(0);
    rig.audit("app.log");
    assert_eq!(
        attempts(&rig.read("replay.log")),
        attempts(&rig.read("app.log"))
    );
}

#[test]
fn the_environment_says_which_shard_it_is_if_it_is_asked() {
    let rig = Rig::new();
    let run = |options: &str| {
        let mut command = rig.command(&format!("--seed 7 -t 1 -n 1 --time-scale 0 -q {options}"));
        for (name, value) in [
            ("ID", "6"),
            ("MIN", "4"),
            ("MAX", "11"),
            ("COUNT", "8"),
            ("STEP", "1"),
        ] {
            command.env(format!("SLURM_ARRAY_TASK_{name}"), value);
        }
        command.env("SLURM_ARRAY_JOB_ID", "4711");
        rig.finish(command).code(0).stdout()
    };
    assert!(
        run("--shard auto --log-file auto.log").contains("\nShard           2/8 of group 4711\n")
    );
    assert!(run("--shard auto --group mine --log-file mine.log").contains(" 2/8 of group mine\n"));
    assert!(!run("").contains("Shard"));
    assert!(!rig.read("app.log").contains("shard="));
    rig.audit("app.log").code(0);
}

#[test]
fn workers_that_are_stuck_are_called_by_their_numbers() {
    let rig = Rig::new();
    let finished = rig.hifi(
        "--seed 7 -t 4 -n 50 --time-scale 0 -q --bug deadlock --stall-after 500ms --shard 1/2 --group g",
    );
    let finished = finished
        .code(1)
        .prints("never ended")
        .prints("Worker-7")
        .prints("deadlock: Worker-");
    for number in 0..4 {
        assert!(
            !finished.stdout().contains(&format!("Worker-{number}")),
            "{}",
            finished.stdout()
        );
    }
    rig.audit("--killed app.log");
}
