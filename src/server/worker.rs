//! A worker: a thread that serves the connections that the acceptor hands to it.

use std::{
    cell::OnceCell,
    fmt,
    future::{poll_fn, ready},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, fn_service, map_config};
use actix_web::{body::MessageBody, dev::AppConfig};
use futures_core::future::LocalBoxFuture;
use futures_util::FutureExt;
use tokio::sync::oneshot;

#[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
use super::handshakes::Handshakes;
use super::{
    address::Address,
    compat::Later,
    handle::Handle,
    http1::Limits,
    inbox::Inbox,
    io::Io,
    lifecycle::Change,
    options::Options,
    stream::{SharedWire, Stream},
    task::{ConnectionTask, WireSlot},
    transport::Transport,
    workers::HandOver,
};
use crate::{
    drain::{Connection, ExpectGuard, GuardedFactory, Policy},
    os::arbiters::Arbiters,
};

/// Makes what starts the application on one worker; a fresh one for each.
pub(super) type StartWorker = Box<dyn Fn() -> StartOne + Send>;
type StartOne = Box<dyn FnOnce(WorkerContext, Started) -> LocalBoxFuture<'static, Result<(), String>> + Send>;
/// Carries the result of a worker's start.
pub(super) type Started = oneshot::Sender<Result<(), String>>;

/// What a worker is given.
pub(super) struct WorkerContext {
    pub(super) server: Handle,
    pub(super) shard: usize,
    pub(super) inbox: Arc<Inbox<HandOver>>,
    pub(super) listeners: Vec<ListenerInfo>,
    pub(super) policy: Policy,
    pub(super) options: Options,
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    pub(super) handshakes: Handshakes,
}

/// What a worker knows of a listening socket.
#[derive(Clone)]
pub(super) struct ListenerInfo {
    pub(super) address: Address,
    pub(super) transport: Transport,
}

/// Starts a worker on an arbiter of its own.
pub(super) fn spawn(
    arbiters: &Arbiters,
    context: WorkerContext,
    start: StartOne,
) -> io::Result<oneshot::Receiver<Result<(), String>>> {
    let blocking_threads = context.options.blocking_threads();
    let arbiter = arbiters.start(|runtime| {
        runtime.max_blocking_threads(blocking_threads);
    })?;
    let (ready, started) = oneshot::channel();
    let name = context.server.name().clone();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            if let Err(error) = start(context, ready).await {
                log::error!(
                    event = "worker_failed", server:% = name, error:% = error;
                    "server {name}: {error}"
                );
            }
        });
    });
    Ok(started)
}

/// Serves until the acceptor hands over no more; its connections go on by themselves.
pub(super) async fn run<F, I, S, B>(
    context: WorkerContext,
    started: Started,
    factory: F,
) -> Result<(), String>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Future: 'static,
    S::Error: Into<actix_web::Error>,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>>,
    B: MessageBody + 'static,
{
    let presence = Presence { server: context.server.clone(), inbox: Arc::clone(&context.inbox) };
    let mut spawners = Vec::new();
    for listener in &context.listeners {
        match ConnectionSpawner::new(&context, listener.clone(), factory()).await {
            Ok(spawner) => spawners.push(spawner),
            Err(error) => {
                let _ = started.send(Err(error.clone()));
                return Err(error);
            }
        }
    }
    let _ = started.send(Ok(()));
    while let Some(hand_over) = poll_fn(|cx| context.inbox.poll_next(cx)).await {
        spawners[hand_over.listener].spawn(hand_over);
    }
    drop(presence);
    Ok(())
}

/// When dropped, marks the worker as gone; unless its end was asked for, reports that the server has failed.
struct Presence {
    server: Handle,
    inbox: Arc<Inbox<HandOver>>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        if !self.inbox.abandon() {
            self.server.change(Change::WorkerLost);
        }
    }
}

/// Serves a connection whose protocol is known.
type Serve = Rc<dyn Fn(Stream, Protocol, Option<SocketAddr>) -> LocalBoxFuture<'static, ()>>;

/// Begins the connections of one listening socket, with an instance of the application of its own.
struct ConnectionSpawner {
    listener: ListenerInfo,
    nodelay: Option<bool>,
    limits: Limits,
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    handshakes: Handshakes,
    serve: Serve,
}

