//! What the system lets this process have, and what happens at a limit. Windows has neither limit.

#[cfg(unix)]
use std::{fs::File, io};

/// Makes a file that reaches the limit of its size (`ulimit -f`, `RLIMIT_FSIZE`) an error of the write
/// (`EFBIG`), like a full disk. By default the system ends the process by `SIGXFSZ`.
///
/// Programs that this one starts inherit it.
#[cfg(unix)]
pub fn report_file_size_limit() {
    // SAFETY: ignoring a signal installs no handler. It cannot fail for a signal that exists.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Lets this process have as many descriptors as its hard limit allows: the soft one, 1,024 by default,
/// is for programs that use `select`. Programs that this one starts inherit it.
#[cfg(unix)]
pub fn raise_descriptor_limit() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid for both calls.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 || limit.rlim_cur == limit.rlim_max {
            return;
        }
        // Apple's kernel refuses more than this (`OPEN_MAX`), whatever the hard limit says.
        let most = if cfg!(target_vendor = "apple") { 10_240 } else { limit.rlim_max };
        limit.rlim_cur = limit.rlim_max.min(most);
        // What the process has is enough to start, or the start says what it lacks.
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
}

/// Finds out whether the system gives this process so many descriptors more: tokio panics where it lacks one.
///
/// # Errors
/// The system's, for the first one that it refuses.
#[cfg(unix)]
pub fn has_descriptors(count: usize) -> io::Result<()> {
    let mut held = Vec::with_capacity(count);
    for _ in 0..count {
        held.push(File::open("/dev/null")?);
    }
    Ok(())
}

/// Keeps glibc from reserving 64 MiB for each thread that allocates, if the address space is limited (`ulimit -v`,
/// `RLIMIT_AS`): threads that start later would find none left. To be called while the process has one thread.
#[cfg(unix)]
pub fn save_address_space() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if address_space().is_some() {
        // SAFETY: it sets a parameter of the allocator, and no other thread uses that yet.
        unsafe { libc::mallopt(libc::M_ARENA_MAX, 1) };
    }
}

/// Finds out whether a limited address space has so many bytes left: Rust aborts where an allocation fails.
///
/// # Errors
/// The system's, if it has not.
#[cfg(unix)]
pub fn has_address_space(bytes: usize) -> io::Result<()> {
    if address_space().is_none() {
        return Ok(());
    }
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANON;
    // SAFETY: new pages at an address that the system chooses; they are not touched, and nothing else knows of them.
    unsafe {
        let pages = libc::mmap(std::ptr::null_mut(), bytes, access, kind, -1, 0);
        if pages == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        libc::munmap(pages, bytes);
    }
    Ok(())
}

/// The limit of this process's address space, if there is one.
#[cfg(unix)]
fn address_space() -> Option<libc::rlim_t> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: a valid place for the answer.
    let told = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
    (told && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur)
}
