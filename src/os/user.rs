//! The user that this process acts as.

/// The effective user's id; `None` where users have none.
#[must_use]
pub fn effective_user() -> Option<u32> {
    #[cfg(unix)]
    {
        // SAFETY: `geteuid` takes nothing, touches no memory of ours and cannot fail.
        Some(unsafe { libc::geteuid() })
    }
    #[cfg(not(unix))]
    None
}
