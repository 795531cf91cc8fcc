//! [`StartError`]: why an exit cannot be started.

use std::{error::Error, fmt, io, path::PathBuf};

use crate::{os::signals::InstallError, sequence::PlanError, server::BindError};

/// Why [`GracefulExit::run`](crate::GracefulExit::run) cannot start. What it had begun has been taken back.
///
/// `?` makes an [`io::Error`] of it, whose kind is that of the cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The members and timeouts make no plan: a name is empty or taken, or the deadline is zero.
    Plan(PlanError),
    /// A signal cannot be caught.
    Signals(InstallError),
    /// The hard stop's thread cannot be started.
    HardStop(io::Error),
    /// A server cannot listen on one of its addresses.
    Bind(BindError),
    /// The report cannot be written.
    #[non_exhaustive]
    Report {
        /// Where it was to be.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A server's workers cannot be started.
    #[non_exhaustive]
    Serve {
        /// The server's name.
        server: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A thread for the supervisor or a job cannot be started.
    Thread(io::Error),
    /// [`GracefulExit::run_blocking`](crate::GracefulExit::run_blocking) was called on a thread that runs futures.
    InsideRuntime,
    /// The supervisor ended without a report, by a panic for example.
    Supervisor,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Signals(error) => error.fmt(f),
            Self::HardStop(error) => write!(f, "the thread of the hard stop cannot be started: {error}"),
            Self::Bind(error) => error.fmt(f),
            Self::Report { path, source } => {
                write!(f, "the report cannot be written to {}: {source}", path.display())
            }
            Self::Serve { server, source } => write!(f, "server {server} cannot be started: {source}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
            Self::InsideRuntime => f.write_str(
                "run_blocking was called where futures run, which it would block: use run().await",
            ),
            Self::Supervisor => f.write_str("the supervisor ended without a report"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Plan(error) => Some(error),
            Self::Signals(error) => Some(error),
            Self::Bind(error) => Some(error),
            Self::HardStop(error)
            | Self::Thread(error)
            | Self::Report { source: error, .. }
            | Self::Serve { source: error, .. } => Some(error),
            Self::InsideRuntime | Self::Supervisor => None,
        }
    }
}

impl From<StartError> for io::Error {
    fn from(error: StartError) -> Self {
        let cause = match &error {
            StartError::Bind(error) => Some(&error.source),
            StartError::HardStop(error)
            | StartError::Thread(error)
            | StartError::Report { source: error, .. } => Some(error),
            StartError::Serve { source, .. } => Some(source),
            StartError::Signals(error) => error.system(),
            StartError::Plan(_) | StartError::InsideRuntime | StartError::Supervisor => None,
        };
        let kind = cause.map_or(io::ErrorKind::Other, io::Error::kind);
        Self::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_becomes_an_io_error_that_keeps_kind_message_and_cause() {
        let system = || io::Error::from_raw_os_error(13);
        let bind = BindError { server: "web".into(), address: "127.0.0.1:80".into(), source: system() };
        let signals = InstallError::Handler { of: "SIGTERM", source: system() };
        for error in [
            StartError::Bind(bind),
            StartError::Signals(signals),
            StartError::HardStop(system()),
            StartError::Thread(system()),
            StartError::Serve { server: "web".into(), source: system() },
        ] {
            let message = error.to_string();
            assert!(message.contains(&system().to_string()), "{message}");
            let error = io::Error::from(error);
            assert_eq!((error.kind(), error.to_string()), (system().kind(), message));
            let mut cause = error.source().expect("a cause");
            while let Some(next) = cause.source() {
                cause = next;
            }
            assert_eq!(cause.to_string(), system().to_string());
        }
    }
}
