//! What stands between two records that follow each other: the end of one line, a newline, the start of the next, with all
//! that a pipeline put there. Mostly it is the same from record to record but for digits, and known by that.

use std::ops::Range;

use super::times::StampReader;

/// How many are remembered: INFO and ERROR often come with different words around them.
const KEPT: usize = 4;
/// A longer one is not remembered.
const LENGTH_MAX: usize = 4096;

/// What stood between two records.
#[derive(Debug)]
struct Gap {
    /// Its bytes, with a zero for each digit.
    form: Vec<u8>,
    /// What is no digit in it: between two of these there are digits, however many.
    fixed: Vec<Range<usize>>,
    newlines: u32,
    /// Where the pipeline's own time stands, for the record before and for the one behind.
    received: [Option<usize>; 2],
}

impl Gap {
    /// What stands there, and where in it a time does.
    fn of(bytes: &[u8], received: [Option<usize>; 2]) -> Self {
        let mut fixed = Vec::new();
        let mut start = 0;
        for (at, byte) in bytes.iter().enumerate() {
            if !byte.is_ascii_digit() {
                continue;
            }
            if at == 0 || !bytes[at - 1].is_ascii_digit() {
                fixed.push(start..at);
            }
            start = at + 1;
        }
        fixed.push(start..bytes.len());
        let numbers = &fixed[..fixed.len() - 1];
        let is_number = |at: &usize| numbers.iter().any(|fixed| fixed.end == *at);
        Self {
            newlines: memchr::memchr_iter(b'\n', bytes).count() as u32,
            received: received.map(|at| at.filter(is_number)),
            form: bytes.iter().copied().map(zero).collect(),
            fixed,
        }
    }

    /// How many of `bytes` are like it, and where the times stand in them.
    #[inline]
    fn alike(&self, bytes: &[u8]) -> Option<(usize, [Option<usize>; 2])> {
        let length = self.form.len();
        if self.fixed.len() == 1 {
            let is_there = match self.form[..] {
                // Mostly there is nothing but a newline.
                [only] => bytes.first() == Some(&only),
                _ => bytes.starts_with(&self.form),
            };
            return is_there.then_some((length, [None; 2]));
        }
        // Mostly each number has as many digits as it had before.
        if let Some(found) = bytes.get(..length)
            && !self.form.ends_with(b"0")
        {
            let pairs = self.form.iter().zip(found);
            if pairs.fold(0, |differ, (form, byte)| differ | form ^ zero(*byte)) == 0 {
                return Some((length, self.received));
            }
        }
        let mut times = [None; 2];
        let mut at = 0;
        for (i, fixed) in self.fixed.iter().enumerate() {
            if i > 0 {
                for (place, time) in self.received.iter().zip(&mut times) {
                    if *place == Some(self.fixed[i - 1].end) {
                        *time = Some(at);
                    }
                }
                at += digits(bytes.get(at..)?)?;
            }
            bytes
                .get(at..)?
                .starts_with(&self.form[fixed.clone()])
                .then_some(())?;
            at += fixed.len();
        }
        Some((at, times))
    }
}

/// A byte of a form: zero for any digit.
#[inline]
fn zero(byte: u8) -> u8 {
    match byte {
        b'0'..=b'9' => b'0',
        byte => byte,
    }
}

/// How many digits there are at the start, if there are any.
#[inline]
fn digits(bytes: &[u8]) -> Option<usize> {
    let length = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    (length > 0).then_some(length)
}

/// What stood between records lately, the last first.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    gaps: Vec<Gap>,
    stamps: StampReader,
}

/// A gap that was met again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KnownGap {
    /// How many bytes it takes.
    pub length: usize,
    /// How many newlines are in it.
    pub newlines: u32,
    /// The times that the pipeline put beside the record before and the one behind; 0 if there is none.
    pub received: [u64; 2],
}

impl Gaps {
    /// Remembers what stood between two records, and where in it a time stands.
    pub(crate) fn learn(&mut self, form: &[u8], received: [Option<usize>; 2]) {
        if form.len() > LENGTH_MAX
            || self.gaps.iter().any(|gap| {
                gap.alike(form)
                    .is_some_and(|(length, _)| length == form.len())
            })
        {
            return;
        }
        self.gaps.truncate(KEPT - 1);
        self.gaps.insert(0, Gap::of(form, received));
    }

    /// Forgets everything: the next input has its own.
    pub(crate) fn clear(&mut self) {
        self.gaps.clear();
    }

    /// Whether `bytes` begin with a gap that is known.
    pub(crate) fn begin(&self, bytes: &[u8]) -> bool {
        self.gaps.iter().any(|gap| gap.alike(bytes).is_some())
    }

    /// How many gaps there are to be tried.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.gaps.len()
    }

    /// Whether `bytes` begin with the gap of this number.
    #[inline]
    pub(crate) fn met(&mut self, number: usize, bytes: &[u8]) -> Option<KnownGap> {
        let gap = &self.gaps[number];
        let (length, times) = gap.alike(bytes)?;
        let mut time = |place: usize| self.stamps.at(&bytes[place..]);
        Some(KnownGap {
            length,
            newlines: gap.newlines,
            received: times.map(|place| place.and_then(&mut time).unwrap_or(0)),
        })
    }

    /// Where the time beside the record before stands, and that time, if `bytes` begin like what was met last.
    pub(crate) fn behind(&mut self, bytes: &[u8]) -> Option<(usize, u64)> {
        let gap = self.gaps.first()?;
        let place = gap.received[0]?;
        let form = bytes.get(..place)?.iter().map(|byte| zero(*byte));
        let is_alike = form.eq(gap.form[..place].iter().copied());
        let time = is_alike.then(|| self.stamps.at(&bytes[place..]))?;
        Some((place, time?))
    }

    /// The one of this number is what was met: it will be tried first.
    #[inline]
    pub(crate) fn prefer(&mut self, number: usize) {
        if number > 0 {
            self.gaps[..=number].rotate_right(1);
        }
    }

    /// How many of `bytes`, a line, are like what stood in front of the records of late.
    pub(crate) fn before(&self, bytes: &[u8]) -> Option<usize> {
        self.gaps.iter().find_map(|gap| {
            let start = memchr::memrchr(b'\n', &gap.form)? + 1;
            let line = Gap::of(&gap.form[start..], [None; 2]);
            line.alike(bytes).map(|(length, _)| length)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_known_by_its_form() {
        let mut gaps = Gaps::default();
        gaps.learn(
            b"\",\"time\":\"2026-11-23T17:42:00.5Z\"}\n{\"log\":\"",
            [Some(10), None],
        );
        let bytes = b"\",\"time\":\"2026-11-23T17:42:01.123456789Z\"}\n{\"log\":\"x";
        let met = gaps.met(0, bytes).unwrap();
        assert_eq!((met.length, met.newlines), (bytes.len() - 1, 1));
        assert_eq!(met.received, [1_795_455_721_123_456, 0]);
        assert!(gaps.met(0, b"\",\"time\":\"x").is_none());
        assert_eq!(gaps.before(b"{\"log\":\"..."), Some(8));
    }
}
