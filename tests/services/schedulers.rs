//! One run on many machines: a Slurm job array in which each task is a shard, and the manifest of a Kubernetes Indexed Job.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::rig::Rig;

/// Nothing here takes this long on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// How many tasks share a run.
const SHARDS: usize = 8;

/// The Job of the README.
const JOB: &str = "tests/services/kubernetes-job.yaml";

#[test]
#[ignore = "needs Slurm, and to be root"]
fn a_slurm_array_is_one_run_and_what_becomes_of_its_tasks_is_named() {
    let rig = Rig::new();
    let slurm = Slurm::start(&rig);

    let job = slurm.submit("first", "--time-scale 0");
    slurm.wait_for_end(&job);
    let verdict = rig.audit(&logs("first")).code(0).json();
    let group = &verdict["groups"][0];
    assert_eq!(
        (&group["group"], &group["present"]),
        (&Value::from(&*job), &Value::from(SHARDS))
    );
    let summaries = (0..SHARDS).map(|task| -> Value {
        serde_json::from_str(&rig.read(&format!("first/summary-{task}.json"))).unwrap()
    });
    let summaries: Vec<Value> = summaries.collect();
    let sum = |of: fn(&Value) -> &Value| {
        summaries
            .iter()
            .map(|s| of(s).as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(sum(|s| &s["log_lines"]), verdict["lines"].as_u64().unwrap());
    assert_eq!(sum(|s| &s["workers"]), group["workers"].as_u64().unwrap());
    // The array carries out the plan of the whole run.
    let plan = rig
        .hifi("plan --seed 42 --threads 32 --iterations 100 --format json")
        .code(0)
        .stdout();
    let planned =
        |outcome: &str| plan.matches(&format!("\"outcome\":\"{outcome}\"")).count() as u64;
    assert_eq!(sum(|s| &s["operations"]["completed"]), planned("success"));
    assert_eq!(sum(|s| &s["operations"]["abandoned"]), planned("abandon"));

    let job = slurm.submit("second", "--time-scale 0.2");
    wait_for("lines of task 3", || {
        fs::metadata(rig.path("second/shard-3.log")).is_ok_and(|found| found.len() > 5000)
    });
    slurm.client("scancel", &[&format!("{job}_3")]);
    slurm.wait_for_end(&job);
    fs::remove_file(rig.path("second/shard-5.log")).unwrap();
    let verdict = rig.audit(&logs("second")).code(1).json();
    let group = &verdict["groups"][0];
    assert_eq!(
        (&group["lost_count"], &group["lost"][0]["shard"]),
        (&1.into(), &"5/8".into())
    );
    let notes: Vec<&str> = group["notes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert!(
        matches!(notes[..], [note] if note.starts_with("shard 3/8 ") && note.ends_with("stopped early, by SIGTERM")),
        "{notes:?}"
    );
    let counts = group["counts"].as_object().unwrap();
    assert!(counts.values().all(|count| *count == 0), "{group}");
}

/// The logs of an array's tasks; one that is not there is left out, as a shell's pattern would leave it out.
fn logs(array: &str) -> String {
    let all = (0..SHARDS).map(|task| format!("{array}/shard-{task}.log"));
    let there = if array == "second" { 5 } else { SHARDS };
    let all: Vec<String> = all
        .enumerate()
        .filter(|(task, _)| *task != there)
        .map(|(_, name)| name)
        .collect();
    all.join(" ")
}

/// A Slurm of our own on this machine: munge, the controller and one node. It ends with the test.
struct Slurm<'a> {
    rig: &'a Rig,
    daemons: Vec<Child>,
}

impl<'a> Slurm<'a> {
    fn start(rig: &'a Rig) -> Self {
        for folder in ["munge", "state", "spool"] {
            fs::create_dir(rig.path(folder)).unwrap();
        }
        fs::set_permissions(rig.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(rig.path("munge/key"), [7; 64]).unwrap();
        fs::set_permissions(rig.path("munge/key"), fs::Permissions::from_mode(0o400)).unwrap();
        fs::write(rig.path("slurm.conf"), configuration(rig)).unwrap();
        let mut slurm = Self {
            rig,
            daemons: Vec::new(),
        };
        let file = |name: &str| format!("{}", rig.path(name).display());
        slurm.daemon(
            "munged",
            &[
                "--foreground".into(),
                "--force".into(),
                format!("--key-file={}", file("munge/key")),
                format!("--socket={}", file("munge/socket")),
                format!("--pid-file={}", file("munge/pid")),
                format!("--log-file={}", file("munge/log")),
                format!("--seed-file={}", file("munge/seed")),
            ],
        );
        wait_for("munge's socket", || rig.path("munge/socket").exists());
        slurm.daemon("slurmctld", &["-D".into(), "-f".into(), file("slurm.conf")]);
        wait_for("the controller", || {
            slurm.try_client("scontrol", &["ping"]).contains("is UP")
        });
        slurm.daemon("slurmd", &["-D".into(), "-f".into(), file("slurm.conf")]);
        wait_for("the node", || {
            slurm.try_client("sinfo", &["-h", "-o", "%t"]).trim() == "idle"
        });
        slurm
    }

    fn daemon(&mut self, name: &str, args: &[String]) {
        let output = File::create(self.rig.path(&format!("{name}.out"))).unwrap();
        let child = Command::new(format!("/usr/sbin/{name}"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}): install slurm-wlm and munge (.ci/services does)")
        });
        self.daemons.push(child);
    }

    fn try_client(&self, name: &str, args: &[&str]) -> String {
        let output = Command::new(name)
            .args(args)
            .env("SLURM_CONF", self.rig.path("slurm.conf"))
            .current_dir(self.rig.path(""))
            .output()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn client(&self, name: &str, args: &[&str]) -> String {
        let answer = self.try_client(name, args);
        answer.trim().into()
    }

    /// Submits an array whose tasks are shards of one run, with log and summary in `folder`. Returns the job's id.
    fn submit(&self, folder: &str, options: &str) -> String {
        fs::create_dir(self.rig.path(folder)).unwrap();
        let script = format!(
            "#!/bin/sh\n\
             exec {} --shard auto --seed 42 --threads 4 --iterations 100 {options} -q --summary json \
             --log-file {folder}/shard-$SLURM_ARRAY_TASK_ID.log > {folder}/summary-$SLURM_ARRAY_TASK_ID.json\n",
            env!("CARGO_BIN_EXE_hifi")
        );
        fs::write(self.rig.path("array.sh"), script).unwrap();
        let array = format!("--array=0-{}", SHARDS - 1);
        let id = self.client(
            "sbatch",
            &["--parsable", &array, "--output=console-%a", "array.sh"],
        );
        assert!(id.parse::<u64>().is_ok(), "sbatch said {id:?}");
        id
    }

    fn wait_for_end(&self, job: &str) {
        wait_for("the array's end", || {
            self.try_client("squeue", &["-h", "-j", job])
                .trim()
                .is_empty()
        });
    }
}

impl Drop for Slurm<'_> {
    fn drop(&mut self) {
        for daemon in self.daemons.iter_mut().rev() {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// A cluster of one node, which is this machine, runs all tasks at once and asks for nothing of systemd.
fn configuration(rig: &Rig) -> String {
    let host = Command::new("hostname").arg("-s").output().unwrap().stdout;
    let host = String::from_utf8(host).unwrap().trim().to_owned();
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [controller, node] = listeners.map(|listener| listener.local_addr().unwrap().port());
    format!(
        "ClusterName=hifi\n\
         SlurmctldHost={host}(127.0.0.1)\n\
         SlurmctldPort={controller}\n\
         SlurmdPort={node}\n\
         SlurmUser=root\n\
         AuthType=auth/munge\n\
         AuthInfo=socket={folder}/munge/socket\n\
         CredType=cred/munge\n\
         StateSaveLocation={folder}/state\n\
         SlurmdSpoolDir={folder}/spool\n\
         SlurmctldPidFile={folder}/slurmctld.pid\n\
         SlurmdPidFile={folder}/slurmd.pid\n\
         ProctrackType=proctrack/linuxproc\n\
         TaskPlugin=task/none\n\
         SwitchType=switch/none\n\
         MpiDefault=none\n\
         SelectType=select/cons_tres\n\
         SelectTypeParameters=CR_Core\n\
         ReturnToService=2\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=2\n\
         PartitionName=all Nodes=ALL Default=YES State=UP OverSubscribe=FORCE:{SHARDS}\n",
        folder = rig.path("").display().to_string().trim_end_matches('/')
    )
}

#[test]
#[ignore = "needs kubernetes-validate"]
fn the_manifest_of_the_indexed_job_is_valid() {
    let program = std::env::var_os("HIFI_KUBERNETES_VALIDATE")
        .map_or("kubernetes-validate".into(), PathBuf::from);
    let output = Command::new(&program).args(["--strict", JOB]).output();
    let output = output.unwrap_or_else(|error| {
        panic!("kubernetes-validate cannot be run ({error}): HIFI_KUBERNETES_VALIDATE must name it (.ci/services installs it)")
    });
    assert!(output.status.success(), "{output:?}");
}

#[track_caller]
fn wait_for(what: &str, mut arrived: impl FnMut() -> bool) {
    let started = Instant::now();
    while !arrived() {
        assert!(started.elapsed() < PATIENCE, "{what} never came");
        thread::sleep(Duration::from_millis(50));
    }
}
