use std::{
    fs::{self, File},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    http::{exchange, get, served_address},
    rig::{Rig, Started},
};

/// A run that serves metrics, and the address; its output goes to the files `out` and `console`.
fn served<'a>(rig: &'a Rig, args: &str) -> (Started<'a>, SocketAddr) {
    let mut command = rig.command(&format!("{args} --metrics-addr 127.0.0.1:0 --summary json"));
    command.stdout(Stdio::from(File::create(rig.path("out")).expect("a file")));
    command.stderr(Stdio::from(
        File::create(rig.path("console")).expect("a file"),
    ));
    let run = rig.start_command(command);
    run.until("console", "/metrics\n");
    let addr = served_address(&rig.read("console"), "metrics").expect("an address");
    (run, addr)
}

/// The value of a series in Prometheus' text format.
fn sample(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

fn metrics(addr: SocketAddr) -> String {
    let (status, text) = get(addr, "/metrics").expect("an answer");
    assert_eq!(status, 200, "{text}");
    text
}

/// Series whose final values stand in the summary, and where.
const IN_SUMMARY: [(&str, &str); 11] = [
    (
        "hifi_attempts_total{outcome=\"success\"}",
        "/operations/completed",
    ),
    (
        "hifi_attempts_total{outcome=\"failure\"}",
        "/failed_attempts",
    ),
    (
        "hifi_attempts_total{outcome=\"panic\"}",
        "/operations/panicked",
    ),
    (
        "hifi_operations_total{outcome=\"completed\"}",
        "/operations/completed",
    ),
    (
        "hifi_operations_total{outcome=\"abandoned\"}",
        "/operations/abandoned",
    ),
    ("hifi_retries_total", "/retries"),
    ("hifi_data_items", "/data_length"),
    ("hifi_data_dropped_total", "/dropped_items"),
    ("hifi_workers{state=\"ended\"}", "/workers"),
    ("hifi_lock_wait_seconds_count", "/operations/completed"),
    ("hifi_log_lines_total{sink=\"file\"}", "/log_lines"),
];

#[test]
fn final_figures_are_those_of_the_summary() {
    let rig = Rig::new();
    let (run, addr) = served(
        &rig,
        "-t 4 -n 500 --time-scale 0 --data-limit 100 --max-retries 1 --metrics-linger 1h --metrics-file hifi.prom -q",
    );
    run.until("out", "}\n");
    let text = metrics(addr);
    let summary: Value = serde_json::from_str(&rig.read("out")).expect("a summary");
    for (series, pointer) in IN_SUMMARY {
        let expected = summary.pointer(pointer).and_then(Value::as_f64);
        assert_eq!(sample(&text, series), expected, "{series} in {text}");
    }
    for (series, expected) in [
        ("hifi_operation_seconds_count", 2000.0),
        ("hifi_log_errors_total{sink=\"file\"}", 0.0),
    ] {
        assert_eq!(sample(&text, series), Some(expected), "{series} in {text}");
    }
    let info = format!(
        "hifi_run_info{{run=\"{}\",seed=\"{}\",version=\"{}\"}}",
        summary["run"].as_str().unwrap_or_default(),
        summary["seed"],
        env!("CARGO_PKG_VERSION")
    );
    assert_eq!(sample(&text, &info), Some(1.0), "{info} in {text}");
    for series in [
        "hifi_lock_hold_seconds_count",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_resident_memory_bytes",
    ] {
        assert!(sample(&text, series).is_some(), "{series} in {text}");
    }
    let served: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("process_"))
        .collect();
    assert_eq!(
        rig.read("hifi.prom").lines().collect::<Vec<_>>(),
        served,
        "the file tells the same"
    );

    assert_eq!(
        get(addr, "/healthz").expect("an answer"),
        (200, "ok\n".into())
    );
    let (_, threads) = get(addr, "/threads").expect("an answer");
    assert!(
        threads.contains("\"Worker-3\" #3 os_thread=") && threads.contains(" ended for "),
        "{threads}"
    );
    assert_eq!(get(addr, "/").expect("an answer").0, 404);
    let post = exchange(
        addr,
        b"POST /metrics HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(post.expect("an answer").0, 405);

    run.signal("QUIT");
    run.until("console", "No deadlock found.");
    run.signal("TERM");
    run.finish().code(0);
}

#[test]
fn a_run_is_seen_while_it_lasts() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 3 --failure-rate 1 --retry-delay 1h");
    for worker in 0..3 {
        run.until("app.log", &format!(" Worker-{worker} I/O operation failed"));
    }
    while sample(&metrics(addr), "hifi_workers{state=\"backing_off\"}") != Some(3.0) {}
    let text = metrics(addr);
    assert_eq!(
        sample(&text, "hifi_attempts_total{outcome=\"failure\"}"),
        Some(3.0),
        "{text}"
    );
    let (_, threads) = get(addr, "/threads").expect("an answer");
    assert!(
        threads.contains(" sleeping after a failure for "),
        "{threads}"
    );
    run.signal("INT");
    run.finish().code(130);
}

