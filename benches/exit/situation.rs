//! What a server is doing when it is told to exit.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// Keep-alive connections that have had an answer.
    Idle { connections: usize, age: Age },
    /// The same, of clients that close in return.
    Pooled { connections: usize },
    /// A connection with half of a request's head.
    HalfHead,
    /// A connection without a byte.
    Mute,
    /// Slow requests, with other connections that are idle.
    InFlight { requests: usize, idle: usize },
    /// A request that does not end, and a second signal.
    Second,
    /// The same with 1,000 streams of HTTP/2.
    SecondStreams,
    /// The same with handlers that block 64 workers.
    Blocked,
    /// Clients that send one request after another, perhaps over a wire, and perhaps beside a slow request.
    Busy { wire: Duration, held: bool },
    /// A new connection each few milliseconds while a slow request holds the drain.
    NewClients,
    /// Streams of HTTP/2 one after another, with answers of so many bytes, over a wire.
    Streams { bytes: usize },
    /// Only callbacks.
    Callbacks,
}

/// How long ago connections were used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// For longer than a server counts them as recently used.
    Old,
    Recent,
}

impl Situation {
    /// True if connections have to be idle for over a second.
    pub(crate) fn ages(self) -> bool {
        match self {
            Self::Idle { connections, age } => connections > 0 && age == Age::Old,
            Self::Pooled { .. } | Self::HalfHead | Self::Mute => true,
            Self::InFlight { idle, .. } => idle > 0,
            _ => false,
        }
    }

    /// The connections that need a local port and a descriptor.
    pub(crate) fn connections(self) -> usize {
        match self {
            Self::Idle { connections, .. } | Self::Pooled { connections } => connections,
            Self::InFlight { requests, idle } => requests + idle,
            _ => 0,
        }
    }

    /// True if the row counts what is lost besides the time.
    pub(crate) fn counts(self) -> bool {
        match self {
            Self::Idle { connections, .. } => connections >= 1000,
            Self::InFlight { requests, .. } => requests > 1,
            Self::Busy { .. } | Self::NewClients | Self::Streams { .. } => true,
            _ => false,
        }
    }

    /// The number of workers, if the situation depends on it.
    pub(crate) fn workers(self) -> Option<usize> {
        (self == Self::Blocked).then_some(64)
    }
}
