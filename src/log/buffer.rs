//! The bytes of a line that is being made.
//!
//! A line is put together from many short pieces, and the price of a piece is not its bytes but what is decided about
//! them. So room for a piece is asked for once, and the piece is stored in whole words of a fixed size; what they write
//! too much is overwritten by the next piece, or stays behind the end.

/// Room that is made for one piece: a name of [`NAME_MAX`] bytes with what surrounds it, and a number of 20 digits.
const ROOM: usize = 64;

/// Names up to this length, in bytes, are short.
const NAME_MAX: usize = 32;

/// Bytes that grow at one end and are used again for each line, so that a line costs no allocation.
#[derive(Debug, Default)]
pub(crate) struct LineBuffer {
    /// Those up to `len` count.
    bytes: Vec<u8>,
    len: usize,
}

impl LineBuffer {
    /// What has been put together so far.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// The same, and behind it bytes that have no meaning.
    #[inline]
    pub(crate) fn bytes_and_more(&self) -> &[u8] {
        &self.bytes
    }

    /// Begins again with `start`.
    #[inline]
    pub(crate) fn begin(&mut self, start: &[u8]) {
        self.len = 0;
        self.push(start);
    }

    /// Writes over what stands from the byte number `at` on.
    #[inline]
    pub(crate) fn patch<const N: usize>(&mut self, at: usize, piece: [u8; N]) {
        self.bytes[..self.len][at..at + N].copy_from_slice(&piece);
    }

    /// Adds a piece of any length; where that is known, it is stored in words.
    #[inline(always)]
    pub(crate) fn push(&mut self, piece: &[u8]) {
        let end = self.len + piece.len();
        if end > self.bytes.len() {
            self.grow(piece.len());
        }
        self.bytes[self.len..end].copy_from_slice(piece);
        self.len = end;
    }

    /// Adds a piece of a known length, 64 bytes at most.
    #[inline]
    pub(crate) fn push_short<const N: usize>(&mut self, piece: [u8; N]) {
        self.room()[..N].copy_from_slice(&piece);
        self.len += N;
    }

    /// Adds the first `length` of `bytes`, the digits of a number: 20 at most.
    #[inline]
    pub(crate) fn push_digits(&mut self, bytes: &[u8], length: usize) {
        match bytes.first_chunk::<20>() {
            Some(digits) => {
                self.room()[..20].copy_from_slice(digits);
                self.len += length;
            }
            None => self.push(&bytes[..length]),
        }
    }

    /// Adds a whole number in decimal digits.
    #[inline]
    pub(crate) fn push_number(&mut self, value: u64) {
        self.len += store_number(self.room(), 0, value);
    }

    /// Adds `before`, a name and `after`.
    #[inline]
    pub(crate) fn push_name<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        name: &str,
        after: [u8; A],
    ) {
        if name.len() <= NAME_MAX {
            self.len += store_name(self.room(), before, name.as_bytes(), after);
        } else {
            self.push_long_name(&before, name, &after);
        }
    }

    /// Adds `before`, a name, `after` and a whole number.
    #[inline]
    pub(crate) fn push_named_number<const B: usize, const A: usize>(
        &mut self,
        before: [u8; B],
        name: &str,
        after: [u8; A],
        value: u64,
    ) {
        if name.len() <= NAME_MAX {
            let room = self.room();
            let end = store_name(room, before, name.as_bytes(), after);
            self.len += store_number(room, end, value);
        } else {
            self.push_long_name(&before, name, &after);
            self.push_number(value);
        }
    }

    #[cold]
    fn push_long_name(&mut self, before: &[u8], name: &str, after: &[u8]) {
        self.push(before);
        self.push(name.as_bytes());
        self.push(after);
    }

    /// Room for a piece behind the end.
    #[inline]
    fn room(&mut self) -> &mut [u8; ROOM] {
        if self.bytes.len() < self.len + ROOM {
            self.grow(ROOM);
        }
        let room = self.bytes[self.len..].first_chunk_mut();
        room.expect("there is room, or it was just made")
    }

    #[cold]
    fn grow(&mut self, piece: usize) {
        let needed = self.len + piece.max(ROOM);
        self.bytes.resize(needed.next_power_of_two().max(512), 0);
    }
}

