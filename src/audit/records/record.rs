//! From the bytes of one line to what it tells, whatever its form: the general path.
//!
//! A [`Record`] is a line whose checksum holds. It knows who logged what and when; whether that is what
//! should have been logged, this file must not know.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::packed::Searcher;

use super::shape::{STAMP, shaped};
use crate::{
    log::{
        event::{Event, Next},
        line::{Encoder, Line, STAMP_LEN, parse_stamp},
    },
    plan::{Outcome, Position},
};

/// Who logs: the main thread or a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Producer {
    /// The main thread.
    #[default]
    Main,
    /// A worker, by its number.
    Worker(u32),
}

impl Producer {
    /// The name of the author's thread.
    pub fn thread(self) -> String {
        match self {
            Self::Main => "main".into(),
            Self::Worker(worker) => format!("Worker-{worker}"),
        }
    }

    /// Whose thread has this name.
    pub fn named(thread: &str) -> Option<Self> {
        match thread.strip_prefix("Worker-") {
            Some(number) => Some(Self::Worker(number.parse().ok()?)),
            None => (thread == "main").then_some(Self::Main),
        }
    }

    /// The author's worker number.
    pub fn worker(self) -> Option<u32> {
        match self {
            Self::Main => None,
            Self::Worker(worker) => Some(worker),
        }
    }
}

/// A line whose checksum holds, and what it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Microseconds since 1970.
    pub stamp: u64,
    /// The run's id.
    pub run: u64,
    /// Who logged it.
    pub author: Producer,
    /// Its number along its author.
    pub seq: u64,
    /// What it tells; none if no event of the program looks like this.
    pub event: Option<Event>,
    /// The checksum.
    pub sum: u32,
}

impl Record {
    /// The line that the program writes for it, without its newline; none if no event of the program is like it.
    pub(crate) fn render(&self, json: bool) -> Option<Vec<u8>> {
        let event = self.event.as_ref()?;
        let line = render(self.run, self.author, self.seq, self.stamp, event, json);
        Some(line)
    }

    /// Whether its checksum is that of the line that the program writes.
    pub(crate) fn sum_holds(&self) -> bool {
        let line = self.render(false).unwrap_or_default();
        line.last_chunk::<8>().and_then(|sum| hex8(sum)) == Some(self.sum)
    }
}

/// What a line tells whose checksum holds; none if it lacks what every line has.
pub(crate) fn record(line: Line) -> Option<Record> {
    let author = match line.field("worker") {
        None => Producer::Main,
        Some(worker) => Producer::Worker(worker.parse().ok()?),
    };
    let run = line.field("run")?;
    let run = (run.len() == 16).then(|| u64::from_str_radix(run, 16).ok())??;
    let event = Event::read(&line).filter(|event| {
        // A line that the program did not write, though its checksum holds, shows in level or thread.
        event.level().as_str() == line.level && author.thread() == line.thread
    });
    Some(Record {
        stamp: parse_stamp(&line.stamp)?,
        run,
        author,
        seq: line.field("seq")?.parse().ok()?,
        event,
        sum: line.sum,
    })
}

/// The line that the program writes for an event, without its newline.
pub(crate) fn render(
    run: u64,
    author: Producer,
    seq: u64,
    stamp: u64,
    event: &Event,
    json: bool,
) -> Vec<u8> {
    let mut encoder = Encoder::new(&author.thread(), run, author.worker(), json);
    encoder.begin(stamp, event.level(), &event.message(), seq);
    event.encode(&mut encoder);
    encoder.finish();
    let line = if json { encoder.json() } else { encoder.text() };
    line[..line.len() - 1].to_vec()
}

/// What stands before the thread in a text line of this level.
pub(crate) const LEVEL_WIDTH: usize = 7;

/// The bytes with which every JSON line begins.
pub(crate) const JSON_START: &[u8] = b"{\"timestamp\":\"";
/// What a JSON record begins with in a JSON string.
pub(crate) const ESCAPED_START: &str = "{\\\"timestamp\\\":\\\"";

