//! Logs in another form than plain UTF-8, made plain on the way.

use std::io::{self, BufRead, BufReader, Read};

use anyhow::Result;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{
    compressed::{Form, utf_8},
    source::Source,
};

/// Makes plain what `raw` gives, several members one behind the other included.
pub(super) fn reader(form: Form, raw: Source) -> Result<Source> {
    let raw = BufReader::with_capacity(256 * 1024, raw);
    Ok(match form {
        Form::Gz => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Form::Zst => Box::new(Frames {
            raw,
            frame: FrameDecoder::new(),
        }),
        Form::Xz => Box::new(lzma_rust2::XzReader::new(raw, true)),
        Form::Bz2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
        Form::Utf16(encoding) => utf_8(encoding, Box::new(raw)),
    })
}

/// Frames of Zstandard that follow each other.
struct Frames<R> {
    raw: R,
    frame: FrameDecoder,
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Self { raw, frame } = self;
        while frame.can_collect() == 0 {
            if frame.is_finished() {
                let sum = frame.get_checksum_from_data();
                if sum.is_some() && sum != frame.get_calculated_checksum() {
                    return Err(damaged());
                }
                if raw.fill_buf()?.is_empty() {
                    return Ok(0);
                }
                frame.reset(&mut *raw).map_err(|_| damaged())?;
            } else {
                let block = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = frame.decode_blocks(&mut *raw, block);
                decoded.map_err(|_| damaged())?;
            }
        }
        frame.read(buffer)
    }
}

/// The decoder's own words are those of a programmer.
fn damaged() -> io::Error {
    io::Error::other("it is damaged or cut short")
}
