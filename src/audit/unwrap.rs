//! What shippers put around a line, taken off again: syslog headers (RFC 3164 and 5424, with or
//! without a priority, and rsyslog's file format), Kubernetes' CRI prefix, and JSON envelopes that hold the line as a
//! string (`{"log":"…\n"}`, `{"message":"…"}`).
//!
//! Lines that follow each other mostly have the same around them but for digits: a [`Wrapping`] knows a line by that.
//! This file must not know what a line of ours tells; where it begins is all that it asks.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::record::{find, number, starts_here};

/// Envelopes may lie in each other: a CRI prefix around a Docker object around a syslog line.
const DEPTH_MAX: usize = 4;

/// The line inside `bytes`, or `bytes` as they are when nothing known is around them.
pub fn unwrap(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut line = Cow::Borrowed(trimmed(bytes));
    for _ in 0..DEPTH_MAX {
        line = match line {
            Cow::Borrowed(inner) => match step(inner) {
                Some(next) => next,
                None => return Cow::Borrowed(inner),
            },
            Cow::Owned(inner) => match step(&inner) {
                Some(next) => Cow::Owned(next.into_owned()),
                None => return Cow::Owned(inner),
            },
        };
    }
    line
}

/// What stood around a line.
#[derive(Debug, Default)]
pub struct Wrapping {
    before: Vec<u8>,
    behind: Vec<u8>,
}

impl Wrapping {
    /// Notes what `outer` has around `inner`, which came out of it: nothing, if `inner` is written otherwise there,
    /// as JSON writes quotes.
    pub fn learn(&mut self, outer: &[u8], inner: &[u8]) {
        let (before, behind) = match find(outer, inner) {
            Some(at) => (&outer[..at], &outer[at + inner.len()..]),
            None => (&b""[..], &b""[..]),
        };
        self.before.clear();
        self.before.extend_from_slice(before);
        self.behind.clear();
        self.behind.extend_from_slice(behind);
    }

    /// How many bytes of `bytes` stand before a line that has the same around it.
    #[inline]
    pub fn before(&self, bytes: &[u8]) -> Option<usize> {
        alike(&self.before, bytes)
    }

    /// How many bytes of `bytes` stand behind a line that has the same around it.
    #[inline]
    pub fn behind(&self, bytes: &[u8]) -> Option<usize> {
        alike(&self.behind, bytes)
    }
}

/// How many of `bytes` are like `form`: where that has digits they have digits, however many.
#[inline]
fn alike(form: &[u8], bytes: &[u8]) -> Option<usize> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    let (mut known, mut at) = (0, 0);
    while known < form.len() {
        if bytes.get(at) == Some(&form[known]) && !form[known].is_ascii_digit() {
            (known, at) = (known + 1, at + 1);
            continue;
        }
        let (here, there) = (digits(&form[known..]), digits(&bytes[at..]));
        if here == 0 || there == 0 {
            return None;
        }
        (known, at) = (known + here, at + there);
    }
    Some(at)
}

/// One envelope taken off.
fn step(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.first() == Some(&b'{') {
        return envelope(bytes).map(Cow::Owned);
    }
    // What looks like a header in a line of our own is a damaged thread.
    let inner = if starts_here(bytes) {
        None
    } else {
        header(bytes)
    };
    inner.map(|inner| Cow::Borrowed(trimmed(inner)))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    bytes.strip_suffix(b"\r").unwrap_or(bytes)
}

/// The string inside a JSON object that is not one of our own lines, be it a damaged one.
fn envelope(bytes: &[u8]) -> Option<Vec<u8>> {
    let object: Map<String, Value> = serde_json::from_slice(bytes).ok()?;
    let own = ["thread", "run", "seq", "sum"];
    if own.iter().filter(|key| object.contains_key(**key)).count() > 2 {
        return None;
    }
    ["log", "message", "MESSAGE", "msg", "line"]
        .iter()
        .find_map(|key| object.get(*key)?.as_str())
        .map(|text| trimmed(text.as_bytes()).to_vec())
}

/// What stands behind a header, if there is one.
fn header(bytes: &[u8]) -> Option<&[u8]> {
    let text = Words(bytes);
    cri(text).or_else(|| syslog(text))
}

/// `2026-11-23T17:42:00.123456789Z stdout F LINE`.
fn cri(mut text: Words<'_>) -> Option<&[u8]> {
    iso_stamp(text.word()?).then_some(())?;
    matches!(text.word()?, b"stdout" | b"stderr").then_some(())?;
    matches!(text.word()?, b"F" | b"P").then_some(())?;
    Some(text.0)
}

fn syslog(mut text: Words<'_>) -> Option<&[u8]> {
    let priority = priority(text.0);
    if let Some(rest) = priority {
        text = Words(rest);
        if let Some(rest) = rest.strip_prefix(b"1 ") {
            return rfc5424(Words(rest));
        }
    }
    if !text.0.first()?.is_ascii_digit() {
        month_stamp(&mut text)?;
    } else {
        iso_stamp(text.word()?).then_some(())?;
    }
    let _host = text.word()?;
    // syslog-ng writes no tag where it was told none.
    if starts_here(text.0) {
        return Some(text.0);
    }
    let tag = text.word()?;
    (tag.ends_with(b":") || starts_here(text.0)).then_some(text.0)
}

