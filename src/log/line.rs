//! How a line of the log looks, written and read.
//!
//! ```text
//! 2026-11-23T17:42:00.223456Z  INFO Worker-3 MESSAGE run=9f2c1b7a55d01e44 worker=3 seq=41 NAME=VALUE … sum=1c9e00f2
//! {"timestamp":"2026-11-23T17:42:00.223456Z","level":"INFO","thread":"Worker-3","message":"MESSAGE","run":"9f2c1b7a55d01e44","worker":3,"seq":41,"NAME":VALUE,…,"sum":"1c9e00f2"}
//! ```
//!
//! The text up to ` sum=` is an event's canonical text; [`checksum`] is taken over it, also where
//! the line itself is JSON. A value that could be taken for something else (it is empty, or holds
//! anything but letters, digits and `._-+:/,;@%`) is quoted as JSON quotes, and whatever could end a line,
//! colour it or reorder its display is escaped: no value can forge, split or colour a line.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use serde_json::{Map, Value};
use tracing::Level;

use super::{
    buffer::{LineBuffer, eight_digits},
    clock::STAMP_MICROS_MAX,
};

/// Bytes of a time stamp: `2026-11-23T17:42:00.223456Z`.
pub const STAMP_LEN: usize = 27;

/// JSON numbers above this are not exact in every reader (RFC 8259, section 6): they become strings.
const JSON_EXACT_MAX: u64 = 1 << 53;

/// The bounds within which lines are made: which producer, which formats.
///
/// An encoder belongs to one thread and is used again for each line, so that a line costs no allocation.
#[derive(Debug)]
pub struct Encoder {
    thread: String,
    text_context: Vec<u8>,
    json_context: Option<Vec<u8>>,
    /// The heads of the last line that was no error and of the last that was one: most messages of a producer are those that
    /// it logged before, in the same second.
    heads: [LineHead; 2],
    text: LineBuffer,
    json: LineBuffer,
}

/// What stands before a time stamp in JSON.
const JSON_START: &str = "{\"timestamp\":\"";

/// Bytes of the part of a time stamp that stays the same for a second: `2026-11-23T17:42:00.`.
const SECOND_LEN: usize = 20;

impl Encoder {
    /// An encoder for the lines of `thread` in run `run`; `worker` is its number if it is a worker.
    /// It makes text, and JSON as well where `json` says so.
    pub fn new(thread: &str, run: u64, worker: Option<u32>, json: bool) -> Self {
        let (text_worker, json_worker) = match worker {
            Some(n) => (format!(" worker={n}"), format!(",\"worker\":{n}")),
            None => (String::new(), String::new()),
        };
        Self {
            thread: thread.to_owned(),
            text_context: format!(" run={run:016x}{text_worker} seq=").into_bytes(),
            json_context: json
                .then(|| format!(",\"run\":\"{run:016x}\"{json_worker},\"seq\":").into_bytes()),
            heads: Default::default(),
            text: LineBuffer::default(),
            json: LineBuffer::default(),
        }
    }

    /// Begins a line: `micros` since 1970 is its time stamp.
    #[inline]
    pub fn begin(&mut self, micros: u64, level: Level, message: &str, seq: u64) {
        let (second, fraction) = (micros / MICROS_IN_SECOND, micros % MICROS_IN_SECOND);
        let slot = usize::from(level == Level::ERROR);
        let head = &self.heads[slot];
        if head.second != second || head.message != message || head.level != Some(level) {
            self.heads[slot] = self.head(second, level, message);
        }
        let head = &self.heads[slot];
        // Of the eight digits the first two are zeros.
        let [_, _, fraction @ ..] = eight_digits(fraction as u32).to_le_bytes();
        self.text.begin(head.text.bytes());
        self.text.patch(SECOND_LEN, fraction);
        self.text.push_number(seq);
        if self.json_context.is_some() {
            self.json.begin(head.json.bytes());
            self.json.patch(JSON_START.len() + SECOND_LEN, fraction);
            push_json_number(&mut self.json, seq);
        }
    }

    /// What stands before the number of a line that is logged in `second`, its time stamp being that of the
    /// second's beginning.
    #[cold]
    fn head(&self, second: u64, level: Level, message: &str) -> LineHead {
        let stamp = stamp_text(second * MICROS_IN_SECOND);
        let thread = &self.thread;
        let (mut text, mut json) = (LineBuffer::default(), LineBuffer::default());
        text.push(format!("{stamp} {:>5} {thread} ", level.as_str()).as_bytes());
        push_message(&mut text, message);
        text.push(&self.text_context);
        if let Some(context) = &self.json_context {
            json.push(
                format!("{JSON_START}{stamp}\",\"level\":\"{level}\",\"thread\":").as_bytes(),
            );
            push_quoted(&mut json, thread);
            json.push(b",\"message\":");
            push_quoted(&mut json, message);
            json.push(context);
        }
        LineHead {
            second,
            level: Some(level),
            message: message.to_owned(),
            text,
            json,
        }
    }

