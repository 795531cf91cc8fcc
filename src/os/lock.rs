//! Locks on files, which end with the process.

use std::{
    fs::{File, OpenOptions},
    io,
    path::Path,
};

use super::private_file;

/// Locks a file against other openings of it, here and in other processes, until it is closed.
///
/// # Errors
/// [`io::ErrorKind::WouldBlock`] when it is locked already.
#[cfg(unix)]
pub(crate) fn try_lock(file: &File) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    // SAFETY: the descriptor is open as long as the file is borrowed; nothing else is passed.
    #[expect(
        unsafe_code,
        reason = "the standard library's is newer than the oldest compiler that is supported"
    )]
    let locked = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    if locked == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// On Windows a file that is opened by [`options`] cannot be opened again meanwhile.
///
/// # Errors
/// None.
#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "as on the other platforms")]
pub(crate) fn try_lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// Options for the file at `path` that is to be locked.
pub(crate) fn options(path: &Path) -> OpenOptions {
    let mut options = private_file::options(path);
    #[cfg(windows)]
    std::os::windows::fs::OpenOptionsExt::share_mode(&mut options, 0);
    options.read(true).write(true);
    options
}
