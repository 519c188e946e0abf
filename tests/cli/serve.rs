use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Stdio,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::{
    http::{get, served_address},
    rig::{Rig, Started, Tmpfs, is_root},
};

/// A run that carries out operations on request, and the address; its output goes to the files `out` and `console`.
fn served<'a>(rig: &'a Rig, args: &str) -> (Started<'a>, SocketAddr) {
    let mut command = rig.command(&format!("--serve 127.0.0.1:0 --summary json {args}"));
    command.stdout(Stdio::from(File::create(rig.path("out")).unwrap()));
    command.stderr(Stdio::from(File::create(rig.path("console")).unwrap()));
    let run = rig.start_command(command);
    run.until("console", "/operations\n");
    let addr = served_address(&rig.read("console"), "operations").unwrap();
    (run, addr)
}

fn summary(rig: &Rig) -> Value {
    serde_json::from_str(&rig.read("out")).unwrap()
}

/// A client that keeps its connection.
struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Answer {
    status: u16,
    /// In lower case.
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Client {
    fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, request: &str) -> io::Result<()> {
        self.0.get_mut().write_all(request.as_bytes())
    }

    fn ask(&mut self) -> io::Result<()> {
        self.send("POST /operations HTTP/1.1\r\nHost: test\r\n\r\n")
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length = length.lines().next().unwrap().parse().unwrap();
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(Answer {
            status,
            head,
            body: String::from_utf8(body).unwrap(),
        })
    }

    fn post(&mut self) -> io::Result<Answer> {
        self.ask()?;
        self.answer()
    }

    fn exchange(&mut self, request: &str) -> Answer {
        self.send(request).unwrap();
        self.answer().unwrap()
    }
}

/// Adds an answer's code to those that were counted.
fn count(codes: &mut BTreeMap<u16, u64>, answer: &Answer) {
    *codes.entry(answer.status).or_default() += 1;
}

fn codes_of(summary: &Value) -> BTreeMap<u16, u64> {
    serde_json::from_value(summary["requests"].clone()).unwrap()
}

/// The line of the log that an answer speaks of.
fn line_of(answer: &Value) -> String {
    format!(
        " worker={} seq= iteration={} attempt={} counter={} ",
        answer["worker"], answer["iteration"], answer["attempts"], answer["counter"]
    )
}

/// The lines of the log's completed operations in the form of [`line_of`]. One that a full disk has cut is left out.
fn completed_lines(log: &str) -> BTreeSet<String> {
    let field = |line: &str, name: &str| {
        let value = line.split(&format!(" {name}=")).nth(1)?;
        Some(value.split_once(' ')?.0.to_owned())
    };
    log.lines()
        .filter(|line| line.contains(" Operation result: "))
        .filter_map(|line| {
            Some(format!(
                " worker={} seq= iteration={} attempt={} counter={} ",
                field(line, "worker")?,
                field(line, "iteration")?,
                field(line, "attempt")?,
                field(line, "counter")?
            ))
        })
        .collect()
}

#[test]
fn each_request_is_one_operation() {
    for flush in ["0", "5ms"] {
        let rig = Rig::new();
        let (run, addr) = served(
            &rig,
            &format!(
                "-t 3 --time-scale 0 --max-retries 1 --seed 5 -q --flush-interval {flush} \
                 --metrics-addr 127.0.0.1:0 --metrics-file hifi.prom"
            ),
        );
        let mut client = Client::connect(addr);
        let (mut codes, mut completed) = (BTreeMap::new(), Vec::new());
        for _ in 0..300 {
            let answer = client.post().unwrap();
            count(&mut codes, &answer);
            assert!(answer.head.contains("content-type: application/json"));
            match answer.status {
                200 => {
                    assert_eq!(answer.json()["outcome"], "completed");
                    completed.push(line_of(&answer.json()));
                    if flush == "0" {
                        assert!(
                            completed_lines(&rig.read("app.log"))
                                .contains(&completed[completed.len() - 1])
                        );
                    }
                }
                _ => assert_eq!(answer.json()["outcome"], "abandoned"),
            }
        }
        assert!(codes[&200] > 200 && codes[&503] > 5, "{codes:?}");
        run.until("console", "/metrics\n");
        let (_, text) = get(
            served_address(&rig.read("console"), "metrics").unwrap(),
            "/metrics",
        )
        .unwrap();
        for line in [
            format!("hifi_requests_total{{code=\"200\"}} {}", codes[&200]),
            format!("hifi_requests_total{{code=\"503\"}} {}", codes[&503]),
            "hifi_request_seconds_count 300".into(),
            "hifi_workers{state=\"idle\"} 3".into(),
        ] {
            assert!(text.contains(&line), "{line} in {text}");
        }
        run.signal("TERM");
        run.finish().code(143);
        let summary = summary(&rig);
        assert_eq!(codes_of(&summary), codes);
        assert_eq!(summary["operations"]["completed"], codes[&200]);
        assert_eq!(summary["operations"]["abandoned"], codes[&503]);
        assert_eq!(summary["problems"], serde_json::json!([]));
        assert!(
            rig.read("hifi.prom")
                .contains("hifi_request_seconds_count 300\n")
        );
        let logged = completed_lines(&rig.read("app.log"));
        assert_eq!(logged, completed.into_iter().collect());
    }
}

