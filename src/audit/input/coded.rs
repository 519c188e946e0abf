//! Logs that something has written otherwise from end to end, made plain on the way, before records are looked for: a table that is
//! easy to add to.

use std::io::{self, ErrorKind::WouldBlock, Read};

use data_encoding::{BASE64_NOPAD, HEXLOWER_PERMISSIVE};
use memchr::memmem;
use serde_json::json;

use super::{compressed::form, source::Source, unpack::reader};
use crate::audit::records::{
    decode::{ESCAPES, backslashes},
    marks::has_marks,
    notes::controls,
    parts::strings,
    suspect::without_newline,
    times::restored,
};

/// A way in which all of a log is written.
#[derive(Debug)]
pub(super) struct Code {
    /// What stands there, as it was before; none where there is nothing to be done.
    pub undo: fn(&[u8]) -> Option<Vec<u8>>,
    /// Nothing that is coded goes on behind the first character of these.
    ends: &'static [&'static str],
}

/// All that is known; only in the first some records may be whole as they stand.
pub(super) static CODES: [Code; 7] = [
    Code::new(joined, &["\n", "},{\"", "}, {\""]),
    Code::new(without_colours, &["\n"]),
    Code::new(restored, &["\n"]),
    Code::new(base64, &["\n", " ", ",", "}"]),
    Code::new(wrapped_base64, &["\n"]),
    Code::new(hexadecimal, &["\n", " ", ",", "}"]),
    Code::new(numbers, &["]"]),
];

impl Code {
    const fn new(undo: fn(&[u8]) -> Option<Vec<u8>>, ends: &'static [&'static str]) -> Self {
        Self { undo, ends }
    }
}

/// What is shorter is no piece of a record in any of these forms.
const CODED_MIN: usize = 64;
/// So much is read at once.
const CHUNK: usize = 64 * 1024;
/// What goes on for longer cannot be read.
const CODED_MAX: usize = 8 << 20;
/// So much comes out of what was packed before it was coded.
const UNPACKED_MAX: u64 = 64 << 20;

/// A log as it was before it was coded.
pub(super) struct Decoded {
    code: &'static Code,
    raw: Source,
    /// What was read, and may go on.
    begun: Vec<u8>,
    plain: io::Cursor<Vec<u8>>,
}

impl Decoded {
    /// What `raw` gives.
    pub(super) fn new(code: &'static Code, raw: Source) -> Self {
        Self {
            code,
            raw,
            begun: Vec::new(),
            plain: io::Cursor::default(),
        }
    }
}

impl Read for Decoded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.plain.read(buffer)?;
            if length > 0 || buffer.is_empty() {
                return Ok(length);
            }
            let before = self.begun.len();
            let mut chunk = self.raw.by_ref().take(CHUNK as u64);
            let ended = match chunk.read_to_end(&mut self.begun) {
                Ok(read) => read == 0,
                // What has come is looked at first.
                Err(error) if error.kind() == WouldBlock && self.begun.len() > before => false,
                Err(error) => return Err(error),
            };
            let length = self.begun.len();
            // One may have come in part before.
            let before = before.saturating_sub(3);
            let ends = self.code.ends.iter();
            let last = ends.filter_map(|end| memmem::rfind(&self.begun[before..], end.as_bytes()));
            let end = match last.max() {
                _ if ended => length,
                Some(at) => before + at + 1,
                None if length >= CODED_MAX => {
                    return Err(io::Error::other("8 MiB of it are in one piece of a code"));
                }
                None => 0,
            };
            if ended && end == 0 {
                return Ok(0);
            }
            let rest = self.begun.split_off(end);
            let coded = std::mem::replace(&mut self.begun, rest);
            self.plain = io::Cursor::new((self.code.undo)(&coded).unwrap_or(coded));
        }
    }
}

/// Documents whose names and values have a terminal's colours.
fn without_colours(bytes: &[u8]) -> Option<Vec<u8>> {
    ESCAPES[0].undo(bytes)
}

/// Base64, as message queues hand out what they hold.
fn base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let of_code = |byte: u8| byte.is_ascii_alphanumeric() || b"+/".contains(&byte);
    decoded(bytes, of_code, |code| {
        let bytes = of_base64(code)?;
        Some(unpacked(&bytes).unwrap_or(bytes))
    })
}

