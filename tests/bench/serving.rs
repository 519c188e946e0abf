//! Serving: requests a second of the program, each an operation, beside a bare hyper server that answers a constant.
//!
//! `wrk` asks both, one after the other; a ratio is taken round by round, and its median is quoted. The bare server is run as a
//! process of its own: the benchmark starts itself once more.

use std::{
    convert::Infallible,
    env,
    fs::{self, File},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use http_body_util::Full;
use hyper::{Request, Response, body::Bytes, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;

use super::race::median;

/// The variable that asks for the bare server.
pub(crate) const ASKED_FOR: &str = "HIFI_BARE_SERVER";

/// As long as an answer of the program.
const CONSTANT: &str = "{\"outcome\":\"completed\",\"worker\":3,\"iteration\":12345,\"attempts\":1,\"counter\":123456}\n";

/// Connections, and how long a round takes.
const CONNECTIONS: [u32; 3] = [1, 16, 64];
const SECONDS: u32 = 3;

pub(crate) fn is_asked_for() -> bool {
    env::var_os(ASKED_FOR).is_some()
}

/// Serves the constant until it is killed.
pub(crate) fn run_bare_server() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        eprintln!(
            "served on http://{}/operations",
            listener.local_addr().unwrap()
        );
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = service_fn(|_: Request<_>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                    CONSTANT.as_bytes(),
                ))))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
}

/// What `wrk` measured: requests a second, and the 99th percentile of their time in seconds.
struct Measured {
    rate: f64,
    p99: f64,
}

/// Runs `rounds` rounds and prints what came of them.
pub(crate) fn print(rounds: usize) {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("Serving is left out: install wrk (Debian: wrk).\n");
        return;
    }
    println!(
        "Requests a second in those of a bare hyper server, and p99 in its p99, {rounds} rounds:"
    );
    for connections in CONNECTIONS {
        let (mut rates, mut p99s) = (Vec::new(), Vec::new());
        for round in 0..=rounds {
            let folder = tempfile::tempdir().unwrap();
            let mut bare = Command::new(env::current_exe().unwrap());
            bare.env(ASKED_FOR, "1");
            let bare = measure(folder.path(), bare, connections);
            // The console is off: it would be a second file to write.
            let mut program = Command::new(env!("CARGO_BIN_EXE_hifi"));
            program.args(["--serve", "127.0.0.1:0", "--time-scale", "0", "-q"]);
            let program = measure(folder.path(), program, connections);
            if round > 0 {
                rates.push(program.rate / bare.rate);
                p99s.push(program.p99 / bare.p99);
            }
        }
        println!(
            "  {:6.2}  {:6.2}  {connections} connections",
            median(rates),
            median(p99s)
        );
    }
    println!();
}

/// Runs a server in the folder, asks it, and ends it.
fn measure(folder: &Path, mut server: Command, connections: u32) -> Measured {
    let console = folder.join("console");
    server
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(File::create(&console).unwrap());
    let mut process = server.spawn().unwrap();
    let url = url(&console);
    let script = folder.join("post.lua");
    fs::write(&script, "wrk.method = 'POST'\n").unwrap();
    let wrk = Command::new("wrk")
        .args(["--latency", "-t1", "-c", &connections.to_string()])
        .args(["-d", &format!("{SECONDS}s"), "-s"])
        .arg(script)
        .arg(url)
        .output()
        .unwrap();
    end(&mut process);
    let said = String::from_utf8(wrk.stdout).unwrap();
    let after = |word: &str| said.split(word).nth(1)?.split_whitespace().next();
    let measured = || {
        Some(Measured {
            rate: after("Requests/sec:")?.parse().ok()?,
            p99: seconds(after(" 99%")?)?,
        })
    };
    measured().unwrap_or_else(|| panic!("{server:?} gave no answer to measure: {said}"))
}

/// A time as `wrk` writes it.
fn seconds(text: &str) -> Option<f64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let unit = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    number.parse().ok().map(|number: f64| number * unit)
}

/// Where a server says that it serves, as soon as it does.
fn url(console: &Path) -> String {
    loop {
        let said = fs::read_to_string(console).unwrap();
        if let Some(at) = said.find("http://")
            && let Some(end) = said[at..].find('\n')
        {
            return said[at..at + end].to_owned();
        }
        thread::sleep(Duration::from_millis(1));
    }
}

fn end(server: &mut Child) {
    let id = server.id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
    server.wait().unwrap();
}
