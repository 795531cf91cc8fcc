//! [`Server`]: an application with its addresses and options, before it is started.

use std::{any::Any, fmt, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use actix_http::{Extensions, KeepAlive, Request, RequestHead, Response};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{body::MessageBody, dev::AppConfig};

use super::{
    listener::ListenerSpec,
    options::{Options, Streams},
    worker::{self, StartWorker},
};
use crate::drain::AlwaysAnswer;

/// An actix-web application and where it listens. What `HttpServer::new(factory)` is to actix-web,
/// `Server::new(name, factory)` is here: the same methods under the same names, with the same defaults, except for the
/// windows of HTTP/2. An address that cannot be used is an error of [`GracefulExit::run`](crate::GracefulExit::run).
/// The [crate's documentation](crate#from-httpserver-to-server) lists every method of `HttpServer`, and what replaces
/// those that are not here.
#[must_use = "a server serves nothing until the builder has run"]
pub struct Server {
    pub(super) name: String,
    pub(super) listeners: Vec<ListenerSpec>,
    pub(super) stop: Stop,
    pub(super) backlog: u32,
    #[cfg(unix)]
    pub(super) uds_mode: u32,
    pub(super) options: Options,
    pub(super) always_answer: Option<AlwaysAnswer>,
    pub(super) start: StartWorker,
}

/// When a server closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Before the callbacks run.
    #[default]
    First,
    /// At the very end: see [`Server::always_answer`].
    Last,
}

impl Server {
    /// A server of the application that `factory` makes. It is called once for each worker and listening socket.
    pub fn new<F, I, S, B>(name: impl Into<String>, factory: F) -> Self
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Future: 'static,
        S::Error: Into<actix_web::Error>,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>>,
        B: MessageBody + 'static,
    {
        Self {
            name: name.into(),
            listeners: Vec::new(),
            stop: Stop::First,
            backlog: 1024,
            #[cfg(unix)]
            uds_mode: 0o660,
            options: Options::new(thread::available_parallelism().map_or(1, NonZeroUsize::get)),
            always_answer: None,
            start: Box::new(move || {
                let factory = factory.clone();
                Box::new(move |context, started| Box::pin(worker::run(context, started, factory)))
            }),
        }
    }

    /// How many threads serve it: as many as the machine has cores by default. At least one, at most 65,535.
    pub fn workers(mut self, workers: usize) -> Self {
        self.options.workers = workers.clamp(1, usize::from(u16::MAX));
        self
    }

    /// How many threads each worker may start for blocking work, such as `web::block`: by default 512 divided by the
    /// number of workers. At least one.
    pub fn worker_max_blocking_threads(mut self, threads: usize) -> Self {
        self.options.blocking_threads = Some(threads.max(1));
        self
    }

    /// When it closes: before the callbacks by default.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// What happens to answers without an end at the exit: they end by themselves by default.
    pub fn streams(mut self, streams: Streams) -> Self {
        self.options.streams = streams;
        self
    }

    /// Requests that are answered for as long as the server listens, draining included. They never count as in
    /// flight, and nothing waits for them: meant for health checks on a server that closes [`Stop::Last`].
    pub fn always_answer(mut self, which: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) -> Self {
        self.always_answer = Some(Arc::new(which));
        self
    }

    /// How long a connection is kept between two requests: 5 s by default.
    pub fn keep_alive<T: Into<KeepAlive>>(mut self, keep_alive: T) -> Self {
        self.options.keep_alive = keep_alive.into();
        self
    }

    /// How long a client may take to send a request's head, and how long it may pause within a body: 5 s by default, zero
    /// is without a limit.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.options.client_request_timeout = timeout;
        self
    }

    /// How long a connection may take to close cleanly: 1 s by default.
    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.options.client_disconnect_timeout = timeout;
        self
    }

    /// How long a TLS handshake may take: 3 s by default.
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.tls_handshake_timeout = timeout;
        self
    }

    /// Whether a client that has closed its sending side still gets its answer: true by default.
    pub fn h1_allow_half_closed(mut self, allow: bool) -> Self {
        self.options.h1_allow_half_closed = allow;
        self
    }

    /// How many bytes of HTTP/1 answers are buffered before they are written: 32 KiB by default. At least one.
    pub fn h1_write_buffer_size(mut self, bytes: usize) -> Self {
        self.options.h1_write_buffer_size = Some(bytes.max(1));
        self
    }

    /// The flow-control window of an HTTP/2 stream, in bytes: 256 KiB by default, where `HttpServer` has 1 MiB. Without
    /// HTTP/2 it changes nothing.
    pub fn h2_initial_window_size(mut self, bytes: u32) -> Self {
        self.options.h2_initial_window_size = Some(bytes);
        self
    }

    /// The flow-control window of an HTTP/2 connection, in bytes: 256 KiB by default, where `HttpServer` has 2 MiB. It
    /// bounds the memory of bodies that the application has not read; a larger one makes uploads from far away
    /// faster. Without HTTP/2 it changes nothing.
    pub fn h2_initial_connection_window_size(mut self, bytes: u32) -> Self {
        self.options.h2_initial_connection_window_size = Some(bytes);
        self
    }

    /// Called for each connection with its socket: a `tokio::net::TcpStream`, a `tokio::net::UnixStream`, or the TLS
    /// stream that `HttpServer` would hand over. What it inserts is the `conn_data` of each of its requests.
    pub fn on_connect<CB>(mut self, callback: CB) -> Self
    where
        CB: Fn(&dyn Any, &mut Extensions) + Send + Sync + 'static,
    {
        self.options.on_connect = Some(Arc::new(callback));
        self
    }

    /// The host in URLs that the application generates: by default the listening socket's address.
    pub fn server_hostname<T: AsRef<str>>(mut self, hostname: T) -> Self {
        self.options.hostname = Some(hostname.as_ref().to_owned());
        self
    }

    /// Sets `TCP_NODELAY` on each connection; the system's own default otherwise.
    pub fn tcp_nodelay(mut self, enabled: bool) -> Self {
        self.options.tcp_nodelay = Some(enabled);
        self
    }

    /// How many connections each worker holds at once: 25,600 by default. At least one.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.options.max_connections = Some(connections.max(1));
        self
    }

    /// How many TLS handshakes each worker does at once: 256 by default. At least one. Without TLS it changes nothing.
    pub fn max_connection_rate(mut self, handshakes: usize) -> Self {
        self.options.max_connection_rate = handshakes.max(1);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn closes(&self) -> Stop {
        self.stop
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("stop", &self.stop).finish_non_exhaustive()
    }
}
