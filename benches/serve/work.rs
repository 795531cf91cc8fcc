//! What a server is put through.

use std::io;

use crate::{burst, flood, idle, load, metric::Sample, new_connections, stage::Stage, tools::Tool};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// 200 connections as fast as one client opens them.
    Burst { workers: usize },
    /// 64 keep-alive clients of a handler that blocks its thread.
    Blocking { workers: usize },
    /// 64 keep-alive clients.
    KeepAlive,
    /// 32 clients that connect for each request.
    ConnectionEach,
    /// New connections while one worker of four is blocked.
    OneBlocked,
    /// 64 keep-alive clients on a Unix socket.
    Unix,
    /// Connections that have had an answer.
    Idle { connections: usize },
    /// A client that sends requests and never reads.
    NeverReads,
    /// Clients that send thousands of requests behind a slow one.
    Ahead,
    /// Clients that do a TLS handshake for each request.
    Handshakes,
    /// Clients of HTTP/2.
    Streams,
}

impl Work {
    /// Starts the server on the stage, and puts it through this. Returns no figure where the server cannot have one.
    pub(crate) fn measure(self, stage: &Stage) -> io::Result<Sample> {
        match self {
            Self::Burst { workers } => burst::measure(stage, workers),
            Self::Blocking { workers } => load::blocking(stage, workers),
            Self::KeepAlive => load::keep_alive(stage),
            Self::ConnectionEach => load::connection_each(stage),
            Self::OneBlocked => new_connections::one_blocked(stage),
            Self::Unix => load::unix(stage),
            Self::Idle { connections } => idle::measure(stage, connections),
            Self::NeverReads => flood::never_reads(stage),
            Self::Ahead => flood::ahead(stage),
            Self::Handshakes => new_connections::handshakes(stage),
            Self::Streams => load::streams(stage),
        }
    }

    /// The program that it needs.
    pub(crate) fn tool(self) -> Option<Tool> {
        match self {
            Self::Blocking { .. } | Self::KeepAlive | Self::ConnectionEach => Some(Tool::Wrk),
            Self::Streams => Some(Tool::H2load),
            _ => None,
        }
    }
}
