//! Where lines come from: files and streams, in the order of time, in blocks of whole lines.
//!
//! Rotated parts may be named in any order: their first time stamps tell which comes first. A line that
//! is longer than a block is handed out in parts, so that memory stays bounded. This file must not know what a line
//! tells, save its time.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::{record, unwrap::unwrap};
use crate::log::line::displayed;

/// How much is read at once: more would fall out of the processor's cache.
const BLOCK: usize = 512 * 1024;
/// A line that has not ended by then is handed out in parts.
const LINE_MAX: usize = 1024 * 1024;
/// How much of a part is searched for its first time stamp.
const HEAD: usize = 64 * 1024;

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

impl Input {
    /// How reports call it.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => displayed(path),
            Self::Stdin => "(stdin)".into(),
            Self::Bytes(name, _) => name.clone(),
        }
    }
}

/// Something that is read from its start to its end, and perhaps looked ahead in.
enum Source {
    /// Can be read twice.
    File(File),
    /// Cannot.
    Stream(Box<dyn Read + Send>),
    /// Is in memory.
    Bytes(io::Cursor<Vec<u8>>),
}

impl Source {
    fn open(input: &Input) -> Result<Self> {
        match input {
            Input::Stdin => Ok(Self::Stream(Box::new(io::stdin()))),
            Input::Bytes(_, bytes) => Ok(Self::Bytes(io::Cursor::new(bytes.clone()))),
            Input::File(path) => Self::open_file(path)
                .with_context(|| format!("the log {} cannot be read", displayed(path))),
        }
    }

    fn open_file(path: &Path) -> Result<Self> {
        let file = File::open(path)?;
        let kind = file.metadata()?.file_type();
        if kind.is_dir() {
            bail!("it is a directory");
        }
        Ok(if kind.is_file() {
            Self::File(file)
        } else {
            Self::Stream(Box::new(file))
        })
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.metadata().ok().map(|m| m.len()),
            Self::Bytes(bytes) => Some(bytes.get_ref().len() as u64),
            Self::Stream(_) => None,
        }
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Stream(stream) => stream.read(buffer),
            Self::Bytes(bytes) => bytes.read(buffer),
        }
    }
}

/// A source with its name and what was read of it already.
struct Part {
    file: u32,
    source: Source,
    /// Read, but not handed out yet.
    carry: Vec<u8>,
    /// The last block that was handed out ends in the middle of a line.
    open: bool,
}

/// All that is to be read.
pub struct Inputs {
    names: Vec<String>,
    parts: VecDeque<Part>,
    blocks: u64,
    size: Option<u64>,
}

/// A block of whole lines, save where a line is longer than any block.
#[derive(Debug, Default)]
pub struct Block {
    /// Counts the blocks from 0.
    pub number: u64,
    /// The input that it comes from.
    pub file: u32,
    /// Its first line began in the block before.
    pub continues: bool,
    buffer: Vec<u8>,
    length: usize,
}

impl Block {
    /// The lines.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.length]
    }
}

impl Inputs {
    /// Opens all inputs and puts them into the order of their first time stamps.
    pub fn open(inputs: &[Input]) -> Result<Self> {
        let mut parts = Vec::new();
        for (file, input) in inputs.iter().enumerate() {
            let mut part = Part {
                file: u32::try_from(file)?,
                source: Source::open(input)?,
                carry: Vec::new(),
                open: false,
            };
            (&mut part.source)
                .take(HEAD as u64)
                .read_to_end(&mut part.carry)
                .with_context(|| format!("the log {} cannot be read", input.name()))?;
            if part.carry.starts_with(b"\x1f\x8b") || part.carry.starts_with(b"\x28\xb5\x2f\xfd") {
                bail!(
                    "the log {} is compressed; unpack it on the way: zcat {} | hifi audit -",
                    input.name(),
                    input.name()
                );
            }
            let stamp = first_stamp(&part.carry).unwrap_or(u64::MAX);
            if !matches!(part.source, Source::Stream(_)) {
                part.source.seek_to(0)?;
                part.carry = Vec::new();
            }
            parts.push((stamp, part));
        }
        parts.sort_by_key(|(stamp, _)| *stamp);
        let size = parts.iter().map(|(_, part)| part.source.size()).sum();
        Ok(Self {
            names: inputs.iter().map(Input::name).collect(),
            parts: parts.into_iter().map(|(_, part)| part).collect(),
            blocks: 0,
            size,
        })
    }

    /// The names of the inputs, in the order in which they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many bytes there are in all, where that is known.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// Fills `block` with the next lines; false at the end of all inputs.
    pub fn next(&mut self, block: &mut Block) -> Result<bool> {
        while let Some(part) = self.parts.front_mut() {
            let name = &self.names[part.file as usize];
            let more = part
                .fill(block)
                .with_context(|| format!("the log {name} cannot be read to its end"))?;
            if more {
                block.number = self.blocks;
                block.file = part.file;
                self.blocks += 1;
                return Ok(true);
            }
            self.parts.pop_front();
        }
        Ok(false)
    }
}

impl Source {
    fn seek_to(&mut self, position: u64) -> io::Result<()> {
        match self {
            Self::File(file) => file.seek(SeekFrom::Start(position)).map(drop),
            Self::Bytes(bytes) => {
                bytes.set_position(position);
                Ok(())
            }
            Self::Stream(_) => Ok(()),
        }
    }
}

impl Part {
    /// Reads whole lines into `block`; false when there are none left.
    fn fill(&mut self, block: &mut Block) -> io::Result<bool> {
        let wanted = BLOCK.max(self.carry.len() + BLOCK / 2);
        if block.buffer.len() < wanted {
            block.buffer.resize(wanted, 0);
        }
        block.buffer[..self.carry.len()].copy_from_slice(&self.carry);
        let mut used = self.carry.len();
        self.carry.clear();
        loop {
            let ended = read_full(&mut self.source, &mut block.buffer, &mut used)?;
            let end = match block.buffer[..used].iter().rposition(|b| *b == b'\n') {
                _ if ended => used,
                Some(newline) => newline + 1,
                None if used < LINE_MAX => {
                    block.buffer.resize(LINE_MAX, 0);
                    continue;
                }
                None => between_records(&block.buffer[..used]),
            };
            self.carry.extend_from_slice(&block.buffer[end..used]);
            block.length = end;
            block.continues = self.open;
            self.open = !block.bytes().ends_with(b"\n");
            return Ok(end > 0);
        }
    }
}

/// Reads until the buffer is full; true at the end of the source.
fn read_full(source: &mut Source, buffer: &mut [u8], used: &mut usize) -> io::Result<bool> {
    while *used < buffer.len() {
        match source.read(&mut buffer[*used..]) {
            Ok(0) => return Ok(true),
            Ok(length) => *used += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// Where to cut a line that is too long: in front of the last record inside it, if there is one.
fn between_records(bytes: &[u8]) -> usize {
    match record::starts(bytes).last() {
        Some(start) if *start > 0 => *start,
        _ => bytes.len(),
    }
}

/// The time of the first line that can be read.
fn first_stamp(head: &[u8]) -> Option<u64> {
    head.split(|b| *b == b'\n').find_map(|line| {
        record::read(line)
            .or_else(|| record::read(&unwrap(line)))
            .map(|record| record.stamp)
    })
}
