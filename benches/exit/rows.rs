//! The rows of the table, with their titles and goals.

use std::time::Duration;

use crate::{
    common::servers::{Framework, Transport},
    programs::Kind,
    situation::{Age, Situation},
};

/// One situation in which a server is told to exit.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// The title in the table.
    pub(crate) title: &'static str,
    pub(crate) goal: &'static str,
    pub(crate) situation: Situation,
    pub(crate) transport: Transport,
}

const MS: Duration = Duration::from_millis(1);

/// Each with its name, title and goal.
pub(crate) const ROWS: &[Row] = &[
    plain("idle", "idle: signal → gone", "≤ axum + 0.5 ms", idle(0, Age::Old)),
    plain(
        "unused",
        "100 idle keep-alive connections, unused for over a second",
        "≤ axum",
        idle(100, Age::Old),
    ),
    plain(
        "pooled",
        "the same, of clients that close in return",
        "≤ axum",
        Situation::Pooled { connections: 100 },
    ),
    plain("used", "the same, just used", "≤ keep-alive grace (50 ms) + 5 ms", idle(100, Age::Recent)),
    plain("slow", "one slow request: last byte → gone", "≤ axum + 0.5 ms", in_flight(1, 0)),
    plain("half-head", "half a request head, for over a second", "≤ 5 ms", Situation::HalfHead),
    plain("mute", "a client that never sends, for over a second", "≤ 5 ms", Situation::Mute),
    plain(
        "in-flight",
        "1,000 requests in flight: last byte → gone; not answered",
        "all; ≤ axum + 1 ms",
        in_flight(1000, 0),
    ),
    plain(
        "crowd",
        "10,000 idle connections + 1,000 in flight: last byte → gone; not answered",
        "all; ≤ 2 × axum",
        in_flight(1000, 10_000),
    ),
    plain(
        "idle-1000",
        "1,000 idle connections, unused for over a second; not closed in order",
        "≤ 1.2 × axum, 0",
        idle(1000, Age::Old),
    ),
    plain("idle-5000", "5,000", "≤ 1.2 × axum, 0", idle(5000, Age::Old)),
    plain("idle-18000", "18,000", "≤ 1.2 × axum, 0", idle(18_000, Age::Old)),
    plain(
        "used-1000",
        "1,000 connections, just used; not closed in order",
        "≤ axum + grace (50 ms), 0",
        idle(1000, Age::Recent),
    ),
    plain("used-5000", "5,000", "≤ axum + grace (50 ms), 0", idle(5000, Age::Recent)),
    plain("used-18000", "18,000", "≤ axum + grace (50 ms), 0", idle(18_000, Age::Recent)),
    plain("second", "second signal → gone, one request in flight", "≤ 3 ms", Situation::Second),
    plain("blocked", "the same, 64 handlers blocked", "≤ 110 ms", Situation::Blocked),
    plain("busy", "32 busy keep-alive clients: signal → gone; lost", "0 lost", busy(Duration::ZERO)),
    plain(
        "held",
        "the same, a slow request holds the drain for a second",
        "0 lost",
        Situation::Busy { wire: Duration::ZERO, held: true },
    ),
    plain("wire", "the same as the first, 1 ms on the wire", "0 lost, ≤ 10 ms", busy(MS)),
    plain(
        "new-clients",
        "a new connection each 5 ms, drain held for 300 ms: lost",
        "0 lost with the filter",
        Situation::NewClients,
    ),
    plain("callbacks", "10,000 callbacks of no work: signal → gone", "≤ 50 ms, linear", Situation::Callbacks),
    row(
        "h2c-4k",
        "HTTP/2, 5 × 200 streams of 4 KiB, 5 ms of wire: last byte → gone; lost",
        STREAMS,
        Situation::Streams { bytes: 4 << 10 },
        Transport::H2c,
    ),
    row("h2c-512k", "streams of 512 KiB", STREAMS, Situation::Streams { bytes: 512 << 10 }, Transport::H2c),
    row(
        "h2-tls-4k",
        "over TLS, streams of 4 KiB",
        STREAMS,
        Situation::Streams { bytes: 4 << 10 },
        Transport::Tls,
    ),
    row("h2-tls-512k", "of 512 KiB", STREAMS, Situation::Streams { bytes: 512 << 10 }, Transport::Tls),
    row(
        "second-streams",
        "second signal → gone, 1,000 streams in flight",
        "≤ 3 ms",
        Situation::SecondStreams,
        Transport::H2c,
    ),
    row(
        "tls-busy",
        "TLS, 32 busy keep-alive clients: signal → gone; lost",
        "0 lost",
        busy(Duration::ZERO),
        Transport::Tls,
    ),
    row("tls-wire", "the same, 1 ms on the wire", "0 lost", busy(MS), Transport::Tls),
    row(
        "tls-idle-100",
        "100 idle TLS connections, unused for over a second",
        "≤ axum",
        idle(100, Age::Old),
        Transport::Tls,
    ),
    row("tls-idle-10000", "10,000; not closed in order", "≤ axum, 0", idle(10_000, Age::Old), Transport::Tls),
];

const STREAMS: &str = "0 lost; repeatable ≤ axum; ≤ axum + 20 ms";
/// Runs of a row that takes seconds.
const LONG_ROW: usize = 5;

const fn row(
    name: &'static str,
    title: &'static str,
    goal: &'static str,
    situation: Situation,
    transport: Transport,
) -> Row {
    Row { name, title, goal, situation, transport }
}

const fn plain(name: &'static str, title: &'static str, goal: &'static str, situation: Situation) -> Row {
    row(name, title, goal, situation, Transport::Plain)
}

const fn idle(connections: usize, age: Age) -> Situation {
    Situation::Idle { connections, age }
}

const fn in_flight(requests: usize, idle: usize) -> Situation {
    Situation::InFlight { requests, idle }
}

const fn busy(wire: Duration) -> Situation {
    Situation::Busy { wire, held: false }
}

impl Row {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let found = ROWS.iter().find(|row| row.name == name);
        found.ok_or_else(|| format!("there is no row `{name}`: {}", Self::names().join(", ")))
    }

    pub(crate) fn names() -> Vec<&'static str> {
        ROWS.iter().map(|row| row.name).collect()
    }

    /// The programs that the row compares. The application serves plain HTTP/1; of TLS and HTTP/2 three programs of one
    /// server each are compared.
    pub(crate) fn columns(&self) -> [Kind; 3] {
        let ours = match (&self.situation, self.transport) {
            (Situation::Callbacks, _) => return [10_000, 1_000, 1].map(Kind::Callbacks),
            (_, Transport::Plain) => Kind::Application,
            (_, Transport::H2c | Transport::Tls) => Kind::Server(Framework::Library),
        };
        [ours, Kind::Server(Framework::Actix), Kind::Server(Framework::Axum)]
    }

    /// How often it is measured if `asked` for.
    pub(crate) fn runs(&self, asked: usize) -> usize {
        let is_long = match self.situation {
            Situation::Idle { connections, .. } => connections >= 5000,
            _ => false,
        };
        if is_long { asked.min(LONG_ROW) } else { asked }
    }
}
