//! The log's file: opened without waiting for anything.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

/// Opens a file to append to, and creates it and its folder where missing. Does not wait for the reader of a FIFO; lines
/// that it has no room for are lost and counted, as with any output that hangs.
pub(super) fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        create(folder)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    return open_at_once(path, &mut options);
    #[cfg(not(unix))]
    return options.open(path);
}

#[cfg(unix)]
fn open_at_once(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    // It may be a terminal, which must not become the process's own.
    options.mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    match options.open(path) {
        // A FIFO without a reader. With both ends in hand it is as if there were one.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => options.read(true).open(path),
        opened => opened,
    }
}

/// The paths of requests are in the log: the folder is for this user alone.
fn create(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