/// Clients of every bad kind, all at once; they are still there when the run ends.
#[test]
fn no_client_harms_the_run_or_a_scrape() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 3 --failure-rate 1 --retry-delay 1h");
    let mut clients: Vec<TcpStream> = (0..500)
        .map(|_| TcpStream::connect(addr).expect("a connection"))
        .collect();
    let mut stuck = TcpStream::connect(addr).expect("a connection");
    stuck
        .write_all(b"GET /metr")
        .expect("the first bytes are taken");
    metrics(addr);

    let mut garbage = TcpStream::connect(addr).expect("a connection");
    garbage
        .write_all(&[0xff, 0, b'\n', b'\r'].repeat(1000))
        .expect("garbage is taken");
    clients.extend([stuck, garbage]);
    metrics(addr);

    let mut large = TcpStream::connect(addr).expect("a connection");
    // The server may hang up in the middle of it.
    let _ = large
        .write_all(b"GET /metrics HTTP/1.1\r\nX: ")
        .and_then(|()| large.write_all(&vec![b'a'; 1 << 20]));
    let mut answer = Vec::new();
    let _ = large.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
        "{answer}"
    );

    let text = metrics(addr);
    assert!(
        sample(&text, "process_open_fds") < Some(200.0),
        "connections are bounded: {text}"
    );
    run.signal("INT");
    run.finish().code(130);
    let summary: Value = serde_json::from_str(&rig.read("out")).expect("a summary");
    assert_eq!(
        summary["problems"].as_array().map(Vec::len),
        Some(0),
        "{summary}"
    );
}

#[test]
fn a_client_that_sends_a_byte_a_second_is_hung_up_on() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 1 --failure-rate 1 --retry-delay 1h");
    let slow = thread::spawn(move || bytes_taken_one_a_second(addr));
    metrics(addr);
    let taken = slow.join().expect("the slow client comes to an end");
    assert!((3..=10).contains(&taken), "{taken} bytes");
    metrics(addr);
    run.signal("INT");
    run.finish().code(130);
}

