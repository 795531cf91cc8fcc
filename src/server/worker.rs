//! A worker: a thread that accepts connections for itself and serves them.

use std::{
    fmt,
    future::poll_fn,
    io,
    rc::Rc,
    sync::Arc,
    task::{Poll, ready},
    time::Duration,
};

use actix_http::{HttpService, Protocol, Request, Response};
use actix_rt::time::Instant;
use actix_service::{IntoServiceFactory, Service, ServiceFactory, map_config};
use actix_web::{body::MessageBody, dev::AppConfig};
use futures_core::future::LocalBoxFuture;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{
    address::Address,
    door::{Closing, Handle},
    io::{Io, Transport},
    listener::{Listener, ListenerPolicy},
    options::Options,
    stream::Stream,
};
use crate::{
    drain::{Connection, Drain, GuardedFactory, Policy},
    os::{
        arbiters::Arbiters,
        listener::{self, Accepted, AsyncListener},
    },
};

/// Starts the application on one worker; a fresh one for each.
pub(super) type StartWorker =
    Box<dyn Fn() -> Box<dyn FnOnce(Seat) -> LocalBoxFuture<'static, Result<(), String>> + Send> + Send>;

/// What a worker is given.
pub(super) struct Seat {
    drain: Arc<Drain>,
    lane: usize,
    listeners: Vec<Listener>,
    policy: Policy,
    options: Options,
    closing: Closing,
    ready: Option<oneshot::Sender<Result<(), String>>>,
}

impl Seat {
    pub(super) fn new(
        handle: &Handle,
        lane: usize,
        listeners: Vec<Listener>,
        policy: Policy,
        options: Options,
    ) -> Self {
        Self {
            drain: Arc::clone(handle.drain()),
            lane,
            listeners,
            policy,
            options,
            closing: handle.closing(),
            ready: None,
        }
    }
}

/// How long a worker waits after it could not accept, for want of file descriptors for example.
const BACKOFF: Duration = Duration::from_millis(500);

/// Starts a worker on an arbiter of its own. The receiver tells when it accepts, or why it does not.
pub(super) fn spawn(
    arbiters: &Arbiters,
    name: &str,
    mut seat: Seat,
    start: Box<dyn FnOnce(Seat) -> LocalBoxFuture<'static, Result<(), String>> + Send>,
) -> io::Result<oneshot::Receiver<Result<(), String>>> {
    let blocking_threads = seat.options.blocking_threads();
    let arbiter = arbiters.start(|runtime| {
        runtime.max_blocking_threads(blocking_threads);
    })?;
    let (ready, started) = oneshot::channel();
    seat.ready = Some(ready);
    let name = name.to_owned();
    arbiter.spawn_fn(move || {
        actix_rt::spawn(async move {
            if let Err(error) = start(seat).await {
                log::error!("server {name}: {error}");
            }
        });
    });
    Ok(started)
}

/// Serves until the door closes, which it helps to close; its connections go on by themselves.
pub(super) async fn run<F, I, S, B>(mut seat: Seat, factory: F) -> Result<(), String>
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
    let ready = seat.ready.take();
    let accepting = seat.closing.accepting();
    let mut doors = Vec::new();
    for listener in std::mem::take(&mut seat.listeners) {
        match open(&seat, listener, &factory).await {
            Ok(door) => doors.push(door),
            Err(error) => {
                if let Some(ready) = ready {
                    let _ = ready.send(Err(error.clone()));
                }
                return Err(error);
            }
        }
    }
    if let Some(ready) = ready {
        let _ = ready.send(Ok(()));
    }
    let acceptors = doors.into_iter().map(|door| door(seat.closing.clone()));
    join_all(acceptors).await;
    drop(accepting);
    Ok(())
}

type Door = Box<dyn FnOnce(Closing) -> LocalBoxFuture<'static, ()>>;

/// Builds the application's service for one listening socket, and its accept loop.
async fn open<F, I, S, B>(seat: &Seat, listener: Listener, factory: &F) -> Result<Door, String>
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
    let Listener { socket, address, policy, transport, .. } = listener;
    let listener =
        AsyncListener::new(socket).map_err(|error| format!("{address} cannot be watched: {error}"))?;
    let app = GuardedFactory::new(factory(), Arc::clone(&seat.drain), seat.lane, seat.policy.clone());
    let options = &seat.options;
    // A Unix socket has no address of this kind.
    let local = address.tcp().unwrap_or_else(|| ([127, 0, 0, 1], 0).into());
    let on_connect = options.on_connect.clone();
    let mut http = HttpService::build()
        .keep_alive(options.keep_alive)
        .client_request_timeout(options.client_request_timeout)
        .client_disconnect_timeout(options.client_disconnect_timeout)
        .h1_allow_half_closed(options.h1_allow_half_closed)
        .local_addr(local)
        .on_connect_ext(move |stream: &Stream, data| {
            data.insert::<Arc<Connection>>(Arc::clone(stream.connection()));
            if let Some(on_connect) = &on_connect {
                on_connect(stream.io().as_any(), data);
            }
        });
    if let Some(bytes) = options.h1_write_buffer_size {
        http = http.h1_write_buffer_size(bytes);
    }
    if let Some(bytes) = options.h2_initial_window_size {
        http = http.h2_initial_window_size(bytes);
    }
    if let Some(bytes) = options.h2_initial_connection_window_size {
        http = http.h2_initial_connection_window_size(bytes);
    }
    let host = options.hostname.clone().unwrap_or_else(|| match &address {
        Address::Tcp(address) => address.to_string(),
        Address::Unix(_) => "localhost".to_owned(),
    });
    // The constructor that actix-test uses, too: the only one outside of actix-web that takes an address. A public way
    // leads through a throwaway `HttpServer` on a copy of the socket, which costs 100 ms and a thread at each start.
    let config = move |()| AppConfig::__priv_test_new(false, host.clone(), local);
    let service = http.finish(map_config(app, config)).new_service(()).await;
    let service = Rc::new(service.map_err(|()| "the application could not be started".to_owned())?);

    let begin = Begin {
        drain: Arc::clone(&seat.drain),
        lane: seat.lane,
        nodelay: options.tcp_nodelay,
        address,
        transport,
        serve: Rc::new(move |stream, protocol, peer| {
            let served = service.call((stream, protocol, peer));
            Box::pin(async move {
                // The dispatcher has said what is worth saying of a client's fault.
                let _ = served.await;
            })
        }),
    };
    let max = options.max_connections.unwrap_or(25_600);
    Ok(Box::new(move |closing| Box::pin(accept(listener, policy, begin, max, closing))))
}

