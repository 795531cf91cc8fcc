//! Signals by a self-pipe: the handler writes a record of fixed size, a thread reads it.
//!
//! The handlers are installed by plain `sigaction` rather than through signal-hook-registry: a fault must get its default action back
//! from within the handler, which the registry would not know of, and the handler then touches nothing but the statics below.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use libc::{c_int, c_void, pid_t, siginfo_t, sigset_t};

use super::error::InstallError;
use super::name::SignalName;
use super::received::{ReceivedSignal, Sender};

/// The writing end of a pair of sockets, or -1.
static PIPE: AtomicI32 = AtomicI32::new(-1);
/// How many handlers may be using [`PIPE`] at this instant.
static WRITING: AtomicUsize = AtomicUsize::new(0);
/// The process that reads the pipe. A fork of it shares pipe and handlers, but has no reader.
static OWNER: AtomicI32 = AtomicI32::new(0);
/// What [`block`] has blocked, a bit a signal number.
static BLOCKED: AtomicU64 = AtomicU64::new(0);
/// The handler that was in force before, by signal number.
static PREVIOUS: [Previous; 65] = [const { Previous::none() }; 65];
/// The handlers that are installed; `None` where no signal is caught.
static INSTALLED: Mutex<Option<Vec<Installed>>> = Mutex::new(None);

/// A handler to call after ours.
struct Previous {
    /// Its address; 0 is none.
    handler: AtomicUsize,
    with_info: AtomicBool,
    /// Ours could not be removed, because a handler that was installed later calls it.
    still_called: AtomicBool,
}

/// A signal that is caught.
struct Installed {
    name: SignalName,
    signal: c_int,
    /// What to restore; `None` if no handler was installed for it.
    before: Option<libc::sigaction>,
}

/// What the handler writes: nanoseconds of the monotonic clock, the signal's number, its sender's process id or -1, and
/// 1 if the kernel sent it. So little arrives whole.
type Record = [u8; 20];

/// Blocks every signal that could start the exit in the calling thread, so that one which arrives before
/// [`Signals::install`](super::Signals::install) stays pending instead of killing the process.
///
/// To be called first in `main`; threads started afterwards inherit it. Does nothing on Windows, which has no such thing.
pub fn block() {
    for &name in SignalName::ALL {
        let Some(signal) = number(name) else { continue };
        let was_blocked = change_mask(libc::SIG_BLOCK, signal);
        if !was_blocked {
            BLOCKED.fetch_or(1 << signal, SeqCst);
        }
    }
}

/// Takes [`block`] back without catching anything, for a program that only prints something and ends: what is pending takes its default effect.
pub fn unblock() {
    let held = BLOCKED.swap(0, SeqCst);
    for &name in SignalName::ALL {
        match number(name) {
            Some(signal) if held & (1 << signal) != 0 => {
                change_mask(libc::SIG_UNBLOCK, signal);
            }
            _ => {}
        }
    }
}

/// Nothing here ends a process by force because of a signal that it has handled.
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
    let mut installed = installed();
    if installed.is_some() {
        return Err(InstallError::AlreadyInstalled);
    }
    // No child inherits them. Writing must not wait for the thread that the handler may have interrupted.
    let pair = UnixStream::pair().and_then(|(reader, writer)| {
        writer.set_nonblocking(true)?;
        Ok((reader, writer))
    });
    let (reader, writer) = pair.map_err(InstallError::Pipe)?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || read_all(reader, on_caught))
        .map_err(InstallError::Thread)?;

    // SAFETY: `getpid` only returns a number.
    OWNER.store(unsafe { libc::getpid() }, SeqCst);
    PIPE.store(writer.into_raw_fd(), SeqCst);
    let mut list = Vec::new();
    let changed = change_list(&mut list, names);
    if changed.is_err() {
        close_pipe();
        return changed;
    }
    *installed = Some(list);
    for signal in names.iter().filter_map(|&name| number(name)) {
        change_mask(libc::SIG_UNBLOCK, signal); // the parent may have blocked it
    }
    unblock();
    Ok(())
}

/// Installs and restores handlers, so that exactly `names` are caught.
pub(super) fn change(names: &[SignalName]) -> Result<(), InstallError> {
    match &mut *installed() {
        Some(list) => change_list(list, names),
        None => Ok(()),
    }
}

/// Restores all handlers, and ends the thread.
pub(super) fn stop() {
    if let Some(list) = installed().take() {
        list.iter().for_each(restore);
        close_pipe();
    }
}

/// Sends a signal to this process, which has its default effect once it is not caught.
pub(super) fn raise(name: SignalName) {
    if let Some(signal) = number(name) {
        // SAFETY: it only sends.
        unsafe { libc::raise(signal) };
    }
}

fn installed() -> MutexGuard<'static, Option<Vec<Installed>>> {
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// On an error the list is as it was before.
fn change_list(list: &mut Vec<Installed>, names: &[SignalName]) -> Result<(), InstallError> {
    let mut added = Vec::new();
    for &name in names {
        let Some(signal) = number(name) else { continue };
        if list.iter().chain(&added).any(|installed| installed.signal == signal) {
            continue;
        }
        match install(signal) {
            Ok(before) => added.push(Installed { name, signal, before }),
            Err(source) => {
                added.iter().for_each(restore);
                return Err(InstallError::Handler { of: name.as_str(), source });
            }
        }
    }
    list.retain(|installed| {
        let stays = names.contains(&installed.name);
        if !stays {
            restore(installed);
        }
        stays
    });
    list.extend(added);
    Ok(())
}

