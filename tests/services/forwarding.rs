//! What rsyslog sends over TCP, written as it is captured: in frames with octet counts, which have no newlines, and without.

use std::{
    fs,
    io::Read,
    net::{TcpListener, TcpStream},
};

use crate::{
    rig::Rig,
    shippers::{Daemon, PATIENCE, content, folder, wait_for},
    whole::Log,
};

#[test]
#[ignore = "needs rsyslog"]
fn what_rsyslog_sends_is_whole_as_captured() {
    for format in ["text", "json"] {
        let rig = Rig::new();
        let log = Log::of_run(&rig, format);
        for framing in ["octet-counted", "traditional"] {
            let whole = forwarded(&log.text, framing);
            fs::write(rig.path("captured"), whole).unwrap();
            log.is_whole_in(&rig, "captured");
            fs::write(rig.path("captured"), forwarded(&log.without(), framing)).unwrap();
            log.is_short_in(&rig, "captured");
        }
    }
}

/// The form that rsyslog forwards in has no newline at its end: in a file all records are on one line.
#[test]
#[ignore = "needs rsyslog"]
fn the_forwarding_form_is_whole_in_a_file() {
    let rig = Rig::new();
    let log = Log::of_run(&rig, "text");
    for (text, whole) in [(&log.text, true), (&log.without(), false)] {
        let forwarder = Rig::new();
        let action =
            r#"action(type="omfile" file="FOLDER/forwarded" template="RSYSLOG_ForwardFormat")"#;
        let rsyslog = follow(&forwarder, text, action);
        wait_for("the log's end", || {
            content(&forwarder, "forwarded").contains(" Run ended ")
        });
        rsyslog.stop();
        fs::write(rig.path("forwarded"), content(&forwarder, "forwarded")).unwrap();
        match whole {
            true => log.is_whole_in(&rig, "forwarded"),
            false => log.is_short_in(&rig, "forwarded"),
        }
    }
}

/// What arrives at a socket of the text that rsyslog sends.
fn forwarded(text: &str, framing: &str) -> Vec<u8> {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let forwarder = Rig::new();
    let action = format!(
        r#"action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="{framing}"
            template="RSYSLOG_ForwardFormat")"#
    );
    let rsyslog = follow(&forwarder, text, &action);
    let (stream, _) = socket.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let received = to_the_end(stream);
    rsyslog.stop();
    received
}

/// All that is sent, until the run's last line is there.
fn to_the_end(mut stream: TcpStream) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buffer = [0; 64 << 10];
    loop {
        let length = stream.read(&mut buffer).unwrap();
        received.extend_from_slice(&buffer[..length]);
        let last = &received[received.len().saturating_sub(2000)..];
        if length == 0 || holds_the_end(&String::from_utf8_lossy(last)) {
            return received;
        }
    }
}

/// Whether the run's last line is there, up to its checksum.
fn holds_the_end(text: &str) -> bool {
    let ended = text.split_once("Run ended");
    let sum = ended.and_then(|(_, ended)| ended.split_once("sum"));
    sum.is_some_and(|(_, sum)| match sum.strip_prefix('=') {
        Some(hex) => hex.len() >= 8,
        None => sum.len() >= "\":\"12345678\"}".len(),
    })
}

/// rsyslog that reads a file of this text from its beginning, and does this with each line.
fn follow(rig: &Rig, text: &str, action: &str) -> Daemon {
    let folder = folder(rig);
    fs::write(rig.path("followed"), text).unwrap();
    let conf = format!(
        r#"
        global(workDirectory="{folder}/state" maxMessageSize="64k")
        module(load="imfile" mode="inotify")
        input(type="imfile" file="{folder}/followed" tag="hifi:" facility="local0" ruleset="ship")
        ruleset(name="ship") {{ {} }}
        "#,
        action.replace("FOLDER", &folder)
    );
    Daemon::rsyslog(rig, &conf)
}
