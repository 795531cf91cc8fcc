//! Folders, created and made durable.
//!
//! A file is only as safe as its entry in its folder, and that folder's entry in the next one: a
//! synced file in a folder that a power cut forgets is gone all the same.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;

/// The folder that `path` lies in; `.` for a bare file name.
pub(crate) fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates `folder` and what is missing above it, and syncs every folder that gained an entry.
///
/// # Errors
///
/// The file system's own, among them a file that stands where a folder should.
pub(crate) fn create(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = of(folder);
    if parent != folder {
        create(parent)?;
    }
    match fs::create_dir(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        result => result?,
    }
    sync(parent)
}

/// Makes the entries of `folder` durable: what was created, renamed or removed in it.
///
/// Nothing is done where the platform or the file system knows no such thing (Windows, which opens no folder as a
/// file, and some network file systems, which answer `EINVAL`): there the rename is as durable as they make it.
///
/// # Errors
///
/// The folder cannot be opened, or its device fails.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    if cfg!(windows) {
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        Err(error) if error.kind() != ErrorKind::InvalidInput => Err(error),
        _ => Ok(()),
    }
}
