use std::{
    env,
    fs::{self, File},
    io::{self, ErrorKind, Write},
    net::SocketAddr,
    process::{ChildStdin, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    http::{get, served_address},
    rig::{Rig, Started},
};

/// A log of this length is renamed, audited and removed: the disk need not hold minutes of it.
const PART_BYTES: u64 = 256 << 20;
/// With so much that waits for the audit, the run has to wait as well.
const BEHIND_BYTES: u64 = 2 << 30;
/// What memory may seem to grow by over the whole soak.
const NOISE_BYTES: f64 = 4.0 * 1024.0 * 1024.0;

/// The process at one moment.
#[derive(Clone, Copy, Debug)]
struct Scrape {
    seconds: f64,
    memory: f64,
    threads: f64,
    files: f64,
}

impl Scrape {
    fn read(metrics: &str, seconds: f64) -> Self {
        let value = |name: &str| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.trim().parse().ok())
                .unwrap_or_else(|| panic!("{name} in {metrics}"))
        };
        Self {
            seconds,
            memory: value("process_resident_memory_bytes "),
            threads: value("process_threads "),
            files: value("process_open_fds "),
        }
    }
}

/// How much memory grows in a second, by the line that fits the scrapes best.
fn slope(scrapes: &[Scrape]) -> f64 {
    let n = scrapes.len() as f64;
    let mean = |of: fn(&Scrape) -> f64| scrapes.iter().map(of).sum::<f64>() / n;
    let (x, y) = (mean(|s| s.seconds), mean(|s| s.memory));
    let covariance: f64 = scrapes
        .iter()
        .map(|s| (s.seconds - x) * (s.memory - y))
        .sum();
    covariance / scrapes.iter().map(|s| (s.seconds - x).powi(2)).sum::<f64>()
}

/// Scrapes as long as there is a server.
fn scrape(addr: SocketAddr) -> Vec<Scrape> {
    let (started, mut scrapes) = (Instant::now(), Vec::new());
    loop {
        match get(addr, "/metrics") {
            Ok((200, metrics)) => {
                scrapes.push(Scrape::read(&metrics, started.elapsed().as_secs_f64()));
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => return scrapes,
            // The run is held up by the audit, or about to end.
            _ => {}
        }
        thread::sleep(Duration::from_millis(250));
    }
}

/// Gives a part of the log to the audit, and removes it.
fn judge(rig: &Rig, part: &str, audit: &mut ChildStdin) {
    let mut bytes = File::open(rig.path(part)).unwrap();
    io::copy(&mut bytes, audit).expect("the audit reads on");
    fs::remove_file(rig.path(part)).unwrap();
}

/// Renames the log, waits until the run has opened it anew, and gives what it was to the audit. Where the audit cannot
/// keep up, the run waits for it.
fn rotate(rig: &Rig, run: &Started<'_>, audit: &mut ChildStdin) {
    fs::rename(rig.path("app.log"), rig.path("part")).unwrap();
    let renamed = Instant::now();
    while !rig.path("app.log").exists() {
        // The run may be over; then the part is its last.
        if renamed.elapsed() > Duration::from_secs(5) {
            break;
        }
        thread::sleep(Duration::from_millis(1));
    }
    let behind = fs::metadata(rig.path("part")).unwrap().len() > BEHIND_BYTES;
    if behind {
        run.signal("STOP");
    }
    judge(rig, "part", audit);
    if behind {
        run.signal("CONT");
    }
}

/// Ten minutes at full speed, or as many seconds as `HIFI_SOAK_SECONDS` says, with metrics, samples and scrapes.
#[test]
#[ignore = "long: a part of cargo test --test cli faults -- --ignored; HIFI_SOAK_SECONDS is its length, 600 without"]
fn a_soak_keeps_memory_threads_and_descriptors_and_is_audited_clean() {
    let seconds: u64 = env::var("HIFI_SOAK_SECONDS").map_or(600, |seconds| {
        seconds.parse().expect("HIFI_SOAK_SECONDS is a number")
    });
    let rig = Rig::new();
    let mut command = rig.command(&format!(
        "-t 4 -n unlimited --time-scale 0 --duration {seconds}s --sample-interval 1s --stall-after 60s \
         --metrics-addr 127.0.0.1:0 --summary json -q"
    ));
    command
        .stderr(File::create(rig.path("console")).unwrap())
        .stdout(Stdio::piped());
    let mut audit = rig.command("audit --format json -");
    audit.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut audit = audit.spawn().unwrap();
    let mut lines = audit.stdin.take().unwrap();

    let run = rig.start_command(command);
    run.until("console", "http://");
    let addr = served_address(&rig.read("console"), "metrics").unwrap();
    let scraper = thread::spawn(move || scrape(addr));
    while !scraper.is_finished() {
        if fs::metadata(rig.path("app.log")).is_ok_and(|log| log.len() > PART_BYTES) {
            rotate(&rig, &run, &mut lines);
        }
        thread::sleep(Duration::from_millis(250));
    }
    let summary = run.finish().code(0).json();
    let mut scrapes = scraper.join().unwrap();
    if rig.path("app.log").exists() {
        judge(&rig, "app.log", &mut lines);
    }
    lines.flush().unwrap();
    drop(lines);
    let verdict = audit.wait_with_output().unwrap();
    assert_eq!(
        verdict.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&verdict.stdout)
    );
    let verdict: Value = serde_json::from_slice(&verdict.stdout).unwrap();
    assert_eq!(verdict["runs"][0]["lines"], summary["log_lines"]);

    // What grows at first, as buffers do, is no leak; at the end threads go.
    let steady = seconds as f64 / 10.0..seconds as f64 - 1.0;
    scrapes.retain(|scrape| steady.contains(&scrape.seconds));
    assert!(scrapes.len() as u64 > seconds / 10, "{scrapes:?}");
    eprintln!("soak of {seconds} s: {} lines", summary["log_lines"]);
    nothing_grows(&scrapes, seconds);
}

/// Whether memory, threads and descriptors are at the end what they were at the beginning.
fn nothing_grows(scrapes: &[Scrape], seconds: u64) {
    let growth = slope(scrapes) * seconds as f64;
    let range = |of: fn(&Scrape) -> f64| {
        let values = scrapes.iter().map(of);
        (
            values.clone().fold(f64::MAX, f64::min),
            values.fold(0.0, f64::max),
        )
    };
    let (memory, threads, files) = (
        range(|s| s.memory),
        range(|s| s.threads),
        range(|s| s.files),
    );
    eprintln!(
        "{} scrapes; memory {:.1} to {:.1} MiB, {:+.0} KiB over the whole of it; \
         threads {threads:?}, descriptors {files:?}",
        scrapes.len(),
        memory.0 / 1_048_576.0,
        memory.1 / 1_048_576.0,
        growth / 1024.0
    );
    assert!(
        growth < NOISE_BYTES,
        "memory grows by {growth} bytes in {seconds} s"
    );
    assert_eq!(threads.0, threads.1, "threads come or go");
    // A scrape's own connection, one that is being closed, and a log that is being opened anew.
    assert!(files.1 - files.0 <= 3.0, "descriptors come: {files:?}");
    assert!(
        scrapes[scrapes.len() - 1].files <= scrapes[0].files + 2.0,
        "{files:?}"
    );
}
