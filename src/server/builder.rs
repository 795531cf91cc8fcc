//! What a program says of a server: [`Server`].

use std::{
    any::Any,
    fmt, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};
#[cfg(unix)]
use std::{os::unix::net::UnixListener, path::Path};

use actix_http::{Extensions, KeepAlive, Request, RequestHead, Response};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{body::MessageBody, dev::AppConfig};

use super::{
    listener::{self, ListenerSpec},
    options::{Options, Streams},
    transport::Transport,
    worker::{self, StartWorker},
};
use crate::drain::AlwaysAnswer;

/// An actix-web application and where it listens. What `HttpServer::new(factory)` is to actix-web,
/// `Server::new(name, factory)` is here: the same methods under the same names, with the same defaults. An address
/// that cannot be used is an error of [`GracefulExit::run`](crate::GracefulExit::run).
///
/// | `HttpServer` | here |
/// |---|---|
/// | `bind`, `listen` and their kin return a `Result` | they return the server; errors come from `run` |
/// | `run` | [`GracefulExit::server`](crate::GracefulExit::server), then `run` |
/// | `shutdown_timeout` | [`Timeouts::drain_timeout`](crate::Timeouts::drain_timeout) |
/// | `shutdown_signal` | [`ExitHandle::stop`](crate::ExitHandle::stop) |
/// | `disable_signals` | [`GracefulExit::signals`](crate::GracefulExit::signals) with none; the server itself never handles any |
/// | `system_exit` | the exit always ends the `System`, unless [`ends_process`](crate::GracefulExit::ends_process) says no |
/// | `addrs_with_scheme` | [`addrs`](Server::addrs) |
/// | `client_timeout`, `client_shutdown` (deprecated there) | [`client_request_timeout`](Server::client_request_timeout), [`client_disconnect_timeout`](Server::client_disconnect_timeout) |
/// | `bind_rustls`, `bind_rustls_021`, `bind_rustls_0_22` | `bind_rustls_0_23`, feature `rustls-0_23` |
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
    /// Will serve what `factory` makes, which is called once for each worker and listening socket.
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

    /// Listens on `addrs`, on each of those that they resolve to. One of these has to work. Port 0 is a free port: see
    /// [`Server::addrs`].
    ///
    /// The port is taken at once; connections are accepted once the builder runs. Name resolution may block.
    pub fn bind<A: ToSocketAddrs>(self, addrs: A) -> Self {
        self.bind_with(addrs, "its address", Transport::Plain)
    }

    /// Listens on an address written as settings and command lines have it: `127.0.0.1:8080`, `localhost:8080`,
    /// `[::1]:8080`, or `unix:` and a path.
    pub fn bind_address(self, address: &str) -> Self {
        match address.strip_prefix("unix:") {
            #[cfg(unix)]
            Some(path) => self.bind_uds(path),
            #[cfg(not(unix))]
            Some(_) => self.refuse(address, io::ErrorKind::Unsupported.into(), Transport::Plain),
            None => self.bind_with(address, address, Transport::Plain),
        }
    }

    pub(super) fn bind_with(mut self, addrs: impl ToSocketAddrs, named: &str, transport: Transport) -> Self {
        match listener::bind_tcp(addrs, named, self.backlog) {
            Ok(bound) => {
                let specs = bound.into_iter().map(|socket| ListenerSpec::bound(socket, transport.clone()));
                self.listeners.extend(specs);
                self
            }
            Err((address, error)) => self.refuse(&address, error, transport),
        }
    }

    /// Serves on a socket that listens already, and closes it at the exit.
    pub fn listen(self, listener: TcpListener) -> Self {
        self.listen_with(listener, Transport::Plain)
    }

    pub(super) fn listen_with(mut self, listener: TcpListener, transport: Transport) -> Self {
        self.listeners.push(ListenerSpec::given(listener.into(), transport));
        self
    }

    /// Serves on a socket that another process keeps open, such as systemd for the time of a restart. At the exit it is
    /// left as it is: a client that connects once rejecting has begun waits in its queue for the next process, and is
    /// neither refused nor answered with the rejection. A server that closes [`Stop::Last`] takes connections until
    /// it closes.
    pub fn listen_inherited(mut self, listener: TcpListener) -> Self {
        self.listeners.push(ListenerSpec::inherited(listener.into()));
        self
    }

    /// Listens on a Unix socket. A file that a dead process left there is replaced; a socket on which a process listens,
    /// and any other file, is an error of `run`. The file is removed at the exit if it is still this server's.
    #[cfg(unix)]
    pub fn bind_uds<A: AsRef<Path>>(mut self, uds_path: A) -> Self {
        self.listeners.push(ListenerSpec::Uds(uds_path.as_ref().to_owned()));
        self
    }

    /// Serves on a Unix socket that listens already. Its file is left as it is.
    #[cfg(unix)]
    pub fn listen_uds(mut self, listener: UnixListener) -> Self {
        let socket = std::os::fd::OwnedFd::from(listener).into();
        self.listeners.push(ListenerSpec::given(socket, Transport::Plain));
        self
    }

    /// Serves on a Unix socket that another process keeps open; see [`Server::listen_inherited`].
    #[cfg(unix)]
    pub fn listen_uds_inherited(mut self, listener: UnixListener) -> Self {
        let socket = std::os::fd::OwnedFd::from(listener).into();
        self.listeners.push(ListenerSpec::inherited(socket));
        self
    }

    /// Permissions of the sockets of [`Server::bind_uds`], set before they appear under their names: `0o660` by default.
    #[cfg(unix)]
    pub fn uds_mode(mut self, mode: u32) -> Self {
        self.uds_mode = mode;
        self
    }

    /// Remembers an error for `run`.
    pub(super) fn refuse(mut self, address: &str, error: io::Error, transport: Transport) -> Self {
        self.listeners.push(ListenerSpec::Failed { address: address.to_owned(), error, transport });
        self
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

    /// How long a client may take for a request's head: 5 s by default, zero is without end.
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

    /// Whether a client that has closed its sending side still gets its answer: yes by default.
    pub fn h1_allow_half_closed(mut self, allow: bool) -> Self {
        self.options.h1_allow_half_closed = allow;
        self
    }

    /// How many bytes of HTTP/1 answers are buffered before they are written: 32 KiB by default. At least one.
    pub fn h1_write_buffer_size(mut self, bytes: usize) -> Self {
        self.options.h1_write_buffer_size = Some(bytes.max(1));
        self
    }

    /// The flow-control window of an HTTP/2 stream, in bytes. Without HTTP/2 it changes nothing.
    pub fn h2_initial_window_size(mut self, bytes: u32) -> Self {
        self.options.h2_initial_window_size = Some(bytes);
        self
    }

    /// The flow-control window of an HTTP/2 connection, in bytes. Without HTTP/2 it changes nothing.
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

    /// How many connections may wait to be accepted: 1024 by default.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
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

    /// The addresses that are bound so far, with their ports; Unix sockets have none.
    pub fn addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().filter_map(ListenerSpec::tcp_address).collect()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Binds port 0 in place of each TCP port that was asked for, so that tests of a service run side by side.
    pub(crate) fn use_free_ports(mut self) -> Self {
        let specs = self.listeners.into_iter();
        self.listeners = specs.map(|spec| spec.on_free_port(self.backlog)).collect();
        self
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