/// Sends a request a byte a second, and says how many it could until the server hung up.
fn bytes_taken_one_a_second(addr: SocketAddr) -> usize {
    let mut client = TcpStream::connect(addr).expect("a connection");
    client
        .set_read_timeout(Some(Duration::from_secs(1)))
        .expect("a time-out");
    let request = b"GET /metrics HTTP/1.1\r\nHost: a client of great patience\r\n\r\n";
    for (taken, byte) in request.iter().enumerate() {
        let waits = client.write_all(&[*byte]).is_ok()
            && matches!(client.read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        if !waits {
            return taken;
        }
    }
    panic!("the server took {} seconds of it", request.len());
}

#[test]
fn an_address_in_use_is_told_before_anything_is_created() {
    let rig = Rig::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("an address");
    let addr = taken.local_addr().expect("an address");
    rig.hifi(&format!("--metrics-addr {addr}"))
        .code(1)
        .complains(&format!(
            "cannot serve metrics on {addr}; choose another address with --metrics-addr"
        ))
        .complains("Address already in use");
    assert_eq!(fs::read_dir(rig.path("")).expect("a folder").count(), 0);
}

#[test]
fn a_metrics_file_that_cannot_be_written_is_an_error() {
    let rig = Rig::new();
    fs::create_dir(rig.path("sub")).expect("a folder");
    let mut command =
        rig.command("-t 1 --failure-rate 1 --retry-delay 1h --metrics-file sub/hifi.prom");
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let run = rig.start_command(command);
    run.until("app.log", "next=retry");
    fs::remove_dir(rig.path("sub")).expect("the folder can go");
    run.signal("INT");
    run.finish().code(1).prints(
        "PROBLEM         the metrics file sub/hifi.prom could not be written: No such file",
    );
}

/// Whatever way the metrics would go into the log's own file, or into that of a stream, nothing is created.
#[test]
fn a_metrics_file_that_is_written_otherwise_is_refused() {
    let rig = Rig::new();
    for (prepare, args, why) in [
        (
            "",
            "--metrics-file app.log",
            "the log goes there (--log-file app.log)",
        ),
        (
            "",
            "--metrics-file ../$(basename $PWD)/app.log",
            "the log goes there",
        ),
        (
            "ln -s app.log link",
            "--metrics-file link",
            "the log goes there",
        ),
        (
            "ln -s app.log link; ln -s link further",
            "--metrics-file app.log --log-file further",
            "the log goes there",
        ),
        (
            "touch a; ln a b",
            "--metrics-file a --log-file b",
            "the log goes there",
        ),
        (
            "",
            "--rotation daily --metrics-file app.log.$(date -u +%F)",
            "the log goes there",
        ),
        (
            "",
            "--metrics-file /dev/stdout > out",
            "standard output goes there",
        ),
        ("", "--metrics-file err 2> err", "standard error goes there"),
        (
            "",
            "--metrics-file /proc/hifi.prom",
            "nothing can be written to its folder",
        ),
    ] {
        fs::remove_dir_all(rig.path("in")).ok();
        fs::create_dir(rig.path("in")).expect("a folder");
        let mut shell = std::process::Command::new("bash");
        let hifi = env!("CARGO_BIN_EXE_hifi");
        let script =
            format!("{prepare}\n'{hifi}' --time-scale 0 -n 1 {args}\ncode=$?; cat err; exit $code");
        shell.args(["-c", &script]);
        shell.current_dir(rig.path("in"));
        let finished = rig.finish(shell).code(2);
        let said = finished.stdout() + &finished.stderr();
        assert!(said.contains(why), "{args}: {said}");
        assert!(!rig.path("in/app.log").exists(), "{args}");
    }
}

/// A device or a pipe is written into, and stays what it is.
#[test]
fn a_metrics_file_that_is_no_regular_file_is_written_into() {
    let rig = Rig::new();
    let finished = rig
        .hifi("-n 1 --time-scale 0 -q --metrics-file /dev/stdout")
        .code(0);
    let finished = finished.prints("hifi_attempts_total{outcome=\"success\"} ");
    finished.prints("Run ");
    rig.hifi("-n 1 --time-scale 0 -q --metrics-file /dev/null")
        .code(0);
    assert!(!fs::metadata("/dev/null").expect("it is there").is_file());
}

#[test]
fn bad_values_are_refused_before_anything_is_created() {
    let rig = Rig::new();
    for (args, said) in [
        (
            "--metrics-addr 9464",
            "--metrics-addr <ADDR>': an IP address and a port are needed",
        ),
        ("--metrics-addr localhost:x", "'localhost:x'"),
        (
            "--metrics-addr 127.0.0.1:0 --metrics-linger ten",
            "--metrics-linger <TIME>",
        ),
        ("--metrics-linger 1s", "--metrics-addr <ADDR>"),
        (
            "--metrics-file no/such/file",
            "its folder no/such cannot be used",
        ),
        ("--metrics-file .", "it is a folder; name a file in it"),
        ("--stall-after 0", "at least 1ms is needed"),
        ("--sample-interval 10us", "at least 1ms is needed"),
        ("--sample-interval -1s", "--sample-interval <TIME>"),
        ("completions ksh", "possible values: bash, zsh, fish"),
    ] {
        rig.hifi(args).code(2).complains(said);
    }
    assert_eq!(fs::read_dir(rig.path("")).expect("a folder").count(), 0);
}

#[test]
fn completions_and_the_dashboard_are_printed() {
    let rig = Rig::new();
    for (shell, text) in [
        ("bash", "complete -F _hifi"),
        ("zsh", "#compdef hifi"),
        ("fish", "complete -c hifi"),
    ] {
        rig.hifi(&format!("completions {shell}"))
            .code(0)
            .prints(text)
            .prints("metrics-addr");
    }
    let page = rig.hifi("man").code(0);
    page.prints(".TH hifi 1").prints("\\-\\-metrics\\-addr");
    let dashboard = rig.hifi("dashboard").code(0).json();
    assert_eq!(dashboard["title"], "hifi");
    assert_eq!(fs::read_dir(rig.path("")).expect("a folder").count(), 0);
}
