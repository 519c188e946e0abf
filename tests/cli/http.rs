//! As much of an HTTP client as the tests need.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer: its status code and its body.
pub(crate) fn get(addr: SocketAddr, path: &str) -> io::Result<(u16, String)> {
    exchange(
        addr,
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").as_bytes(),
    )
}

/// Sends bytes, and takes what comes back as an answer.
pub(crate) fn exchange(addr: SocketAddr, bytes: &[u8]) -> io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(addr)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(bytes)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let bad = || io::Error::other(format!("no answer: {answer:?}"));
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|code| code.parse().ok())
        .ok_or_else(bad)?;
    let body = if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        unchunk(body)
    } else {
        body.to_owned()
    };
    Ok((status, body))
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        match usize::from_str_radix(size, 16) {
            Ok(size @ 1..) => {
                whole += &rest[..size];
                body = rest[size..].trim_start_matches("\r\n");
            }
            _ => break,
        }
    }
    whole
}

/// The address on which a run says that it serves `what`, once `notices` holds it.
pub(crate) fn served_address(notices: &str, what: &str) -> Option<SocketAddr> {
    let (before, _) = notices.split_once(&format!("/{what}\n"))?;
    let (_, addr) = before.rsplit_once("http://")?;
    addr.parse().ok()
}
