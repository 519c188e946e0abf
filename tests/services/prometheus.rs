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
        let config = format!(
            "global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}\n\
             scrape_configs: [{{job_name: hifi, static_configs: [{{targets: ['{target}']}}]}}]\n"
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

    let run_id = summary["run"].as_str().expect("an id");
    let runs = prometheus.ask("label/run/values", &[("match[]", "hifi_run_info")]);
    assert_eq!(
        runs,
        serde_json::json!([run_id]),
        "the dashboard's variable has this run"
    );
    let dashboard = rig.hifi("dashboard").code(0).json();
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
            let (start, end) = (began.to_string(), now().to_string());
            let data = prometheus.ask(
                "query_range",
                &[
                    ("query", &asked),
                    ("start", &start),
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
    run.signal("INT");
    run.finish().code(0);
}