#[test]
fn every_form_of_a_request_is_answered() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 2 --time-scale 0 --failure-rate 0 -q");
    let mut client = Client::connect(addr);
    for (request, status, head) in [
        ("GET / HTTP/1.1\r\nHost: test\r\n\r\n", 200, ""),
        (
            "GET /operations HTTP/1.1\r\nHost: test\r\n\r\n",
            405,
            "allow: post",
        ),
        (
            "DELETE / HTTP/1.1\r\nHost: test\r\n\r\n",
            405,
            "allow: get, head",
        ),
        (
            "POST /operation HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n",
            404,
            "",
        ),
        (
            "POST /operations HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
            200,
            "",
        ),
        (
            "POST /operations?x=1 HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            200,
            "",
        ),
        (
            "POST /operations HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            200,
            "connection: keep-alive",
        ),
    ] {
        let answer = client.exchange(request);
        assert_eq!(answer.status, status, "{request}");
        assert!(answer.head.contains(head), "{head} in {answer:?}");
    }
    let mut both = Client::connect(addr);
    both.ask().unwrap();
    both.ask().unwrap();
    assert_eq!(both.answer().unwrap().status, 200);
    assert_eq!(both.answer().unwrap().status, 200, "one behind the other");
    let mut sizeable = Client::connect(addr);
    let head = "POST /operations HTTP/1.1\r\nHost: test\r\nContent-Length: 60000\r\n\r\n";
    let request = head.to_owned() + &"x".repeat(60_000);
    assert_eq!(sizeable.exchange(&request).status, 200);
    let mut large = Client::connect(addr);
    let head = "POST /operations HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\n";
    assert_eq!(large.exchange(head).status, 413);
    let mut old = Client::connect(addr);
    assert_eq!(
        old.exchange("POST /operations HTTP/1.0\r\n\r\n").status,
        200
    );
    assert_eq!(old.0.read(&mut [0]).unwrap(), 0, "the connection is closed");
    let mut curt = Client::connect(addr);
    curt.ask().unwrap();
    curt.0
        .get_ref()
        .shutdown(std::net::Shutdown::Write)
        .unwrap();
    assert_eq!(
        curt.answer().unwrap().status,
        200,
        "it had nothing more to say"
    );
    run.signal("TERM");
    run.finish().code(143);
    let expected = [(200, 8), (404, 1), (405, 2), (413, 1)];
    assert_eq!(codes_of(&summary(&rig)), BTreeMap::from(expected));
}

