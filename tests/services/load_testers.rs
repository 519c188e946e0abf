use std::{
    collections::BTreeMap,
    fs::File,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::{
    http::served_address,
    rig::{Rig, Started},
};

const FILES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/services/load_testers");

/// Runs of the program with and without retries.
const RETRIES: [&str; 2] = ["--max-retries 3", "--max-retries 0"];

/// A load tester: starts it in a folder, against an address, with connections kept or not.
type Start = fn(&Path, SocketAddr, bool) -> Child;

/// Its own report: how many requests were answered with each code.
type Report = fn(&Rig) -> BTreeMap<u16, u64>;

fn start(mut command: Command, folder: &Path, package: &str) -> Child {
    let said = File::create(folder.join("tester.out")).unwrap();
    command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(said.try_clone().unwrap())
        .stderr(said);
    command.spawn().unwrap_or_else(|error| {
        panic!("{command:?} cannot be started ({error}): install {package}")
    })
}

fn locust(folder: &Path, addr: SocketAddr, keep_alive: bool) -> Child {
    let program = std::env::var_os("HIFI_LOCUST").unwrap_or_else(|| "locust".into());
    let mut command = Command::new(program);
    command
        .args(["--headless", "--only-summary", "--json-file", "locust"])
        .args(["--users", "8", "--spawn-rate", "8", "--run-time", "3s"])
        .args(["--stop-timeout", "30", "--exit-code-on-error", "0"])
        .args(["--locustfile", &format!("{FILES}/locustfile.py")])
        .args(["--host", &format!("http://{addr}")])
        .env("KEEP_ALIVE", if keep_alive { "yes" } else { "no" });
    start(
        command,
        folder,
        "it (PyPI: locust) and let HIFI_LOCUST point at it",
    )
}

fn locust_report(rig: &Rig) -> BTreeMap<u16, u64> {
    let report: Value = serde_json::from_str(&rig.read("locust.json")).unwrap();
    let rows = report.as_array().unwrap().iter();
    rows.map(|row| {
        let code = row["name"].as_str().unwrap().parse().unwrap();
        (code, row["num_requests"].as_u64().unwrap())
    })
    .collect()
}

fn jmeter(folder: &Path, addr: SocketAddr, keep_alive: bool) -> Child {
    let home = "/usr/share/jmeter";
    let mut command = Command::new("java");
    command
        .arg(format!("-Djmeter.home={home}"))
        .args(["-Djava.awt.headless=true", "-cp"])
        .arg(format!(
            "{home}/bin/ApacheJMeter.jar:{home}/lib/*:{home}/lib/ext/*"
        ))
        .args(["bsh.Interpreter", &format!("{FILES}/jmeter.bsh")])
        .args(["-n", "-t", &format!("{FILES}/operations.jmx")])
        .args(["-l", "jmeter.csv", "-j", "jmeter.log"])
        .arg("-Jjmeter.save.saveservice.output_format=csv")
        .arg("-Jjmeter.save.saveservice.print_field_names=true")
        .arg(format!("-Jport={}", addr.port()))
        .arg(format!("-Jkeepalive={keep_alive}"))
        .arg("-Jloops=200");
    start(command, folder, "it (Debian: jmeter, jmeter-http)")
}

fn jmeter_report(rig: &Rig) -> BTreeMap<u16, u64> {
    let report = rig.read("jmeter.csv");
    let mut rows = report.lines().map(|row| row.split(','));
    let place = rows.next().unwrap().position(|name| name == "responseCode");
    let mut codes = BTreeMap::new();
    for mut row in rows {
        let code = row.nth(place.unwrap()).unwrap();
        let code = code
            .parse()
            .unwrap_or_else(|_| panic!("{code} in {report}"));
        *codes.entry(code).or_default() += 1;
    }
    codes
}

/// A run that carries out operations on request, and the address.
fn served<'a>(rig: &'a Rig, args: &str) -> (Started<'a>, SocketAddr) {
    let mut command = rig.command(&format!(
        "--serve 127.0.0.1:0 --metrics-file hifi.prom -t 4 --time-scale 0.01 --summary json -q {args}"
    ));
    command.stdout(File::create(rig.path("out")).unwrap());
    command.stderr(File::create(rig.path("console")).unwrap());
    let run = rig.start_command(command);
    run.until("console", "/operations\n");
    let addr = served_address(&rig.read("console"), "operations").unwrap();
    (run, addr)
}

/// Stops the run. Returns its requests by code as metrics and summary have them, which must agree, and as the log has them.
fn stop(rig: &Rig, run: Started<'_>) -> [BTreeMap<u16, u64>; 2] {
    run.signal("TERM");
    run.finish().code(143);
    let summary: Value = serde_json::from_str(&rig.read("out")).unwrap();
    assert_eq!(summary["problems"], serde_json::json!([]));
    let codes: BTreeMap<u16, u64> = serde_json::from_value(summary["requests"].clone()).unwrap();
    let metrics = rig.read("hifi.prom");
    let series = metrics.lines().filter_map(|line| {
        let (code, count) = line
            .strip_prefix("hifi_requests_total{code=\"")?
            .split_once("\"} ")?;
        Some((code.parse().unwrap(), count.parse().unwrap()))
    });
    let served: BTreeMap<u16, u64> = series.filter(|(_, count)| *count > 0).collect();
    assert_eq!(served, codes);
    let log = rig.read("app.log");
    let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count() as u64;
    let logged = [
        (200, lines(" Operation result: ")),
        (503, lines(" next=abandon ")),
    ];
    let logged = logged.into_iter().filter(|(_, count)| *count > 0);
    rig.audit("app.log").code(0);
    [codes, logged.collect()]
}

/// What the tester counts is what log, metrics and summary say; and where it is killed, they agree without it.
fn counts_what_the_run_counts(tester: Start, report: Report) {
    for retries in RETRIES {
        for keep_alive in [true, false] {
            let rig = Rig::new();
            let (run, addr) = served(&rig, retries);
            let status = tester(&rig.path(""), addr, keep_alive).wait().unwrap();
            assert!(status.success(), "{}", rig.read("tester.out"));
            let counted = report(&rig);
            assert!(counted[&200] > 100, "{counted:?}");
            let expected = [counted.clone(), counted];
            assert_eq!(stop(&rig, run), expected, "{retries} {keep_alive}");
        }
    }
    let rig = Rig::new();
    let (run, addr) = served(&rig, "");
    let mut killed = tester(&rig.path(""), addr, true);
    run.until("app.log", " counter=50 ");
    killed.kill().unwrap();
    killed.wait().unwrap();
    let [told, logged] = stop(&rig, run);
    assert!(told[&200] >= 50);
    assert_eq!(told[&200], logged[&200]);
}

#[test]
#[ignore = "needs locust"]
fn locust_counts_what_the_run_counts() {
    counts_what_the_run_counts(locust, locust_report);
}

#[test]
#[ignore = "needs jmeter"]
fn jmeter_counts_what_the_run_counts() {
    counts_what_the_run_counts(jmeter, jmeter_report);
}
