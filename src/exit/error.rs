//! Why it cannot be started.

use std::{error::Error, fmt, io};

use crate::{os::signals::InstallError, sequence::PlanError, server::BindError};

/// Why it cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The members and bounds make no plan.
    Plan(PlanError),
    /// A signal cannot be caught.
    Signals(InstallError),
    /// The exit guard's thread cannot be started.
    HardStop(io::Error),
    /// A server cannot listen.
    Bind(BindError),
    /// A server's workers cannot be started.
    Serve {
        /// The server's name.
        server: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A thread for the supervisor or a callback cannot be started.
    Thread(io::Error),
    /// The supervisor ended while it was started.
    Supervisor,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Signals(error) => error.fmt(f),
            Self::HardStop(error) => write!(f, "the exit guard's thread cannot be started: {error}"),
            Self::Bind(error) => error.fmt(f),
            Self::Serve { server, source } => write!(f, "server {server} cannot be started: {source}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
            Self::Supervisor => f.write_str("the supervisor ended while it was started"),
        }
    }
}

impl Error for StartError {}