impl ConnectionSpawner {
    /// Starts the application.
    async fn new<I, S, B>(context: &WorkerContext, listener: ListenerInfo, app: I) -> Result<Self, String>
    where
        I: IntoServiceFactory<S, Request> + 'static,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Future: 'static,
        S::Error: Into<actix_web::Error>,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>>,
        B: MessageBody + 'static,
    {
        let WorkerContext { options, policy, shard, .. } = context;
        let gate = Arc::clone(&context.server.drain().gate);
        let expect = ExpectGuard::new(Arc::clone(&gate), *shard, policy.clone());
        let expect = fn_service(move |request| ready(expect.check(request)));
        let app = GuardedFactory::new(app, gate, *shard, policy.clone());
        // A Unix socket has no address of this kind.
        let local = listener.address.tcp().unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
        let on_connect = options.on_connect.clone();
        let mut http = Later::with_later_options(HttpService::build())
            .keep_alive(options.keep_alive)
            .client_request_timeout(options.client_request_timeout)
            .client_disconnect_timeout(options.client_disconnect_timeout)
            .h1_allow_half_closed(options.h1_allow_half_closed)
            .local_addr(local)
            .on_connect_ext(move |stream: &Stream, data| {
                data.insert::<Arc<Connection>>(Arc::clone(stream.connection()));
                if let Some(on_connect) = &on_connect {
                    stream.with_io(|io| on_connect(io.as_any(), data));
                }
            })
            .expect(expect);
        if let Some(bytes) = options.h1_write_buffer_size {
            http = http.h1_write_buffer_size(bytes);
        }
        if let Some(bytes) = options.h2_initial_window_size {
            http = http.h2_initial_window_size(bytes);
        }
        if let Some(bytes) = options.h2_initial_connection_window_size {
            http = http.h2_initial_connection_window_size(bytes);
        }
        let is_secure = listener.transport.is_secure();
        let host = options.hostname.clone().unwrap_or_else(|| match &listener.address {
            Address::Tcp(address) => address.to_string(),
            Address::Unix(_) => "localhost".to_owned(),
        });
        // The constructor that actix-test uses, too: the only one outside of actix-web that takes an address. A public
        // way leads through a throwaway `HttpServer` on a copy of the socket: 100 ms and a thread at each start.
        let config = move |()| AppConfig::__priv_test_new(is_secure, host.clone(), local);
        let service = http.finish(map_config(app, config)).new_service(()).await;
        let service = Rc::new(service.map_err(|()| "the application could not be started".to_owned())?);
        let serve: Serve = Rc::new(move |stream, protocol, peer| {
            // The dispatcher has said what is worth saying of a client's fault. An async block would hold the future
            // twice: as what it captured, and as what it awaits.
            Box::pin(service.call((stream, protocol, peer)).map(drop))
        });
        let limits = Limits {
            head_timeout: policy.body_timeout,
            disconnect_timeout: options.client_disconnect_timeout,
            half_closed_is_gone: !options.h1_allow_half_closed,
        };
        Ok(Self {
            listener,
            nodelay: options.tcp_nodelay,
            limits,
            #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
            handshakes: context.handshakes.clone(),
            serve,
        })
    }

    /// Serves a connection in a task of its own.
    fn spawn(&self, hand_over: HandOver) {
        let HandOver { socket, peer, guard, .. } = hand_over;
        if let Some(nodelay) = self.nodelay {
            // A Unix socket has no such option.
            let _ = socket.set_tcp_nodelay(nodelay);
        }
        let io = match Io::watch(socket, &self.listener.address) {
            Ok(io) => io,
            Err(error) => {
                log::warn!(event = "connection_failed", error:% = error; "a connection cannot be served: {error}");
                return;
            }
        };
        let connection = Arc::clone(guard.connection());
        let (slot, limits) = (WireSlot::default(), self.limits);
        let served = match &self.listener.transport {
            Transport::Plain => {
                let stream = Stream::new(io, connection);
                prepare(&stream, limits, &slot);
                (self.serve)(stream, Protocol::Http1, peer)
            }
            #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
            transport => {
                let (transport, serve) = (transport.clone(), Rc::clone(&self.serve));
                let (handshakes, slot) = (self.handshakes.clone(), Rc::clone(&slot));
                Box::pin(async move {
                    if let Some((stream, protocol)) = handshakes.make(transport, io, connection).await {
                        prepare(&stream, limits, &slot);
                        serve(stream, protocol, peer).await;
                    }
                })
            }
        };
        actix_rt::spawn(ConnectionTask::new(served, slot, guard));
    }
}

/// Sets HTTP/1's limits, and gives its wire to the connection's task, which closes it.
fn prepare(stream: &Stream, limits: Limits, slot: &OnceCell<SharedWire>) {
    if let Some(wire) = stream.http1() {
        wire.borrow_mut().set_limits(limits);
        // It is empty: a connection chooses its protocol once.
        let _ = slot.set(Rc::clone(wire));
    }
}
