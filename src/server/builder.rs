//! What a user says of a server: [`Server`].

use std::{
    error::Error,
    fmt, io,
    net::{SocketAddr, TcpListener, ToSocketAddrs},
    num::NonZeroUsize,
    sync::Arc,
    thread,
    time::Duration,
};

use actix_http::{KeepAlive, Request, RequestHead, Response};
use actix_service::{IntoServiceFactory, ServiceFactory};
use actix_web::{body::MessageBody, dev::AppConfig};
use futures_core::future::LocalBoxFuture;

use super::{
    door::Handle,
    worker::{self, Seat},
};
use crate::{
    drain::{AlwaysAnswer, Drain, Policy, Rejection},
    os::listener,
};

/// An actix-web application and where it listens. What `HttpServer::new(factory)` is to actix-web,
/// `Server::new(name, factory)` is here; the defaults are `HttpServer`'s.
///
/// Signals are not handled by it, and its gate is outside of everything that the application wraps itself in:
/// neither can be forgotten.
#[must_use = "a server serves nothing until the builder has run"]
pub struct Server {
    name: String,
    sockets: Vec<Socket>,
    stop: Stop,
    workers: usize,
    backlog: u32,
    options: Options,
    always_answer: Option<AlwaysAnswer>,
    start: StartWorker,
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

/// A server's name, shared by all that speak of it.
pub type ServerName = Arc<str>;

/// What actix-http is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) keep_alive: KeepAlive,
    pub(super) client_request_timeout: Duration,
    pub(super) client_disconnect_timeout: Duration,
    pub(super) h1_allow_half_closed: bool,
    pub(super) tcp_nodelay: Option<bool>,
    pub(super) max_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            keep_alive: KeepAlive::default(),
            client_request_timeout: Duration::from_secs(5),
            client_disconnect_timeout: Duration::from_secs(1),
            h1_allow_half_closed: true,
            tcp_nodelay: None,
            max_connections: 25_600,
        }
    }
}

enum Socket {
    Bind(String, io::Result<Vec<SocketAddr>>),
    Listen(TcpListener),
    Inherited(TcpListener),
}

/// Starts the application on one worker; a fresh one for each.
type StartWorker =
    Box<dyn Fn() -> Box<dyn FnOnce(Seat) -> LocalBoxFuture<'static, Result<(), String>> + Send> + Send>;

