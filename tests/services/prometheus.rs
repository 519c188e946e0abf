use std::{
    fs::{self, File},
    io::Write,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::Value;

use crate::{
    http::{exchange, get, served_address},
    rig::Rig,
};

/// Nothing here takes this long on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Prometheus of our own, which ends with the test.
struct Prometheus {
    child: Child,
    addr: SocketAddr,
}

impl Prometheus {
    fn scraping(rig: &Rig, target: SocketAddr) -> Self {
        Self::with(rig, target, "200ms", "")
    }

    /// One that scrapes `target` so often; `more` is more of its configuration.
    fn with(rig: &Rig, target: SocketAddr, interval: &str, more: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: {interval}, scrape_timeout: {interval}, evaluation_interval: 200ms}}\n\
             scrape_configs: [{{job_name: hifi, static_configs: [{{targets: ['{target}']}}]}}]\n{more}"
        );
        fs::write(rig.path("prometheus.yml"), config).expect("a configuration");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = free.local_addr().expect("an address");
        drop(free);
        let log = File::create(rig.path("prometheus.out")).expect("a file");
        let child = Command::new("prometheus")
            .arg(format!(
                "--config.file={}",
                rig.path("prometheus.yml").display()
            ))
            .arg(format!(
                "--storage.tsdb.path={}",
                rig.path("tsdb").display()
            ))
            .arg(format!("--web.listen-address={addr}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| {
                panic!("prometheus cannot be started ({error}): install it (Debian: prometheus)")
            });
        let service = Self { child, addr };
        eventually("Prometheus is ready", || {
            get(addr, "/-/ready").is_ok_and(|(status, _)| status == 200)
        });
        service
    }

    fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Value {
        let query: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let (status, body) =
            get(self.addr, &format!("/api/v1/{path}?{}", query.join("&"))).expect("an answer");
        let answer: Value =
            serde_json::from_str(&body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert!(
            status == 200 && answer["status"] == "success",
            "{parameters:?}: {answer}"
        );
        answer["data"].clone()
    }

    /// The value of a query that has one series.
    fn value(&self, query: &str) -> Option<f64> {
        self.ask("query", &[("query", query)])["result"][0]["value"][1]
            .as_str()?
            .parse()
            .ok()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).into()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn promtool(text: &str) {
    let mut child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("promtool cannot be started ({error}): install it (Debian: prometheus)")
        });
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(text.as_bytes())
        .expect("promtool reads");
    let output = child.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "promtool: {}\n{text}",
        String::from_utf8_lossy(&said)
    );
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock")
        .as_secs_f64()
}

/// Asks for one operation after the other, each on a connection of its own, until nobody answers.
fn ask_until_the_end(addr: SocketAddr) {
    let request = b"POST /operations HTTP/1.0\r\n\r\n";
    while exchange(addr, request).is_ok() {}
}

#[test]
#[ignore = "needs prometheus"]
fn a_real_prometheus_stores_the_figures_of_the_summary() {
    let rig = Rig::new();
    let mut command = rig.command(
        "-t 4 -n 300 --time-scale 0.1 --data-limit 500 --max-retries 1 --metrics-addr 127.0.0.1:0 --metrics-linger 1h \
         --serve 127.0.0.1:0 --metrics-file hifi.prom --summary json --quiet",
    );
    command.stdout(File::create(rig.path("out")).expect("a file"));
    command.stderr(File::create(rig.path("console")).expect("a file"));
    let began = now();
    let run = rig.start_command(command);
    run.until("console", "/metrics\n");
    let target = served_address(&rig.read("console"), "metrics").expect("an address");
    let prometheus = Prometheus::scraping(&rig, target);
    promtool(&get(target, "/metrics").expect("an answer").1);
    let asked = served_address(&rig.read("console"), "operations").expect("an address");
    let clients: Vec<_> = (0..8)
        .map(|_| thread::spawn(move || ask_until_the_end(asked)))
        .collect();
    run.until("out", "}\n");
    for client in clients {
        client.join().expect("a client ends");
    }
    let summary: Value = serde_json::from_str(&rig.read("out")).expect("a summary");
    promtool(&get(target, "/metrics").expect("an answer").1);
    promtool(&rig.read("hifi.prom"));

    stores(&prometheus, &summary);
    let run_id = summary["run"].as_str().expect("an id");
    let runs = prometheus.ask("label/run/values", &[("match[]", "hifi_run_info")]);
    assert_eq!(
        runs,
        serde_json::json!([run_id]),
        "the dashboard's variable has this run"
    );
    let dashboard = rig.hifi("dashboard").code(0).json();
    shows_the_run_alone(&prometheus, &dashboard, run_id, &began.to_string());
    run.signal("INT");
    run.finish().code(0);
}