#[test]
fn what_is_too_much_is_refused_at_once_and_a_stop_answers_all() {
    let rig = Rig::new();
    let (run, addr) = served(
        &rig,
        "-t 1 --backlog 2 --failure-rate 1 --retry-delay 1h --metrics-addr 127.0.0.1:0",
    );
    run.until("console", "/metrics\n");
    let metrics = served_address(&rig.read("console"), "metrics").unwrap();
    while !get(metrics, "/threads")
        .unwrap()
        .1
        .contains(" waiting for a request for ")
    {}
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(addr)).collect();
    clients[0].ask().unwrap();
    run.until("app.log", "next=retry");
    clients[1].ask().unwrap();
    clients[2].ask().unwrap();
    // Whichever of the three comes last finds no room.
    clients[3].ask().unwrap();
    let mut waiting = clients.split_off(1);
    for client in &mut waiting {
        client.0.get_ref().set_nonblocking(true).unwrap();
    }
    let mut refused = loop {
        let answered = waiting.iter_mut().position(|client| {
            let mut byte = [0];
            matches!(client.0.get_ref().peek(&mut byte), Ok(1))
        });
        if let Some(answered) = answered {
            break waiting.remove(answered);
        }
    };
    refused.0.get_ref().set_nonblocking(false).unwrap();
    let answer = refused.answer().unwrap();
    assert_eq!(
        (answer.status, &answer.json()["outcome"]),
        (503, &"refused".into())
    );
    assert!(answer.head.contains("retry-after: 1"), "{answer:?}");

    run.signal("TERM");
    let interrupted = clients[0].answer().unwrap();
    assert_eq!(interrupted.status, 503);
    assert_eq!(interrupted.json()["outcome"], "interrupted");
    for client in &mut waiting {
        client.0.get_ref().set_nonblocking(false).unwrap();
        let answer = client.answer().unwrap();
        assert_eq!(
            (answer.status, &answer.json()["outcome"]),
            (503, &"refused".into())
        );
        assert!(!answer.head.contains("retry-after"), "{answer:?}");
        assert!(answer.head.contains("connection: close"), "{answer:?}");
    }
    run.finish().code(143);
    assert_eq!(codes_of(&summary(&rig)), BTreeMap::from([(503, 4)]));
    assert_eq!(summary(&rig)["operations"]["interrupted"], 1);
}

#[test]
fn a_client_that_leaves_changes_nothing() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 4 --failure-rate 0 --success-delay 1ms -q");
    for _ in 0..50 {
        Client::connect(addr).ask().unwrap();
    }
    run.until("app.log", " counter=50 ");
    run.signal("TERM");
    run.finish().code(143);
    assert_eq!(codes_of(&summary(&rig)), BTreeMap::from([(200, 50)]));
    assert_eq!(summary(&rig)["operations"]["completed"], 50);
}

#[test]
fn an_unexpected_error_is_500_and_without_workers_there_is_no_service() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 2 --panic-rate 1 --time-scale 0 -q");
    let mut clients: Vec<Client> = (0..2).map(|_| Client::connect(addr)).collect();
    for client in &mut clients {
        let answer = client.post().unwrap();
        assert_eq!(
            (answer.status, &answer.json()["outcome"]),
            (500, &"panicked".into())
        );
    }
    run.finish().code(1);
    let summary = summary(&rig);
    assert_eq!(codes_of(&summary), BTreeMap::from([(500, 2)]));
    assert_eq!(summary["operations"]["panicked"], 2);
    assert!(TcpStream::connect(addr).is_err());
}

/// Three requests wait for two workers that die of the first two.
#[test]
fn what_waits_is_refused_when_the_last_worker_ends() {
    let rig = Rig::new();
    let (run, addr) = served(
        &rig,
        "-t 1 -n 1 --failure-rate 0.9999 --max-retries 2 --retry-delay 100ms -q --seed 1",
    );
    let mut clients: Vec<Client> = (0..3).map(|_| Client::connect(addr)).collect();
    clients.iter_mut().for_each(|client| client.ask().unwrap());
    let mut outcomes: Vec<String> = clients
        .iter_mut()
        .map(|client| client.answer().unwrap().json()["outcome"].to_string())
        .collect();
    outcomes.sort();
    assert_eq!(outcomes, ["\"abandoned\"", "\"refused\"", "\"refused\""]);
    run.finish().code(0);
}

#[test]
fn iterations_and_duration_end_it() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 2 -n 5 --time-scale 0 --failure-rate 0 -q");
    let mut client = Client::connect(addr);
    for _ in 0..10 {
        assert_eq!(client.post().unwrap().status, 200);
    }
    run.finish().code(0);
    assert_eq!(summary(&rig)["reason"], "finished");
    assert_eq!(summary(&rig)["operations"]["not_started"], 0);

    let rig = Rig::new();
    let (run, addr) = served(
        &rig,
        "-t 2 --duration 300ms --time-scale 0 --failure-rate 0 -q",
    );
    assert_eq!(Client::connect(addr).post().unwrap().status, 200);
    run.finish().code(0);
    assert_eq!(summary(&rig)["stopped_by"], "duration");
    assert_eq!(summary(&rig)["operations"]["planned"], Value::Null);
}

/// Asks again and again until the service ends; returns the answers.
fn ask_until_the_end(addr: SocketAddr) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut client = Client::connect(addr);
    while let Ok(answer) = client.post() {
        let is_last = answer.head.contains("connection: close");
        answers.push(answer);
        if is_last {
            break;
        }
    }
    answers
}

