//! A log is followed behind rsyslog and through logrotate, and the audit says while it goes on what becomes of it.

use std::{
    fs::File, io::Write, net::TcpListener, os::unix::net::UnixDatagram, process::Stdio, thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    rig::{Rig, Started, json_lines},
    shippers::{Daemon, Rotation, content, folder, program, wait_for},
};

/// Starts to follow; what it tells goes to the file `told`.
fn follow<'a>(rig: &'a Rig, args: &str) -> Started<'a> {
    let mut command = rig.command(&format!("audit --follow --format json {args}"));
    command
        .stdout(File::create(rig.path("told")).unwrap())
        .stderr(Stdio::piped());
    rig.start_command(command)
}

/// The verdict, and how many lines were told to be lost, less those taken back.
fn told(rig: &Rig) -> (Value, i64) {
    let mut told = json_lines(&rig.read("told"));
    let verdict = told.pop().unwrap();
    let count = |news: &Value| match news["event"].as_str() {
        Some("taken_back") => -news["range"]["count"].as_i64().unwrap(),
        Some("finding") if news["finding"]["kind"] == "lost" => {
            news["finding"]["count"].as_i64().unwrap()
        }
        _ => 0,
    };
    (verdict, told.iter().map(count).sum())
}

/// What was told comes to the verdict, and that is the one of the audit over the same lines.
fn agrees(rig: &Rig, file: &str) -> Value {
    let (verdict, lost) = told(rig);
    let counts = &verdict["runs"][0]["counts"];
    assert_eq!(counts["lost"].as_i64(), Some(lost), "{verdict:#}");
    let plain = rig.audit(file).json();
    assert_eq!(verdict, plain);
    verdict
}

/// Over TCP with a receiver that is stopped and started again: what was in the sockets is gone, and named.
#[test]
#[ignore = "needs rsyslog"]
fn a_receiver_that_is_away_for_a_while_costs_what_is_named() {
    let (rig, far) = (Rig::new(), Rig::new());
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let receiver = format!(
        r#"
        global(workDirectory="{far}/state" maxMessageSize="64k")
        module(load="imtcp")
        input(type="imtcp" port="{port}" address="127.0.0.1")
        action(type="omfile" file="{far}/received")
        "#,
        far = folder(&far)
    );
    let sender = format!(
        r#"
        global(workDirectory="{folder}/state" maxMessageSize="64k")
        module(load="imfile" mode="inotify")
        input(type="imfile" file="{folder}/app.log" tag="hifi:" facility="local0" ruleset="ship")
        ruleset(name="ship") {{
            action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" action.resumeRetryCount="-1"
                   action.resumeInterval="1" queue.type="LinkedList" queue.size="100000")
        }}
        "#,
        folder = folder(&rig)
    );
    let listening = Daemon::rsyslog(&far, &receiver);
    let sending = Daemon::rsyslog(&rig, &sender);
    let canary = follow(&far, "--patience 5s --until-end received");
    let run =
        rig.start("-t 8 --duration 8s --success-delay 4ms --retry-delay 8ms -q --summary json");
    wait_for("the first lines", || {
        content(&far, "received").len() > 50_000
    });
    listening.stop();
    thread::sleep(Duration::from_secs(2));
    std::fs::remove_dir_all(far.path("state")).unwrap();
    let listening = Daemon::rsyslog(&far, &receiver);
    let logged = run.finish().code(0).json()["log_lines"].as_u64().unwrap();
    wait_for("the log's end", || {
        content(&far, "received").contains(" Run ended ")
    });
    canary.finish();
    sending.stop();
    listening.stop();
    let verdict = agrees(&far, "received");
    let counts = &verdict["runs"][0]["counts"];
    let lines = verdict["runs"][0]["lines"].as_u64().unwrap();
    let [lost, again] = ["lost", "duplicated"].map(|kind| counts[kind].as_u64().unwrap());
    eprintln!("a receiver away: {logged} lines logged, {lost} lost, {again} twice");
    assert_eq!(lines + lost - again, logged);
}

/// What a rate limit drops is lost as soon as patience is over.
#[test]
#[ignore = "needs rsyslog"]
fn what_a_rate_limit_drops_is_told() {
    let rig = Rig::new();
    let conf = format!(
        r#"
        global(workDirectory="{folder}/state" maxMessageSize="64k")
        module(load="imuxsock" sysSock.use="off")
        input(type="imuxsock" socket="{folder}/socket" rateLimit.interval="1" rateLimit.burst="300" ruleset="ship")
        ruleset(name="ship") {{ action(type="omfile" file="{folder}/shipped") }}
        "#,
        folder = folder(&rig)
    );
    let rsyslog = Daemon::rsyslog(&rig, &conf);
    rig.hifi("-t 4 -n 200 --seed 3 --time-scale 0 -q --summary none")
        .code(0);
    let log = rig.read("app.log");
    let lines: Vec<_> = log.lines().collect();
    let canary = follow(&rig, "--patience 1s --until-end shipped");
    wait_for("rsyslog's socket", || rig.path("socket").exists());
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(rig.path("socket")).unwrap();
    let send = |line: &&str| {
        socket
            .send(format!("<134>hifi: {line}").as_bytes())
            .unwrap();
    };
    let (burst, tail) = lines.split_at(lines.len() - 50);
    burst.iter().for_each(send);
    thread::sleep(Duration::from_secs(3));
    tail.iter().for_each(send);
    canary.finish().code(1);
    rsyslog.stop();
    let verdict = agrees(&rig, "shipped");
    let counts = &verdict["runs"][0]["counts"];
    let lost = counts["lost"].as_u64().unwrap();
    eprintln!(
        "a rate limit: {lost} of {} lines lost, as told",
        lines.len()
    );
    assert!(lost > 0);
    assert_eq!(
        verdict["runs"][0]["lines"].as_u64().unwrap() + lost,
        lines.len() as u64
    );
}

/// logrotate renames the log, or copies and truncates it: a canary loses nothing by the one, and by the other at most what comes
/// between its last look and the truncation, which it names.
#[test]
#[ignore = "needs logrotate"]
fn a_log_is_followed_through_logrotate() {
    for how in [
        "nocopytruncate\nnocreate",
        "nocopytruncate\ncreate",
        "copytruncate",
    ] {
        let rig = Rig::new();
        let rotation = Rotation::new(&rig, program("logrotate", "logrotate"), how);
        let canary = follow(&rig, "--patience 1s --until-end app.log");
        let run =
            rig.start("-t 8 --duration 6s --success-delay 5ms --retry-delay 9ms -q --summary json");
        for _ in 0..3 {
            thread::sleep(Duration::from_millis(1200));
            rotation.force();
        }
        let logged = run.finish().code(0).json()["log_lines"].as_u64().unwrap();
        canary.finish();
        let (verdict, lost) = told(&rig);
        let run = &verdict["runs"][0];
        eprintln!("{how:?}: {logged} lines logged, {lost} lost");
        assert_eq!(run["counts"]["lost"].as_i64(), Some(lost), "{verdict:#}");
        assert_eq!(
            run["lines"].as_i64().unwrap() + lost,
            logged as i64,
            "{verdict:#}"
        );
        if how != "copytruncate" {
            assert_eq!(verdict["status"], "clean", "{how}: {verdict:#}");
            assert_eq!(lost, 0);
        }
        // What a truncation took is lost to whoever comes later as well.
        rig.audit("app.log");
        std::io::stderr().flush().unwrap();
    }
}
