//! [`reap_orphans`]: the duties of a process that is PID 1.
//!
//! A process whose parent ends becomes a child of PID 1 of its namespace, and stays there as a zombie once it has ended,
//! until PID 1 waits for it. In a container the program is PID 1. It cannot wait for every child: that would take the
//! status of those that it has started itself. So another process does: the one that was PID 1 stays behind as an init,
//! and the program goes on as its only child.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;

use std::io;

/// If this process is PID 1, the program goes on in a child process, and PID 1 reaps orphans. A container then needs no
/// init. Does nothing in any other process, and nothing on systems other than Linux.
///
/// To be called first in `main`, before any thread starts and anything is opened. What stays behind passes each signal
/// on, with its sender, and ends as the program does: with its exit code, or 128 and the signal's number.
///
/// ```no_run
/// fn main() -> std::io::Result<()> {
///     graceful_exit::reap_orphans()?;
///     // The program.
///     Ok(())
/// }
/// ```
///
/// # Errors
/// When the process has more than one thread already, since a forked child has only the calling one; or when the
/// system has no process left.
pub fn reap_orphans() -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return linux::reap_orphans();
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    Ok(())
}