fn stores(prometheus: &Prometheus, summary: &Value) {
    let ops = &summary["operations"];
    for (query, expected) in [
        (
            "hifi_attempts_total{outcome=\"success\"}",
            &ops["completed"],
        ),
        (
            "hifi_attempts_total{outcome=\"failure\"}",
            &summary["failed_attempts"],
        ),
        ("hifi_attempts_total{outcome=\"panic\"}", &ops["panicked"]),
        (
            "hifi_operations_total{outcome=\"completed\"}",
            &ops["completed"],
        ),
        (
            "hifi_operations_total{outcome=\"abandoned\"}",
            &ops["abandoned"],
        ),
        ("hifi_retries_total", &summary["retries"]),
        ("hifi_data_items", &summary["data_length"]),
        ("hifi_data_dropped_total", &summary["dropped_items"]),
        ("hifi_workers{state=\"ended\"}", &summary["workers"]),
        ("hifi_log_lines_total{sink=\"file\"}", &summary["log_lines"]),
        (
            "hifi_log_lines_total{sink=\"console\"}",
            &summary["console"]["lines"],
        ),
        ("sum(hifi_log_errors_total)", &0.into()),
        ("hifi_operation_seconds_count", &1200.into()),
        (
            "hifi_requests_total{code=\"200\"}",
            &summary["requests"]["200"],
        ),
        (
            "hifi_requests_total{code=\"503\"}",
            &summary["requests"]["503"],
        ),
        ("hifi_lock_wait_seconds_count", &ops["completed"]),
    ] {
        let expected = expected.as_f64();
        assert!(expected.is_some(), "{query}");
        // The last scrape before the end comes first, and the first one after it a moment later.
        eventually(&format!("{query} is {expected:?}"), || {
            prometheus.value(query) == expected
        });
    }
}

/// Each query of the dashboard has data of the run, and none of another.
fn shows_the_run_alone(prometheus: &Prometheus, dashboard: &Value, run_id: &str, start: &str) {
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("queries"))
        .map(|target| target["expr"].as_str().expect("a query"))
        .collect();
    assert!(panels.len() >= 10 && queries.len() >= panels.len());
    for query in queries {
        for run in [run_id, ".*"] {
            let asked = query.replace("$__rate_interval", "2s").replace("$run", run);
            let end = now().to_string();
            let data = prometheus.ask(
                "query_range",
                &[
                    ("query", &asked),
                    ("start", start),
                    ("end", &end),
                    ("step", "0.2"),
                ],
            );
            let series = data["result"].as_array().expect("series");
            let numbers = series
                .iter()
                .flat_map(|series| series["values"].as_array().expect("values"))
                .filter(|value| {
                    value[1]
                        .as_str()
                        .and_then(|text| text.parse::<f64>().ok())
                        .is_some_and(f64::is_finite)
                })
                .count();
            assert!(numbers > 0, "no data for {asked}: {data}");
        }
        let other = query
            .replace("$__rate_interval", "2s")
            .replace("$run", "none");
        let data = prometheus.ask("query", &[("query", &other)]);
        assert_eq!(
            data["result"],
            serde_json::json!([]),
            "another run's data for {other}"
        );
    }
}

/// The alert rules that the README names.
const RULES: &str = include_str!("alerts.yaml");

