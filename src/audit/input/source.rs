//! One thing that is read from its start to its end: a file, standard input or bytes in memory; compressed or not, in UTF-8 or
//! UTF-16. What comes out is plain UTF-8.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::compressed::{form, reader};
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
        let mut opened = Opened {
            source: raw,
            size,
            again,
        };
        let name = self.name();
        for _ in 0..LAYERS_MAX {
            let Some(form) = form(&opened.start()) else {
                break;
            };
            let plain = reader(form, opened.source);
            let source =
                plain.with_context(|| format!("the log {name} cannot be read: it is {form}"))?;
            opened = Opened {
                source,
                size: None,
                again,
            };
        }
        Ok(opened)
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
const START: u64 = 64;
/// A log may be in UTF-16 and compressed.
const LAYERS_MAX: u8 = 3;

impl Opened {
    /// The first bytes, which are read again, and so is an error behind them.
    fn start(&mut self) -> Vec<u8> {
        let mut start = Vec::new();
        let read = (&mut self.source).take(START).read_to_end(&mut start);
        let rest: Box<dyn Read + Send> = match read {
            Ok(_) => std::mem::replace(&mut self.source, Box::new(io::empty())),
            Err(error) => Box::new(Failing(Some(error))),
        };
        self.source = Box::new(io::Cursor::new(start.clone()).chain(rest));
        start
    }
}

/// Fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
