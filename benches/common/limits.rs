//! The limit of open files.

/// Raises it as far as it goes: each of many connections needs a descriptor here, and one in the server, which inherits
/// the limit.
#[expect(unsafe_code, reason = "std has no resource limits")]
pub(crate) fn allow_many_files() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for the write and the read. If it fails, connecting fails, and says why.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}
