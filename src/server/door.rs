//! Closing: the door first, then a keep-alive grace for what is on the wire, then the connections.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_rt::time::{Instant, sleep, timeout};
use socket2::Socket;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    drain::{Drain, Standing},
    os::{
        listener,
        socket::{is_silent, silent},
    },
};

/// A server's name, shared by all that speak of it.
pub type ServerName = Arc<str>;

/// A running server: its gate, its connections and its door.
#[derive(Clone)]
pub struct Handle {
    name: ServerName,
    drain: Arc<Drain>,
    door: Arc<DoorState>,
}

#[derive(Debug)]
struct DoorState {
    /// Cancelled when the workers are to stop accepting.
    asked: CancellationToken,
    /// Cancelled when newcomers would be turned away.
    rejecting: CancellationToken,
    /// The sockets, where whoever closes the door can shut them for the workers, and nowhere else: a duplicate
    /// would keep them open.
    sockets: OnceLock<Vec<Socket>>,
    /// Newcomers are turned away without the workers' help, and nobody was in a queue.
    closed: AtomicBool,
    /// The sockets do not listen any more, and their queues were empty.
    shut: AtomicBool,
    /// Held by who takes a connection out of the queue until it is counted: who holds it finds each connection
    /// either there or here. When the last one came.
    turn: Mutex<Option<Instant>>,
    workers: usize,
    /// How many workers accept no more, because they were asked or because they ended by themselves.
    swept: AtomicUsize,
    changed: Notify,
    ended: watch::Sender<bool>,
}

/// A connection counts as in use when it was opened or used so lately: a request may be on its way.
const RECENTLY: Duration = Duration::from_secs(1);

/// How many unused connections stay open while requests in flight are waited for. Closing one takes a worker some ten
/// microseconds.
const UNUSED: usize = 256;

/// When a newcomer came so lately, another may be in the middle of its handshake.
const LATELY: Duration = Duration::from_millis(20);

/// How long a connection's task may be at work on what it has read, before it is looked at again.
const TURN: Duration = Duration::from_millis(1);

/// The server is closed: no connection is left that could bring or get anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

impl Handle {
    pub(crate) fn new(name: ServerName, drain: Arc<Drain>, workers: usize) -> Self {
        let door = DoorState {
            asked: CancellationToken::new(),
            rejecting: CancellationToken::new(),
            sockets: OnceLock::new(),
            closed: AtomicBool::new(false),
            shut: AtomicBool::new(false),
            turn: Mutex::new(None),
            workers,
            swept: AtomicUsize::new(0),
            changed: Notify::new(),
            ended: watch::Sender::new(false),
        };
        Self { name, drain, door: Arc::new(door) }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.name
    }

    /// Its gate and its connections.
    #[must_use]
    pub fn drain(&self) -> &Arc<Drain> {
        &self.drain
    }

    /// Gives it the sockets that its workers accept from.
    pub(super) fn listens_on<'a>(&self, listeners: impl Iterator<Item = &'a Socket>) {
        if listener::CAN_SHUT {
            // Without them the workers shut the door.
            let sockets = listeners.map(Socket::try_clone).collect::<Result<_, _>>();
            let _ = sockets.map(|sockets| self.door.sockets.set(sockets));
        }
    }

    pub(super) fn closing(&self) -> Closing {
        Closing { door: Arc::clone(&self.door) }
    }

    /// From now on requests are rejected, and newcomers on an inherited socket left to the next process.
    ///
    /// Connections stay open, however long they have been unused: a request on one gets its rejection. Only of very
    /// many some hang up: the unused ones above 256, whose closing would hold up the end.
    pub fn reject(&self) {
        self.drain.gate.reject();
        self.door.rejecting.cancel();
        let mut unused = 0;
        self.drain.connections.hang_up(RECENTLY, |standing| {
            unused += usize::from(standing == Standing::Unused);
            standing == Standing::Unused && unused > UNUSED
        });
    }

    /// Closes it. The order is what makes it lose nothing:
    ///
    /// 1. Connections on which nothing has happened for a second are let go, unless a request is found in them.
    /// 2. The door closes at once if nobody is before it, and nobody is expected: no connection is in use, whose
    ///    client would open another one when it has had its last answer, and none was opened within the last 20 ms.
    ///    Otherwise every worker empties the accept queue and stops listening; one that is blocked is not waited for
    ///    longer than `keep-alive grace`.
    /// 3. Connections whose request was abandoned are cut.
    /// 4. The others stay open until each has had its last answer, which says `Connection: close`; at most until
    ///    `keep-alive grace` has passed since the beginning. Then they are let go, and whoever has sent a request up to this
    ///    instant is still answered, within `keep-alive grace` once more.
    ///
    /// There is no bound for it here: a blocked worker cannot look. What is left of the server then is nothing that
    /// could bring or get anything, and is for [`Handle::put_away`].
    pub async fn close(&self, keep_alive_grace: Duration) -> Closed {
        let begun = Instant::now();
        let connections = &self.drain.connections;
        let mut in_use = false;
        let unused = |standing| {
            in_use |= matches!(standing, Standing::Busy | Standing::Recent);
            standing == Standing::Unused
        };
        let mut told_of_all = connections.let_go(RECENTLY, unused, silent);
        if in_use || !self.door.close_if_nobody_waits() {
            self.door.asked.cancel();
            let _ = timeout(keep_alive_grace.max(Duration::from_millis(1)), self.door.all_swept()).await;
        }
        connections.cut(RECENTLY, |standing| standing == Standing::Busy);
        let left = keep_alive_grace.saturating_sub(begun.elapsed());
        let none_open = async {
            while !told_of_all {
                sleep(TURN).await;
                told_of_all = connections.let_go(RECENTLY, |standing| standing == Standing::Unused, silent);
            }
            connections.none_open().await;
        };
        if timeout(left, none_open).await.is_err() {
            connections.let_go(RECENTLY, |_| true, silent);
            let _ = timeout(keep_alive_grace, connections.none_open()).await;
            connections.cut(RECENTLY, |_| true);
            connections.none_open().await;
        }
        Closed
    }

    /// Whether it has no connection that is waited for, and nobody waits to be let in. Once it has closed this may cease
    /// to be so: whoever had begun a handshake by then ends it, is let in, and may have a request to be answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.drain.connections.open() == 0 && self.door.nobody_got_in()
    }

    /// Does what a closed server leaves undone, since nothing waits for it: its sockets stop listening, its workers drop
    /// the application, and the connections that were let go hang up.
    pub fn put_away(&self) {
        if self.door.closed.load(Ordering::Acquire) {
            self.door.shut();
        }
        self.door.asked.cancel();
        self.drain.connections.hang_up(RECENTLY, |_| true);
    }

    /// Resolves when a worker has stopped accepting without having been asked: the server has failed.
    pub async fn failed(&self) {
        let mut ended = self.door.ended.subscribe();
        if ended.wait_for(|ended| *ended).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("name", &self.name).finish_non_exhaustive()
    }
}

