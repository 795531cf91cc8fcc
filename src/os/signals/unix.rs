//! Signals by a self-pipe: the handler writes a record of fixed size, a thread reads it.
//!
//! The handlers are installed by plain `sigaction` rather than through signal-hook-registry: a fault must get its default action back
//! from within the handler, which the registry would not know of, and the handler then touches nothing but two of the statics below.

use std::io::{self, PipeReader, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, IntoRawFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, c_void, pid_t, siginfo_t, sigset_t};

use super::{InstallError, ReceivedSignal, SignalName};

/// The pipe's writing end. It is never closed once it is here: a handler may run at any time.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// The process that reads the pipe. A fork of it shares pipe and handlers, but has no reader.
static OWNER: AtomicI32 = AtomicI32::new(0);
static INSTALLED: AtomicBool = AtomicBool::new(false);
/// What [`block`] has blocked, a bit a signal number.
static BLOCKED: AtomicU64 = AtomicU64::new(0);

/// A record in the pipe: nanoseconds of the monotonic clock, then the signal's number. Far below `PIPE_BUF`, so it arrives whole.
type Record = [u8; 16];

/// Blocks every signal that could start the exit in the calling thread, so that one which arrives before
/// [`Signals::install`](super::Signals::install) stays pending instead of killing the process.
///
/// To be called first in `main`; threads started afterwards inherit it. Does nothing on Windows, which has no such thing.
pub fn block() {
    for &name in SignalName::ALL {
        let Some(signal) = number(name) else { continue };
        let was_blocked = change_mask(libc::SIG_BLOCK, signal);
        if !was_blocked {
            BLOCKED.fetch_or(1 << signal, Ordering::Relaxed);
        }
    }
}

/// Takes [`block`] back without catching anything, for a program that only prints something and ends: what is pending takes its default effect.
pub fn unblock() {
    let held = BLOCKED.swap(0, Ordering::Relaxed);
    for &name in SignalName::ALL {
        if let Some(signal) = number(name)
            && held & (1 << signal) != 0
        {
            change_mask(libc::SIG_UNBLOCK, signal);
        }
    }
}

/// Nobody here ends a process by force because of a signal that it has handled.
pub(super) const fn grace_period(_name: SignalName) -> Option<Duration> {
    None
}

pub(super) fn number(name: SignalName) -> Option<c_int> {
    Some(match name {
        SignalName::Hup => libc::SIGHUP,
        SignalName::Int => libc::SIGINT,
        SignalName::Quit => libc::SIGQUIT,
        SignalName::Ill => libc::SIGILL,
        SignalName::Trap => libc::SIGTRAP,
        SignalName::Abrt => libc::SIGABRT,
        SignalName::Sys => libc::SIGSYS,
        SignalName::Term => libc::SIGTERM,
        SignalName::Usr1 => libc::SIGUSR1,
        SignalName::Usr2 => libc::SIGUSR2,
        SignalName::Alrm => libc::SIGALRM,
        SignalName::Xcpu => libc::SIGXCPU,
        #[cfg(any(target_os = "linux", target_os = "android"))]
        SignalName::Pwr => libc::SIGPWR,
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        SignalName::Pwr => return None,
        SignalName::CtrlC
        | SignalName::CtrlBreak
        | SignalName::CtrlClose
        | SignalName::CtrlLogoff
        | SignalName::CtrlShutdown => return None,
    })
}

/// Starts the thread, installs the handlers, then unblocks: in this order nothing that is pending is lost.
pub(super) fn start(
    names: &[SignalName],
    on_caught: impl FnMut(ReceivedSignal) + Send + 'static,
) -> Result<(), InstallError> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Err(InstallError::AlreadyInstalled);
    }
    let started = try_start(names, on_caught);
    if started.is_err() {
        INSTALLED.store(false, Ordering::SeqCst);
    }
    started
}

fn try_start(
    names: &[SignalName],
    on_caught: impl FnMut(ReceivedSignal) + Send + 'static,
) -> Result<(), InstallError> {
    let wanted: Vec<(SignalName, c_int)> =
        names.iter().filter_map(|&name| Some((name, number(name)?))).collect();
    let (reader, writer) = io::pipe().map_err(InstallError::Pipe)?;
    never_wait(&writer).map_err(InstallError::Pipe)?;
    let known = wanted.clone();
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || read_all(reader, &known, on_caught))
        .map_err(InstallError::Thread)?;

    // SAFETY: `getpid` only returns a number.
    OWNER.store(unsafe { libc::getpid() }, Ordering::SeqCst);
    PIPE.store(writer.into_raw_fd(), Ordering::SeqCst);
    let mut replaced = Vec::new();
    for &(name, signal) in &wanted {
        match install(signal) {
            Ok(before) => replaced.push((signal, before)),
            Err(source) => {
                for (signal, before) in replaced {
                    let _ = set_action(signal, &before); // it was in force a moment ago
                }
                return Err(InstallError::Handler { of: name.as_str(), source });
            }
        }
    }
    for (_, signal) in wanted {
        change_mask(libc::SIG_UNBLOCK, signal); // the parent may have blocked it
    }
    unblock();
    Ok(())
}

