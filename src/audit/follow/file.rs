//! A file that grows, is renamed and made anew, truncated or deleted, read as if it were one that never ends.

use std::{
    fs::File,
    io::{self, Read, Seek},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    time::{Duration, Instant},
};

use crate::audit::input::compressed;

/// A file that was renamed may still be written to, by who has not noticed it yet: for so long it is looked at.
const KEPT: Duration = Duration::from_secs(10);

/// What stands under a path, whichever file that is. Where there is nothing to be read now, it would block.
#[derive(Debug)]
pub(super) struct GrowingFile {
    path: PathBuf,
    current: Option<File>,
    /// The file that stood there before, and how long it is looked at.
    renamed: Option<(File, Instant)>,
}

impl GrowingFile {
    /// The file under this path, which need not be there yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            current: None,
            renamed: None,
        }
    }

    /// Reads what was written to a file that has been renamed.
    fn read_renamed(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some((file, until)) = &mut self.renamed else {
            return Ok(0);
        };
        let length = file.read(buffer)?;
        if length == 0 && *until < Instant::now() {
            self.renamed = None;
        }
        Ok(length)
    }

    fn read_current(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(file) = &mut self.current else {
            return Ok(0);
        };
        let mut length = file.read(buffer)?;
        if length == 0 && file.metadata()?.len() < file.stream_position()? {
            // It was truncated, and is written from its start.
            file.rewind()?;
            length = file.read(buffer)?;
        }
        if file.stream_position()? == length as u64 {
            refuse(&buffer[..length])?;
        }
        Ok(length)
    }

    /// Turns to the file that stands under the path now; false if it is the same as before, or none.
    fn turn(&mut self) -> io::Result<bool> {
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        let is_new = match &self.current {
            Some(current) => identity(&file)? != identity(current)?,
            None => true,
        };
        if is_new && let Some(before) = self.current.replace(file) {
            self.renamed = Some((before, Instant::now() + KEPT));
        }
        Ok(is_new)
    }
}

impl Read for GrowingFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = match self.read_renamed(buffer)? {
                0 => self.read_current(buffer)?,
                length => length,
            };
            if length > 0 {
                return Ok(length);
            }
            if !self.turn()? {
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
    }
}

/// Which file it is: its device, and its number there.
fn identity(file: &File) -> io::Result<(u64, u64)> {
    let found = file.metadata()?;
    Ok((found.dev(), found.ino()))
}

/// What does not grow line by line cannot be followed.
fn refuse(start: &[u8]) -> io::Result<()> {
    let Some(form) = compressed::form(start) else {
        return Ok(());
    };
    let text = format!("it is {form}, and only plain text can be followed; leave out --follow");
    Err(io::Error::other(text))
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        io::Write,
    };

    use super::*;

    fn append(path: &std::path::Path, text: &str) {
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn rest(file: &mut GrowingFile) -> String {
        let mut bytes = Vec::new();
        let error = file.read_to_end(&mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn whatever_becomes_of_a_file_each_of_its_lines_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let log = at("log");
        let mut file = GrowingFile::new(log.clone());
        assert_eq!(rest(&mut file), "", "it is not there yet");
        append(&log, "one\n");
        assert_eq!(rest(&mut file), "one\n");
        // It is renamed, and who writes to it notices that late.
        fs::rename(&log, at("log.1")).unwrap();
        append(&at("log.1"), "two\n");
        append(&log, "four\n");
        append(&at("log.1"), "three\n");
        assert_eq!(rest(&mut file), "two\nthree\nfour\n");
        append(&at("log.1"), "five\n");
        assert_eq!(rest(&mut file), "five\n");
        // It is copied and truncated.
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&log)
            .unwrap();
        append(&log, "6\n");
        assert_eq!(rest(&mut file), "6\n");
        // It is deleted, written to all the same, and made anew.
        let mut open = OpenOptions::new().append(true).open(&log).unwrap();
        fs::remove_file(&log).unwrap();
        open.write_all(b"seven\n").unwrap();
        assert_eq!(rest(&mut file), "seven\n");
        append(&log, "eight\n");
        assert_eq!(rest(&mut file), "eight\n");
    }

    #[test]
    fn what_is_not_plain_text_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.gz");
        fs::write(&path, b"\x1f\x8b\x08\x00\x00\x00\x00\x00").unwrap();
        let error = GrowingFile::new(path)
            .read(&mut [0; 64])
            .unwrap_err()
            .to_string();
        assert!(error.contains("compressed (gz"), "{error}");
    }
}
