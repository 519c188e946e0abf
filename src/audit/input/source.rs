//! One thing that is read from its start to its end: a file, standard input or bytes in memory; compressed or not, in UTF-8 or
//! UTF-16. What comes out is plain UTF-8.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::{compressed::form, unpack::reader};
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

/// What bytes are read from.
pub(crate) type Source = Box<dyn Read + Send>;

/// An input that is open.
pub(crate) struct Opened {
    /// What it holds, unpacked and in UTF-8.
    pub source: Source,
    /// It can be opened again, and then begins at its start: a pipe gives what it holds once.
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
    pub(crate) fn open(&self) -> Result<Opened> {
        let name = self.name();
        let (mut source, again): (Source, _) = match self {
            Self::Stdin => (Box::new(io::stdin()), false),
            Self::Bytes(_, bytes) => (Box::new(io::Cursor::new(bytes.clone())), true),
            Self::File(path) => {
                let opened = open_file(path);
                let (file, again) =
                    opened.with_context(|| format!("the log {name} cannot be read"))?;
                (Box::new(file), again)
            }
        };
        for _ in 0..LAYERS_MAX {
            let (start, whole) = peek(source, START);
            source = match form(&start) {
                None => {
                    return Ok(Opened {
                        source: whole,
                        again,
                    });
                }
                Some(form) => reader(form, whole)
                    .with_context(|| format!("the log {name} cannot be read: it is {form}"))?,
            };
        }
        Ok(Opened { source, again })
    }
}

/// A file, and whether it can be opened again.
fn open_file(path: &Path) -> Result<(File, bool)> {
    let file = File::open(path)?;
    let kind = file.metadata()?.file_type();
    ensure!(!kind.is_dir(), "it is a directory");
    Ok((file, kind.is_file()))
}

/// How many of the first bytes are looked at.
const START: usize = 64;
/// A log may be in UTF-16 and compressed.
const LAYERS_MAX: u8 = 3;

/// The first bytes of a source, and what gives them once more, and an error behind them.
pub(super) fn peek(mut source: Source, length: usize) -> (Vec<u8>, Source) {
    let mut start = Vec::new();
    let read = source.by_ref().take(length as u64).read_to_end(&mut start);
    let rest = match read {
        Ok(_) => source,
        Err(error) => Box::new(Failing(Some(error))),
    };
    let whole = io::Cursor::new(start.clone()).chain(rest);
    (start, Box::new(whole))
}

/// Fails once.
struct Failing(Option<io::Error>);

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}