/// Installs the handler for `signal`, unless it was inherited as ignored and should stay so. Returns what was in force.
fn install(signal: c_int) -> io::Result<libc::sigaction> {
    let before = action(signal)?;
    let may_stay_ignored = matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT);
    if may_stay_ignored && before.sa_sigaction == libc::SIG_IGN {
        return Ok(before);
    }
    let mut ours = blank_action();
    ours.sa_sigaction = on_signal as *const () as libc::sighandler_t;
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // No handler interrupts another, so that the records are in the order in which the signals were handed over.
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
    set_action(signal, &ours)?;
    Ok(before)
}

/// Async-signal-safe: it allocates nothing, takes no lock and calls only what POSIX lists.
extern "C" fn on_signal(signal: c_int, info: *mut siginfo_t, _context: *mut c_void) {
    // SAFETY: the pointer is to this thread's own errno, which the interrupted code must find unchanged.
    let errno = unsafe { errno() };
    // SAFETY: as above.
    let before = unsafe { *errno };
    // SAFETY: `getpid` only returns a number.
    let process = unsafe { libc::getpid() };
    // SAFETY: the handler is installed with SA_SIGINFO, so the kernel passes a valid `info`.
    if process != OWNER.load(Ordering::Relaxed) || unsafe { is_own_end(signal, info, process) } {
        die_by(signal);
    }
    write_record(signal);
    // SAFETY: as above.
    unsafe { *errno = before };
}

/// Whether `signal` is a fault of this process, or its own `abort`, rather than a request that somebody sent.
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

fn write_record(signal: c_int) {
    let mut record = Record::default();
    record[..8].copy_from_slice(&monotonic_nanos().to_ne_bytes());
    record[8..12].copy_from_slice(&signal.to_ne_bytes());
    // A full pipe has some thousand signals in it that nobody has read: one more makes no difference.
    // SAFETY: the record is valid for its length; the descriptor is open for the life of the process.
    unsafe { libc::write(PIPE.load(Ordering::Relaxed), record.as_ptr().cast(), record.len()) };
}

fn read_all(mut pipe: PipeReader, known: &[(SignalName, c_int)], mut on_caught: impl FnMut(ReceivedSignal)) {
    let mut record = Record::default();
    while pipe.read_exact(&mut record).is_ok() {
        let (mut nanos, mut signal) = ([0; 8], [0; 4]);
        nanos.copy_from_slice(&record[..8]);
        signal.copy_from_slice(&record[8..12]);
        let signal = c_int::from_ne_bytes(signal);
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(u64::from_ne_bytes(nanos)));
        let now = Instant::now();
        if let Some(&(name, _)) = known.iter().find(|(_, number)| *number == signal) {
            on_caught(ReceivedSignal { name, at: now.checked_sub(age).unwrap_or(now) });
        }
    }
}

/// [`Instant`] does not promise that it may be asked for in a signal handler; this is on POSIX's list.
fn monotonic_nanos() -> u64 {
    let mut now = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: `now` is valid for the write, and all zeroes is a valid value of it.
    let now = unsafe {
        libc::clock_gettime(libc::CLOCK_MONOTONIC, now.as_mut_ptr());
        now.assume_init()
    };
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(now.tv_nsec).unwrap_or(0))
}

/// Blocks or unblocks `signal` in the calling thread, and tells whether it was blocked.
fn change_mask(how: c_int, signal: c_int) -> bool {
    let mut set = MaybeUninit::<sigset_t>::zeroed();
    let mut before = MaybeUninit::<sigset_t>::zeroed();
    // SAFETY: both sets are ours; `sigemptyset` initializes the first, `pthread_sigmask` the second. With a valid `how` and signal none can fail.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(how, set.as_ptr(), before.as_mut_ptr());
        libc::sigismember(before.as_ptr(), signal) == 1
    }
}

fn blank_action() -> libc::sigaction {
    // SAFETY: plain C data, for which all zeroes is valid: no handler, no flag, an empty mask.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn action(signal: c_int) -> io::Result<libc::sigaction> {
    let mut current = blank_action();
    // SAFETY: a null `act` only reads; `current` is valid for the write.
    match unsafe { libc::sigaction(signal, ptr::null(), &raw mut current) } {
        0 => Ok(current),
        _ => Err(io::Error::last_os_error()),
    }
}

fn set_action(signal: c_int, new: &libc::sigaction) -> io::Result<()> {
    // SAFETY: `new` is either what the kernel gave us or has a handler that is async-signal-safe.
    match unsafe { libc::sigaction(signal, new, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A handler must not wait for the thread that it may have interrupted.
fn never_wait(pipe: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the descriptor is open, and these commands touch no memory.
    let done = unsafe {
        let flags = libc::fcntl(pipe.as_raw_fd(), libc::F_GETFL);
        flags != -1 && libc::fcntl(pipe.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK) != -1
    };
    if done { Ok(()) } else { Err(io::Error::last_os_error()) }
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