/// Installs the handler for `signal`, unless it was inherited as ignored and should stay so, or is called already.
/// Returns what to restore.
fn install(signal: c_int) -> io::Result<Option<libc::sigaction>> {
    let before = action(signal)?;
    let may_stay_ignored = matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT);
    if may_stay_ignored && before.sa_sigaction == libc::SIG_IGN {
        return Ok(None);
    }
    if let Some(previous) = previous(signal) {
        let is_function = !matches!(before.sa_sigaction, libc::SIG_DFL | libc::SIG_IGN);
        // A handler that was installed after an earlier one of ours calls that: with ours on top of it, each would call
        // the other without end.
        if is_function && previous.still_called.load(SeqCst) {
            return Ok(None);
        }
        previous.still_called.store(false, SeqCst);
        previous.with_info.store(before.sa_flags & libc::SA_SIGINFO != 0, SeqCst);
        previous.handler.store(if is_function { before.sa_sigaction } else { 0 }, SeqCst);
    }
    let mut ours = blank_action();
    ours.sa_sigaction = our_handler();
    ours.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
    // No handler interrupts another, so that the records are in the order in which the signals were handed over.
    // SAFETY: the set is ours and valid.
    unsafe { libc::sigfillset(&raw mut ours.sa_mask) };
    set_action(signal, &ours)?;
    Ok(Some(before))
}

/// Puts back what was in force before, if our handler is the one in force now.
fn restore(installed: &Installed) {
    let Some(before) = &installed.before else { return };
    if action(installed.signal).is_ok_and(|current| current.sa_sigaction == our_handler()) {
        let _ = set_action(installed.signal, before); // it was in force before
    } else if let Some(previous) = previous(installed.signal) {
        previous.still_called.store(true, SeqCst);
    }
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

fn our_handler() -> libc::sighandler_t {
    on_signal as *const () as libc::sighandler_t
}

fn previous(signal: c_int) -> Option<&'static Previous> {
    PREVIOUS.get(usize::try_from(signal).ok()?)
}

/// Closes the pipe, which ends the thread, once no handler uses it.
fn close_pipe() {
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
        write_record(pipe, signal, unsafe { &*info });
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

fn write_record(pipe: c_int, signal: c_int, info: &siginfo_t) {
    // SAFETY: with these codes the sender is filled in.
    let pid = if is_from_process(info.si_code) { unsafe { info.si_pid() } } else { -1 };
    let mut record = Record::default();
    record[..8].copy_from_slice(&monotonic_nanos().to_ne_bytes());
    record[8..12].copy_from_slice(&signal.to_ne_bytes());
    record[12..16].copy_from_slice(&pid.to_ne_bytes());
    record[16] = u8::from(is_from_kernel(info.si_code));
    // A full pipe has some thousand signals in it that were not read: one more makes no difference.
    // SAFETY: the record is valid for its length; the descriptor is open while `WRITING` counts this handler.
    unsafe { libc::write(pipe, record.as_ptr().cast(), record.len()) };
}

/// The kernel's own code for what it sends by itself, such as a terminal's signals.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_from_kernel(code: c_int) -> bool {
    code == libc::SI_KERNEL
}

/// Other systems do not tell.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_from_kernel(_code: c_int) -> bool {
    false
}

/// Whether `kill`, `sigqueue` or `tgkill` sent it; timers and the like have other codes.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_from_process(code: c_int) -> bool {
    matches!(code, libc::SI_USER | libc::SI_QUEUE | libc::SI_TKILL)
}

/// The same by the numbers in the headers of macOS and FreeBSD, which the libc crate does not have: `SI_USER`,
/// `SI_QUEUE`, and FreeBSD's `SI_LWP`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_from_process(code: c_int) -> bool {
    matches!(code, 0x1_0001 | 0x1_0002 | 0x1_0007)
}

fn read_all(mut pipe: UnixStream, mut on_caught: impl FnMut(ReceivedSignal)) {
    let mut record = Record::default();
    while pipe.read_exact(&mut record).is_ok() {
        let (mut nanos, mut signal, mut pid) = ([0; 8], [0; 4], [0; 4]);
        nanos.copy_from_slice(&record[..8]);
        signal.copy_from_slice(&record[8..12]);
        pid.copy_from_slice(&record[12..16]);
        let signal = c_int::from_ne_bytes(signal);
        let Some(&name) = SignalName::ALL.iter().find(|name| number(**name) == Some(signal)) else {
            continue;
        };
        let is_caught = installed().iter().flatten().any(|installed| installed.signal == signal);
        if !is_caught {
            continue;
        }
        let sender = match u32::try_from(pid_t::from_ne_bytes(pid)) {
            Ok(pid) if pid > 0 => Sender::Process(pid),
            _ if record[16] == 1 => Sender::Kernel,
            _ => Sender::Unknown,
        };
        let age = Duration::from_nanos(monotonic_nanos().saturating_sub(u64::from_ne_bytes(nanos)));
        let now = Instant::now();
        on_caught(ReceivedSignal { name, at: now.checked_sub(age).unwrap_or(now), sender });
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
