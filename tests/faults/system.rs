//! Helpers that need system calls: signals, descriptors, terminals, pipes.

#![expect(unsafe_code, reason = "faults of a process are staged with calls that std has no safe form of")]

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    os::unix::process::CommandExt,
    process::Command,
    time::Instant,
};

use libc::{c_int, rlimit};

/// Sends a signal to a process that has not been waited for.
pub(super) fn kill(id: u32, signal: c_int) -> Instant {
    let at = Instant::now();
    let id = libc::pid_t::try_from(id).expect("a process id");
    // SAFETY: it touches no memory. The caller has not waited for the process, so that the id is still its own.
    unsafe { libc::kill(id, signal) };
    at
}

/// Starts the child with standard output and error closed.
pub(super) fn closed_outputs(command: &mut Command) {
    let close = || {
        // SAFETY: nothing of the child uses them before it executes its program.
        unsafe {
            libc::close(libc::STDOUT_FILENO);
            libc::close(libc::STDERR_FILENO);
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(close) };
}

/// What a limit is on.
#[cfg(not(target_env = "musl"))]
type Resource = libc::__rlimit_resource_t;
#[cfg(target_env = "musl")]
type Resource = libc::c_int;

/// Lets a running process have so many file descriptors at the most.
pub(super) fn limit_descriptors(id: u32, most: usize) {
    limit(id, libc::RLIMIT_NOFILE, most as u64);
}

/// Sets a limit of a running process, which this one has started and not waited for.
pub(super) fn limit(id: u32, resource: Resource, most: u64) {
    let limit = rlimit { rlim_cur: most, rlim_max: most };
    let id = libc::pid_t::try_from(id).expect("a process id");
    // SAFETY: the limit is valid for the call, and the old one is not asked for.
    let done = unsafe { libc::prlimit(id, resource, &raw const limit, std::ptr::null_mut()) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
}

/// Starts the child with a limit.
pub(super) fn limited(command: &mut Command, resource: Resource, most: u64) {
    let set = move || {
        let limit = rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: the limit is valid for the call.
        if unsafe { libc::setrlimit(resource, &raw const limit) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}

/// Starts the child in a system that answers these options of a socket itself: by an error, or by success without any
/// effect if `error` is 0.
pub(super) fn answers_socket_options(command: &mut Command, options: [c_int; 2], error: c_int) {
    // Where the parts of a call are, by `struct seccomp_data`: of each the lower half.
    const CALL: u32 = 0;
    const LEVEL: u32 = 16 + 8;
    const NAME: u32 = 16 + 2 * 8;
    let code = |code: u32| u16::try_from(code).expect("a code has 16 bits");
    let number = |number: c_int| u32::try_from(number).expect("it is not negative");
    let load = |place| libc::sock_filter {
        code: code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS),
        jt: 0,
        jf: 0,
        k: place,
    };
    let jump_if_equal = |value, then, otherwise| libc::sock_filter {
        code: code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K),
        jt: then,
        jf: otherwise,
        k: value,
    };
    let answer =
        |value| libc::sock_filter { code: code(libc::BPF_RET | libc::BPF_K), jt: 0, jf: 0, k: value };
    let mut filter = [
        load(CALL),
        jump_if_equal(u32::try_from(libc::SYS_setsockopt).expect("a call's number"), 0, 5),
        load(LEVEL),
        jump_if_equal(number(libc::SOL_SOCKET), 0, 3),
        load(NAME),
        jump_if_equal(number(options[0]), 2, 0),
        jump_if_equal(number(options[1]), 1, 0),
        answer(libc::SECCOMP_RET_ALLOW),
        answer(libc::SECCOMP_RET_ERRNO | number(error)),
    ];
    let install = move || {
        let len = libc::c_ushort::try_from(filter.len()).unwrap_or(0);
        let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
        // SAFETY: the program is valid for the call that copies it.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if installed { Ok(()) } else { Err(io::Error::last_os_error()) }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(install) };
}

/// True if the peer's kernel has acknowledged a byte of what was sent on this TCP connection, which may be over.
pub(super) fn is_acknowledged(socket: &impl AsRawFd) -> bool {
    // Where `struct tcp_info` has `tcpi_bytes_acked`, which begins at 1: the handshake's first segment counts.
    const BYTES_ACKED: usize = 120;
    let mut info = [0_u8; BYTES_ACKED + 8];
    let mut length = libc::socklen_t::try_from(info.len()).expect("a short length");
    // SAFETY: the kernel writes at most `length` bytes.
    let done = unsafe {
        let place = info.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, place, &raw mut length)
    };
    assert_eq!((done, usize::try_from(length)), (0, Ok(info.len())), "{}", io::Error::last_os_error());
    u64::from_ne_bytes(info[BYTES_ACKED..].try_into().expect("eight bytes")) > 1
}

/// Raises the descriptor limit of this process and its children as far as the system allows, and returns it.
pub(super) fn raise_descriptors() -> usize {
    let mut limit = rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is valid for both calls.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
}

/// A pseudo-terminal: the user's side, and the side that a process writes to.
pub(super) fn terminal() -> (File, File) {
    let (mut user_side, mut process) = (0, 0);
    let null = std::ptr::null_mut();
    // SAFETY: both places are valid; no name, no settings and no size are asked for or given.
    let done = unsafe { libc::openpty(&raw mut user_side, &raw mut process, null, null.cast(), null.cast()) };
    assert_eq!(done, 0, "{}", io::Error::last_os_error());
    // SAFETY: both are open and owned by this function alone.
    let (user_side, process) = unsafe { (OwnedFd::from_raw_fd(user_side), OwnedFd::from_raw_fd(process)) };
    for side in [&user_side, &process] {
        // SAFETY: the descriptor is open. A child must not inherit it by chance, or the terminal never goes away.
        unsafe { libc::fcntl(side.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC) };
    }
    (user_side.into(), process.into())
}

/// Fills a pipe, so that the next write to it waits.
pub(super) fn fill(pipe: &io::PipeWriter) {
    let fd = pipe.as_raw_fd();
    // SAFETY: the descriptor is open, and the buffer is valid for its length.
    unsafe {
        let flags = libc::fcntl(fd, libc::F_GETFL);
        libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK);
        for size in [4096, 1] {
            while libc::write(fd, [b'.'; 4096].as_ptr().cast(), size) > 0 {}
        }
        libc::fcntl(fd, libc::F_SETFL, flags);
    }
}
