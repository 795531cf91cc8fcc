//! Names of signals, and the signal dispositions that a child inherits.

#![expect(
    unsafe_code,
    reason = "what a child inherits is set between fork and exec, and std has no safe form of it"
)]

use std::{io, mem::MaybeUninit, os::unix::process::CommandExt, process::Command};

use libc::c_int;

/// The default of `shutdown.signals` on Unix.
pub(crate) const ALL: [(&str, c_int); 8] = [
    ("SIGHUP", libc::SIGHUP),
    ("SIGINT", libc::SIGINT),
    ("SIGQUIT", libc::SIGQUIT),
    ("SIGILL", libc::SIGILL),
    ("SIGTRAP", libc::SIGTRAP),
    ("SIGABRT", libc::SIGABRT),
    ("SIGSYS", libc::SIGSYS),
    ("SIGTERM", libc::SIGTERM),
];

/// Those of [`DEFAULT`] that start the exit when another process sends them. Apple's kernel does not distinguish a sent
/// SIGTRAP (on arm64 SIGILL as well) from a fault of the process's own.
pub(crate) fn requests() -> Vec<(&'static str, c_int)> {
    let looks_like_a_fault = |signal| {
        cfg!(target_vendor = "apple")
            && (signal == libc::SIGTRAP || cfg!(target_arch = "aarch64") && signal == libc::SIGILL)
    };
    ALL.into_iter().filter(|&(_, signal)| !looks_like_a_fault(signal)).collect()
}

/// Starts the child with every signal at its default.
pub(crate) fn all_default(command: &mut Command) {
    for (_, signal) in ALL {
        handled(command, signal, libc::SIG_DFL);
    }
}

/// Starts the child with a signal ignored, as `nohup` does.
pub(crate) fn ignored(command: &mut Command, signal: c_int) {
    handled(command, signal, libc::SIG_IGN);
}

fn handled(command: &mut Command, signal: c_int, how: libc::sighandler_t) {
    let set = move || {
        // SAFETY: `signal` is async-signal-safe, and installs no handler here.
        if unsafe { libc::signal(signal, how) } == libc::SIG_ERR {
            Err(io::Error::last_os_error())
        } else {
            Ok(())
        }
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}

/// Starts the child with a signal blocked.
pub(crate) fn blocked(command: &mut Command, signal: c_int) {
    let set = move || {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: the set is ours; all three are async-signal-safe.
        unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            libc::sigaddset(set.as_mut_ptr(), signal);
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(set) };
}