/// Whether these are the brace and a part of the name of a JSON record's time, or all of it and a part of the time.
pub(crate) fn begins_json(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    let begun = length > 1 && start[..length] == bytes[..length];
    begun && has_stamp_shape(&bytes[length..]) && !bytes.ends_with(b"}")
}

/// The same of a record in JSON, as it is or in a string of JSON.
pub(crate) fn begins_plain_or_escaped(bytes: &[u8]) -> bool {
    let starts = [JSON_START, ESCAPED_START.as_bytes()];
    starts.iter().any(|start| begins_json(bytes, start))
}

/// Whether a line of either form begins here.
pub(crate) fn starts_here(bytes: &[u8]) -> bool {
    let (stamp, json) = match bytes.strip_prefix(JSON_START) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let Some((stamp, rest)) = stamp.split_at_checked(STAMP_LEN) else {
        return false;
    };
    let goes_on = match json {
        true => rest.starts_with(b"\""),
        false => rest
            .split_first_chunk()
            .is_some_and(|(level, rest)| LEVELS.contains(level) && names_a_thread(rest)),
    };
    goes_on && has_stamp_shape(stamp)
}

/// Whether the name of a thread stands at the start of `bytes`, or as much of it as there is.
fn names_a_thread(bytes: &[u8]) -> bool {
    let length = bytes.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let ends = bytes.get(length).is_none_or(|b| b"\"\\\r\n".contains(b));
    let is = |name: &[u8]| bytes[..length] == *name || ends && name.starts_with(&bytes[..length]);
    is(b"main") || is(b"Worker")
}

/// Whether the message of a line of text that begins here may be one of this program's, as far as there is any.
pub(crate) fn tells_ours(line: &[u8]) -> bool {
    const WORDS: &str = "Run|Started|Thread|Operation|I/O|Unexpected|Worker|Total|Log|Sample|No";
    let thread = line.get(STAMP_LEN + LEVEL_WIDTH..).unwrap_or_default();
    let mut words = thread.splitn(3, |b| *b == b' ').skip(1);
    let (word, rest) = (words.next().unwrap_or_default(), words.next());
    line.starts_with(b"{")
        || WORDS.split('|').any(|ours| match rest {
            Some(_) => word == ours.as_bytes(),
            None => ours.as_bytes().starts_with(word.trim_ascii_end()),
        })
}

/// Whether `bytes`, as far as they go, are what a time stamp looks like.
pub(crate) fn has_stamp_shape(bytes: &[u8]) -> bool {
    shaped(bytes, STAMP)
}

/// What stands there.
pub(crate) const LEVELS: [[u8; LEVEL_WIDTH]; 5] = [
    *b"  INFO ",
    *b" ERROR ",
    *b"  WARN ",
    *b" DEBUG ",
    *b" TRACE ",
];

/// Where the word of a level stands in what is behind a time: in capitals, with blanks around it.
pub(crate) fn level_word(behind: &[u8]) -> Option<Range<usize>> {
    let start = behind.iter().take_while(|b| **b == b' ').count();
    let word = behind[start..].iter();
    let end = start + word.take_while(|b| b.is_ascii_uppercase()).count();
    ((3..=5).contains(&(end - start)) && behind.get(end) == Some(&b' ')).then_some(start..end)
}

/// The event that an attempt's end is logged as.
pub(crate) fn attempt_event(position: Position, outcome: Outcome, counter: u64) -> Event {
    let (iteration, attempt) = (position.iteration, position.attempt);
    match outcome {
        Outcome::Success { .. } => Event::Succeeded {
            iteration,
            attempt,
            counter,
        },
        Outcome::Retry { delay } => Event::Failed {
            iteration,
            attempt,
            next: Next::Retry,
            delay_us: delay,
        },
        Outcome::Abandon { delay } => Event::Failed {
            iteration,
            attempt,
            next: Next::Abandon,
            delay_us: delay,
        },
        Outcome::Panic(place) => Event::Unexpected {
            iteration,
            attempt,
            error: place.words().into(),
        },
    }
}