/// How the series of the unit tests go on, and when which alert fires.
const RULES_TESTS: &str = r#"
rule_files: [rules.yml]
evaluation_interval: 15s
tests:
  - interval: 15s
    input_series:
      - series: 'hifi_audit_findings_total{kind="lost", instance="a", job="canary"}'
        values: '0x20 3x100'
      - series: 'hifi_audit_findings_total{kind="late", instance="a", job="canary"}'
        values: '0x60 3x60'
      - series: 'hifi_audit_findings_total{kind="duplicated", instance="a", job="canary"}'
        values: '0x40 1x80'
      - series: 'hifi_audit_last_line_timestamp_seconds{instance="a", job="canary"}'
        values: '0+15x20 300x100'
      - series: 'hifi_audit_delay_seconds_bucket{le="1.048576", instance="a", job="canary"}'
        values: '0+100x20 2000+10x100'
      - series: 'hifi_audit_delay_seconds_bucket{le="16.777216", instance="a", job="canary"}'
        values: '0+100x20 2000+100x100'
      - series: 'hifi_audit_delay_seconds_bucket{le="+Inf", instance="a", job="canary"}'
        values: '0+100x20 2000+100x100'
    alert_rule_test:
      - {eval_time: 4m, alertname: HifiLinesLost, exp_alerts: []}
      - eval_time: 5m30s
        alertname: HifiLinesLost
        exp_alerts:
          - exp_labels: {severity: critical, instance: a, job: canary, kind: lost}
            exp_annotations: {summary: "a has lost lines"}
      - {eval_time: 25m, alertname: HifiLinesLost, exp_alerts: []}
      - {eval_time: 9m, alertname: HifiLinesWrong, exp_alerts: []}
      - eval_time: 10m30s
        alertname: HifiLinesWrong
        exp_alerts:
          - exp_labels: {severity: warning, instance: a, job: canary, kind: duplicated}
            exp_annotations: {summary: "a has lines that are duplicated"}
      - {eval_time: 5m, alertname: HifiSilent, exp_alerts: []}
      - eval_time: 8m
        alertname: HifiSilent
        exp_alerts:
          - exp_labels: {severity: critical, instance: a, job: canary}
            exp_annotations: {summary: "nothing has come to a for two minutes"}
      - {eval_time: 4m, alertname: HifiSlow, exp_alerts: []}
      - eval_time: 15m
        alertname: HifiSlow
        exp_alerts:
          - exp_labels: {severity: warning, instance: a, job: canary}
            exp_annotations: {summary: "one of a hundred lines takes over ten seconds to a"}
"#;

#[test]
#[ignore = "needs prometheus"]
fn the_alert_rules_of_the_readme_pass_their_unit_tests() {
    let rig = Rig::new();
    fs::write(rig.path("rules.yml"), RULES).expect("a file");
    fs::write(rig.path("tests.yml"), RULES_TESTS).expect("a file");
    for args in [
        ["check", "rules", "rules.yml"],
        ["test", "rules", "tests.yml"],
    ] {
        let mut command = Command::new("promtool");
        command.args(args).current_dir(rig.path(""));
        rig.finish(command).code(0);
    }
}

/// A line is lost, and the alert fires within patience and two scrapes.
#[test]
#[ignore = "needs prometheus"]
fn an_alert_fires_when_a_line_is_lost() {
    const PATIENCE_OF_CANARY: Duration = Duration::from_secs(2);
    const SCRAPE: Duration = Duration::from_secs(1);
    let rig = Rig::new();
    rig.hifi("-t 3 -n 40 --seed 7 --time-scale 0 -q --summary none --log-file whole.log")
        .code(0);
    let whole = rig.read("whole.log");
    let lines: Vec<&str> = whole.lines().collect();
    fs::write(rig.path("followed"), lines[..60].join("\n") + "\n").expect("a file");
    let mut command =
        rig.command("audit --follow --patience 2s --metrics-addr 127.0.0.1:0 followed");
    command.stdout(Stdio::null());
    command.stderr(File::create(rig.path("console")).expect("a file"));
    let canary = rig.start_command(command);
    canary.until("console", "/metrics\n");
    let target = served_address(&rig.read("console"), "metrics").expect("an address");
    promtool(&get(target, "/metrics").expect("an answer").1);
    fs::write(rig.path("rules.yml"), RULES).expect("a file");
    let prometheus = Prometheus::with(&rig, target, "1s", "rule_files: [rules.yml]\n");
    let scraped = "hifi_audit_lines_total";
    eventually("a scrape", || prometheus.value(scraped) == Some(60.0));
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(rig.path("followed"))
        .expect("a file");
    let lost = Instant::now();
    file.write_all((lines[61..100].join("\n") + "\n").as_bytes())
        .expect("a file");
    let fires = "ALERTS{alertname=\"HifiLinesLost\",alertstate=\"firing\"}";
    eventually("the alert", || prometheus.value(fires) == Some(1.0));
    let after = lost.elapsed();
    eprintln!("the alert fires {after:?} after the loss");
    assert!(after <= PATIENCE_OF_CANARY + 2 * SCRAPE, "{after:?}");
    let dashboard = rig.hifi("dashboard --audit").code(0).json();
    let panels = dashboard["panels"].as_array().expect("panels");
    for target in panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("queries"))
    {
        let query = target["expr"].as_str().expect("a query");
        let asked = query
            .replace("$__rate_interval", "10s")
            .replace("$instance", ".*");
        let data = prometheus.ask("query", &[("query", &asked)]);
        assert_ne!(data["result"], serde_json::json!([]), "no data for {asked}");
    }
    canary.signal("TERM");
    canary.finish();
}
