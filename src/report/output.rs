//! Where a report goes: under its name stands the whole of it, or what stood there before.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

use super::config::Output;
use crate::log::line::displayed;

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
        let sink = match self {
            Self::Stdout => Ok(Sink::Direct(Box::new(io::stdout()))),
            Self::File(path) => open_file(path),
        };
        let name = self.name().unwrap_or_else(|| "standard output".into());
        Ok(Pending {
            sink: BufWriter::new(sink.with_context(|| cannot(&name))?),
            broken: None,
            name,
        })
    }
}

fn cannot(name: &str) -> String {
    format!("the report cannot be written to {name}")
}

fn open_file(path: &Path) -> io::Result<Sink> {
    // A device or a pipe must not be replaced.
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let file = OpenOptions::new().write(true).open(path)?;
        return Ok(Sink::Direct(Box::new(file)));
    }
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let file = tempfile::Builder::new()
        .prefix(".hifi-report-")
        // As any new file has them: the mask of the process takes away what it must.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    Ok(Sink::File(file, path.to_owned()))
}

/// A report that is being written.
pub(super) struct Pending {
    sink: BufWriter<Sink>,
    /// The first error: whatever is written after it goes nowhere.
    broken: Option<io::Error>,
    name: String,
}

impl Pending {
    /// Writes some more. An error is kept until the end.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.broken = self.sink.write_all(bytes).err();
        }
    }

    /// It is whole: gives it its name.
    ///
    /// # Errors
    /// It could not be written. Then there is nothing of it.
    pub(super) fn keep(self) -> Result<()> {
        let name = self.name;
        let kept = match self.broken {
            Some(error) => Err(error),
            None => self
                .sink
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(Sink::keep),
        };
        kept.with_context(|| cannot(&name))
    }
}

/// What takes the bytes.
enum Sink {
    File(NamedTempFile<File>, PathBuf),
    Direct(Box<dyn Write>),
}

impl Sink {
    fn keep(self) -> io::Result<()> {
        match self {
            Self::File(file, path) => {
                file.persist(path)?;
                Ok(())
            }
            Self::Direct(mut stream) => stream.flush(),
        }
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file, _) => file.write(bytes),
            Self::Direct(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file, _) => file.flush(),
            Self::Direct(stream) => stream.flush(),
        }
    }
}