/// A whole number at the start of `bytes`, at most 19 digits long, and how many bytes it takes.
#[inline(always)]
pub(crate) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    // Many have a single digit: what stands behind it need not wait for how many there are.
    if let [digit @ b'0'..=b'9', behind, ..] = bytes
        && !behind.is_ascii_digit()
    {
        return Some((u64::from(digit - b'0'), 1));
    }
    match bytes.first_chunk().map(|word| few_digits(*word)) {
        Some((_, 0)) => None,
        Some((value, length @ 1..8)) => Some((value, length)),
        _ => many_digits(bytes),
    }
}

/// The number at the start of eight bytes, and how many of them are its digits, all at once: a byte each, the
/// digits are moved to the end behind zeros, then taken together in pairs, fours and all eight.
#[inline(always)]
pub(crate) fn few_digits(bytes: [u8; 8]) -> (u64, usize) {
    let word = u64::from_le_bytes(bytes) ^ 0x3030_3030_3030_3030;
    // What is more than 9 has its high bit set here; carries only reach bytes behind the first of those.
    let others = (word.wrapping_add(0x7676_7676_7676_7676) | word) & 0x8080_8080_8080_8080;
    let length = others.trailing_zeros() / 8;
    let digits = word.checked_shl(64 - 8 * length).unwrap_or(0);
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let value = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (value, length as usize)
}

#[cold]
fn many_digits(bytes: &[u8]) -> Option<(u64, usize)> {
    let length = bytes
        .iter()
        .take(20)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let digits = std::str::from_utf8(&bytes[..length]).ok()?;
    (length < 20).then(|| Some((digits.parse().ok()?, length)))?
}

/// A checksum as the log writes it.
#[inline(always)]
pub(crate) fn hex8(bytes: &[u8]) -> Option<u32> {
    let bytes: &[u8; 8] = bytes.first_chunk()?;
    let mut value = 0_u32;
    let mut bad = 0;
    for byte in bytes {
        let digit = HEX[usize::from(*byte)];
        bad |= digit;
        value = value << 4 | u32::from(digit);
    }
    (bad < 16).then_some(value)
}

const HEX: [u8; 256] = {
    let mut table = [0xff; 256];
    let mut i = 0;
    while i < 16 {
        table[b"0123456789abcdef"[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// Bytes of ` sum=1c9e00f2`.
pub(crate) const SUM_LEN: usize = 13;

/// Words that are looked for in line after line, all at once: how that is done best is found out once.
pub(crate) type Words = LazyLock<Searcher>;

/// The search for these words, which bars part.
pub(crate) fn words(words: &str) -> Searcher {
    Searcher::new(words.split('|')).expect("there are words, and not too many")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A number is what the standard library reads, whatever stands behind it.
        #[test]
        fn numbers_are_read(value: u64, zeros in 0_usize..3, behind in "([^0-9].*)?") {
            let digits = "0".repeat(zeros) + &value.to_string();
            let expected = (digits.len() < 20).then_some((value, digits.len()));
            prop_assert_eq!(number((digits + &behind).as_bytes()), expected);
            let small = value >> (value % 64);
            let text = format!("{small}{behind}");
            if small < 10_u64.pow(19) {
                let length = small.to_string().len();
                prop_assert_eq!(number(text.as_bytes()), Some((small, length)));
            }
        }

        #[test]
        fn any_bytes_hold_a_number_or_none(bytes: Vec<u8>) {
            let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
            let digits = std::str::from_utf8(&bytes[..length]).unwrap();
            let expected = (1..20).contains(&length).then(|| (digits.parse().unwrap(), length));
            prop_assert_eq!(number(&bytes), expected);
        }
    }
}
