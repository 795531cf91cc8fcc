//! [`InstallError`]: why signals cannot be caught.

use std::error::Error;
use std::fmt;
use std::io;

/// Why signals cannot be caught.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// A process has one set of handlers, and another exit in it has installed them. They are free again when that exit
    /// is over, if the process goes on after it.
    AlreadyInstalled,
    /// The pipe between handler and thread cannot be made.
    Pipe(io::Error),
    /// The thread `signals` cannot be started.
    Thread(io::Error),
    /// The system refuses a handler.
    Handler {
        /// The signal, or `console control events`.
        of: &'static str,
        /// What the system says.
        source: io::Error,
    },
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadyInstalled => {
                f.write_str("signals are caught already; only one exit at a time can catch them in a process")
            }
            Self::Pipe(source) => write!(f, "the pipe for signals cannot be made: {source}"),
            Self::Thread(source) => write!(f, "the thread for signals cannot be started: {source}"),
            Self::Handler { of, source } => write!(f, "no handler can be installed for {of}: {source}"),
        }
    }
}

impl InstallError {
    /// The operating system's error, where one is the cause.
    #[must_use]
    pub fn system(&self) -> Option<&io::Error> {
        match self {
            Self::AlreadyInstalled => None,
            Self::Pipe(source) | Self::Thread(source) | Self::Handler { source, .. } => Some(source),
        }
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.system().map(|error| error as _)
    }
}
