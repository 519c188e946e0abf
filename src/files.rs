//! Files that are there whole or not at all.

use std::{
    fs::{self, OpenOptions, Permissions},
    io::{self, BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempPath;

use crate::{log::file::folder_of, shutdown::before_signal_ends};

/// What is being written to a path. Until it is kept, there stands what stood there before.
pub(crate) struct Pending {
    out: BufWriter<Box<dyn Write>>,
    /// Where the bytes are, and the name that they get; none where they go straight to their place.
    place: Option<(TempPath, PathBuf)>,
    /// The first error: whatever is written after it goes nowhere.
    broken: Option<io::Error>,
}

impl Pending {
    fn new(out: impl Write + 'static, place: Option<(TempPath, PathBuf)>) -> Self {
        Self {
            out: BufWriter::new(Box::new(out)),
            place,
            broken: None,
        }
    }

    /// Writes to standard output.
    pub(crate) fn stdout() -> Self {
        Self::new(io::stdout(), None)
    }

    /// Writes a new file, which takes the place of a regular one and keeps its mode. Into anything else, such as a device or
    /// a pipe, it writes.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let (path, mode) = match fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                let file = OpenOptions::new().write(true).open(path)?;
                return Ok(Self::new(file, None));
            }
            Ok(found) => (path.canonicalize()?, Some(found.permissions())),
            Err(_) if path.is_symlink() => {
                return Err(io::Error::other("it is a link that leads nowhere"));
            }
            Err(_) => (path.to_owned(), None),
        };
        let (file, beside) = tempfile::Builder::new()
            .prefix(".hifi-")
            // As any new file has them: the mask of the process takes away what it must.
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(&path))?
            .into_parts();
        if let Some(mode) = mode {
            file.set_permissions(mode)?;
        }
        Ok(Self::new(file, Some((beside, path))))
    }

    /// Nothing of it is left where a signal ends the program. From now on these do so at once.
    pub(crate) fn gone_at_signal(self) -> io::Result<Self> {
        if let Some((beside, _)) = &self.place {
            let beside = beside.to_path_buf();
            before_signal_ends(move || drop(fs::remove_file(&beside)))?;
        }
        Ok(self)
    }

    /// Writes some more. An error is kept until the end.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        if self.broken.is_none() {
            self.broken = self.out.write_all(bytes).err();
        }
    }

    /// It is whole: gives it its name. If it could not be written, there is nothing of it.
    pub(crate) fn keep(mut self) -> io::Result<()> {
        self.broken.map_or_else(|| self.out.flush(), Err)?;
        match self.place {
            Some((beside, path)) => Ok(beside.persist(path)?),
            None => Ok(()),
        }
    }
}
