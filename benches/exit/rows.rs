//! The rows of the table, with their titles and goals.

use crate::process::Kind;

/// One situation in which a server is told to exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    Idle,
    Unused,
    Pooled,
    Used,
    Slow,
    HalfHead,
    Mute,
    InFlight,
    Crowd,
    Second,
    Blocked,
    Busy,
    Held,
    Wire,
    NewClients,
    Callbacks,
}

impl Row {
    pub(crate) const ALL: [Self; 16] = [
        Self::Idle,
        Self::Unused,
        Self::Pooled,
        Self::Used,
        Self::Slow,
        Self::HalfHead,
        Self::Mute,
        Self::InFlight,
        Self::Crowd,
        Self::Second,
        Self::Blocked,
        Self::Busy,
        Self::Held,
        Self::Wire,
        Self::NewClients,
        Self::Callbacks,
    ];

    /// The name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Unused => "unused",
            Self::Pooled => "pooled",
            Self::Used => "used",
            Self::Slow => "slow",
            Self::HalfHead => "half-head",
            Self::Mute => "mute",
            Self::InFlight => "in-flight",
            Self::Crowd => "crowd",
            Self::Second => "second",
            Self::Blocked => "blocked",
            Self::Busy => "busy",
            Self::Held => "held",
            Self::Wire => "wire",
            Self::NewClients => "new-clients",
            Self::Callbacks => "callbacks",
        }
    }

    pub(crate) fn named(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|row| row.name() == name);
        found.ok_or_else(|| format!("there is no row `{name}`: {}", Self::ALL.map(Self::name).join(", ")))
    }

    /// The title in the table.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Idle => "idle: signal → gone",
            Self::Unused => "100 idle keep-alive connections, unused for over a second",
            Self::Pooled => "the same, of clients that close in return",
            Self::Used => "the same, just used",
            Self::Slow => "one slow request: last byte → gone",
            Self::HalfHead => "half a request head, for over a second",
            Self::Mute => "a client that never sends, for over a second",
            Self::InFlight => "1,000 requests in flight: last byte → gone; not answered",
            Self::Crowd => "10,000 idle connections + 1,000 in flight: last byte → gone; not answered",
            Self::Second => "second signal → gone, one request in flight",
            Self::Blocked => "the same, 64 handlers blocked",
            Self::Busy => "32 busy keep-alive clients: signal → gone; lost",
            Self::Held => "the same, a slow request holds the drain for a second",
            Self::Wire => "the same as the first, 1 ms on the wire",
            Self::NewClients => "a new connection each 5 ms, drain held for 300 ms: lost",
            Self::Callbacks => "10,000 callbacks of no work: signal → gone",
        }
    }

    pub(crate) fn goal(self) -> &'static str {
        match self {
            Self::Idle | Self::Slow => "≤ axum + 0.5 ms",
            Self::Unused | Self::Pooled => "≤ axum",
            Self::Used => "≤ keep-alive grace (50 ms) + 5 ms",
            Self::HalfHead | Self::Mute => "≤ 5 ms",
            Self::InFlight => "all; ≤ axum + 1 ms",
            Self::Crowd => "all; ≤ 2 × axum",
            Self::Second => "≤ 3 ms",
            Self::Blocked => "≤ 110 ms",
            Self::Busy | Self::Held => "0 lost",
            Self::Wire => "0 lost, ≤ 10 ms",
            Self::NewClients => "0 lost with the filter",
            Self::Callbacks => "≤ 50 ms, linear",
        }
    }

    /// True if the row counts lost requests besides the time.
    pub(crate) fn counts(self) -> bool {
        matches!(self, Self::InFlight | Self::Crowd | Self::Busy | Self::Held | Self::Wire | Self::NewClients)
    }

    /// The servers that the row compares.
    pub(crate) fn columns(self) -> [Kind; 3] {
        match self {
            Self::Callbacks => [Kind::Callbacks(10_000), Kind::Callbacks(1_000), Kind::Callbacks(1)],
            _ => Kind::SERVERS,
        }
    }

    /// The number of workers, if the row depends on it.
    pub(crate) fn workers(self) -> Option<usize> {
        (self == Self::Blocked).then_some(64)
    }

    /// True if the connections have to be idle for over a second.
    pub(crate) fn ages(self) -> bool {
        matches!(self, Self::Unused | Self::Pooled | Self::HalfHead | Self::Mute | Self::Crowd)
    }
}
