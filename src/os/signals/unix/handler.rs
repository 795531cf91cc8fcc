//! The handler of every signal that is caught. It is async-signal-safe.

use std::{
    os::{
        fd::{FromRawFd, IntoRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering::SeqCst},
    thread,
};

use libc::{c_int, c_void, pid_t, siginfo_t};

use super::{
    action::{blank_action, set_action},
    mask::change_mask,
    record::Record,
};

/// The writing end of a pair of sockets, or -1.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// How many handlers may be using [`PIPE`] at this instant.
static WRITING: AtomicUsize = AtomicUsize::new(0);
/// The process that reads the pipe. A fork of it shares pipe and handlers, but has no reader.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// The handler that was in force before, by signal number.
static PREVIOUS: [Previous; 65] = [const { Previous::none() }; 65];

/// A handler to call after ours.
pub(super) struct Previous {
    /// Its address; 0 is none.
    pub(super) handler: AtomicUsize,
    pub(super) with_info: AtomicBool,
    /// Ours could not be removed, because a handler that was installed later calls it.
    pub(super) still_called: AtomicBool,
}

impl Previous {
    const fn none() -> Self {
        Self {
            handler: AtomicUsize::new(0),
            with_info: AtomicBool::new(false),
            still_called: AtomicBool::new(false),
        }
    }
}

pub(super) fn our_handler() -> libc::sighandler_t {
    on_signal as *const () as libc::sighandler_t
}

pub(super) fn previous(signal: c_int) -> Option<&'static Previous> {
    PREVIOUS.get(usize::try_from(signal).ok()?)
}

/// Lets the handler write into `pipe`, in this process alone.
pub(super) fn open_pipe(pipe: UnixStream) {
    // SAFETY: `getpid` only returns a number.
    OWNER.store(unsafe { libc::getpid() }, SeqCst);
    PIPE.store(pipe.into_raw_fd(), SeqCst);
}

/// Closes the pipe, which ends the thread, once no handler uses it.
pub(super) fn close_pipe() {
    let pipe = PIPE.swap(-1, SeqCst);
    while WRITING.load(SeqCst) > 0 {
        thread::yield_now(); // a handler takes microseconds
    }
    if pipe != -1 {
        // SAFETY: the descriptor is ours, and nothing can use it from now on.
        drop(unsafe { OwnedFd::from_raw_fd(pipe) });
    }
}

/// Async-signal-safe: it allocates nothing, takes no lock and calls only what POSIX lists, besides the handler that was
/// there before it.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: the pointer is to this thread's own errno, which the interrupted code must find unchanged.
    let errno = unsafe { errno() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: `getpid` only returns a number.
    let process = unsafe { libc::getpid() };
    // SAFETY: the handler is installed with SA_SIGINFO, so the kernel passes a valid `info`.
    let is_own_end = unsafe { is_own_end(signal, info, process) };
    if is_own_end || process != OWNER.load(SeqCst) {
        if is_own_end {
            // A crash reporter, for example.
            call_previous(signal, info, context);
        }
        die_by(signal);
    }
    WRITING.fetch_add(1, SeqCst);
    let pipe = PIPE.load(SeqCst);
    if pipe != -1 {
        // SAFETY: as above.
        let record = Record::new(signal, unsafe { &*info });
        // A full pipe has some thousand signals in it that were not read: one more makes no difference.
        // SAFETY: the record is valid for its length; the descriptor is open while `WRITING` counts this handler.
        unsafe { libc::write(pipe, record.bytes().as_ptr().cast(), record.bytes().len()) };
    }
    WRITING.fetch_sub(1, SeqCst);
    call_previous(signal, info, context);
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Calls the handler that was in force before ours, if there was one.
fn call_previous(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(previous) = previous(signal) else { return };
    let handler = previous.handler.load(SeqCst);
    if handler == 0 {
        return;
    }
    if previous.with_info.load(SeqCst) {
        // SAFETY: the address is that of a handler which the program installed with SA_SIGINFO for this signal.
        let handler: extern "C" fn(c_int, *mut siginfo_t, *mut c_void) =
            unsafe { std::mem::transmute(handler) };
        handler(signal, info, context);
    } else {
        // SAFETY: as above, without SA_SIGINFO.
        let handler: extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
        handler(signal);
    }
}

/// True if `signal` is a fault of this process, or its own `abort`, rather than a request that was sent to it.
///
/// A fault has one of its signal's own codes, which are small and positive on every system. Requests have codes at or below zero
/// (Linux, NetBSD, OpenBSD) or above 0x10000 (FreeBSD, Apple). A sender outside our PID namespace has the process id 0.
///
/// # Safety
///
/// `info` must be what the kernel passed to the handler of `signal`.
unsafe fn is_own_end(signal: c_int, info: *const siginfo_t, process: pid_t) -> bool {
    if !matches!(signal, libc::SIGILL | libc::SIGTRAP | libc::SIGABRT | libc::SIGSYS) {
        return false; // a terminal's Ctrl-C has one of the kernel's codes too
    }
    // SAFETY: the caller's promise.
    let info = unsafe { &*info };
    let is_fault = (1..0x1_0000).contains(&info.si_code);
    // SAFETY: the code is none of a fault's, so the union holds the sender.
    is_fault || unsafe { info.si_pid() } == process
}

/// Ends the process by `signal`'s default action, with a core where that leaves one.
///
/// Returning from the handler would do only for SIGILL: after a trap or a forbidden system call the program would go on. The first process
/// of a PID namespace survives what it raises: there SIGILL comes again on return, and the others end it by `abort`.
fn die_by(signal: c_int) {
    let mut default = blank_action();
    default.sa_sigaction = libc::SIG_DFL;
    let _ = set_action(signal, &default);
    change_mask(libc::SIG_UNBLOCK, signal);
    // SAFETY: it is async-signal-safe.
    unsafe { libc::raise(signal) };
    if signal != libc::SIGILL {
        // SAFETY: as above.
        unsafe { libc::abort() };
    }
}

/// Where this thread's `errno` is: each C library has its own name for it.
///
/// # Safety
///
/// The pointer is valid in the calling thread alone.
unsafe fn errno() -> *mut c_int {
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    use libc::___errno as location;
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    use libc::__errno as location;
    #[cfg(any(target_os = "linux", target_os = "dragonfly"))]
    use libc::__errno_location as location;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as location;
    // SAFETY: it takes nothing and returns this thread's own location.
    unsafe { location() }
}
