//! The fast path: one line in exactly the form in which the program writes an attempt: text,
//! JSON, or JSON within a JSON string.
//!
//! It reads from left to right, compares what is fixed, and verifies the checksum. Whatever is not of
//! that form, or does not verify, is left to the general path: this file finds no faults.

use super::{
    record::{hex8, number},
    registry::Run,
    times::Clock,
};
use crate::log::{
    buffer::LineBuffer,
    line::{STAMP_LEN, checksum, checksum_of_start},
};

/// How an attempt ended, as its line tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this counter.
    Success(u64),
    /// Another attempt follows after this many microseconds.
    Retry(u64),
    /// The operation was given up; this many microseconds of sleep follow.
    Abandon(u64),
}

/// What an exact line tells.
#[derive(Clone, Copy, Debug)]
pub struct Exact {
    /// Microseconds since 1970.
    pub stamp: u64,
    /// The worker's number.
    pub worker: u32,
    /// Its number along its worker.
    pub seq: u64,
    /// The operation.
    pub iteration: u64,
    /// The attempt at it.
    pub attempt: u64,
    /// How it ended.
    pub ending: Ending,
    /// Bytes of the line, up to its newline or whatever else stands behind it.
    pub length: usize,
}

/// Bytes that are taken from the left.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    #[inline]
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(text).then_some(())?;
        self.at += text.len();
        Some(())
    }

    #[inline(always)]
    fn number(&mut self) -> Option<u64> {
        let bytes = self.bytes.get(self.at..)?;
        let (value, length) = number(bytes)?;
        // The program writes no zero in front, and a JSON line's numbers are not checked as they stand.
        if length > 1 && bytes[0] == b'0' {
            return None;
        }
        self.at += length;
        Some(value)
    }
}

/// The fixed parts of an attempt's line in one of the two forms.
struct Form {
    start: &'static [u8],
    info: &'static [u8],
    error: &'static [u8],
    success: &'static [u8],
    failure: &'static [u8],
    worker: &'static [u8],
    seq: &'static [u8],
    iteration: &'static [u8],
    attempt: &'static [u8],
    counter: &'static [u8],
    retry: &'static [u8],
    abandon: &'static [u8],
    sum: &'static [u8],
    end: &'static [u8],
}

const TEXT: Form = Form {
    start: b"",
    info: b"  INFO Worker-",
    error: b" ERROR Worker-",
    success: b" Operation result: Operation completed successfully run=",
    failure: b" I/O operation failed: Random I/O failure! run=",
    worker: b" worker=",
    seq: b" seq=",
    iteration: b" iteration=",
    attempt: b" attempt=",
    counter: b" counter=",
    retry: b" next=retry delay_us=",
    abandon: b" next=abandon delay_us=",
    sum: b" sum=",
    end: b"",
};

const JSON: Form = Form {
    start: b"{\"timestamp\":\"",
    info: b"\",\"level\":\"INFO\",\"thread\":\"Worker-",
    error: b"\",\"level\":\"ERROR\",\"thread\":\"Worker-",
    success: b"\",\"message\":\"Operation result: Operation completed successfully\",\"run\":\"",
    failure: b"\",\"message\":\"I/O operation failed: Random I/O failure!\",\"run\":\"",
    worker: b"\",\"worker\":",
    seq: b",\"seq\":",
    iteration: b",\"iteration\":",
    attempt: b",\"attempt\":",
    counter: b",\"counter\":",
    retry: b",\"next\":\"retry\",\"delay_us\":",
    abandon: b",\"next\":\"abandon\",\"delay_us\":",
    sum: b",\"sum\":\"",
    end: b"\"}",
};

/// The JSON form within a JSON string.
const ESCAPED: Form = Form {
    start: b"{\\\"timestamp\\\":\\\"",
    info: b"\\\",\\\"level\\\":\\\"INFO\\\",\\\"thread\\\":\\\"Worker-",
    error: b"\\\",\\\"level\\\":\\\"ERROR\\\",\\\"thread\\\":\\\"Worker-",
    success: b"\\\",\\\"message\\\":\\\"Operation result: Operation completed successfully\\\",\\\"run\\\":\\\"",
    failure: b"\\\",\\\"message\\\":\\\"I/O operation failed: Random I/O failure!\\\",\\\"run\\\":\\\"",
    worker: b"\\\",\\\"worker\\\":",
    seq: b",\\\"seq\\\":",
    iteration: b",\\\"iteration\\\":",
    attempt: b",\\\"attempt\\\":",
    counter: b",\\\"counter\\\":",
    retry: b",\\\"next\\\":\\\"retry\\\",\\\"delay_us\\\":",
    abandon: b",\\\"next\\\":\\\"abandon\\\",\\\"delay_us\\\":",
    sum: b",\\\"sum\\\":\\\"",
    end: b"\\\"}",
};