    /// Adds a field with a whole number.
    #[inline]
    pub fn number(&mut self, name: &str, value: u64) {
        self.text.push_named_number(*b" ", name, *b"=", value);
        if self.json_context.is_some() {
            self.json.push_name(*b",\"", name, *b"\":");
            push_json_number(&mut self.json, value);
        }
    }

    /// Adds a field with a float.
    pub fn float(&mut self, name: &str, value: f64) {
        let text = value.to_string();
        // JSON knows no others, and its readers know greater ones only about.
        if !value.is_finite() || value.abs() > JSON_EXACT_MAX as f64 {
            return self.string(name, &text);
        }
        self.text.push_name(*b" ", name, *b"=");
        push_value(&mut self.text, &text);
        if self.json_context.is_some() {
            self.json.push_name(*b",\"", name, *b"\":");
            self.json.push(text.as_bytes());
        }
    }

    /// Adds a field with any text at all.
    #[inline]
    pub fn string(&mut self, name: &str, value: &str) {
        self.text.push_name(*b" ", name, *b"=");
        push_value(&mut self.text, value);
        if self.json_context.is_some() {
            self.json.push_name(*b",\"", name, *b"\":");
            push_quoted(&mut self.json, value);
        }
    }

    /// Ends the line with its checksum and a newline.
    #[inline]
    pub fn finish(&mut self) {
        let sum = checksum_of_start(self.text.bytes_and_more(), self.text.bytes().len());
        let [a, b, c, d, e, f, g, h] = hex8(sum);
        self.text.push_short(*b" sum=");
        self.text.push_short([a, b, c, d, e, f, g, h, b'\n']);
        if self.json_context.is_some() {
            self.json.push_short(*b",\"sum\":\"");
            self.json.push_short([a, b, c, d, e, f, g, h]);
            self.json.push_short(*b"\"}\n");
        }
    }

    /// The finished line as text.
    pub fn text(&self) -> &[u8] {
        self.text.bytes()
    }

    /// The finished line as JSON; empty unless the encoder was asked to make it.
    pub fn json(&self) -> &[u8] {
        self.json.bytes()
    }
}

const MICROS_IN_SECOND: u64 = 1_000_000;

/// A time stamp, in microseconds since 1970, as the log writes it (RFC 3339). Where a run passes the end of the year 9999,
/// its time stands still.
pub fn stamp_text(micros: u64) -> String {
    let micros = micros.min(STAMP_MICROS_MAX);
    humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_micros(micros)).to_string()
}

/// Reads what [`stamp_text`] writes, and nothing else.
pub fn parse_stamp(text: &str) -> Option<u64> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let micros = u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_micros()).ok()?;
    (stamp_text(micros) == text).then_some(micros)
}

/// The checksum of an event's canonical text, 32 bits.
///
/// In words: the text, padded with zeros to a multiple of 32 bytes, is read as little-endian 64-bit words,
/// dealt in turn to four lanes; a lane takes in a word as `lane = rotl((lane ^ word) * M, 29)`, the
/// lanes start from the first four powers of M, and what they hold at the end is taken in the same way
/// by a fifth that starts from the text's length in bytes; the high half of its product with M is the sum.
/// All arithmetic is modulo 2^64, and M is 0x9e3779b97f4a7c15, which is 2^64 divided by the golden ratio.
/// For given other words no two values of one word leave the same lane behind. It finds accidents, not forgers.
pub fn checksum(text: &[u8]) -> u32 {
    checksum_of_start(text, text.len())
}