impl DoorState {
    /// Lets nobody in any more, without a worker's help, if no connection is in any queue.
    fn close_if_nobody_waits(&self) -> bool {
        let Some(sockets) = self.sockets.get() else { return false };
        let turn = self.turn();
        let nobody = || sockets.iter().all(is_silent);
        if turn.is_some_and(|last| last.elapsed() < LATELY) || !nobody() {
            return false;
        }
        let refused = sockets
            .iter()
            .all(|socket| listener::refuse_newcomers(socket) || listener::ignore_newcomers(socket));
        let nobody = nobody();
        if nobody {
            self.closed.store(true, Ordering::Release);
            if !refused {
                self.shut();
            }
        }
        nobody
    }

    /// Whether no queue has anybody in it, as far as newcomers have been turned away and the sockets still listen.
    fn nobody_got_in(&self) -> bool {
        let listens = self.closed.load(Ordering::Acquire) && !self.shut.load(Ordering::Acquire);
        let sockets = self.sockets.get().into_iter().flatten();
        !listens || sockets.into_iter().all(is_silent)
    }

    /// Stops listening.
    fn shut(&self) {
        self.shut.store(true, Ordering::Release);
        self.sockets.get().into_iter().flatten().for_each(listener::shut);
    }

    fn turn(&self) -> MutexGuard<'_, Option<Instant>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_swept(&self) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.swept.load(Ordering::Acquire) >= self.workers {
                return;
            }
            changed.await;
        }
    }
}

/// A worker's side of the door.
#[derive(Clone)]
pub(super) struct Closing {
    door: Arc<DoorState>,
}

impl Closing {
    /// Resolves when the door is to be closed.
    pub(super) async fn asked(&self) {
        self.door.asked.cancelled().await;
    }

    /// Whether nothing is left to be done about the sockets.
    pub(super) fn is_shut(&self) -> bool {
        self.door.shut.load(Ordering::Acquire)
    }

    /// Resolves when requests begin to be rejected.
    pub(super) async fn rejecting(&self) {
        self.door.rejecting.cancelled().await;
    }

    /// To be held while a connection is taken out of the queue and counted, and to be told when that was.
    pub(super) fn turn(&self) -> MutexGuard<'_, Option<Instant>> {
        self.door.turn()
    }

    /// To be held while the worker accepts.
    pub(super) fn accepting(&self) -> Accepting {
        Accepting { door: Arc::clone(&self.door) }
    }
}

/// Says, when it is dropped, that its worker accepts no more; and, if nobody asked for that, that the server has
/// failed.
pub(super) struct Accepting {
    door: Arc<DoorState>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.door.swept.fetch_add(1, Ordering::AcqRel);
        self.door.changed.notify_waiters();
        if !self.door.asked.is_cancelled() && !self.door.shut.load(Ordering::Acquire) {
            self.door.ended.send_replace(true);
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        io::{self, Write},
        net::TcpStream,
    };

    use super::*;

    #[tokio::test]
    async fn who_is_in_the_middle_of_a_handshake_when_the_door_closes_is_still_let_in() -> io::Result<()> {
        let socket = listener::bind(([127, 0, 0, 1], 0).into(), 16)?;
        listener::hold_handshakes(&socket)?;
        let bound = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::Unsupported)?;
        let handle = Handle::new("web".into(), Arc::new(Drain::new(1)), 1);
        handle.listens_on(std::iter::once(&socket));
        let mut client = TcpStream::connect(bound)?;
        // No worker is there to help.
        assert_eq!(timeout(Duration::from_secs(5), handle.close(Duration::ZERO)).await, Ok(Closed));
        assert!(handle.is_empty());
        let newcomer = TcpStream::connect(bound).map_err(|error| error.kind());
        assert_eq!(newcomer.err(), Some(io::ErrorKind::ConnectionRefused));

        client.write_all(b"GET")?;
        let begun = Instant::now();
        while handle.is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(5), "nobody was let in");
            sleep(TURN).await;
        }
        assert!(listener::accept_now(&socket)?.is_some());
        assert!(handle.is_empty());
        handle.put_away();
        assert!(handle.is_empty(), "a socket that does not listen has nobody in its queue");
        Ok(())
    }
}