const FORMS: [&Form; 3] = [&TEXT, &JSON, &ESCAPED];

/// Reads lines of one run after the other.
#[derive(Debug)]
pub(super) struct Reader {
    clock: Clock,
    /// The canonical text of a JSON line; text lines are their own.
    canonical: LineBuffer,
}

impl Reader {
    /// A reader that has seen nothing.
    pub(super) fn new() -> Self {
        Self {
            clock: Clock::default(),
            canonical: LineBuffer::default(),
        }
    }

    /// Reads the line of `run` at the start of `bytes`, whatever stands behind it.
    #[inline]
    pub(super) fn read(&mut self, bytes: &[u8], run: &Run) -> Option<Exact> {
        match bytes {
            [b'{', b'"', ..] => self.read_form::<1>(bytes, run),
            [b'{', ..] => self.read_form::<2>(bytes, run),
            _ => self.read_form::<0>(bytes, run),
        }
    }

    #[inline(always)]
    fn read_form<const FORM: usize>(&mut self, bytes: &[u8], run: &Run) -> Option<Exact> {
        let form = const { FORMS[FORM] };
        let mut cursor = Cursor { bytes, at: 0 };
        cursor.skip(form.start)?;
        let stamp: &[u8; STAMP_LEN] = bytes.get(cursor.at..)?.first_chunk()?;
        cursor.at += STAMP_LEN;
        let success = cursor.skip(form.info).is_some();
        if !success {
            cursor.skip(form.error)?;
        }
        let name_at = cursor.at;
        let worker = cursor.number()?;
        let name = &bytes[name_at..cursor.at];
        cursor.skip(if success { form.success } else { form.failure })?;
        cursor.skip(&run.id_text)?;
        cursor.skip(form.worker)?;
        cursor.skip(name)?;
        cursor.skip(form.seq)?;
        let seq = cursor.number()?;
        cursor.skip(form.iteration)?;
        let iteration = cursor.number()?;
        cursor.skip(form.attempt)?;
        let attempt = cursor.number()?;
        let ending = if success {
            cursor.skip(form.counter)?;
            Ending::Success(cursor.number()?)
        } else if cursor.skip(form.retry).is_some() {
            Ending::Retry(cursor.number()?)
        } else {
            cursor.skip(form.abandon)?;
            Ending::Abandon(cursor.number()?)
        };
        let canonical_end = cursor.at;
        cursor.skip(form.sum)?;
        let sum = hex8(bytes.get(cursor.at..)?)?;
        cursor.at += 8;
        cursor.skip(form.end)?;
        let line = Exact {
            stamp: self.clock.stamp(stamp)?,
            worker: u32::try_from(worker).ok()?,
            seq,
            iteration,
            attempt,
            ending,
            length: cursor.at,
        };
        let right = if FORM > 0 {
            checksum(self.canonical(&line, stamp, name, run))
        } else {
            checksum_of_start(bytes, canonical_end)
        };
        (right == sum).then_some(line)
    }

    /// The canonical text of a line that was read from JSON.
    fn canonical(
        &mut self,
        line: &Exact,
        stamp: &[u8; STAMP_LEN],
        name: &[u8],
        run: &Run,
    ) -> &[u8] {
        // Each piece has a length of its own that is known here: so it costs least.
        let out = &mut self.canonical;
        out.begin(stamp);
        if matches!(line.ending, Ending::Success(_)) {
            out.push(TEXT.info);
            out.push(name);
            out.push(TEXT.success);
        } else {
            out.push(TEXT.error);
            out.push(name);
            out.push(TEXT.failure);
        }
        out.push(&run.id_text);
        out.push(TEXT.worker);
        out.push(name);
        out.push(TEXT.seq);
        out.push_number(line.seq);
        out.push(TEXT.iteration);
        out.push_number(line.iteration);
        out.push(TEXT.attempt);
        out.push_number(line.attempt);
        let last = match line.ending {
            Ending::Success(counter) => {
                out.push(TEXT.counter);
                counter
            }
            Ending::Retry(delay) => {
                out.push(TEXT.retry);
                delay
            }
            Ending::Abandon(delay) => {
                out.push(TEXT.abandon);
                delay
            }
        };
        out.push_number(last);
        out.bytes()
    }
}