/// The [`checksum`] of the first `length` bytes. It is faster where at least 32 more bytes follow, since the last block can be read whole then.
#[inline]
pub fn checksum_of_start(bytes: &[u8], length: usize) -> u32 {
    const M: u64 = 0x9e37_79b9_7f4a_7c15;
    const POWERS: [u64; 4] = [1, M, M.wrapping_mul(M), M.wrapping_mul(M).wrapping_mul(M)];
    fn take(lane: u64, word: u64) -> u64 {
        (lane ^ word).wrapping_mul(M).rotate_left(29)
    }
    fn words(block: &[u8; BLOCK]) -> [u64; 4] {
        let (words, _) = block.as_chunks::<8>();
        std::array::from_fn(|i| u64::from_le_bytes(words[i]))
    }
    let mut lanes = POWERS;
    let (blocks, rest) = bytes[..length].as_chunks::<BLOCK>();
    for block in blocks {
        let words = words(block);
        lanes = std::array::from_fn(|i| take(lanes[i], words[i]));
    }
    if !rest.is_empty() {
        let words = match bytes[length - rest.len()..].first_chunk() {
            Some(block) => words(block),
            None => {
                let mut block = [0; BLOCK];
                block[..rest.len()].copy_from_slice(rest);
                words(&block)
            }
        };
        let of_text = &TEXT_BITS[rest.len()];
        lanes = std::array::from_fn(|i| take(lanes[i], words[i] & of_text[i]));
    }
    let whole = lanes.into_iter().fold(length as u64, take);
    (whole.wrapping_mul(M) >> 32) as u32
}

/// Bytes that the checksum takes in together.
const BLOCK: usize = 32;

/// For each length of a text that ends within a block, the bits that are its own in the block's words.
const TEXT_BITS: [[u64; 4]; BLOCK] = {
    let mut bits = [[0; 4]; BLOCK];
    let mut length = 0;
    while length < BLOCK {
        let mut byte = 0;
        while byte < length {
            bits[length][byte / 8] |= 0xff << (byte % 8 * 8);
            byte += 1;
        }
        length += 1;
    }
    bits
};

/// Eight hexadecimal digits.
fn hex8(value: u32) -> [u8; 8] {
    std::array::from_fn(|i| b"0123456789abcdef"[(value >> (28 - 4 * i)) as usize & 15])
}

/// What stands before the number in the lines of one second with one message.
#[derive(Debug, Default)]
struct LineHead {
    second: u64,
    /// None as long as there was no such line.
    level: Option<Level>,
    message: String,
    text: LineBuffer,
    json: LineBuffer,
}

fn push_json_number(out: &mut LineBuffer, value: u64) {
    if value <= JSON_EXACT_MAX {
        out.push_number(value);
    } else {
        out.push(b"\"");
        out.push_number(value);
        out.push(b"\"");
    }
}

/// A value in text.
fn push_value(out: &mut LineBuffer, value: &str) {
    push_text(out, value, is_plain);
}

/// A message in text: words as they are, quoted where they could be taken for a field or a quotation.
fn push_message(out: &mut LineBuffer, message: &str) {
    push_text(out, message, |b| matches!(b, b'!' | b' ') || is_plain(b));
}

/// A text as it is where all of it is plain, quoted otherwise.
fn push_text(out: &mut LineBuffer, text: &str, is_plain: impl Fn(u8) -> bool) {
    if !text.is_empty() && text.bytes().all(is_plain) {
        out.push(text.as_bytes());
    } else {
        push_quoted(out, text);
    }
}

/// Whether a character stands in a text line as it is: letters, digits and what paths, addresses, dates and lists are made of.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-+:/,;@%".contains(&byte)
}

/// A path as people are shown it: as it is, or quoted where it holds what a terminal would act on.
pub fn displayed(path: &Path) -> String {
    let path = path.display().to_string();
    if !path.contains(acts_on_display) {
        return path;
    }
    let mut quoted = LineBuffer::default();
    push_quoted(&mut quoted, &path);
    String::from_utf8_lossy(quoted.bytes()).into_owned()
}

/// A JSON string. Besides what JSON demands, it escapes what a terminal or an editor would act on.
fn push_quoted(out: &mut LineBuffer, value: &str) {
    out.push(b"\"");
    for c in value.chars() {
        match c {
            '"' => out.push(b"\\\""),
            '\\' => out.push(b"\\\\"),
            '\n' => out.push(b"\\n"),
            '\r' => out.push(b"\\r"),
            '\t' => out.push(b"\\t"),
            c if acts_on_display(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push(format!("\\u{unit:04x}").as_bytes());
                }
            }
            c => out.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b"\"");
}

/// Control characters (C0, DEL, C1), line and paragraph separators, and the invisible characters that
/// reorder or hide its neighbours.
fn acts_on_display(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A line that was read: what stands in it, in the order in which it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The time stamp as it stands there; [`parse_stamp`] reads it.
    pub stamp: String,
    /// The level: `ERROR`, `INFO` …
    pub level: String,
    /// The thread that logged it.
    pub thread: String,
    /// The message, unquoted.
    pub message: String,
    /// Name and value of each field, the context (`run`, `worker`, `seq`) included, `sum` not.
    /// Values are unquoted, and numbers are text as well.
    pub fields: Vec<(String, String)>,
    /// The checksum that the line carries.
    pub sum: u32,
}

