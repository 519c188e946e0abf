use std::fs;

use serde_json::Value;

use crate::rig::{Rig, json_lines};

/// A run with retries, abandoned operations and unexpected errors.
const RUN: &str =
    "--seed 7 -n 30 --failure-rate 0.5 --panic-rate 0.01 --time-scale 0 --log-format json -q";

/// The Kubernetes Job of the README, and how many pods it has.
const JOB: &str = "tests/services/kubernetes-job.yaml";
const PODS: usize = 8;

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
    rig.audit("whole.log parts.log").code(0);
}

#[test]
fn a_shard_says_so_in_log_summary_metrics_and_replay() {
    let rig = Rig::new();
    let shard = "--seed 7 -t 2 -n 3 --time-scale 0 -q --shard 2/8 --group job-7";
    let text = rig
        .hifi(&format!(
            "{shard} --log-format json{}",
            if cfg!(feature = "monitoring") {
                " --metrics-file hifi.prom"
            } else {
                ""
            }
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
    assert_eq!(
        attempts(&rig.read("replay.log")),
        attempts(&rig.read("app.log"))
    );
    // Seven shards are not there, and of this one there are three runs.
    let verdict = rig.audit("app.log other.log replay.log").code(1).json();
    let runs = verdict["runs"].as_array().unwrap();
    assert!(runs.iter().all(|run| run["status"] == "clean"), "{verdict}");
    assert_eq!(verdict["groups"][0]["lost_count"], 7);
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
    rig.audit("--killed app.log").code(1);
}

/// What hangs together is audited together: the logs of all shards, in many files or one stream.
#[test]
fn a_group_is_audited_in_files_and_streams_and_from_verdicts() {
    let rig = Rig::new();
    for index in 0..4 {
        let shard = format!("{RUN} -t 2 --shard {index}/4 --group g --log-file shard-{index}.log");
        rig.hifi(&shard);
        let part = rig.audit(&format!("shard-{index}.log")).code(1).stdout();
        fs::write(rig.path(&format!("{index}.json")), part).unwrap();
    }
    let group = |verdict: &Value| {
        let group = &verdict["groups"][0];
        (
            group["present"].clone(),
            group["status"].as_str().map(str::to_owned),
        )
    };
    let clean = (4.into(), Some("clean".into()));
    let all = rig
        .audit("shard-3.log shard-1.log shard-0.log shard-2.log")
        .code(0)
        .json();
    assert_eq!(group(&all), clean);
    let merged = rig
        .audit("--merge 2.json 0.json 3.json 1.json")
        .code(0)
        .json();
    assert_eq!((group(&merged), &merged["groups"]), (clean, &all["groups"]));
    let lacking = rig
        .hifi("audit shard-3.log shard-1.log shard-0.log")
        .code(1);
    lacking
        .prints("group g: findings, 3 of 4 shards")
        .prints("shard 2/4 (Worker-4 to Worker-5)");
    rig.hifi("audit --merge shard-0.log")
        .code(2)
        .complains("shard-0.log is no verdict");
    rig.hifi("audit --merge nothing.json")
        .code(2)
        .complains("nothing.json cannot be read");
    rig.hifi("audit --merge 0.json 0.json")
        .code(1)
        .prints("neither knows what the other has seen");
}

/// Many files need few descriptors, and one stream of all of them in any order, packed, holds the same.
#[test]
fn many_shards_are_audited_with_few_descriptors() {
    let rig = Rig::new();
    let shards = 120;
    for index in 0..shards {
        rig.hifi(&format!(
            "--seed 42 -t 2 -n 3 --time-scale 0 -q --shard {index}/{shards} --group g --log-file shard-{index}.log"
        ))
        .code(0);
    }
    rig.audit("shard-7.log").code(1);
    let shell = |line: &str| {
        let mut command = std::process::Command::new("bash");
        let program = env!("CARGO_BIN_EXE_hifi");
        command
            .args([
                "-c",
                &format!("set -o pipefail; hifi() {{ {program} \"$@\"; }}; {line}"),
            ])
            .current_dir(rig.path(""));
        rig.finish(command)
    };
    let clean = format!("group g: clean, {shards} of {shards} shards");
    shell("ulimit -n 40; hifi audit shard-*.log")
        .code(0)
        .prints(&clean);
    shell("cat shard-*.log | shuf | hifi audit --any-order -")
        .code(0)
        .prints(&clean);
    #[cfg(feature = "monitoring")]
    {
        shell("gzip shard-*.log").code(0);
        shell("ulimit -n 40; hifi audit shard-*.log.gz")
            .code(0)
            .prints(&clean);
    }
}

/// One run of a group is judged alone where it is asked for: of its group nothing is said.
#[test]
fn a_shard_is_judged_alone_by_its_runs_id() {
    let rig = Rig::new();
    for index in 0..2 {
        rig.hifi(&format!(
            "--seed 42 -t 2 -n 3 --time-scale 0 -q --shard {index}/3 --group g"
        ))
        .code(0);
    }
    let verdict = rig.audit("app.log").code(1).json();
    let run = verdict["runs"][1]["run"].as_str().unwrap();
    let alone = rig.hifi(&format!("audit --run {run}")).code(0);
    let alone = alone
        .prints(&format!("run {run}: clean"))
        .prints(", shard 1/3");
    assert!(!alone.stdout().contains("group"), "{}", alone.stdout());
    rig.hifi("audit --run last").code(0).prints(", shard 1/3");
    rig.hifi("audit")
        .code(1)
        .prints("group g: findings, 2 of 3 shards");
}

/// The pods' standard output as a container runtime keeps it, with a pod that was killed and started again.
#[test]
fn the_logs_of_the_indexed_job_are_audited() {
    let rig = Rig::new();
    let manifest = fs::read_to_string(JOB).unwrap();
    let args = manifest
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: "));
    let args: Vec<String> = serde_json::from_str(args.expect("args on one line")).unwrap();
    let pod = |index: usize| {
        let mut command = rig.command(&args.join(" "));
        command.args(["--time-scale", "0"]);
        command.env("JOB_COMPLETION_INDEX", index.to_string());
        command.env("JOB_COMPLETIONS", PODS.to_string());
        command.env("JOB_NAME", "hifi");
        rig.finish(command).code(0).stdout()
    };
    let mut names = Vec::new();
    let mut keep = |name: String, log: &str, lines: usize| {
        fs::write(rig.path(&name), as_container_log(log, lines)).unwrap();
        names.push(name);
    };
    for index in 0..PODS {
        keep(format!("pod-{index}.container"), &pod(index), usize::MAX);
    }
    keep("pod-3-killed.container".into(), &pod(3), 700);
    let verdict = rig.audit(&names.join(" ")).code(0).json();
    let group = &verdict["groups"][0];
    assert_eq!(
        (&group["group"], &group["present"]),
        (&"hifi".into(), &PODS.into())
    );
    let note = group["notes"][0].as_str().unwrap();
    assert!(note.starts_with("shard 3/8 was started 2 times"), "{note}");
    names.retain(|name| name != "pod-5.container");
    rig.hifi(&format!("audit {}", names.join(" ")))
        .code(1)
        .prints("shard 5/8 (Worker-50 to Worker-59)");
}

/// The first lines of a log as a container runtime writes them (CRI).
fn as_container_log(log: &str, lines: usize) -> String {
    let lines = log.lines().take(lines).enumerate();
    let wrapped = lines.map(|(i, line)| format!("2026-11-25T12:00:00.{i:09}Z stdout F {line}\n"));
    wrapped.collect()
}
