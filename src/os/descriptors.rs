//! How many descriptors the process may have, and how many are left.

/// How many descriptors the process may have; `None` where there is no limit that could be told.
#[cfg(unix)]
pub fn limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the answer.
    let told = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } == 0;
    #[expect(clippy::useless_conversion, reason = "FreeBSD's is signed")]
    told.then(|| limit.rlim_cur.try_into().unwrap_or(u64::MAX))
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn limit() -> Option<u64> {
    None
}

/// The lowest number that a new descriptor would get: about as many as are open. `None` if there is none left.
#[cfg(unix)]
pub fn next() -> Option<u64> {
    // SAFETY: no memory is involved; standard error is only copied.
    let fd = unsafe { libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, 0) };
    if fd < 0 {
        // A process without standard error has its number free.
        return (std::io::Error::last_os_error().raw_os_error() == Some(libc::EBADF)).then_some(0);
    }
    // SAFETY: it was made above, and nothing else knows of it.
    unsafe { libc::close(fd) };
    u64::try_from(fd).ok()
}

/// There is no such limit.
#[cfg(not(unix))]
pub fn next() -> Option<u64> {
    Some(0)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_next_number_lies_below_the_limit() {
        assert!(next().expect("one is left") < limit().expect("it can be told"));
    }
}