/// What was answered is what log and summary say.
fn hold_against(rig: &Rig, answers: &[Answer]) {
    let summary = summary(rig);
    let mut codes = BTreeMap::new();
    answers.iter().for_each(|answer| count(&mut codes, answer));
    assert_eq!(codes_of(&summary), codes);
    assert_eq!(summary["operations"]["completed"], codes[&200]);
    let completed = answers.iter().filter(|answer| answer.status == 200);
    let told: BTreeSet<String> = completed.map(|answer| line_of(&answer.json())).collect();
    assert_eq!(told, completed_lines(&rig.read("app.log")));
}

#[test]
fn a_stop_under_load_answers_everybody() {
    for args in ["--time-scale 0", "--success-delay 2ms --retry-delay 3ms"] {
        let rig = Rig::new();
        let (run, addr) = served(&rig, &format!("-t 4 {args} --backlog 3 -q"));
        let clients: Vec<_> = (0..12)
            .map(|_| thread::spawn(move || ask_until_the_end(addr)))
            .collect();
        run.until("app.log", " counter=200 ");
        run.signal("TERM");
        let answers = clients.into_iter().map(|client| client.join().unwrap());
        let answers: Vec<Answer> = answers
            .inspect(|answers| {
                let last = answers.last().unwrap();
                assert!(last.head.contains("connection: close"), "{last:?}");
            })
            .flatten()
            .collect();
        run.finish().code(143);
        hold_against(&rig, &answers);
    }
}

/// They hold their connections until they are hung up on, and others are served meanwhile.
#[test]
fn a_thousand_slow_clients_are_in_nobodys_way() {
    let rig = Rig::new();
    let (run, addr) = served(&rig, "-t 2 --time-scale 0 --failure-rate 0 -q");
    let starts = [
        "",
        "POST /oper",
        "POST /operations HTTP/1.1\r\nHost: test\r\nContent-Length: 9\r\n\r\nhell",
    ];
    let mut slow: Vec<Client> = (0..1000)
        .map(|n| {
            let mut client = Client::connect(addr);
            client.send(starts[n % 3]).unwrap();
            client
        })
        .collect();
    let mut client = Client::connect(addr);
    for _ in 0..100 {
        assert_eq!(client.post().unwrap().status, 200);
    }
    for (n, client) in slow.iter_mut().enumerate() {
        match client.answer() {
            Ok(answer) => assert_eq!((n % 3, answer.status), (2, 408)),
            Err(error) => assert_ne!(n % 3, 2, "{error}"),
        }
    }
    run.signal("TERM");
    run.finish().code(143);
    let codes = BTreeMap::from([(200, 100), (408, 333)]);
    assert_eq!(codes_of(&summary(&rig)), codes);
}

/// Here the only worker waits for a reader of the log, and it was the one that served.
#[test]
fn others_are_answered_while_a_worker_is_stuck() {
    let rig = Rig::new();
    let (mut reader, writer) = io::pipe().unwrap();
    let mut command = rig.command("--serve 127.0.0.1:0 -t 1 --time-scale 0 -q --log-file -");
    command.stderr(Stdio::from(File::create(rig.path("console")).unwrap()));
    command.stdout(Stdio::from(writer));
    let run = rig.start_command(command);
    run.until("console", "/operations\n");
    let addr = served_address(&rig.read("console"), "operations").unwrap();
    let mut client = Client::connect(addr);
    let patience = Some(Duration::from_millis(500));
    client.0.get_ref().set_read_timeout(patience).unwrap();
    while client.post().is_ok() {}
    assert_eq!(get(addr, "/").unwrap().0, 200);
    thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    run.signal("TERM");
    run.finish().code(143);
}

/// Operations go on while the disk is full: what was answered with success is in the log, and only that; the rest is in the
/// gap that it announces.
#[test]
fn what_was_answered_under_a_full_disk_is_in_the_log() {
    for flush in ["5ms", "0"] {
        answered_under_a_full_disk(flush);
    }
}

