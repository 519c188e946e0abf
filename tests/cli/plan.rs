use serde_json::json;

use crate::rig::{Rig, json_lines};

#[test]
fn the_plan_is_printed_as_text() {
    let printed = Rig::new()
        .hifi("plan --seed 42 --threads 2 --iterations 2")
        .code(0)
        .stdout();
    assert_eq!(
        printed,
        "Plan of seed 42: 2 workers, 2 iterations each\n\
         Worker-0 iteration=1 attempt=1 succeeds, then sleeps 10ms\n\
         Worker-0 iteration=2 attempt=1 fails, is tried again after 500ms\n\
         Worker-0 iteration=2 attempt=2 fails, is tried again after 500ms\n\
         Worker-0 iteration=2 attempt=3 succeeds, then sleeps 10ms\n\
         Worker-1 iteration=1 attempt=1 fails, is tried again after 500ms\n\
         Worker-1 iteration=1 attempt=2 succeeds, then sleeps 10ms\n\
         Worker-1 iteration=2 attempt=1 succeeds, then sleeps 10ms\n\
         Worker-0 sleeps longest: 1s 20ms in all\n"
    );
}

#[test]
fn one_is_one() {
    let plan = Rig::new().hifi("plan --seed 42 -t 1 -n 1").code(0);
    plan.prints("Plan of seed 42: 1 worker, 1 iteration each\n");
}

#[test]
fn the_plan_of_one_worker_as_json_is_what_the_log_then_holds() {
    let rig = Rig::new();
    let workload =
        "--seed 9 --threads 3 --iterations 40 --time-scale 0 --max-retries 1 --panic-rate 0.01";
    let planned = json_lines(
        &rig.hifi(&format!("plan {workload} --worker 2 --format json"))
            .code(0)
            .stdout(),
    );
    rig.hifi(&format!("{workload} --log-format json --quiet"));
    let logged: Vec<_> = json_lines(&rig.read("app.log"))
        .into_iter()
        .filter(|line| line["worker"] == 2 && line["message"] != "Worker ended")
        .collect();
    assert_eq!(planned.len(), logged.len());
    for (planned, logged) in planned.iter().zip(&logged) {
        for field in ["worker", "seq", "iteration", "attempt"] {
            assert_eq!(planned[field], logged[field], "{field} of {logged}");
        }
        let outcome = match logged["message"].as_str().unwrap() {
            "Operation result: Operation completed successfully" => json!("success"),
            "Unexpected error" => json!("panic"),
            _ => logged["next"].clone(),
        };
        assert_eq!(planned["outcome"], outcome, "{logged}");
        assert_eq!(planned["error"], logged["error"], "{logged}");
    }
}

#[test]
fn the_plans_of_all_shards_are_the_plan_of_the_whole() {
    let rig = Rig::new();
    let plan = |options: &str| {
        let options = format!("plan --seed 9 --iterations 20 --panic-rate 0.01 {options}");
        rig.hifi(&options).code(0).stdout()
    };
    let whole = plan("--threads 8 --format json");
    let parts = ["0/4", "1/4", "2/4", "3/4"];
    let parts = parts.map(|part| plan(&format!("--threads 2 --format json --shard {part}")));
    assert_eq!(parts.concat(), whole);
    assert_eq!(
        plan("--threads 2 --format json --shard 2/4 --worker 5"),
        plan("--threads 8 --format json --worker 5")
    );
    let text = plan("--threads 2 --shard 2/4");
    let head = "Plan of seed 9, shard 2/4 (Worker-4 to Worker-5): 2 workers, 20 iterations each\nWorker-4 ";
    assert!(text.starts_with(head), "{text}");
}

#[test]
fn a_reader_that_has_seen_enough_ends_an_endless_plan() {
    let rig = Rig::new();
    let mut shell = std::process::Command::new("sh");
    let hifi = env!("CARGO_BIN_EXE_hifi");
    shell.args([
        "-c",
        &format!("'{hifi}' plan --threads 1 --iterations unlimited --panic-rate 0 | head -n 3"),
    ]);
    let finished = rig.finish(shell).code(0);
    assert_eq!(finished.stdout().lines().count(), 3);
    assert_eq!(finished.stderr(), "");
}
