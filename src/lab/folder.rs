//! A temporary folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::Context;

/// A folder of its own, which goes with this value.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder where the system has its temporary files.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new() -> anyhow::Result<Self> {
        let name = format!(
            "hifi-lab-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let path = env::temp_dir().join(name);
        fs::create_dir(&path).with_context(|| {
            format!(
                "cannot make the folder {} for the runs; name a place that can be written with TMPDIR",
                path.display()
            )
        })?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    /// What cannot be removed is left: there is nobody to tell whom it would help.
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
