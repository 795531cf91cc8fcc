//! The members of an exit: servers, and the jobs that are done at the exit.

use std::time::Duration;

/// A member of the exit: a server or a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its part in the exit.
    pub kind: Kind,
    /// Unique among the members of its kind.
    pub name: String,
    /// Its own timeout, in place of the plan's for its kind. A server has none: it shares the plan's.
    pub timeout: Option<Duration>,
}

impl Member {
    /// A member with the plan's timeout for its kind.
    #[must_use]
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Self { kind, name: name.into(), timeout: None }
    }

    /// Sets its own timeout, or takes it away.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The part that a member takes in an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Drains with all servers, closes before the callbacks.
    ServerFirst,
    /// Drains with all servers, closes at the very end.
    ServerLast,
    /// Finishes its work in flight while the servers drain.
    BackgroundWorker,
    /// Saves what must not be lost as soon as the exit begins, beside everything else.
    Checkpoint,
    /// Runs beside the other callbacks, once the servers are closed and the checkpoints are done.
    Callback,
    /// Is released after the callbacks, the last registered first.
    Resource,
}

impl Kind {
    /// The word for it in messages. Both kinds of server are one noun: their names must differ.
    #[must_use]
    pub const fn noun(self) -> &'static str {
        match self {
            Self::ServerFirst | Self::ServerLast => "server",
            Self::BackgroundWorker => "worker",
            Self::Checkpoint => "checkpoint",
            Self::Callback => "callback",
            Self::Resource => "resource",
        }
    }

    /// True for both kinds of server.
    #[must_use]
    pub const fn is_server(self) -> bool {
        match self {
            Self::ServerFirst | Self::ServerLast => true,
            Self::BackgroundWorker | Self::Checkpoint | Self::Callback | Self::Resource => false,
        }
    }
}

/// A member's index in [`Plan::members`](super::Plan::members).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MemberId(pub usize);