impl Line {
    /// Reads a line in either format, without its newline. The checksum is read but not verified.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        if text.starts_with('{') {
            Self::parse_json(text)
        } else {
            Self::parse_text(text)
        }
    }

    /// The value of the field `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    /// The canonical text: what [`checksum`] is taken over.
    pub fn canonical(&self) -> String {
        let mut out = LineBuffer::default();
        out.push(format!("{} {:>5} {} ", self.stamp, self.level, self.thread).as_bytes());
        push_message(&mut out, &self.message);
        for (name, value) in &self.fields {
            out.push_name(*b" ", name, *b"=");
            push_value(&mut out, value);
        }
        String::from_utf8_lossy(out.bytes()).into_owned()
    }

    /// Whether the checksum that the line carries is that of its canonical text.
    pub fn sum_holds(&self) -> bool {
        checksum(self.canonical().as_bytes()) == self.sum
    }

    fn parse_text(text: &str) -> Option<Self> {
        let (stamp, rest) = text.split_at_checked(STAMP_LEN)?;
        let (level, rest) = rest.split_at_checked(" ERROR ".len())?;
        let level = level.strip_prefix(' ')?.strip_suffix(' ')?;
        let (thread, rest) = rest.split_once(' ')?;
        let (message, mut rest) = if rest.starts_with('"') {
            split_quoted(rest)?
        } else {
            let end = rest
                .find('=')
                .and_then(|equals| rest[..equals].rfind(' '))?;
            (rest[..end].to_owned(), &rest[end..])
        };
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (name, value) = rest.strip_prefix(' ')?.split_once('=')?;
            let (value, behind) = if value.starts_with('"') {
                split_quoted(value)?
            } else {
                let (value, behind) = value.split_at(value.find(' ').unwrap_or(value.len()));
                (value.to_owned(), behind)
            };
            fields.push((name.to_owned(), value));
            rest = behind;
        }
        let (_, sum) = fields.pop().filter(|(name, _)| name == "sum")?;
        Some(Self {
            stamp: stamp.into(),
            level: level.trim_start().into(),
            thread: thread.into(),
            message,
            fields,
            sum: parse_sum(&sum)?,
        })
    }

    fn parse_json(text: &str) -> Option<Self> {
        let mut object: Map<String, Value> = serde_json::from_str(text).ok()?;
        let mut take = |name| object.shift_remove(name).map(in_text);
        Some(Self {
            stamp: take("timestamp")?,
            level: take("level")?,
            thread: take("thread")?,
            message: take("message")?,
            sum: parse_sum(&take("sum")?)?,
            fields: object
                .into_iter()
                .map(|(name, value)| (name, in_text(value)))
                .collect(),
        })
    }
}

