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
    fn part(&mut self, part: Part) -> Option<()> {
        self.skip(part[FORM])?;
        self.push(part[0]);
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

/// A fixed part of an attempt's line: as text, in JSON, and in JSON within a JSON string.
type Part = [&'static [u8]; 3];

const START: Part = [b"", b"{\"timestamp\":\"", b"{\\\"timestamp\\\":\\\""];
const INFO: Part = [
    b"  INFO Worker-",
    b"\",\"level\":\"INFO\",\"thread\":\"Worker-",
    b"\\\",\\\"level\\\":\\\"INFO\\\",\\\"thread\\\":\\\"Worker-",
];
const ERROR: Part = [
    b" ERROR Worker-",
    b"\",\"level\":\"ERROR\",\"thread\":\"Worker-",
    b"\\\",\\\"level\\\":\\\"ERROR\\\",\\\"thread\\\":\\\"Worker-",
];
const SUCCESS: Part = [
    b" Operation result: Operation completed successfully run=",
    b"\",\"message\":\"Operation result: Operation completed successfully\",\"run\":\"",
    b"\\\",\\\"message\\\":\\\"Operation result: Operation completed successfully\\\",\\\"run\\\":\\\"",
];
const FAILURE: Part = [
    b" I/O operation failed: Random I/O failure! run=",
    b"\",\"message\":\"I/O operation failed: Random I/O failure!\",\"run\":\"",
    b"\\\",\\\"message\\\":\\\"I/O operation failed: Random I/O failure!\\\",\\\"run\\\":\\\"",
];
const WORKER: Part = [b" worker=", b"\",\"worker\":", b"\\\",\\\"worker\\\":"];
const SEQ: Part = [b" seq=", b",\"seq\":", b",\\\"seq\\\":"];
const ITERATION: Part = [b" iteration=", b",\"iteration\":", b",\\\"iteration\\\":"];
const ATTEMPT: Part = [b" attempt=", b",\"attempt\":", b",\\\"attempt\\\":"];
const COUNTER: Part = [b" counter=", b",\"counter\":", b",\\\"counter\\\":"];
const RETRY: Part = [
    b" next=retry delay_us=",
    b",\"next\":\"retry\",\"delay_us\":",
    b",\\\"next\\\":\\\"retry\\\",\\\"delay_us\\\":",
];
const ABANDON: Part = [
    b" next=abandon delay_us=",
    b",\"next\":\"abandon\",\"delay_us\":",
    b",\\\"next\\\":\\\"abandon\\\",\\\"delay_us\\\":",
];
const SUM: Part = [b" sum=", b",\"sum\":\"", b",\\\"sum\\\":\\\""];
const END: Part = [b"", b"\"}", b"\\\"}"];

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
        cursor.part(START)?;
        let stamp: &[u8; STAMP_LEN] = bytes.get(cursor.at..)?.first_chunk()?;
        cursor.at += STAMP_LEN;
        cursor.push(stamp);
        let success = cursor.part(INFO).is_some();
        if !success {
            cursor.part(ERROR)?;
        }
        let worker = cursor.number()?;
        match success {
            true => cursor.part(SUCCESS)?,
            false => cursor.part(FAILURE)?,
        }
        cursor.text(&run.id_text)?;
        cursor.part(WORKER)?;
        (cursor.number()? == worker).then_some(())?;
        cursor.part(SEQ)?;
        let seq = cursor.number()?;
        cursor.part(ITERATION)?;
        let iteration = cursor.number()?;
        cursor.part(ATTEMPT)?;
        let attempt = cursor.number()?;
        let kind = if success {
            cursor.part(COUNTER)?;
            AttemptKind::Success
        } else if cursor.part(RETRY).is_some() {
            AttemptKind::Retry
        } else {
            cursor.part(ABANDON)?;
            AttemptKind::Abandon
        };
        let value = cursor.number()?;
        let right = cursor.checksum();
        cursor.part(SUM)?;
        let sum = hex8(bytes.get(cursor.at..)?)?;
        cursor.at += 8;
        cursor.part(END)?;
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