impl Server {
    /// Will serve what `factory` makes, once for each worker and socket, on what [`Server::bind`] and
    /// [`Server::listen`] say.
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
            sockets: Vec::new(),
            stop: Stop::First,
            workers: thread::available_parallelism().map_or(1, NonZeroUsize::get),
            backlog: 1024,
            options: Options::default(),
            always_answer: None,
            start: Box::new(move || {
                let factory = factory.clone();
                Box::new(move |seat| Box::pin(worker::run(seat, factory)))
            }),
        }
    }

    /// Listens on `address`, on each of those that it resolves to. An address that cannot be used is an error
    /// when the builder runs.
    pub fn bind(mut self, address: impl ToSocketAddrs + fmt::Debug) -> Self {
        let asked = format!("{address:?}").trim_matches('"').to_owned();
        self.sockets.push(Socket::Bind(asked, address.to_socket_addrs().map(Iterator::collect)));
        self
    }

    /// Serves on a socket that listens already, and closes it at the exit.
    pub fn listen(mut self, listener: TcpListener) -> Self {
        self.sockets.push(Socket::Listen(listener));
        self
    }

    /// Serves on a socket that somebody else keeps open, such as systemd for the time of a restart. At the exit it is
    /// left as it is: whoever connects once rejecting has begun waits in its queue for the next process, and is
    /// neither refused nor answered with the rejection. A server that closes [`Stop::Last`] takes connections until
    /// it closes.
    pub fn listen_inherited(mut self, listener: TcpListener) -> Self {
        self.sockets.push(Socket::Inherited(listener));
        self
    }

    /// How many threads serve it: as many as the machine has cores, unless it is said here. At least one.
    pub fn workers(mut self, workers: NonZeroUsize) -> Self {
        self.workers = workers.get();
        self
    }

    /// When it closes: before the callbacks, unless it is said here.
    pub fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Requests that are answered for as long as the server listens, draining included. They never count as in
    /// flight, and nothing waits for them: meant for health checks on a server that closes [`Stop::Last`].
    pub fn always_answer(mut self, which: impl Fn(&RequestHead) -> bool + Send + Sync + 'static) -> Self {
        self.always_answer = Some(Arc::new(which));
        self
    }

    /// How long a connection is kept between two requests: 5 s by default.
    pub fn keep_alive(mut self, keep_alive: impl Into<KeepAlive>) -> Self {
        self.options.keep_alive = keep_alive.into();
        self
    }

    /// How long a client may take for its first request's head: 5 s by default, zero is without end.
    pub fn client_request_timeout(mut self, timeout: Duration) -> Self {
        self.options.client_request_timeout = timeout;
        self
    }

    /// How long a connection may take to close cleanly: 1 s by default.
    pub fn client_disconnect_timeout(mut self, timeout: Duration) -> Self {
        self.options.client_disconnect_timeout = timeout;
        self
    }

    /// Whether a client that has closed its sending side still gets its answer: yes by default.
    pub fn h1_allow_half_closed(mut self, allow: bool) -> Self {
        self.options.h1_allow_half_closed = allow;
        self
    }

    /// Sets `TCP_NODELAY` on each connection; the system's own default otherwise.
    pub fn tcp_nodelay(mut self, nodelay: bool) -> Self {
        self.options.tcp_nodelay = Some(nodelay);
        self
    }

    /// How many connections may wait to be accepted: 1024 by default.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// How many connections each worker holds at once: 25,600 by default.
    pub fn max_connections(mut self, connections: NonZeroUsize) -> Self {
        self.options.max_connections = connections.get();
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn closes(&self) -> Stop {
        self.stop
    }

    /// Binds its sockets. Nothing is accepted before [`Opened::serve`].
    pub(crate) fn open(self) -> Result<Opened, BindError> {
        let failed = |address: &str, source| BindError {
            server: self.name.clone(),
            address: address.to_owned(),
            source,
        };
        let mut listeners = Vec::new();
        for socket in self.sockets {
            match socket {
                Socket::Listen(socket) => {
                    socket.set_nonblocking(true).map_err(|error| failed("its socket", error))?;
                    listeners.push(Listener { socket, at_exit: AtExit::Shut });
                }
                Socket::Inherited(socket) => {
                    socket.set_nonblocking(true).map_err(|error| failed("its inherited socket", error))?;
                    let at_exit = match self.stop {
                        Stop::First => AtExit::LeaveToTheNext,
                        Stop::Last => AtExit::LeaveWhenClosing,
                    };
                    listeners.push(Listener { socket, at_exit });
                }
                Socket::Bind(asked, resolved) => {
                    for address in resolved.map_err(|error| failed(&asked, error))? {
                        let bound = listener::bind(address, self.backlog);
                        let socket = bound.map_err(|error| failed(&address.to_string(), error))?;
                        listeners.push(Listener { socket, at_exit: AtExit::Shut });
                    }
                }
            }
        }
        if listeners.is_empty() {
            return Err(failed(
                "nothing",
                io::Error::new(io::ErrorKind::NotFound, "it was given no address"),
            ));
        }
        let addresses =
            listeners.iter().map(|listener| listener.socket.local_addr()).collect::<io::Result<Vec<_>>>();
        let addresses = addresses.map_err(|error| failed("its socket", error))?;
        let handle = Handle::new(self.name.into(), Arc::new(Drain::new(self.workers)), self.workers);
        // One that is left to the next process must not be shut.
        if listeners.iter().all(|listener| listener.at_exit == AtExit::Shut) {
            handle.listens_on(listeners.iter().map(|listener| &listener.socket));
        }
        Ok(Opened {
            handle,
            addresses,
            listeners,
            options: self.options,
            always_answer: self.always_answer,
            start: self.start,
        })
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.name).field("stop", &self.stop).finish_non_exhaustive()
    }
}

/// A server whose sockets are bound.
pub(crate) struct Opened {
    pub(crate) handle: Handle,
    pub(crate) addresses: Vec<SocketAddr>,
    listeners: Vec<Listener>,
    options: Options,
    always_answer: Option<AlwaysAnswer>,
    start: StartWorker,
}

/// A listening socket.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) at_exit: AtExit,
}

/// What becomes of a listening socket, and of who is in its queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AtExit {
    /// The queue is emptied, and the socket stops listening.
    Shut,
    /// Both are left to the next process, as soon as newcomers would be turned away.
    LeaveToTheNext,
    /// Both are left to the next process, when the server closes.
    LeaveWhenClosing,
}

impl Listener {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, at_exit: self.at_exit })
    }
}

impl Opened {
    /// Starts its workers, each on an arbiter of its own. Ready when every one of them accepts.
    pub(crate) async fn serve(self, rejection: Rejection) -> io::Result<()> {
        let policy = Policy { rejection, always_answer: self.always_answer };
        let mut starting = Vec::new();
        for lane in 0..self.handle.drain().gate.lanes() {
            let listeners = self.listeners.iter().map(Listener::try_clone).collect::<io::Result<Vec<_>>>()?;
            let seat = Seat::new(&self.handle, lane, listeners, policy.clone(), self.options);
            starting.push(worker::spawn(self.handle.name(), seat, (self.start)())?);
        }
        for worker in starting {
            let started =
                worker.await.unwrap_or_else(|_| Err("a worker's thread ended while it started".to_owned()));
            started.map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// A server's address cannot be used.
#[derive(Debug)]
pub struct BindError {
    /// The server's name.
    pub server: String,
    /// What it was to listen on.
    pub address: String,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {} cannot listen on {}: {}", self.server, self.address, self.source)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