/// A value of JSON as the text form has it.
fn in_text(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => float.to_string(),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// A JSON string at the start of `text`, unquoted, and what stands behind it.
fn split_quoted(text: &str) -> Option<(String, &str)> {
    let mut strings = serde_json::Deserializer::from_str(text).into_iter::<String>();
    let unquoted = strings.next()?.ok()?;
    Some((unquoted, &text[strings.byte_offset()..]))
}

fn parse_sum(text: &str) -> Option<u32> {
    let is_digit = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    let is_sum = text.len() == 8 && text.bytes().all(is_digit);
    is_sum.then(|| u32::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(fields: &[(&str, &str)], message: &str, seq: u64) -> (Vec<u8>, Vec<u8>) {
        let mut encoder = Encoder::new("Worker-3", 0x9f2c_1b7a_55d0_1e44, Some(3), true);
        encoder.begin(1_795_455_720_223_456, Level::INFO, message, seq);
        for (name, value) in fields {
            encoder.string(name, value);
        }
        encoder.finish();
        (encoder.text().to_vec(), encoder.json().to_vec())
    }

    #[test]
    fn a_line_by_hand() {
        let mut encoder = Encoder::new("Worker-3", 0x9f2c_1b7a_55d0_1e44, Some(3), true);
        encoder.begin(
            1_795_455_720_223_456,
            Level::ERROR,
            "I/O operation failed: Random I/O failure!",
            41,
        );
        encoder.number("iteration", 18);
        encoder.string("next", "retry");
        encoder.float("share", 0.25);
        encoder.number("big", u64::MAX);
        encoder.finish();
        let canonical = "2026-11-23T17:42:00.223456Z ERROR Worker-3 I/O operation failed: Random I/O failure! \
            run=9f2c1b7a55d01e44 worker=3 seq=41 iteration=18 next=retry share=0.25 big=18446744073709551615";
        let sum = checksum(canonical.as_bytes());
        assert_eq!(
            String::from_utf8_lossy(encoder.text()),
            format!("{canonical} sum={sum:08x}\n")
        );
        assert_eq!(
            String::from_utf8_lossy(encoder.json()),
            format!(
                "{{\"timestamp\":\"2026-11-23T17:42:00.223456Z\",\"level\":\"ERROR\",\"thread\":\"Worker-3\",\
                 \"message\":\"I/O operation failed: Random I/O failure!\",\"run\":\"9f2c1b7a55d01e44\",\"worker\":3,\
                 \"seq\":41,\"iteration\":18,\"next\":\"retry\",\"share\":0.25,\"big\":\"18446744073709551615\",\
                 \"sum\":\"{sum:08x}\"}}\n"
            )
        );
    }

    /// These must never change: logs that were written long ago are audited by them. They were computed
    /// by another program from the words above [`checksum`].
    #[test]
    fn golden_checksums() {
        let digits: Vec<u8> = (b'0'..=b'9').cycle().take(100).collect();
        for (text, sum) in [
            (&b""[..], "9c5c0ef5"),
            (b"a", "08f30e20"),
            (&digits[..32], "75a66b7b"),
            (&digits, "4a72a4d8"),
        ] {
            assert_eq!(format!("{:08x}", checksum(text)), sum, "{text:?}");
        }
    }

    #[test]
    fn one_changed_byte_changes_the_sum() {
        let text = encode(
            &[("a", "b")],
            "Operation result: Operation completed successfully",
            7,
        )
        .0;
        let sum = checksum(&text);
        for i in 0..text.len() {
            for bit in 0..8 {
                let mut altered = text.clone();
                altered[i] ^= 1 << bit;
                assert_ne!(checksum(&altered), sum, "byte {i}, bit {bit}");
            }
        }
        assert_ne!(checksum(&text[..text.len() - 1]), sum);
        assert_ne!(checksum(b"\0"), checksum(b""));
    }

    #[test]
    fn stamps_are_read_as_written() {
        for micros in [0, 1, 999_999, 1_795_455_720_223_456] {
            assert_eq!(parse_stamp(&stamp_text(micros)), Some(micros));
        }
        for text in [
            "",
            "2026-11-23T17:42:00Z",
            "2026-11-23 17:42:00.000000Z",
            "2026-13-23T17:42:00.000000Z",
        ] {
            assert_eq!(parse_stamp(text), None, "{text}");
        }
    }

    /// Text that is hostile to terminals, quoting, JSON and line ends, and text of any other kind.
    fn hostile() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-z=\" \\\\\n\r\t,{}\u{1b}\u{9b}\u{202e}\u{2028}]*",
            Just(
                "x\n2026-11-23T17:42:00.000123Z  INFO main Run started run=0 seq=0 sum=00000000"
                    .to_owned()
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(values in prop::collection::vec(hostile(), 0..5), message in hostile(), seq: u64) {
            let fields: Vec<_> = ["alpha", "beta", "gamma", "delta", "epsilon"].into_iter().zip(values.iter().map(String::as_str)).collect();
            let (text, json) = encode(&fields, &message, seq);
            for bytes in [&text, &json] {
                let (end, line) = bytes.split_last().unwrap();
                prop_assert_eq!(*end, b'\n');
                prop_assert!(!std::str::from_utf8(line).unwrap().chars().any(acts_on_display));
                let line = Line::parse(line).unwrap();
                prop_assert!(line.sum_holds());
                prop_assert_eq!(&line.message, &message);
                prop_assert_eq!(line.field("run"), Some("9f2c1b7a55d01e44"));
                prop_assert_eq!(line.field("seq").and_then(|s| s.parse().ok()), Some(seq));
                for (name, value) in &fields {
                    prop_assert_eq!(line.field(name), Some(*value));
                }
                prop_assert_eq!(line.fields.len(), fields.len() + 3);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>, text in hostile()) {
            let _ = Line::parse(&bytes);
            let _ = Line::parse(text.as_bytes());
            let _ = Line::parse(format!("{{{text}").as_bytes());
        }
    }
}
