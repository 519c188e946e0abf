//! The fast path: one line in exactly the form in which the program writes an attempt as text.
//!
//! It reads from left to right, compares what is fixed, and verifies the checksum. Whatever is not of
//! that form, or does not verify, is left to the general path: this file finds no faults.

use super::{
    record::{SUM_LEN, hex8, number},
    registry::Run,
};
use crate::log::line::{STAMP_LEN, checksum, parse_stamp};

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
    /// Bytes of the line, its newline included.
    pub length: usize,
}

/// Bytes of the part of a stamp that stays the same for a second.
const SECOND_LEN: usize = 20;

/// Reads stamps; most share their second with the one before.
#[derive(Debug)]
pub struct StampReader {
    second: [u8; SECOND_LEN],
    micros: u64,
}

impl StampReader {
    /// A reader that has seen no stamp.
    pub fn new() -> Self {
        Self {
            second: [0; SECOND_LEN],
            micros: 0,
        }
    }

    /// The time that a stamp tells.
    #[inline]
    fn read(&mut self, stamp: &[u8; STAMP_LEN]) -> Option<u64> {
        let (second, fraction) = stamp.split_first_chunk::<SECOND_LEN>()?;
        let fraction: &[u8; 7] = fraction.first_chunk()?;
        if *second != self.second {
            let whole = [second.as_slice(), b"000000Z"].concat();
            self.micros = parse_stamp(std::str::from_utf8(&whole).ok()?)?;
            self.second = *second;
        }
        let mut micros = 0_u32;
        let mut bad = fraction[6] ^ b'Z';
        for byte in &fraction[..6] {
            let digit = byte.wrapping_sub(b'0');
            bad |= u8::from(digit > 9);
            micros = micros * 10 + u32::from(digit);
        }
        (bad == 0).then_some(self.micros + u64::from(micros))
    }
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

    #[inline]
    fn number(&mut self) -> Option<u64> {
        let (value, length) = number(self.bytes.get(self.at..)?)?;
        self.at += length;
        Some(value)
    }
}

/// Reads the line of `run` at the start of `bytes`, whose newline must be there as well.
#[inline]
pub fn read(bytes: &[u8], run: &Run, stamps: &mut StampReader) -> Option<Exact> {
    let (stamp, _) = bytes.split_first_chunk::<STAMP_LEN>()?;
    let mut cursor = Cursor {
        bytes,
        at: STAMP_LEN,
    };
    let success = cursor.skip(b"  INFO Worker-").is_some();
    if !success {
        cursor.skip(b" ERROR Worker-")?;
    }
    let name_at = cursor.at;
    let worker = cursor.number()?;
    let name = &bytes[name_at..cursor.at];
    if success {
        cursor.skip(b" Operation result: Operation completed successfully run=")?;
    } else {
        cursor.skip(b" I/O operation failed: Random I/O failure! run=")?;
    }
    cursor.skip(&run.id_text)?;
    cursor.skip(b" worker=")?;
    cursor.skip(name)?;
    cursor.skip(b" seq=")?;
    let seq = cursor.number()?;
    cursor.skip(b" iteration=")?;
    let iteration = cursor.number()?;
    cursor.skip(b" attempt=")?;
    let attempt = cursor.number()?;
    let ending = if success {
        cursor.skip(b" counter=")?;
        Ending::Success(cursor.number()?)
    } else if cursor.skip(b" next=retry delay_us=").is_some() {
        Ending::Retry(cursor.number()?)
    } else {
        cursor.skip(b" next=abandon delay_us=")?;
        Ending::Abandon(cursor.number()?)
    };
    let canonical = &bytes[..cursor.at];
    let tail: &[u8; SUM_LEN + 1] = bytes[cursor.at..].first_chunk()?;
    if &tail[..5] != b" sum=" || tail[SUM_LEN] != b'\n' {
        return None;
    }
    if hex8(&tail[5..])? != checksum(canonical) {
        return None;
    }
    Some(Exact {
        stamp: stamps.read(stamp)?,
        worker: u32::try_from(worker).ok()?,
        seq,
        iteration,
        attempt,
        ending,
        length: cursor.at + SUM_LEN + 1,
    })
}
