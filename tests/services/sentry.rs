use std::{
    env, fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::rig::{Rig, json_lines};

/// Nothing here takes this long on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A sidecar of our own, which ends with the test.
struct Sidecar {
    child: Child,
    addr: SocketAddr,
}

impl Sidecar {
    /// The folder in which the package is installed comes from the environment.
    fn start(rig: &Rig) -> Self {
        let program = env::var_os("HIFI_SENTRY_SIDECAR")
            .map(|folder| PathBuf::from(folder).join("node_modules/.bin/spotlight-sidecar"))
            .filter(|program| program.exists())
            .expect(
                "HIFI_SENTRY_SIDECAR must name the folder in which the npm package @spotlightjs/sidecar is installed \
                 (.ci/services installs it)",
            );
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = free.local_addr().unwrap();
        drop(free);
        let out = fs::File::create(rig.path("sidecar.out")).unwrap();
        let child = Command::new("node")
            .arg(program)
            .arg(addr.port().to_string())
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("node cannot be started ({error}): install it (Debian: nodejs)")
            });
        let sidecar = Self { child, addr };
        let started = Instant::now();
        while TcpStream::connect(addr).is_err() {
            assert!(started.elapsed() < PATIENCE, "the sidecar never came up");
            thread::sleep(Duration::from_millis(20));
        }
        sidecar
    }

    /// The first `count` events that it has received.
    fn events(&self, count: usize) -> Vec<Value> {
        let mut stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It compares this header word by word.
        stream
            .write_all(
                b"GET /stream HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n",
            )
            .unwrap();
        let mut events = Vec::new();
        for line in BufReader::new(stream).lines() {
            let line = line.unwrap();
            // Of the three lines of an envelope, the last one is the event.
            if let Some(event) = line
                .strip_prefix("data:")
                .filter(|data| data.contains("\"fingerprint\":"))
            {
                events.push(serde_json::from_str(event).unwrap());
                if events.len() == count {
                    break;
                }
            }
        }
        events
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs Sentry's sidecar"]
fn sentrys_own_receiver_gets_every_error_with_what_led_to_it() {
    let rig = Rig::new();
    let sidecar = Sidecar::start(&rig);
    let mut command = rig.command(
        "-t 4 -n 60 --failure-rate 0.5 --panic-rate 0.005 --seed 3 --time-scale 0 -q --log-format json --summary json",
    );
    command.env("SENTRY_DSN", format!("http://key@{}/1", sidecar.addr));
    let summary = rig.finish(command).code(1).json();
    let log = json_lines(&rig.read("app.log"));
    let errors: Vec<&Value> = log
        .iter()
        .filter(|line| line["level"] == "ERROR" && line["next"] != "retry")
        .collect();
    let panicked = summary["operations"]["panicked"].as_u64().unwrap();
    assert!(errors.len() > 5 && panicked > 0, "{summary}");
    assert_eq!(
        summary["sentry"],
        serde_json::json!({"errors": errors.len(), "delivered": errors.len()})
    );

    let events = sidecar.events(errors.len());
    for line in errors {
        let event = events
            .iter()
            .find(|event| {
                event["tags"]["worker"].as_str() == Some(&line["worker"].to_string())
                    && event["extra"]["iteration"] == line["iteration"]
            })
            .unwrap_or_else(|| panic!("{line} was not reported"));
        assert_eq!(event["tags"]["run"], line["run"]);
        assert_eq!(event["tags"]["seed"], "3");
        assert_eq!(event["extra"]["attempt"], line["attempt"]);
        let group = if line["next"] == "abandon" {
            serde_json::json!(["Operation abandoned: I/O operation failed: Random I/O failure!"])
        } else {
            serde_json::json!(["Unexpected error", line["error"]])
        };
        assert_eq!(event["fingerprint"], group);

        // The last twenty of the worker's failed attempts, this one included.
        let failed: Vec<(&Value, &Value)> = log
            .iter()
            .filter(|other| {
                other["worker"] == line["worker"] && other["seq"].as_u64() <= line["seq"].as_u64()
            })
            .filter(|other| other["next"].is_string())
            .map(|other| (&other["iteration"], &other["attempt"]))
            .collect();
        let trail: Vec<(&Value, &Value)> = event["breadcrumbs"]["values"]
            .as_array()
            .map_or(&[][..], Vec::as_slice)
            .iter()
            .map(|crumb| (&crumb["data"]["iteration"], &crumb["data"]["attempt"]))
            .collect();
        assert_eq!(trail, failed[failed.len().saturating_sub(20)..]);
    }
}

/// Of a great many that fail alike, a hundred are sent.
#[test]
#[ignore = "needs Sentry's sidecar"]
fn a_flood_of_errors_is_no_flood_of_requests() {
    let rig = Rig::new();
    let sidecar = Sidecar::start(&rig);
    let mut command = rig
        .command("-t 4 -n 50000 --failure-rate 1 --max-retries 0 --time-scale 0 -q --summary json");
    command.env("SENTRY_DSN", format!("http://key@{}/1", sidecar.addr));
    let summary = rig.finish(command).code(0).json();
    assert_eq!(summary["sentry"]["errors"], 200_000);
    let delivered = summary["sentry"]["delivered"].as_u64().unwrap();
    let seconds = summary["wall_seconds"].as_f64().unwrap().ceil() as u64;
    assert!((1..=100 + seconds).contains(&delivered), "{summary}");
}