/// What may be cut short between two groups of four characters, or within one.
fn of_base64(code: &[u8]) -> Option<Vec<u8>> {
    let groups = &code[..code.len() - code.len() % 4];
    let whole = BASE64_NOPAD.decode(code);
    whole.or_else(|_| BASE64_NOPAD.decode(groups)).ok()
}

/// Base64 in lines of one width, as in mails.
fn wrapped_base64(bytes: &[u8]) -> Option<Vec<u8>> {
    let of_code = |byte: u8| byte.is_ascii_alphanumeric() || b"+/\r\n".contains(&byte);
    decoded(bytes, of_code, |code| {
        let lines = code.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        // The last word of a header may stand in front.
        let lines = lines.skip_while(|line| !line.len().is_multiple_of(4));
        of_base64(&lines.collect::<Vec<_>>().concat())
    })
}

/// Two digits for each byte, as databases show what is no text to them.
fn hexadecimal(bytes: &[u8]) -> Option<Vec<u8>> {
    let of_code = |byte: u8| byte.is_ascii_hexdigit();
    decoded(bytes, of_code, |code| HEXLOWER_PERMISSIVE.decode(code).ok())
}

/// A list of numbers, as journald shows a message with colours and Node.js a buffer.
fn numbers(bytes: &[u8]) -> Option<Vec<u8>> {
    let of_code = |byte: u8| byte.is_ascii_digit() || b", \n".contains(&byte);
    decoded(bytes, of_code, |code| {
        let numbers = code.split(|byte| *byte == b',');
        let byte = |number: &[u8]| str::from_utf8(number.trim_ascii()).ok()?.parse().ok();
        numbers.map(byte).collect()
    })
}

/// A stream in pieces, in the strings that documents have under one key: lines break in the midst of them. What stands between is
/// left out, but for records.
fn joined(bytes: &[u8]) -> Option<Vec<u8>> {
    let marked = strings(bytes).filter(|(_, string)| has_marks(&bytes[string.clone()]));
    let mut keys: Vec<_> = marked.filter_map(|(key, _)| key).collect();
    keys.sort_unstable();
    let alike = keys.chunk_by(|one, other| one == other);
    let key = alike.max_by_key(|keys| keys.len())?[0];
    // What has no key in front goes on with what was read before.
    let pieces = strings(bytes).filter(|(other, _)| other.is_none_or(|other| other == key));
    let end = bytes.len()..bytes.len();
    let (mut out, mut done) = (Vec::with_capacity(bytes.len()), 0);
    for piece in pieces.map(|(_, string)| string).chain([end]) {
        let between = &bytes[done..piece.start];
        if has_marks(between) {
            out.extend_from_slice(between);
        }
        done = piece.end;
        out.append(&mut backslashes(&bytes[piece]));
    }
    Some(out)
}

/// What stands for records, decoded; what stands around it as it is. In quotes or brackets it becomes a string of
/// JSON.
fn decoded(
    bytes: &[u8],
    of_code: impl Fn(u8) -> bool,
    decode: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut from, mut at) = (0, 0);
    while at < bytes.len() {
        let length = bytes[at..].iter().take_while(|b| of_code(**b)).count();
        let code = at..at + length;
        at = code.end + 1;
        if length < CODED_MIN {
            continue;
        }
        let Some(text) = decode(&bytes[code.clone()]).filter(|text| is_text(text)) else {
            continue;
        };
        let padding = bytes[code.end..].iter().take_while(|b| **b == b'=').count();
        let behind = code.end + padding;
        let front = code.start.checked_sub(1).map(|at| bytes[at]);
        let (held, text) = match (front, bytes.get(behind)) {
            (Some(b'['), Some(b']')) => (1, [b"\"", &in_string(text)[..], b"\""].concat()),
            (Some(b'"'), Some(b'"' | b'\\')) => {
                let escapes = bytes[..code.start - 1].iter().rev();
                let escapes = escapes.take_while(|byte| **byte == b'\\').count();
                // Strings within strings have 1, 3, 7 of them.
                let levels = 1 + (escapes + 1).ilog2();
                (0, (0..levels).fold(text, |text, _| in_string(text)))
            }
            // What follows stands behind its last line.
            _ => (0, without_newline(&text).to_vec()),
        };
        out.extend_from_slice(&bytes[from..code.start - held]);
        out.extend_from_slice(&text);
        from = behind + held;
        at = from;
    }
    (from > 0).then(|| {
        out.extend_from_slice(&bytes[from..]);
        out
    })
}

