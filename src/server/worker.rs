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
use actix_rt::{Arbiter, time::Instant};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, map_config};
use actix_web::{body::MessageBody, dev::AppConfig};
use futures_core::future::LocalBoxFuture;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::{
    builder::{AtExit, Listener, Options},
    door::{Closing, Handle},
    stream::Stream,
};
use crate::{
    drain::{Connection, Drain, GuardedFactory, Policy},
    os::listener,
};

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
    name: &str,
    mut seat: Seat,
    start: Box<dyn FnOnce(Seat) -> LocalBoxFuture<'static, Result<(), String>> + Send>,
) -> io::Result<oneshot::Receiver<Result<(), String>>> {
    let arbiter = Arbiter::try_new()?;
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
    let Listener { socket: listener, at_exit } = listener;
    let address = listener.local_addr().map_err(|error| format!("its socket has no address: {error}"))?;
    let listener = tokio::net::TcpListener::from_std(listener)
        .map_err(|error| format!("its socket cannot be watched: {error}"))?;
    let app = GuardedFactory::new(factory(), Arc::clone(&seat.drain), seat.lane, seat.policy.clone());
    let options = seat.options;
    let mut http = HttpService::build()
        .keep_alive(options.keep_alive)
        .client_request_timeout(options.client_request_timeout)
        .client_disconnect_timeout(options.client_disconnect_timeout)
        .h1_allow_half_closed(options.h1_allow_half_closed)
        .local_addr(address)
        .on_connect_ext(|stream: &Stream, data| {
            data.insert::<Arc<Connection>>(Arc::clone(stream.connection()));
        });
    if let Some(nodelay) = options.tcp_nodelay {
        http = http.tcp_nodelay(nodelay);
    }
    // The constructor that actix-test uses, too: the only one outside of actix-web that takes an address.
    let config = move |()| AppConfig::__priv_test_new(false, address.to_string(), address);
    let service = http.finish(map_config(app, config)).new_service(()).await;
    let service = Rc::new(service.map_err(|()| "the application could not be started".to_owned())?);

    let begin = Begin {
        drain: Arc::clone(&seat.drain),
        lane: seat.lane,
        nodelay: options.tcp_nodelay,
        serve: Rc::new(move |stream, peer| {
            let served = service.call((stream, Protocol::Http1, peer));
            Box::pin(async move {
                // The dispatcher has said what is worth saying of a client's fault.
                let _ = served.await;
            })
        }),
    };
    let max = options.max_connections;
    Ok(Box::new(move |closing| Box::pin(accept(listener, at_exit, begin, max, closing))))
}

/// Accepts until the door closes; then takes out whoever is still in the queue, unless the queue is left to the next
/// process.
async fn accept(
    listener: tokio::net::TcpListener,
    at_exit: AtExit,
    begin: Begin,
    max_connections: usize,
    closing: Closing,
) {
    loop {
        let full = begin.drain.connections.open_in(begin.lane) >= max_connections;
        let accepted = tokio::select! {
            biased;
            () = closing.asked() => break,
            () = closing.rejecting(), if at_exit == AtExit::LeaveToTheNext => break,
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
    if at_exit == AtExit::Shut {
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
async fn take(listener: &tokio::net::TcpListener, begin: &Begin, closing: &Closing) -> io::Result<()> {
    poll_fn(|cx| {
        // Who has shut the door wakes every worker, and may still have the turn: none of them has to wait for it.
        if closing.is_shut() {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        }
        let mut turn = closing.turn();
        let (socket, _) = ready!(listener.poll_accept(cx))?;
        begin.connection(socket);
        *turn = Some(Instant::now());
        Poll::Ready(Ok(()))
    })
    .await
}

/// Takes every connection out of the queue, so that closing it resets nobody.
fn sweep(listener: &tokio::net::TcpListener, begin: &Begin) {
    loop {
        match listener::accept_now(listener) {
            Ok(None) => return,
            Ok(Some(socket)) => match tokio::net::TcpStream::from_std(socket) {
                Ok(socket) => begin.connection(socket),
                Err(error) => log::warn!("a connection cannot be served: {error}"),
            },
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

/// How a connection is begun.
struct Begin {
    drain: Arc<Drain>,
    lane: usize,
    nodelay: Option<bool>,
    serve: Rc<dyn Fn(Stream, Option<std::net::SocketAddr>) -> LocalBoxFuture<'static, ()>>,
}

impl Begin {
    fn connection(&self, socket: tokio::net::TcpStream) {
        let peer = socket.peer_addr().ok();
        if let Some(nodelay) = self.nodelay {
            let _ = socket.set_nodelay(nodelay);
        }
        let (place, connection) = self.drain.opened(self.lane);
        let counted = Counted { drain: Arc::clone(&self.drain), lane: self.lane, place };
        let mut served = (self.serve)(Stream::new(socket, Arc::clone(&connection)), peer);
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
