//! A run's log goes through rsyslog, syslog-ng and logrotate, and the audit says at the other end what became of it:
//! nothing where nothing was lost, and else exactly what was.

use std::{
    env, fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::rig::Rig;

/// Nothing that is waited for takes this long: what does has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(25);

/// A run with every kind of line in it, retries, abandoned operations and unexpected errors; it ends with 1.
const RUN: &str =
    "-t 8 -n 300 --failure-rate 0.5 --panic-rate 0.0005 --seed 3 --time-scale 0 -q --summary json";

/// The loss of what follows would go unseen if the end were lost as well: this much of a log is its end.
const TAIL: usize = 20;

/// How many lines rsyslog lets through before its rate limit bites.
const BURST: usize = 500;

/// How often a log is copied and truncated.
const ROTATIONS: u64 = 8;

#[test]
#[ignore = "needs rsyslog"]
fn rsyslog_carries_a_log_whole() {
    through_rsyslog("text");
}

#[test]
#[ignore = "needs rsyslog"]
fn rsyslog_carries_a_json_log_whole() {
    through_rsyslog("json");
}

#[test]
#[ignore = "needs syslog-ng"]
fn syslog_ng_carries_a_log_whole() {
    through_syslog_ng("text");
}

#[test]
#[ignore = "needs syslog-ng"]
fn syslog_ng_carries_a_json_log_whole() {
    through_syslog_ng("json");
}

/// What reaches rsyslog's socket beyond its rate limit is dropped; it says how much, and so does the audit.
#[test]
#[ignore = "needs rsyslog"]
fn what_a_rate_limit_dropped_is_counted() {
    let rig = Rig::new();
    let conf = format!(
        r#"
        global(workDirectory="{folder}/state" maxMessageSize="64k" processInternalMessages="on")
        module(load="imuxsock" sysSock.use="off")
        input(type="imuxsock" socket="{folder}/socket" rateLimit.interval="1" rateLimit.burst="{BURST}" ruleset="ship")
        ruleset(name="ship") {{
            if $msg contains "probe" then {{ action(type="omfile" file="{folder}/probes") stop }}
            action(type="omfile" file="{folder}/shipped")
        }}
        action(type="omfile" file="{folder}/own")
        "#,
        folder = folder(&rig)
    );
    let rsyslog = Daemon::rsyslog(&rig, &conf);
    rig.hifi(RUN).code(1);
    let log = rig.read("app.log");
    let lines: Vec<_> = log.lines().collect();
    assert!(lines.len() > 2 * BURST);
    let (body, tail) = lines.split_at(lines.len() - TAIL);

    wait_for("rsyslog's socket", || rig.path("socket").exists());
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(rig.path("socket")).unwrap();
    let send = |text: &str| {
        let sent = socket.send(format!("<134>hifi: {text}").as_bytes());
        sent.expect("rsyslog takes what it is sent");
    };
    body.iter().for_each(|line| send(line));

    // rsyslog tells what it dropped once its interval is over and something arrives. The probes that it dropped
    // until then are in its count. Should the interval have ended before all was sent, the next is awaited as well.
    let told = dropped(&rig).len();
    let mut probes = 0;
    wait_for("rsyslog's account", || {
        send("probe");
        probes += 1;
        dropped(&rig).len() > told
    });
    tail.iter().for_each(|line| send(line));
    wait_for("the log's end", || {
        content(&rig, "shipped").contains(" Run ended ")
    });
    rsyslog.stop();

    let arrived = content(&rig, "probes").lines().count();
    let counted = dropped(&rig).iter().sum::<u64>() - (probes - arrived) as u64;
    assert!(counted > 0, "the rate limit was not reached");
    let counts = counts(&rig.audit("shipped").code(1).json());
    assert_eq!(counts, only_lost(counted));
    eprintln!("rate limit: rsyslog dropped {counted} lines, the audit names as many");
}

/// Between the copy and the truncation the program goes on writing, and that is lost.
#[test]
#[ignore = "needs logrotate"]
fn what_copytruncate_lost_is_named() {
    let logrotate = program("logrotate", "logrotate");
    let rig = Rig::new();
    let rotation = Rotation::new(&rig, logrotate, "copytruncate");
    // The sleeps leave logrotate a chance to get to the log's end. Each line is written at once, so that some surely come
    // between its copy and the truncation.
    let run = rig.start(
        "-t 8 --duration 10m --success-delay 1us --retry-delay 20us --flush-interval 0 -q --summary json",
    );
    for _ in 0..ROTATIONS {
        wait_for("a log worth rotating", || size(&rig) > 200_000);
        rotation.force();
    }
    // The log's end is to be there: what comes after the last rotation.
    let before = size(&rig);
    wait_for("lines after the last rotation", || size(&rig) > before);
    run.signal("TERM");
    let logged = run.finish().code(143).json()["log_lines"].as_u64().unwrap();

    let verdict = rig.audit(&rotation.parts().join(" ")).code(1).json();
    let counts = counts(&verdict);
    let [lost, cut] = ["lost", "truncated"].map(|kind| counts[kind].as_u64().unwrap());
    let whole = verdict["runs"][0]["lines"].as_u64().unwrap();
    eprintln!("copytruncate: {logged} lines logged, {whole} there, {lost} lost, {cut} cut");
    assert!(lost > 0, "nothing was lost");
    // A copy may end within a line; nothing else than that and loss is made by it.
    assert!(cut <= ROTATIONS);
    let mut expected = only_lost(lost);
    expected["truncated"] = cut.into();
    assert_eq!(counts, expected);
    // A line that is cut so short that it cannot be named any more counts as lost, too.
    let findings = verdict["runs"][0]["findings"].as_array().unwrap();
    let named = |finding: &&Value| finding["kind"] == "truncated" && !finding["seq"].is_null();
    let named = findings.iter().filter(named).count() as u64;
    assert_eq!(whole + lost + named, logged);
    assert_eq!(verdict["stray_count"], 0);
}

/// A log that is renamed is written on until the program opens it anew; with and without a new file in its place.
#[test]
#[ignore = "needs logrotate"]
fn rotation_by_renaming_loses_nothing() {
    for new_file in ["nocreate", "create"] {
        let logrotate = program("logrotate", "logrotate");
        let rig = Rig::new();
        let rotation = Rotation::new(&rig, logrotate, &format!("nocopytruncate\n{new_file}"));
        let run = rig
            .start("-t 8 --duration 10m --success-delay 1us --retry-delay 20us -q --summary json");
        for _ in 0..3 {
            run.until("app.log", " seq=");
            rotation.force();
        }
        run.until("app.log", " seq=");
        run.signal("TERM");
        let logged = run.finish().code(143).json()["log_lines"].as_u64().unwrap();
        assert_eq!(rotation.parts().len(), 4, "{new_file}");
        let verdict = rig.audit(&rotation.parts().join(" ")).code(0).json();
        assert_eq!(verdict["lines"], logged, "{new_file}");
        eprintln!("{new_file}: {logged} lines logged, all there");
    }
}

/// From the file into three: the forms of RFC 3164 and RFC 5424, and a JSON object around each line.
fn through_rsyslog(format: &str) {
    let rig = Rig::new();
    let conf = format!(
        r#"
        global(workDirectory="{folder}/state" maxMessageSize="64k")
        module(load="imfile" mode="inotify")
        template(name="enveloped" type="string" string="{{\"host\":\"%hostname%\",\"message\":\"%msg:::json%\"}}\n")
        input(type="imfile" file="{folder}/app.log" tag="hifi:" facility="local0" ruleset="ship")
        ruleset(name="ship") {{
            action(type="omfile" file="{folder}/rfc3164" template="RSYSLOG_TraditionalFileFormat")
            action(type="omfile" file="{folder}/rfc5424" template="RSYSLOG_SyslogProtocol23Format")
            action(type="omfile" file="{folder}/enveloped" template="enveloped")
        }}
        "#,
        folder = folder(&rig)
    );
    let rsyslog = Daemon::rsyslog(&rig, &conf);
    arrives_whole(&rig, rsyslog, format, &["rfc3164", "rfc5424", "enveloped"]);
}

/// From the file into four: with a tag and without, in the form of RFC 5424, and without a header.
fn through_syslog_ng(format: &str) {
    let rig = Rig::new();
    let conf = format!(
        r#"
        @version: 3.38
        options {{ stats-freq(0); }};
        source app {{
            file("{folder}/app.log" flags(no-parse) follow-freq(0.05) log-msg-size(65536));
        }};
        rewrite tag {{ set("hifi", value("PROGRAM")); }};
        destination untagged {{ file("{folder}/untagged"); }};
        destination tagged {{ file("{folder}/tagged"); }};
        destination rfc5424 {{ file("{folder}/rfc5424" flags(syslog-protocol)); }};
        destination bare {{ file("{folder}/bare" template("$MSG\n")); }};
        log {{ source(app); destination(untagged); destination(rfc5424); destination(bare); }};
        log {{ source(app); rewrite(tag); destination(tagged); }};
        "#,
        folder = folder(&rig)
    );
    let syslog_ng = Daemon::syslog_ng(&rig, conf.trim_start());
    let outputs = ["untagged", "tagged", "rfc5424", "bare"];
    arrives_whole(&rig, syslog_ng, format, &outputs);
}

/// A run is logged in `format` while `shipper` follows the log: each of `outputs` is then audited clean.
fn arrives_whole(rig: &Rig, shipper: Daemon, format: &str, outputs: &[&str]) {
    let logged = rig
        .hifi(&format!("{RUN} --log-format {format}"))
        .code(1)
        .json()["log_lines"]
        .as_u64()
        .unwrap();
    for output in outputs {
        wait_for(output, || content(rig, output).contains("Run ended"));
    }
    shipper.stop();
    for output in outputs {
        let verdict = rig.audit(output).code(0).json();
        assert_eq!(verdict["lines"], logged, "{output}");
    }
}

/// The counts of the only run.
#[track_caller]
fn counts(verdict: &Value) -> Value {
    assert_eq!(verdict["runs"].as_array().map(Vec::len), Some(1));
    verdict["runs"][0]["counts"].clone()
}

/// The counts of a run that lost so many lines and suffered nothing else.
fn only_lost(count: u64) -> Value {
    serde_json::json!({
        "lost": count, "announced": 0, "duplicated": 0, "reordered": 0, "altered": 0, "truncated": 0,
        "unexpected": 0, "late": 0, "books": 0,
    })
}

/// What rsyslog says that its rate limit dropped, interval by interval.
fn dropped(rig: &Rig) -> Vec<u64> {
    content(rig, "own")
        .lines()
        .filter_map(|line| line.split_once(" messages lost due to rate-limiting"))
        .map(|(before, _)| before.rsplit(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// logrotate, for the rig's app.log.
pub(crate) struct Rotation<'a> {
    rig: &'a Rig,
    logrotate: PathBuf,
}

impl<'a> Rotation<'a> {
    pub(crate) fn new(rig: &'a Rig, logrotate: PathBuf, how: &str) -> Self {
        let conf = format!(
            "{}/app.log {{\nrotate 100\nmissingok\nifempty\n{how}\n}}\n",
            folder(rig)
        );
        fs::write(rig.path("logrotate.conf"), conf).unwrap();
        Self { rig, logrotate }
    }

    /// Rotates now.
    pub(crate) fn force(&self) {
        let mut command = Command::new(&self.logrotate);
        command
            .args(["--force", "--state", "rotation.state", "logrotate.conf"])
            .current_dir(self.rig.path(""));
        self.rig.finish(command).code(0);
    }

    /// The names of the log and its rotated parts.
    fn parts(&self) -> Vec<String> {
        let names = fs::read_dir(self.rig.path("")).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("app.log"))
            .collect()
    }
}

/// A service in the foreground, which ends with the test.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn rsyslog(rig: &Rig, conf: &str) -> Self {
        let mut command = Command::new(program("rsyslogd", "rsyslog"));
        command.args(["-n", "-f", "service.conf", "-i"]);
        command.arg(rig.path("service.pid"));
        Self::start(rig, command, conf)
    }

    /// The folder that the package is unpacked in comes from the environment: it cannot be installed beside rsyslog.
    fn syslog_ng(rig: &Rig, conf: &str) -> Self {
        let root = env::var_os("HIFI_SYSLOG_NG").map(PathBuf::from);
        let root = root.filter(|root| root.join("usr/sbin/syslog-ng").exists());
        let root = root.expect(
            "HIFI_SYSLOG_NG must name the folder in which the Debian package syslog-ng-core is unpacked \
             (.ci/services unpacks it)",
        );
        let modules = folders(&root.join("usr/lib/syslog-ng"));
        let mut libraries = vec![root.join("usr/lib/syslog-ng")];
        libraries.extend(folders(&root.join("usr/lib")));
        libraries.extend(folders(&root.join("lib")));
        let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
        command
            .args(["--foreground", "--no-caps", "--cfgfile", "service.conf"])
            .arg("--module-path")
            .arg(env::join_paths(modules).unwrap())
            .arg("--persist-file")
            .arg(rig.path("state/persist"))
            .arg("--control")
            .arg(rig.path("state/control"))
            .arg("--pidfile")
            .arg(rig.path("service.pid"))
            .env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap());
        Self::start(rig, command, conf)
    }

    fn start(rig: &Rig, mut command: Command, conf: &str) -> Self {
        fs::create_dir(rig.path("state")).unwrap();
        fs::write(rig.path("service.conf"), conf).unwrap();
        command
            .current_dir(rig.path(""))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let child = command.spawn();
        Self(child.unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Lets it write what it holds.
    pub(crate) fn stop(mut self) {
        let id = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        assert!(sent.unwrap().success());
        wait_for("the service's end", || self.0.try_wait().unwrap().is_some());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The program of that name; administrators' programs are not on everyone's search path.
pub(crate) fn program(name: &str, package: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .find_map(|folder| Some(folder.join(name)).filter(|file| file.is_file()))
        .unwrap_or_else(|| {
            panic!("{name} is not there: the Debian package {package} is missing (.ci/services installs it)")
        })
}

/// The folders in `folder`; none if it is not there.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.is_dir()).collect()
}

/// The rig's folder, for a configuration file.
pub(crate) fn folder(rig: &Rig) -> String {
    rig.path("").to_str().unwrap().trim_end_matches('/').into()
}

/// What a service has written so far.
pub(crate) fn content(rig: &Rig, name: &str) -> String {
    match fs::read(rig.path(name)) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => panic!("{name}: {error}"),
    }
}

/// How long the log is now.
fn size(rig: &Rig) -> u64 {
    fs::metadata(rig.path("app.log")).map_or(0, |metadata| metadata.len())
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut arrived: impl FnMut() -> bool) {
    let started = Instant::now();
    while !arrived() {
        assert!(started.elapsed() < PATIENCE, "{what} never came");
        thread::sleep(Duration::from_millis(5));
    }
}
