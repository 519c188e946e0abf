//! Compressed logs, unpacked on the way: known by their first bytes.

use std::io::Read;

use anyhow::Result;

/// How a log is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// gzip.
    Gz,
    /// Zstandard.
    Zst,
    /// xz.
    Xz,
    /// bzip2.
    Bz2,
}

impl std::fmt::Display for Packing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gz => "gz",
            Self::Zst => "zst",
            Self::Xz => "xz",
            Self::Bz2 => "bz2",
        })
    }
}

/// What compressed data begins with.
pub(crate) fn kind(start: &[u8]) -> Option<Packing> {
    let kinds: [(&[u8], Packing); 4] = [
        (b"\x1f\x8b\x08", Packing::Gz),
        (b"\x28\xb5\x2f\xfd", Packing::Zst),
        (b"\xfd7zXZ\0", Packing::Xz),
        (b"BZh", Packing::Bz2),
    ];
    let known = kinds.iter().find(|(mark, _)| start.starts_with(mark));
    known.map(|(_, kind)| *kind)
}

/// Unpacks what `raw` gives, several members one behind the other included.
#[cfg(feature = "monitoring")]
pub(crate) fn reader(kind: Packing, raw: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let raw = std::io::BufReader::with_capacity(256 * 1024, raw);
    Ok(match kind {
        Packing::Gz => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        Packing::Zst => Box::new(zst::Frames::new(raw)),
        Packing::Xz => Box::new(lzma_rust2::XzReader::new(raw, true)),
        Packing::Bz2 => Box::new(bzip2::bufread::MultiBzDecoder::new(raw)),
    })
}

#[cfg(feature = "monitoring")]
mod zst {
    use std::io::{self, BufRead, Read};

    use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

    /// Frames that follow each other.
    pub(crate) enum Frames<R: BufRead> {
        Between(R),
        Within(Box<StreamingDecoder<R, FrameDecoder>>),
        Ended,
    }

    impl<R: BufRead> Frames<R> {
        pub(crate) fn new(raw: R) -> Self {
            Self::Between(raw)
        }
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
                        let decoder = StreamingDecoder::new(raw).map_err(io::Error::other)?;
                        Self::Within(Box::new(decoder))
                    }
                    Self::Within(mut decoder) => {
                        let length = decoder.read(buffer)?;
                        if length > 0 || buffer.is_empty() {
                            *self = Self::Within(decoder);
                            return Ok(length);
                        }
                        Self::Between(decoder.into_inner())
                    }
                };
            }
        }
    }
}

/// This build has no feature `monitoring`.
#[cfg(not(feature = "monitoring"))]
pub(crate) fn reader(kind: Packing, _: Box<dyn Read + Send>) -> Result<Box<dyn Read + Send>> {
    let tool = match kind {
        Packing::Gz => "zcat",
        Packing::Zst => "zstdcat",
        Packing::Xz => "xzcat",
        Packing::Bz2 => "bzcat",
    };
    anyhow::bail!(
        "this build does not unpack logs (it lacks the feature `monitoring`): {tool} LOG | hifi audit -"
    )
}
