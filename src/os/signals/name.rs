//! Names of signals and console events, as settings and reports have them.

use std::error::Error;
use std::fmt;

/// A signal, or a console control event of Windows, that can start the exit and force it.
///
/// Names of every platform are known everywhere, so that one settings file serves all; [`is_native`](Self::is_native) tells
/// whether this platform has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SignalName {
    /// `SIGHUP`: the terminal has gone.
    Hup,
    /// `SIGINT`: Ctrl-C.
    Int,
    /// `SIGQUIT`: Ctrl-\.
    Quit,
    /// `SIGILL`, when it was sent; an illegal instruction still ends the process by it.
    Ill,
    /// `SIGTRAP`, when it was sent; a breakpoint still ends the process by it.
    Trap,
    /// `SIGABRT`, when another process sent it; the process's own `abort` still ends it.
    Abrt,
    /// `SIGSYS`, when it was sent; a forbidden system call still ends the process by it.
    Sys,
    /// `SIGTERM`: what service managers send.
    Term,
    /// `SIGUSR1`.
    Usr1,
    /// `SIGUSR2`.
    Usr2,
    /// `SIGALRM`.
    Alrm,
    /// `SIGXCPU`: the soft limit of processor time is used up.
    Xcpu,
    /// `SIGPWR`, on Linux: power fails, or a container is told to halt.
    Pwr,
    /// `CTRL_C`.
    CtrlC,
    /// `CTRL_BREAK`.
    CtrlBreak,
    /// `CTRL_CLOSE`: the console window is closed.
    CtrlClose,
    /// `CTRL_LOGOFF`.
    CtrlLogoff,
    /// `CTRL_SHUTDOWN`.
    CtrlShutdown,
}

impl SignalName {
    /// What starts the exit on Unix unless the settings say otherwise.
    pub const UNIX: &[Self] =
        &[Self::Hup, Self::Int, Self::Quit, Self::Ill, Self::Trap, Self::Abrt, Self::Sys, Self::Term];

    /// What starts the exit on Windows unless the settings say otherwise.
    pub const WINDOWS: &[Self] =
        &[Self::CtrlC, Self::CtrlBreak, Self::CtrlClose, Self::CtrlLogoff, Self::CtrlShutdown];

    /// What starts the exit on this platform unless the settings say otherwise.
    pub const DEFAULT: &[Self] = if cfg!(windows) { Self::WINDOWS } else { Self::UNIX };

    /// Every name that can be given.
    pub const ALL: &[Self] = &[
        Self::Hup,
        Self::Int,
        Self::Quit,
        Self::Ill,
        Self::Trap,
        Self::Abrt,
        Self::Sys,
        Self::Term,
        Self::Usr1,
        Self::Usr2,
        Self::Alrm,
        Self::Xcpu,
        Self::Pwr,
        Self::CtrlC,
        Self::CtrlBreak,
        Self::CtrlClose,
        Self::CtrlLogoff,
        Self::CtrlShutdown,
    ];

    /// The signal of this name, written as [`as_str`](Self::as_str) writes it.
    ///
    /// # Errors
    ///
    /// [`SignalNameError`], which says why this name cannot start an exit.
    pub fn parse(text: &str) -> Result<Self, SignalNameError> {
        if let Some(name) = Self::ALL.iter().find(|name| name.as_str() == text) {
            return Ok(*name);
        }
        let given = text.to_owned();
        Err(match text {
            "SIGKILL" | "SIGSTOP" => SignalNameError::Uncatchable { given },
            "SIGSEGV" | "SIGBUS" | "SIGFPE" => SignalNameError::Fault { given },
            _ => SignalNameError::Unknown { given },
        })
    }