/// Stores `before`, a name of at most [`NAME_MAX`] bytes and `after`. A name's first and last word are stored, which
/// overlap. Returns how long the piece is.
#[inline]
fn store_name<const B: usize, const A: usize>(
    room: &mut [u8; ROOM],
    before: [u8; B],
    name: &[u8],
    after: [u8; A],
) -> usize {
    let len = name.len();
    room[..B].copy_from_slice(&before);
    let to = &mut room[B..B + NAME_MAX];
    if let (Some(first), Some(last)) = (name.first_chunk::<16>(), name.last_chunk::<16>()) {
        to[..16].copy_from_slice(first);
        to[len - 16..len].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        to[..8].copy_from_slice(first);
        to[len - 8..len].copy_from_slice(last);
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        to[..4].copy_from_slice(first);
        to[len - 4..len].copy_from_slice(last);
    } else {
        to[..len].copy_from_slice(name);
    }
    room[B + len..][..A].copy_from_slice(&after);
    B + len + A
}

/// Stores a number's decimal digits, of which there are 20 at most, from byte number `at` on. Returns where they end.
#[inline]
fn store_number(room: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    if value < 10 {
        room[at] = b'0' + value as u8;
        return at + 1;
    }
    if value >= WORD {
        return store_long_number(room, at, value);
    }
    // Those that lead with zeros are shifted out, and of the eight bytes that are stored in one step
    // only the others count.
    let digits = eight_digits(value as u32);
    let zeros = ((digits ^ ZEROS).trailing_zeros() / 8).min(7);
    room[at..at + 8].copy_from_slice(&(digits >> (8 * zeros)).to_le_bytes());
    at + 8 - zeros as usize
}

/// The same for one of more than eight digits.
#[cold]
fn store_long_number(room: &mut [u8; ROOM], at: usize, value: u64) -> usize {
    let end = store_number(room, at, value / WORD);
    let last = eight_digits((value % WORD) as u32);
    room[end..end + 8].copy_from_slice(&last.to_le_bytes());
    end + 8
}

/// The first number of more than eight digits.
const WORD: u64 = 100_000_000;

/// Eight times the digit 0.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The eight decimal digits of a number below 10^8, a byte each, the first in the lowest byte: it is divided by
/// 10^4, both halves by 100, all quarters by 10, each step on all parts at once. The factors are the inverses
/// 2^20 / 100 and 2^10 / 10, rounded up, which are exact for parts of this size.
#[inline]
pub(crate) fn eight_digits(value: u32) -> u64 {
    let halves = u64::from(value / 10_000) | u64::from(value % 10_000) << 32;
    let hundreds = ((halves * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let quarters = hundreds | (halves - hundreds * 100) << 16;
    let tens = ((quarters * 103) >> 10) & 0x000f_000f_000f_000f;
    (tens | (quarters - tens * 10) << 8) | ZEROS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_everyone_writes_them() {
        let mut buffer = LineBuffer::default();
        let mut assert_written = |value: u64| {
            buffer.begin(b"=");
            buffer.push_number(value);
            assert_eq!(buffer.bytes(), format!("={value}").as_bytes());
        };
        let mut value: u64 = 0;
        while value < u64::MAX / 8 {
            (value.saturating_sub(2)..value + 3).for_each(&mut assert_written);
            value = value * 7 / 5 + 1;
        }
        for power in (0..=20).map(|n| 10_u64.saturating_pow(n)) {
            assert_written(power - 1);
            assert_written(power);
        }
        (0..10_000).for_each(&mut assert_written);
    }

    #[test]
    fn pieces_of_all_lengths_stand_one_behind_the_other() {
        let text: String = ('a'..='z').cycle().take(80).collect();
        let mut buffer = LineBuffer::default();
        let mut expected = String::new();
        buffer.begin(b"");
        for len in (0..=text.len()).rev().chain(0..=text.len()) {
            buffer.push_name(*b",\"", &text[..len], *b"\":");
            buffer.push(&text.as_bytes()[len..]);
            buffer.push_number(len as u64);
            expected += &format!(",\"{}\":{}{len}", &text[..len], &text[len..]);
            assert_eq!(buffer.bytes(), expected.as_bytes());
        }
        buffer.patch(3, *b"XY");
        expected.replace_range(3..5, "XY");
        buffer.push_short(*b"the end");
        expected += "the end";
        assert_eq!(buffer.bytes(), expected.as_bytes());
    }
}
