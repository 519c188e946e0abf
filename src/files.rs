//! Files that are there whole or not at all.

use std::{fs::Permissions, io, os::unix::fs::PermissionsExt, path::Path};

use tempfile::NamedTempFile;

use crate::log::file::folder_of;

/// A new file in the folder of `path`, to be given that name once it is whole. Until then it goes when it is dropped.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(".hifi-")
        // As any new file has them: the mask of the process takes away what it must.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))
}