fn answered_under_a_full_disk(flush: &str) {
    if !is_root("a full disk") {
        return;
    }
    let rig = Rig::new();
    let disk = Tmpfs::mount(&rig.path("disk"), "256k");
    let (run, addr) = served(
        &rig,
        &format!(
            "-t 4 --time-scale 0 --failure-rate 0 --log-file disk/app.log -q --flush-interval {flush}"
        ),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || ask_until_the_end(addr)))
        .collect();
    run.until("console", "cannot write to the log file disk/app.log");
    disk.resize("1g");
    run.until("disk/app.log", "Log gap");
    run.signal("TERM");
    let answers: Vec<Answer> = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap())
        .collect();
    run.finish().code(1);
    let summary = summary(&rig);
    let completed = answers.iter().filter(|answer| answer.status == 200);
    let told: BTreeSet<String> = completed.map(|answer| line_of(&answer.json())).collect();
    let log = completed_lines(&rig.read("disk/app.log"));
    let missing: Vec<_> = told.difference(&log).cloned().collect();
    assert_eq!(missing, [""; 0], "flush interval {flush}");
    let unlogged = answers.iter().filter(|answer| answer.status == 500).count();
    assert!(unlogged > 0 && !told.is_empty());
    assert_eq!(summary["operations"]["completed"], told.len() + unlogged);
    let verdict = rig.audit("disk/app.log").code(1).json();
    let counts = &verdict["runs"][0]["counts"];
    assert_eq!(counts["lost"], summary["file"]["lost"], "{verdict}");
    assert_eq!(counts["announced"], counts["lost"], "{verdict}");
}

/// An answer comes when its line is written, whatever the flush interval: even a kill takes no line that was told of.
#[test]
fn what_was_answered_before_a_kill_is_in_the_log() {
    for flush in ["5ms", "0"] {
        answered_before_a_kill(flush);
    }
}

fn answered_before_a_kill(flush: &str) {
    let rig = Rig::new();
    let (run, addr) = served(
        &rig,
        &format!("-t 4 --time-scale 0 --flush-interval {flush} -q"),
    );
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || ask_until_the_end(addr)))
        .collect();
    run.until("app.log", " counter=200 ");
    run.signal("KILL");
    let answers = clients
        .into_iter()
        .flat_map(|client| client.join().unwrap());
    let completed = answers.filter(|answer| answer.status == 200);
    let told: BTreeSet<String> = completed.map(|answer| line_of(&answer.json())).collect();
    run.finish();
    let log = rig.read("app.log");
    let (whole, _) = log.rsplit_once('\n').unwrap();
    let missing: Vec<_> = told.difference(&completed_lines(whole)).cloned().collect();
    assert_eq!(missing, [""; 0]);
    assert!(told.len() > 100);
    rig.audit("--killed app.log").code(0);
}

/// Room for 16 connections: those that only sit there go when others come.
#[test]
fn connections_are_bounded_by_the_files_that_may_be_open() {
    let rig = Rig::new();
    let mut command = std::process::Command::new("prlimit");
    command
        .args(["--nofile=80", env!("CARGO_BIN_EXE_hifi")])
        .args("--serve 127.0.0.1:0 -t 2 --time-scale 0 --failure-rate 0 -q".split(' '))
        .current_dir(rig.path(""))
        .stdout(Stdio::null())
        .stderr(File::create(rig.path("console")).unwrap());
    let run = rig.start_command(command);
    run.until("console", "/operations\n");
    let addr = served_address(&rig.read("console"), "operations").unwrap();
    let idle: Vec<Client> = (0..200).map(|_| Client::connect(addr)).collect();
    let mut client = Client::connect(addr);
    for _ in 0..100 {
        assert_eq!(client.post().unwrap().status, 200);
    }
    drop(idle);
    run.signal("TERM");
    run.finish().code(143);
}

#[test]
fn bad_values_and_an_address_in_use_are_told_before_anything_is_created() {
    let rig = Rig::new();
    for (args, said) in [
        (
            "--serve 8080",
            "--serve <ADDR>': an IP address and a port are needed",
        ),
        ("--backlog 5", "--serve <ADDR>"),
        ("--serve 127.0.0.1:0 --backlog many", "--backlog <N>"),
        ("--serve 127.0.0.1:0 --backlog 1000001", "from 0 to 1000000"),
    ] {
        rig.hifi(args).code(2).complains(said);
    }
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    rig.hifi(&format!("--serve {addr}"))
        .code(1)
        .complains(&format!(
            "cannot serve operations on {addr}; choose another address with --serve"
        ))
        .complains("Address already in use");
    assert_eq!(fs::read_dir(rig.path("")).unwrap().count(), 0);
}