    /// The name as settings and logs have it: `SIGTERM`, `CTRL_CLOSE`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hup => "SIGHUP",
            Self::Int => "SIGINT",
            Self::Quit => "SIGQUIT",
            Self::Ill => "SIGILL",
            Self::Trap => "SIGTRAP",
            Self::Abrt => "SIGABRT",
            Self::Sys => "SIGSYS",
            Self::Term => "SIGTERM",
            Self::Usr1 => "SIGUSR1",
            Self::Usr2 => "SIGUSR2",
            Self::Alrm => "SIGALRM",
            Self::Xcpu => "SIGXCPU",
            Self::Pwr => "SIGPWR",
            Self::CtrlC => "CTRL_C",
            Self::CtrlBreak => "CTRL_BREAK",
            Self::CtrlClose => "CTRL_CLOSE",
            Self::CtrlLogoff => "CTRL_LOGOFF",
            Self::CtrlShutdown => "CTRL_SHUTDOWN",
        }
    }

    /// Returns true if this platform has it. A name of another platform is accepted and never caught.
    pub fn is_native(self) -> bool {
        match self {
            Self::CtrlC | Self::CtrlBreak | Self::CtrlClose | Self::CtrlLogoff | Self::CtrlShutdown => {
                cfg!(windows)
            }
            Self::Pwr => cfg!(any(target_os = "linux", target_os = "android")),
            Self::Hup
            | Self::Int
            | Self::Quit
            | Self::Ill
            | Self::Trap
            | Self::Abrt
            | Self::Sys
            | Self::Term
            | Self::Usr1
            | Self::Usr2
            | Self::Alrm
            | Self::Xcpu => cfg!(unix),
        }
    }
}

impl fmt::Display for SignalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a name cannot start an exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignalNameError {
    /// No platform has a signal of this name that would ask a process to stop.
    Unknown {
        /// The name as it was given.
        given: String,
    },
    /// The kernel never hands it to the process.
    Uncatchable {
        /// The name as it was given.
        given: String,
    },
    /// It says that the program is broken; returning from its handler would meet the same fault again.
    Fault {
        /// The name as it was given.
        given: String,
    },
}

impl fmt::Display for SignalNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncatchable { given } => write!(f, "{given}: no process can catch it"),
            Self::Fault { given } => {
                write!(f, "{given}: it reports a fault, after which the process cannot go on")
            }
            Self::Unknown { given } => {
                write!(f, "{given:?} is not a signal that can start the exit; allowed are ")?;
                for (index, name) in SignalName::ALL.iter().enumerate() {
                    let separator = if index == 0 { "" } else { ", " };
                    write!(f, "{separator}{name}")?;
                }
                Ok(())
            }
        }
    }
}

impl Error for SignalNameError {}

#[cfg(test)]
mod tests {
    use super::{SignalName, SignalNameError};

    #[test]
    fn every_name_reads_back_as_itself() {
        for name in SignalName::ALL {
            assert_eq!(SignalName::parse(name.as_str()), Ok(*name));
        }
    }

    #[test]
    fn what_cannot_start_an_exit_is_refused_with_the_reason() {
        for (text, reason) in [
            ("SIGKILL", "SIGKILL: no process can catch it"),
            ("SIGSTOP", "SIGSTOP: no process can catch it"),
            ("SIGSEGV", "SIGSEGV: it reports a fault, after which the process cannot go on"),
            ("SIGBUS", "SIGBUS: it reports a fault, after which the process cannot go on"),
            ("SIGFPE", "SIGFPE: it reports a fault, after which the process cannot go on"),
        ] {
            assert_eq!(SignalName::parse(text).map_err(|error| error.to_string()), Err(reason.to_owned()));
        }
        for text in ["", "TERM", "sigterm", "SIGPIPE", "SIGWINCH", "15", "CTRL_D"] {
            assert_eq!(SignalName::parse(text), Err(SignalNameError::Unknown { given: text.to_owned() }));
        }
        assert_eq!(
            SignalNameError::Unknown { given: "TERM".to_owned() }.to_string(),
            "\"TERM\" is not a signal that can start the exit; allowed are SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, \
             SIGSYS, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGXCPU, SIGPWR, CTRL_C, CTRL_BREAK, CTRL_CLOSE, CTRL_LOGOFF, CTRL_SHUTDOWN"
        );
    }

    #[test]
    fn this_platform_has_its_own_defaults_and_not_the_others() {
        assert!(SignalName::DEFAULT.iter().all(|name| name.is_native()));
        let foreign = if cfg!(windows) { SignalName::UNIX } else { SignalName::WINDOWS };
        assert!(foreign.iter().all(|name| !name.is_native()));
    }
}
