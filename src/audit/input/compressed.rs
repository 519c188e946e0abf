//! Logs in another form than plain UTF-8, known by their first bytes, and made plain on the way: compressed, or in UTF-16.

use std::{fmt, io::Read};

use anyhow::Result;
use encoding_rs::{UTF_16BE, UTF_16LE};
use encoding_rs_io::DecodeReaderBytesBuilder;

/// The form of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// gzip.
    Gz,
    /// Zstandard.
    Zst,
    /// xz.
    Xz,
    /// bzip2.
    Bz2,
    /// UTF-16, with the lower byte of each pair first.
    Utf16Le,
    /// UTF-16, with the higher byte of each pair first.
    Utf16Be,
}

/// What each form is called, and which program makes it plain.
const FORMS: [(&str, &str); 6] = [
    ("compressed (gz)", "zcat"),
    ("compressed (zst)", "zstdcat"),
    ("compressed (xz)", "xzcat"),
    ("compressed (bz2)", "bzcat"),
    ("in UTF-16", "iconv"),
    ("in UTF-16", "iconv"),
];

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FORMS[*self as usize].0)
    }
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
        [0xff, 0xfe, ..] => Some(Form::Utf16Le),
        [0xfe, 0xff, ..] => Some(Form::Utf16Be),
        _ if zeros(1) => Some(Form::Utf16Le),
        _ if zeros(0) => Some(Form::Utf16Be),
        _ => None,
    }
}

/// Makes plain what `raw` gives, several members one behind the other included.
pub(crate) fn reader(form: Form, raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let encoding = match form {
        Form::Utf16Le => UTF_16LE,
        Form::Utf16Be => UTF_16BE,
        _ => return unpacked(form, raw),
    };
    let mut decoder = DecodeReaderBytesBuilder::new();
    Ok(Box::new(decoder.encoding(Some(encoding)).build(raw)))
}

/// This build has no feature `monitoring`.
#[cfg(not(feature = "monitoring"))]
fn unpacked(form: Form, _: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let (_, tool) = FORMS[form as usize];
    anyhow::bail!(
        "this build does not unpack logs (it lacks the feature `monitoring`): {tool} LOG | hifi audit -"
    )
}

#[cfg(feature = "monitoring")]
use unpack::unpacked;

#[cfg(feature = "monitoring")]
mod unpack {
    use std::io::{self, BufRead, BufReader, Read};

    use anyhow::Result;
    use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

    use super::Form;

    pub(super) fn unpacked(form: Form, raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
        let raw = BufReader::with_capacity(256 * 1024, raw);
        Ok(match form {
            Form::Gz => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
            Form::Zst => Box::new(Frames::Between(raw)),
            Form::Xz => Box::new(lzma_rust2::XzReader::new(raw, true)),
            Form::Bz2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
            Form::Utf16Le | Form::Utf16Be => Box::new(raw),
        })
    }

    /// The decoder's own words are those of a programmer.
    fn damaged() -> io::Error {
        io::Error::other("it is damaged or cut short")
    }

    /// Frames of Zstandard that follow each other.
    enum Frames<R: BufRead> {
        Between(R),
        Within(Box<StreamingDecoder<R, FrameDecoder>>),
        Ended,
    }

    impl<R: BufRead> Read for Frames<R> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            loop {
                *self = match std::mem::replace(self, Self::Ended) {
                    Self::Ended => return Ok(0),
                    Self::Between(mut raw) => {
                        if raw.fill_buf()?.is_empty() {
                            return Ok(0);
                        }
                        let decoder = StreamingDecoder::new(raw);
                        Self::Within(Box::new(decoder.map_err(|_| damaged())?))
                    }
                    Self::Within(mut decoder) => {
                        let length = decoder.read(buffer).map_err(|_| damaged())?;
                        if length > 0 || buffer.is_empty() {
                            *self = Self::Within(decoder);
                            return Ok(length);
                        }
                        let frame = &decoder.decoder;
                        let sum = frame.get_checksum_from_data();
                        if sum.is_some() && sum != frame.get_calculated_checksum() {
                            return Err(damaged());
                        }
                        Self::Between(decoder.into_inner())
                    }
                };
            }
        }
    }
}
