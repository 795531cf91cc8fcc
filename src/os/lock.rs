//! Locks on files, which end with the process.

use std::{fs::File, io};

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

/// On Windows a file that is opened for writing by [`exclusive`] cannot be opened again meanwhile.
///
/// # Errors
/// None.
#[cfg(windows)]
#[expect(clippy::unnecessary_wraps, reason = "as on the other platforms")]
pub(crate) fn try_lock(_: &File) -> io::Result<()> {
    Ok(())
}

/// Options for a file that is to be locked: no link is followed, no pipe is waited for, and only this user may open it.
pub(crate) fn exclusive(options: &mut std::fs::OpenOptions) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        options.share_mode(0);
    }
}