/// `TIMESTAMP HOST APP PROCID MSGID STRUCTURED-DATA LINE`, behind priority and version.
fn rfc5424(mut text: Words<'_>) -> Option<&[u8]> {
    let stamp = text.word()?;
    (stamp == b"-" || iso_stamp(stamp)).then_some(())?;
    for _ in 0..4 {
        text.word()?;
    }
    let rest = match text.0.strip_prefix(b"- ") {
        Some(rest) => rest,
        None => structured_data(text.0)?,
    };
    Some(rest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(rest))
}

/// Skips `[id name="value" …][…] `, in whose values `\` escapes.
fn structured_data(bytes: &[u8]) -> Option<&[u8]> {
    let mut quoted = false;
    let mut escaped = false;
    let mut open = false;
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' if open => quoted = !quoted,
            b'[' if !quoted && !open => open = true,
            b']' if !quoted && open => open = false,
            b' ' if !open && i > 0 => return Some(&bytes[i + 1..]),
            _ if !open => return None,
            _ => {}
        }
    }
    None
}

/// `<134>`, and what stands behind it.
fn priority(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(b"<")?;
    let (_, length) = number(rest)?;
    (length <= 3).then_some(())?;
    rest[length..].strip_prefix(b">")
}

/// `Nov  3 17:42:00 `.
fn month_stamp(text: &mut Words<'_>) -> Option<()> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = text.word()?;
    MONTHS.chunks(3).any(|m| m == month).then_some(())?;
    text.0 = text.0.strip_prefix(b" ").unwrap_or(text.0);
    let (_, length) = number(text.word()?)?;
    (length <= 2).then_some(())?;
    let time = text.word()?;
    (time.len() == 8 && time[2] == b':' && time[5] == b':').then_some(())
}

/// An RFC 3339 time of any precision and zone.
fn iso_stamp(word: &[u8]) -> bool {
    let shape = b"dddd-dd-ddTdd:dd:dd";
    word.len() > shape.len()
        && word.iter().zip(shape).all(|(byte, form)| match form {
            b'd' => byte.is_ascii_digit(),
            form => byte == form,
        })
}

/// Text that is taken word by word.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    /// The next word, which a single space ends.
    fn word(&mut self) -> Option<&'a [u8]> {
        // A header's words are short; a line without spaces must not be searched to its end.
        let end = self.0.iter().take(256).position(|b| *b == b' ')?;
        let (word, rest) = (&self.0[..end], &self.0[end + 1..]);
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LINE: &str = "2026-11-23T17:42:00.000789Z  INFO main Started thread: Worker-3 run=9f2c1b7a55d01e44 seq=4 sum=00000000";

    #[test]
    fn every_envelope_comes_off() {
        let json = format!("{{\"log\":\"{LINE}\\n\",\"stream\":\"stdout\"}}");
        for wrapped in [
            LINE.to_owned(),
            format!("{LINE}\r"),
            format!("<134>Nov  3 17:42:00 host hifi[42]: {LINE}"),
            format!("Nov 23 17:42:00 host hifi: {LINE}"),
            format!("Nov 23 17:42:00 host {LINE}"),
            format!("2026-11-23T17:42:00.123456+01:00 host hifi: {LINE}"),
            format!("2026-11-23T17:42:00.123456Z host hifi {LINE}"),
            format!("<134>1 2026-11-23T17:42:00.123456Z host hifi 42 - - {LINE}"),
            format!("<134>1 - - - - - [a b=\"c\\\"] d\"][e f=\"g h\"] \u{feff}{LINE}"),
            format!("2026-11-23T17:42:00.123456789Z stdout F {LINE}"),
            format!("2026-11-23T17:42:00.123456789Z stderr F {json}"),
            json.clone(),
            format!("{{\"ts\":1,\"message\":\"{LINE}\"}}"),
            format!("{{\"timestamp\":\"2026-11-23T17:42:00.000789Z\",\"message\":\"{LINE}\"}}"),
        ] {
            assert_eq!(
                String::from_utf8_lossy(&unwrap(wrapped.as_bytes())),
                LINE,
                "{wrapped}"
            );
        }
    }

    #[test]
    fn what_is_no_envelope_stays() {
        for bytes in [
            "",
            " ",
            "{}",
            "x",
            "Nov",
            "<134>",
            "{\"timestamp\":\"2026-11-23T17:42:00.000789Z\",\"thread\":\"main\",\"message\":\"Run started\",\"run\":\"0\",\"seq\":0,\"sun\":\"0\"}",
            // A fragment in front of a line is none either.
            &format!("2026-11-23T17:42:00.000789Z ERROR Worker-3 {LINE}"),
            &format!("2026-11-23T17:42:00.000789Z ERROR Worker-3: {LINE}"),
        ] {
            assert_eq!(unwrap(bytes.as_bytes()), bytes.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes: Vec<u8>, text in "[<>0-9 :A-Za-z\\[\\]\"\\\\{}.-]*") {
            unwrap(&bytes);
            unwrap(text.as_bytes());
        }
    }
}
