//! The fast path: one line in exactly the form in which the program writes an attempt: text,
//! JSON, or JSON within a JSON string.
//!
//! It reads from left to right, compares what is fixed, and verifies the checksum. Whatever is not of
//! that form, or does not verify, is left to the general path: this file finds no faults.

use super::{
    attempt::{AttemptKind, AttemptRecord},
    block::BlockLocation,
    record::{hex8, number},
    times::StampReader,
};
use crate::{
    audit::registry::Run,
    log::{
        buffer::LineBuffer,
        line::{STAMP_LEN, checksum_of_start},
    },
    plan::Position,
};

/// Bytes of a form that are taken from the left. The canonical text of what was taken grows with that where it is not the
/// line's own.
struct Cursor<'a, const FORM: usize> {
    bytes: &'a [u8],
    at: usize,
    canonical: &'a mut LineBuffer,
}

impl<const FORM: usize> Cursor<'_, FORM> {
    /// Takes a fixed part.
    #[inline(always)]
    fn part(&mut self, part: impl Fn(&Form) -> &'static [u8]) -> Option<()> {
        self.skip(part(FORMS[FORM]))?;
        self.push(part(&TEXT));
        Some(())
    }

    /// Takes what is the same in every form.
    #[inline(always)]
    fn text(&mut self, text: &[u8]) -> Option<()> {
        self.skip(text)?;
        self.push(text);
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
        if FORM > 0 {
            self.canonical.push_digits(bytes, length);
        }
        Some(value)
    }

    #[inline(always)]
    fn skip(&mut self, text: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(text).then_some(())?;
        self.at += text.len();
        Some(())
    }

    #[inline(always)]
    fn push(&mut self, text: &[u8]) {
        if FORM > 0 {
            self.canonical.push(text);
        }
    }

    /// The checksum of what was taken.
    #[inline(always)]
    fn checksum(&self) -> u32 {
        match FORM {
            0 => checksum_of_start(self.bytes, self.at),
            _ => checksum_of_start(
                self.canonical.bytes_and_more(),
                self.canonical.bytes().len(),
            ),
        }
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
#[derive(Debug, Default)]
pub(crate) struct Reader {
    stamps: StampReader,
    /// The canonical text of a JSON line; text lines are their own.
    canonical: LineBuffer,
}

impl Reader {
    /// Reads the line of `run` at the start of `bytes`, whatever stands behind it; and how many bytes it has. Where it stands
    /// and whether it is planned nobody has said yet.
    #[inline(always)]
    pub(crate) fn read(&mut self, bytes: &[u8], run: &Run) -> Option<(AttemptRecord, usize)> {
        match bytes {
            [b'{', b'"', ..] => self.read_form::<1>(bytes, run),
            [b'{', ..] => self.read_form::<2>(bytes, run),
            _ => self.read_form::<0>(bytes, run),
        }
    }

    #[inline(always)]
    fn read_form<const FORM: usize>(
        &mut self,
        bytes: &[u8],
        run: &Run,
    ) -> Option<(AttemptRecord, usize)> {
        self.canonical.begin(&[]);
        let mut cursor = Cursor::<FORM> {
            bytes,
            at: 0,
            canonical: &mut self.canonical,
        };
        cursor.part(|form| form.start)?;
        let stamp: &[u8; STAMP_LEN] = bytes.get(cursor.at..)?.first_chunk()?;
        cursor.at += STAMP_LEN;
        cursor.push(stamp);
        let success = cursor.part(|form| form.info).is_some();
        if !success {
            cursor.part(|form| form.error)?;
        }
        let worker = cursor.number()?;
        match success {
            true => cursor.part(|form| form.success)?,
            false => cursor.part(|form| form.failure)?,
        }
        cursor.text(&run.id_text)?;
        cursor.part(|form| form.worker)?;
        (cursor.number()? == worker).then_some(())?;
        cursor.part(|form| form.seq)?;
        let seq = cursor.number()?;
        cursor.part(|form| form.iteration)?;
        let iteration = cursor.number()?;
        cursor.part(|form| form.attempt)?;
        let attempt = cursor.number()?;
        let kind = if success {
            cursor.part(|form| form.counter)?;
            AttemptKind::Success
        } else if cursor.part(|form| form.retry).is_some() {
            AttemptKind::Retry
        } else {
            cursor.part(|form| form.abandon)?;
            AttemptKind::Abandon
        };
        let value = cursor.number()?;
        let right = cursor.checksum();
        cursor.part(|form| form.sum)?;
        let sum = hex8(bytes.get(cursor.at..)?)?;
        cursor.at += 8;
        cursor.part(|form| form.end)?;
        let line = AttemptRecord {
            run: run.index,
            worker: u32::try_from(worker).ok()?,
            kind,
            planned: None,
            seq,
            position: Position { iteration, attempt },
            value,
            stamp: self.stamps.stamp(stamp)?,
            received: 0,
            location: BlockLocation::default(),
        };
        (right == sum).then_some((line, cursor.at))
    }
}
