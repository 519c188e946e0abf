//! Where a report goes: under its name stands the whole of it, or what stood there before.

use std::{
    fs::{self, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::TempPath;

use super::config::Output;
use crate::{files::beside, log::line::displayed};

impl Output {
    /// What people call it; nothing for standard output.
    pub fn name(&self) -> Option<String> {
        match self {
            Self::File(path) => Some(displayed(path)),
            Self::Stdout => None,
        }
    }

    /// Opens it for a report that is to come.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn open(&self) -> Result<Pending> {
        let opened: io::Result<OpenedOutput> = match self {
            Self::Stdout => Ok((Box::new(io::stdout()), None)),
            Self::File(path) => open_file(path),
        };
        let name = self.name().unwrap_or_else(|| "standard output".into());
        let (out, place) = opened.with_context(|| cannot(&name))?;
        Ok(Pending {
            out: BufWriter::new(out),
            place,
            broken: None,
            name,
        })
    }
}

fn cannot(name: &str) -> String {
    format!("the report cannot be written to {name}")
}

/// What takes the bytes; and where they are until they get their name, if that is another place.
type OpenedOutput = (Box<dyn Write>, Option<(TempPath, PathBuf)>);

fn open_file(path: &Path) -> io::Result<OpenedOutput> {
    // A device or a pipe must not be replaced.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = OpenOptions::new().write(true).open(path)?;
        return Ok((Box::new(file), None));
    }
    let (file, beside) = beside(path)?.into_parts();
    Ok((Box::new(file), Some((beside, path.to_owned()))))
}

/// A report that is being written.
pub(super) struct Pending {
    out: BufWriter<Box<dyn Write>>,
    place: Option<(TempPath, PathBuf)>,
    /// The first error: whatever is written after it goes nowhere.
    broken: Option<io::Error>,
    name: String,
}

impl Pending {
    /// Writes some more. An error is kept until the end.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.broken = self.out.write_all(bytes).err();
        }
    }

    /// It is whole: gives it its name.
    ///
    /// # Errors
    /// It could not be written. Then there is nothing of it.
    pub(super) fn keep(mut self) -> Result<()> {
        let written = self.broken.map_or_else(|| self.out.flush(), Err);
        let kept = written.and_then(|()| match self.place {
            Some((beside, path)) => Ok(beside.persist(path)?),
            None => Ok(()),
        });
        kept.with_context(|| cannot(&self.name))
    }
}
