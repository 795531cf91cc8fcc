//! The log's file: opened without waiting for anything.

use std::{fs::File, io, path::Path};

use crate::os::private_file;

/// Opens a file to append to, and creates it and its folder where missing. Does not wait for the reader of a FIFO; lines
/// that it has no room for are lost and counted, as with any output that hangs.
///
/// The paths of requests are in the log: what is created is for this user alone, and no link of another user is followed.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let path = &private_file::resolve(path)?;
    private_file::create_folder_of(path)?;
    let mut options = private_file::options(path);
    options.create(true).append(true);
    match options.open(path) {
        // A FIFO without a reader. With both ends in hand it is as if there were one.
        #[cfg(unix)]
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => options.read(true).open(path),
        opened => opened,
    }
}
