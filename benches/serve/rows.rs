//! The rows of the table, with their goals.

use crate::{
    common::servers::Transport,
    metric::{Goal, Metric},
    work::Work,
};

/// Something that a server is put through.
#[derive(Debug)]
pub(crate) struct Row {
    /// The name on the command line.
    pub(crate) name: &'static str,
    /// The title in the table.
    pub(crate) title: &'static str,
    pub(crate) work: Work,
    pub(crate) transport: Transport,
    /// What is measured, a line of the table each.
    pub(crate) lines: &'static [(Metric, Goal)],
    /// The most runs, of a row that is slow or that gives the same figure each time.
    runs: usize,
}

const SPREAD: &[(Metric, Goal)] =
    &[(Metric::Spread, Goal::AtMost(1.0)), (Metric::SpreadAfter, Goal::AtMost(1.0))];
const BLOCKING: &[(Metric, Goal)] =
    &[(Metric::Rate, Goal::RatioAtLeast(0.98)), (Metric::P99, Goal::RatioAtMost(1.1))];
/// A trivial handler: the gate costs 2.5 %.
const TRIVIAL: &[(Metric, Goal)] =
    &[(Metric::Rate, Goal::RatioAtLeast(0.97)), (Metric::Processor, Goal::Shown)];

const ALWAYS: usize = usize::MAX;

/// Each with its name, title, work and goals.
pub(crate) const ROWS: &[Row] = &[
    plain("burst-2", "burst of 200 connections on 2 workers", Work::Burst { workers: 2 }, SPREAD, 3),
    plain("burst-4", "burst of 200 connections on 4 workers", Work::Burst { workers: 4 }, SPREAD, 3),
    plain("burst-8", "burst of 200 connections on 8 workers", Work::Burst { workers: 8 }, SPREAD, 3),
    plain(
        "blocking-4",
        "a handler that keeps its thread for 5 ms, 64 clients, 4 workers",
        Work::Blocking { workers: 4 },
        BLOCKING,
        ALWAYS,
    ),
    plain("blocking-8", "the same on 8 workers", Work::Blocking { workers: 8 }, BLOCKING, ALWAYS),
    plain("keep-alive", "a trivial handler, 64 keep-alive clients", Work::KeepAlive, TRIVIAL, ALWAYS),
    plain(
        "close",
        "a connection a request, 32 clients",
        Work::ConnectionEach,
        &[(Metric::Rate, Goal::RatioAtLeast(1.0)), (Metric::Processor, Goal::Shown)],
        ALWAYS,
    ),
    plain(
        "one-blocked",
        "one worker of four blocked for 2 s, a new connection a request meanwhile",
        Work::OneBlocked,
        &[(Metric::P99, Goal::AtMost(5.0))],
        3,
    ),
    plain("unix", "over a Unix socket, a trivial handler, 64 clients", Work::Unix, TRIVIAL, ALWAYS),
    plain(
        "idle",
        "memory of 5,000 idle connections",
        Work::Idle { connections: 5000 },
        &[(Metric::Connection, Goal::RatioAtMost(1.03)), (Metric::Process, Goal::RatioAtMost(1.03))],
        3,
    ),
    plain(
        "never-reads",
        "a client that pipelines and never reads, for 10 s",
        Work::NeverReads,
        &[(Metric::Growth, Goal::AtMost(8.0))],
        1,
    ),
    plain(
        "ahead",
        "100 clients that send 5,000 requests ahead",
        Work::Ahead,
        &[(Metric::Growth, Goal::AtMost(32.0))],
        1,
    ),
    tls("handshakes", "a TLS handshake and a request each, 16 clients", Work::Handshakes),
    tls("tls", "HTTP/1 over TLS, 64 keep-alive clients", Work::KeepAlive),
    tls("h2-tls", "HTTP/2 over TLS, 8 connections of 16 streams", Work::Streams),
    Row {
        name: "h2c",
        title: "HTTP/2 without TLS, 8 connections of 16 streams",
        work: Work::Streams,
        transport: Transport::H2c,
        lines: TRIVIAL,
        runs: ALWAYS,
    },
];

const fn plain(
    name: &'static str,
    title: &'static str,
    work: Work,
    lines: &'static [(Metric, Goal)],
    runs: usize,
) -> Row {
    Row { name, title, work, transport: Transport::Plain, lines, runs }
}

const fn tls(name: &'static str, title: &'static str, work: Work) -> Row {
    Row { name, title, work, transport: Transport::Tls, lines: TRIVIAL, runs: ALWAYS }
}

impl Row {
    pub(crate) fn named(name: &str) -> Result<&'static Self, String> {
        let found = ROWS.iter().find(|row| row.name == name);
        found.ok_or_else(|| format!("there is no row `{name}`: {}", Self::names().join(", ")))
    }

    pub(crate) fn names() -> Vec<&'static str> {
        ROWS.iter().map(|row| row.name).collect()
    }

    /// How often it is measured if `asked` for.
    pub(crate) fn runs(&self, asked: usize) -> usize {
        asked.min(self.runs)
    }
}