/// Accepts until the door closes; then takes out whoever is still in the queue, unless the queue is left to the next
/// process.
async fn accept(
    listener: AsyncListener,
    policy: ListenerPolicy,
    begin: Begin,
    max_connections: usize,
    closing: Closing,
) {
    loop {
        let full = begin.drain.connections.open_in(begin.lane) >= max_connections;
        let accepted = tokio::select! {
            biased;
            () = closing.asked() => break,
            () = closing.rejecting(), if policy == ListenerPolicy::LeaveWhenRejecting => break,
            () = actix_rt::time::sleep(BACKOFF), if full => continue,
            accepted = take(&listener, &begin, &closing), if !full => accepted,
        };
        match accepted {
            Ok(()) => {}
            Err(error) if is_the_clients(&error) => {}
            Err(_) if closing.is_shut() => break,
            Err(error) => {
                log::warn!("a connection cannot be accepted: {error}");
                tokio::select! {
                    () = closing.asked() => break,
                    () = actix_rt::time::sleep(BACKOFF) => {}
                }
            }
        }
        // Lets the other workers, which were woken as well, have their share of a burst.
        tokio::task::yield_now().await;
    }
    if policy == ListenerPolicy::Close {
        if closing.is_shut() {
            return;
        }
        // Whoever was in the middle of a handshake is given time to end it, if nobody else can begin one meanwhile.
        if listener::ignore_newcomers(&listener) {
            sweep(&listener, &begin);
            actix_rt::time::sleep(HANDSHAKE).await;
        }
        sweep(&listener, &begin);
        tokio::task::yield_now().await;
        sweep(&listener, &begin);
        listener::shut(&listener);
    } else {
        drop(listener);
        closing.asked().await;
    }
}

/// How long a handshake takes at the most, on a machine that is busy or a network that is near.
const HANDSHAKE: Duration = Duration::from_millis(2);

/// Takes the next connection out of the queue, and begins it in the same step.
async fn take(listener: &AsyncListener, begin: &Begin, closing: &Closing) -> io::Result<()> {
    poll_fn(|cx| {
        // Who has shut the door wakes every worker, and may still have the turn: none of them has to wait for it.
        if closing.is_shut() {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        let mut turn = closing.turn();
        begin.connection(ready!(listener.poll_accept(cx))?);
        *turn = Some(Instant::now());
        Poll::Ready(Ok(()))
    })
    .await
}

/// Takes every connection out of the queue, so that closing it resets none.
fn sweep(listener: &AsyncListener, begin: &Begin) {
    loop {
        match listener.accept_now() {
            Ok(None) => return,
            Ok(Some(accepted)) => begin.connection(accepted),
            Err(error) if is_the_clients(&error) => {}
            Err(error) => return log::warn!("a connection cannot be accepted: {error}"),
        }
    }
}

/// Whether the failure is that of one connection, and the next may be accepted at once.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// Serves a connection whose protocol is known.
type Serve = Rc<dyn Fn(Stream, Protocol, Option<std::net::SocketAddr>) -> LocalBoxFuture<'static, ()>>;

/// How a connection is begun.
struct Begin {
    drain: Arc<Drain>,
    lane: usize,
    nodelay: Option<bool>,
    address: Address,
    transport: Transport,
    serve: Serve,
}

impl Begin {
    fn connection(&self, accepted: Accepted) {
        let Accepted { socket, peer } = accepted;
        if let Some(nodelay) = self.nodelay {
            // A Unix socket has no such option.
            let _ = socket.set_tcp_nodelay(nodelay);
        }
        let (place, connection) = self.drain.opened(self.lane);
        let counted = Counted { drain: Arc::clone(&self.drain), lane: self.lane, place };
        let io = match Io::watch(socket, &self.address) {
            Ok(io) => io,
            Err(error) => return log::warn!("a connection cannot be served: {error}"),
        };
        let (transport, serve) = (self.transport.clone(), Rc::clone(&self.serve));
        let record = Arc::clone(&connection);
        let mut served: LocalBoxFuture<'static, ()> = match transport {
            Transport::Plain => serve(Stream::new(io, record), Protocol::Http1, peer),
        };
        let drain = Arc::clone(&self.drain);
        let lane = self.lane;
        let task = actix_rt::spawn(async move {
            drain.woken_by(lane, place, poll_fn(|cx| Poll::Ready(cx.waker().clone())).await);
            poll_fn(|cx| connection.at_work(|| served.as_mut().poll(cx))).await;
            drop(served);
            drop(counted);
        });
        self.drain.served_by(self.lane, place, task.abort_handle());
    }
}

/// Counts its connection out when the task is over, however it ends.
struct Counted {
    drain: Arc<Drain>,
    lane: usize,
    place: usize,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.drain.closed(self.lane, self.place);
    }
}
