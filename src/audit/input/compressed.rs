//! Logs in another form than plain UTF-8, compressed or in UTF-16, known by their first bytes.

use encoding_rs::{Encoding, UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;
use strum::Display;

use super::source::Source;

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
pub(crate) enum Form {
    /// gzip.
    #[strum(to_string = "compressed (gz)")]
    Gz,
    /// Zstandard.
    #[strum(to_string = "compressed (zst)")]
    Zst,
    /// xz.
    #[strum(to_string = "compressed (xz)")]
    Xz,
    /// bzip2.
    #[strum(to_string = "compressed (bz2)")]
    Bz2,
    /// UTF-16, with either byte of each pair first.
    #[strum(to_string = "in UTF-16")]
    Utf16(&'static Encoding),
}

/// What a log's first bytes say of its form; none if it is plain.
pub(crate) fn form(start: &[u8]) -> Option<Form> {
    let pairs = start.chunks_exact(2).take(16);
    let zeros = |at: usize| {
        pairs.len() > 3 && (pairs.clone()).all(|pair| pair[at] == 0 && pair[1 - at] != 0)
    };
    match start {
        [0x1f, 0x8b, 8, ..] => Some(Form::Gz),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Form::Zst),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Form::Xz),
        [b'B', b'Z', b'h', ..] => Some(Form::Bz2),
        // UTF-32 is not read, and no UTF-16.
        [0xff, 0xfe, 0, 0, ..] => None,
        [0xff, 0xfe, ..] => Some(Form::Utf16(UTF_16LE)),
        [0xfe, 0xff, ..] => Some(Form::Utf16(UTF_16BE)),
        _ if zeros(1) => Some(Form::Utf16(UTF_16LE)),
        _ if zeros(0) => Some(Form::Utf16(UTF_16BE)),
        _ => None,
    }
}

/// Makes UTF-8 of what `raw` gives in this encoding.
pub(super) fn utf_8(encoding: &'static Encoding, raw: Source) -> Source {
    let mut decoder = DecodeReaderBytesBuilder::new();
    Box::new(decoder.encoding(Some(encoding)).build(raw))
}
