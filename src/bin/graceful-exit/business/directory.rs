//! Folders: created for their owner alone, and made durable.
//!
//! A file survives a power cut only together with its entry in its folder, and that folder only with
//! its own entry in the next one. So every folder that gains or loses an entry is synced.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use graceful_exit::os::private_file::folder_builder;

/// The folder that `path` lies in; `.` for a bare file name.
pub(crate) fn of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Creates `folder` and what is missing above it, and syncs every folder that gained an entry. What
/// it creates has mode 0700; a folder that is there already keeps its mode.
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
    match folder_builder().create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && folder.is_dir() => {}
        result => result?,
    }
    Directory::open(parent)?.sync()
}

/// An open folder. It is opened in advance, so that syncing it at the exit needs no descriptor.
#[derive(Debug)]
pub(crate) struct Directory {
    /// None on Windows, which opens no folder as a file.
    file: Option<File>,
}

impl Directory {
    /// Opens `path` for [`Directory::sync`].
    ///
    /// # Errors
    ///
    /// The file system's own.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = if cfg!(windows) { None } else { Some(File::open(path)?) };
        Ok(Self { file })
    }

    /// Makes the folder's entries durable: what was created, renamed or removed in it.
    ///
    /// Does nothing on Windows and on network file systems that answer `EINVAL`: a rename is as
    /// durable there as the system makes it.
    ///
    /// # Errors
    ///
    /// The device fails.
    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.file.as_ref().map(File::sync_all) {
            Some(Err(error)) if error.kind() != ErrorKind::InvalidInput => Err(error),
            _ => Ok(()),
        }
    }
}

/// `data/cache.spool` and `.lock` make `data/cache.spool.lock`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
