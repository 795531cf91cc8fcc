//! How a server treats its connections: every option that a worker needs.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use actix_http::{Extensions, KeepAlive};

/// What happens to answers without an end, such as event streams and WebSockets, when requests begin to be rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Streams {
    /// They end by themselves: an answer of `text/event-stream` after a whole event, a WebSocket with close code 1001.
    #[default]
    End,
    /// They are waited for, at most [`Timeouts::drain_timeout`](crate::Timeouts::drain_timeout). The application ends
    /// them itself, told by [`ExitHandle::streams`](crate::ExitHandle::streams).
    Wait,
}

/// Called with a connection's socket when it is opened; what it inserts is every request's `conn_data`.
pub(super) type OnConnect = Arc<dyn Fn(&dyn Any, &mut Extensions) + Send + Sync>;

/// How much of its requests' bodies an HTTP/2 connection buffers.
const H2_WINDOW: u32 = 256 << 10;

/// The defaults are `HttpServer`'s, but for the windows of HTTP/2.
#[derive(Clone)]
pub(super) struct Options {
    pub(super) workers: usize,
    /// The blocking threads of each worker; none: 512 in all.
    pub(super) blocking_threads: Option<usize>,
    /// The most open connections of each worker; none: 25,600.
    pub(super) max_connections: Option<usize>,
    /// The most TLS handshakes of each worker at once.
    pub(super) max_connection_rate: usize,
    pub(super) keep_alive: KeepAlive,
    pub(super) client_request_timeout: Duration,
    pub(super) client_disconnect_timeout: Duration,
    pub(super) tls_handshake_timeout: Duration,
    pub(super) h1_allow_half_closed: bool,
    pub(super) h1_write_buffer_size: Option<usize>,
    pub(super) h2_initial_window_size: Option<u32>,
    pub(super) h2_initial_connection_window_size: Option<u32>,
    pub(super) tcp_nodelay: Option<bool>,
    pub(super) hostname: Option<String>,
    pub(super) on_connect: Option<OnConnect>,
    pub(super) streams: Streams,
}

impl Options {
    /// With the defaults.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            workers,
            blocking_threads: None,
            max_connections: None,
            max_connection_rate: 256,
            keep_alive: KeepAlive::default(),
            client_request_timeout: Duration::from_secs(5),
            client_disconnect_timeout: Duration::from_secs(1),
            tls_handshake_timeout: Duration::from_secs(3),
            h1_allow_half_closed: true,
            h1_write_buffer_size: None,
            h2_initial_window_size: Some(H2_WINDOW),
            h2_initial_connection_window_size: Some(H2_WINDOW),
            tcp_nodelay: None,
            hostname: None,
            on_connect: None,
            streams: Streams::End,
        }
    }

    /// Blocking threads of one worker: 512 in all, as with `HttpServer`, unless it was set.
    pub(super) fn blocking_threads(&self) -> usize {
        self.blocking_threads.unwrap_or(512 / self.workers).max(1)
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("workers", &self.workers).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocking_threads_are_512_in_all_unless_they_are_set() {
        for (workers, each) in [(1, 512), (4, 128), (100, 5), (1000, 1)] {
            assert_eq!(Options::new(workers).blocking_threads(), each, "{workers} workers");
        }
        let set = Options { blocking_threads: Some(7), ..Options::new(4) };
        assert_eq!(set.blocking_threads(), 7);
    }
}
