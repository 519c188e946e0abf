//! One thing that is read from its start to its end: a file, standard input or bytes in memory; compressed or not, in UTF-8 or
//! UTF-16. What comes out is plain UTF-8.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::compressed;
use crate::log::line::displayed;

/// One of the things to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file, by its path.
    File(PathBuf),
    /// Standard input.
    Stdin,
    /// Bytes in memory, and a name for them.
    Bytes(String, Vec<u8>),
}

/// An input that is open.
pub struct Opened {
    /// What it holds, unpacked and in UTF-8.
    pub source: Box<dyn Read + Send>,
    /// How many bytes that are, where it is known.
    pub size: Option<u64>,
    /// It can be opened again, and then begins at its start.
    pub again: bool,
}

impl Input {
    /// How reports call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => displayed(path),
            Self::Stdin => "(stdin)".into(),
            Self::Bytes(name, _) => name.clone(),
        }
    }

    /// Opens it.
    pub fn open(&self) -> Result<Opened> {
        let (raw, size): (Box<dyn Read + Send>, _) = match self {
            Self::Stdin => (Box::new(io::stdin()), None),
            Self::Bytes(_, bytes) => (
                Box::new(io::Cursor::new(bytes.clone())),
                Some(bytes.len() as u64),
            ),
            Self::File(path) => {
                let (file, size) = open_file(path)
                    .with_context(|| format!("the log {} cannot be read", displayed(path)))?;
                (Box::new(file), size)
            }
        };
        // A pipe gives what it holds once.
        let again = size.is_some();
        let name = self.name();
        let (start, raw) =
            with_start(raw).with_context(|| format!("the log {name} cannot be read"))?;
        let Some(kind) = compressed::kind(&start) else {
            let source = decoded(&start, raw);
            return Ok(Opened {
                source,
                size,
                again,
            });
        };
        let plain = compressed::reader(kind, raw).and_then(|plain| Ok(with_start(plain)?));
        let (start, plain) =
            plain.with_context(|| format!("the log {name} cannot be unpacked ({kind})"))?;
        Ok(Opened {
            source: decoded(&start, plain),
            size: None,
            again,
        })
    }
}

fn open_file(path: &Path) -> Result<(File, Option<u64>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if metadata.is_dir() {
        bail!("it is a directory");
    }
    let size = metadata.is_file().then_some(metadata.len());
    Ok((file, size))
}

/// How many of the first bytes are looked at.
const START: usize = 64;

/// The first bytes, and a reader that reads them as well.
fn with_start(mut raw: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn Read + Send>)> {
    let mut start = Vec::new();
    (&mut raw).take(START as u64).read_to_end(&mut start)?;
    Ok((start.clone(), Box::new(io::Cursor::new(start).chain(raw))))
}

/// A reader of UTF-8, judging by the first bytes.
fn decoded(start: &[u8], raw: Box<dyn Read + Send>) -> Box<dyn Read + Send> {
    let pairs = start.chunks_exact(2).take(16);
    let zeros = |at: usize| {
        pairs.clone().len() > 3 && pairs.clone().all(|pair| pair[at] == 0 && pair[1 - at] != 0)
    };
    let big = match start {
        [0xff, 0xfe, ..] => false,
        [0xfe, 0xff, ..] => true,
        _ if zeros(1) => false,
        _ if zeros(0) => true,
        _ => return raw,
    };
    Box::new(Utf16 {
        raw,
        big,
        input: Vec::new(),
        output: Vec::new(),
        given: 0,
    })
}

/// Reads UTF-16 as UTF-8.
struct Utf16 {
    raw: Box<dyn Read + Send>,
    big: bool,
    input: Vec<u8>,
    output: Vec<u8>,
    /// So much of the output was given away.
    given: usize,
}

impl Read for Utf16 {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() {
            let mut chunk = [0; 32 * 1024];
            let length = self.raw.read(&mut chunk)?;
            if length == 0 {
                return Ok(0);
            }
            self.input.extend_from_slice(&chunk[..length]);
            self.decode();
        }
        let rest = &self.output[self.given..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.given += length;
        Ok(length)
    }
}

impl Utf16 {
    fn decode(&mut self) {
        self.output.clear();
        self.given = 0;
        let (pairs, _) = self.input.as_chunks::<2>();
        let units = pairs.iter().map(|pair| match self.big {
            true => u16::from_be_bytes(*pair),
            false => u16::from_le_bytes(*pair),
        });
        let mut units: Vec<u16> = units.collect();
        // The second half of a pair may not have been read yet.
        units.pop_if(|last| (0xd800..0xdc00).contains(last));
        let read = units.len() * 2;
        for c in char::decode_utf16(units) {
            let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
            if c != '\u{feff}' {
                self.output
                    .extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
        }
        self.input.drain(..read);
    }
}
