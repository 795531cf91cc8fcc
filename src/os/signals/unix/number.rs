//! Signals by their numbers on this system.

use std::time::Duration;

use libc::c_int;

use super::super::name::SignalName;

/// None where the system has no such signal.
pub(in crate::os::signals) fn number(name: SignalName) -> Option<c_int> {
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

/// Nothing here ends a process by force because of a signal that it has handled.
pub(in crate::os::signals) const fn grace_period(_name: SignalName) -> Option<Duration> {
    None
}