/// A text as it stands in a string of JSON.
fn in_string(text: Vec<u8>) -> Vec<u8> {
    let quoted = json!(String::from_utf8_lossy(&text)).to_string();
    quoted[1..quoted.len() - 1].into()
}

/// What was packed, as far as it goes, as CloudWatch packs what it sends to subscribers; none if it was not.
fn unpacked(bytes: &[u8]) -> Option<Vec<u8>> {
    let packed = Box::new(io::Cursor::new(bytes.to_vec()));
    let (mut plain, mut reader) = (Vec::new(), reader(form(bytes)?, packed).ok()?);
    // An error is the end of what can be had.
    let _ = reader.by_ref().take(UNPACKED_MAX).read_to_end(&mut plain);
    Some(plain)
}

/// Whether this is text, which may be cut within a character.
fn is_text(bytes: &[u8]) -> bool {
    let invalid = bytes
        .utf8_chunks()
        .filter(|part| !part.invalid().is_empty());
    !bytes.is_empty() && controls(bytes) == 0 && invalid.count() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "2026-11-23T17:42:00.000123Z  INFO main Run started run=9f2c1b7a55d01e44 seq=0 schema=1 seed=42 threads=10 sum=1c9e00f2";

    #[test]
    fn pieces_of_a_stream_are_put_together() {
        let (front, behind) = TEXT.split_at(60);
        let pieces = format!(
            "{{\"out\":\"a {front}\",\"time\":\"x\"}}\n{{\"out\": [\"{behind}\\n\", \"b\"]}}\n{TEXT}\n{{\"out\":\"c\"}}\n"
        );
        let plain = format!("a {TEXT}\nb\"]}}\n{TEXT}\n{{\"out\":\"c");
        let joined = joined(pieces.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(joined).unwrap(), plain);
    }

    #[test]
    fn what_was_coded_comes_back_with_what_is_around_it() {
        let base64 = data_encoding::BASE64.encode(TEXT.as_bytes());
        let hex = data_encoding::HEXLOWER.encode(TEXT.as_bytes());
        let list = |between: &str| {
            let numbers: Vec<_> = TEXT.bytes().map(|byte| byte.to_string()).collect();
            format!("[{}]", numbers.join(between))
        };
        for (coded, plain) in [
            (base64.clone(), TEXT.to_owned()),
            (
                format!("{{\"Data\": \"{base64}\", \"Key\": \"a\"}}\n"),
                format!("{{\"Data\": \"{TEXT}\", \"Key\": \"a\"}}\n"),
            ),
            (format!("1 | \\x{hex}\n"), format!("1 | \\x{TEXT}\n")),
            (
                format!("{{\"MESSAGE\":{}}}\n", list(",")),
                format!("{{\"MESSAGE\":\"{TEXT}\"}}\n"),
            ),
            (list(",\n  "), format!("\"{TEXT}\"")),
            (
                "{\x1b[34;1m\"seq\"\x1b[0m:\x1b[39m4\x1b[0m}\n".into(),
                "{\"seq\":4}\n".into(),
            ),
            (
                format!(
                    "Content-Transfer-Encoding: base64\r\n\r\n{}\r\n{}\r\n",
                    &base64[..76],
                    &base64[76..]
                ),
                format!("Content-Transfer-Encoding: {TEXT}\r\n"),
            ),
        ] {
            let mut written = CODES.iter().filter_map(|of| (of.undo)(coded.as_bytes()));
            assert!(written.any(|bytes| bytes == plain.as_bytes()), "{coded}");
        }
        let other = data_encoding::BASE64.encode(&[1; 300]);
        for code in &CODES {
            assert_eq!((code.undo)(other.as_bytes()), None);
        }
    }

    #[cfg(feature = "monitoring")]
    #[test]
    fn what_was_packed_before_it_was_coded_comes_back_as_it_was() {
        let document = format!("{{\"logEvents\":[{{\"message\":\"{TEXT}\"}}]}}");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        io::Write::write_all(&mut gz, document.as_bytes()).unwrap();
        let code = data_encoding::BASE64.encode(&gz.finish().unwrap());
        let coded = format!("{{\"awslogs\":{{\"data\":\"{code}\"}}}}\n");
        let plain = format!("{{\"awslogs\":{{\"data\":{}}}}}\n", json!(document));
        assert_eq!(base64(coded.as_bytes()), Some(plain.into_bytes()));
    }
}
