//! Bytes held against a shape, such as that of a time stamp.

use crate::log::line::STAMP_LEN;

/// What a time stamp looks like.
pub(crate) const STAMP: &[u8; STAMP_LEN] = b"dddd-dd-ddTdd:dd:dd.ddddddZ";

/// Whether `bytes`, as far as they go, are like `shape`, in which `d` is any digit and `?` is anything.
pub(crate) fn shaped(bytes: &[u8], shape: &[u8]) -> bool {
    bytes
        .iter()
        .zip(shape)
        .all(|(byte, form)| is_like(*byte, *form))
}

/// More differences than this need not be counted.
const DIFFERENCES_MAX: usize = 4;

/// How many of `bytes` are not like `shape`.
pub(crate) fn differences(bytes: &[u8], shape: &[u8]) -> usize {
    let pairs = bytes.iter().zip(shape);
    pairs
        .filter(|(byte, form)| !is_like(**byte, **form))
        .take(DIFFERENCES_MAX)
        .count()
}

fn is_like(byte: u8, form: u8) -> bool {
    match form {
        b'd' => byte.is_ascii_digit(),
        b'?' => true,
        form => byte == form,
    }
}
