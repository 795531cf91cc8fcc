//! Connections: what each is doing, and the stream that knows when an answer's last byte is with the kernel.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::{Duration, Instant},
};

use actix_web::http::Method;
use slab::Slab;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Notify,
    task::AbortHandle,
};

use super::Drain;

/// Every open connection of a server, in a lane for each worker.
#[derive(Debug)]
pub struct Connections {
    lanes: Box<[Mutex<Slab<Entry>>]>,
    /// Those that their server closes; one that outlives it is not among them.
    open: AtomicUsize,
    outliving: AtomicUsize,
    /// Told when the last connection has closed.
    none_left: Notify,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    /// Ends the connection's task, wherever it is in its work; set once the task runs.
    task: Option<AbortHandle>,
    /// Has the task look at its connection; set once the task runs.
    waker: Option<Waker>,
}

/// One connection. HTTP/1 serves one request at a time on it, so its record is the request's as well: a request
/// in flight costs no memory of its own, and two uncontended locks.
#[derive(Debug)]
pub struct Connection {
    drain: Arc<Drain>,
    lane: usize,
    record: Mutex<Record>,
    /// Answered requests whose last bytes may still be in user space: how many of them are counted, times two,
    /// and in the lowest bit whether there are any at all. Only the connection's own thread writes it.
    unflushed: AtomicU32,
    /// As soon as it is idle, and no request waits in its socket, it is to close.
    hangs_up: AtomicBool,
    /// Its server closes without it.
    outlives: AtomicBool,
}

/// In [`Connection::unflushed`]: there is something to flush.
const ANY: u32 = 1;
/// In [`Connection::unflushed`]: one request that the gate has counted in.
const COUNTED: u32 = 2;

/// How often a closing connection's socket is read to find it empty.
const DISCARDED: usize = 16;

/// The longest path that is kept of a request in flight, in bytes.
const PATH: usize = 96;

#[derive(Debug)]
struct Record {
    activity: Activity,
    /// When the connection was opened, or last began or finished a request.
    used: Instant,
    started: Instant,
    method: Method,
    path_length: u8,
    path: [u8; PATH],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Activity {
    /// Between two requests, or before the first.
    Idle,
    /// Counted in flight.
    Serving,
    /// Being answered, but not counted: rejected, or always answered.
    Uncounted,
    /// Answered, and not all of it is with the kernel yet.
    Flushing,
}

/// A request in flight, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InFlight {
    /// Its method.
    pub method: String,
    /// Its path, without the query; at most 96 bytes of it.
    pub path: String,
    /// How long it has been running.
    pub age: Duration,
}

/// How a connection stands when its server closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a request in flight.
    Busy,
    /// A request may be on its way, or an answer is being written.
    Recent,
    /// Nothing has happened on it for a while.
    Unused,
}

impl Connections {
    pub(super) fn new(workers: usize) -> Self {
        let lanes = (0..workers.max(1)).map(|_| Mutex::new(Slab::new())).collect();
        Self { lanes, open: AtomicUsize::new(0), outliving: AtomicUsize::new(0), none_left: Notify::new() }
    }

    /// How many are open, without those that outlive their server.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Acquire)
    }

    /// How many are open that outlive their server: see [`Connection::outlive`].
    #[must_use]
    pub fn outliving(&self) -> usize {
        self.outliving.load(Ordering::Acquire)
    }

    fn count_out(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.none_left.notify_waiters();
        }
    }

    /// How many of a worker's are open.
    #[must_use]
    pub fn open_in(&self, lane: usize) -> usize {
        lock(&self.lanes[lane]).len()
    }

    /// Every request in flight, the oldest first.
    #[must_use]
    pub fn in_flight(&self) -> Vec<InFlight> {
        let now = Instant::now();
        let mut found = Vec::new();
        for lane in &self.lanes {
            found.extend(lock(lane).iter().filter_map(|(_, entry)| entry.connection.in_flight(now)));
        }
        found.sort_by_key(|request| std::cmp::Reverse(request.age));
        found
    }

    /// Has every connection whose standing is as asked for close by itself as soon as it is idle. A request that
    /// waits in its socket, unread so far, is answered before.
    pub fn hang_up(&self, recently: Duration, which: impl Fn(Standing) -> bool) {
        let now = Instant::now();
        for lane in &self.lanes {
            for (_, entry) in lock(lane).iter() {
                if which(entry.connection.standing(now, recently)) {
                    entry.connection.hangs_up.store(true, Ordering::Release);
                    // A task that has not begun will see it when it does.
                    if let Some(waker) = &entry.waker {
                        waker.wake_by_ref();
                    }
                }
            }
        }
    }

    /// Cuts every connection whose standing is as asked for. A worker that is blocked cuts its own when it no
    /// longer is.
    pub fn cut(&self, recently: Duration, which: impl Fn(Standing) -> bool) {
        let now = Instant::now();
        for lane in &self.lanes {
            for (_, entry) in lock(lane).iter() {
                if let Some(task) = &entry.task
                    && !entry.connection.outlives.load(Ordering::Acquire)
                    && which(entry.connection.standing(now, recently))
                {
                    task.abort();
                }
            }
        }
    }

    /// Resolves when no connection is open.
    pub async fn none_open(&self) {
        loop {
            let mut none_left = std::pin::pin!(self.none_left.notified());
            none_left.as_mut().enable();
            if self.open() == 0 {
                return;
            }
            none_left.await;
        }
    }
}

impl Drain {
    /// Counts a connection in, on a worker's lane, and gives its record; with it comes its place, to be given
    /// back through [`Drain::closed`].
    pub fn opened(self: &Arc<Self>, lane: usize) -> (usize, Arc<Connection>) {
        let connection = Arc::new(Connection::new(Arc::clone(self), lane));
        self.connections.open.fetch_add(1, Ordering::AcqRel);
        let entry = Entry { connection: Arc::clone(&connection), task: None, waker: None };
        (lock(&self.connections.lanes[lane]).insert(entry), connection)
    }

    /// Says which task serves a connection.
    pub(crate) fn served_by(&self, lane: usize, place: usize, task: AbortHandle) {
        if let Some(entry) = lock(&self.connections.lanes[lane]).get_mut(place) {
            entry.task = Some(task);
        }
    }

    /// Says how the task that serves a connection is woken.
    pub(crate) fn woken_by(&self, lane: usize, place: usize, waker: Waker) {
        if let Some(entry) = lock(&self.connections.lanes[lane]).get_mut(place) {
            entry.waker = Some(waker);
        }
    }

    /// Counts a connection out: its socket is closed.
    pub fn closed(&self, lane: usize, place: usize) {
        let entry = lock(&self.connections.lanes[lane]).try_remove(place);
        if entry.is_some_and(|entry| entry.connection.outlives.load(Ordering::Acquire)) {
            self.connections.outliving.fetch_sub(1, Ordering::AcqRel);
        } else {
            self.connections.count_out();
        }
    }
}

impl Connection {
    /// A record outside of any listing: for a request that came by another way than this crate's own server.
    pub(super) fn new(drain: Arc<Drain>, lane: usize) -> Self {
        let now = Instant::now();
        let record = Record {
            activity: Activity::Idle,
            used: now,
            started: now,
            method: Method::GET,
            path_length: 0,
            path: [0; PATH],
        };
        Self {
            drain,
            lane,
            record: Mutex::new(record),
            unflushed: AtomicU32::new(0),
            hangs_up: AtomicBool::new(false),
            outlives: AtomicBool::new(false),
        }
    }

    /// From here on its server closes without it: it stays open until its answer ends, or the process does. This
    /// is for an answer that tells how the exit ended: the end of the process waits a moment until it is out. A
    /// handler finds its connection in the request's `conn_data`, as an `Arc<Connection>`.
    ///
    /// The request should be one that is [always answered](crate::Server::always_answer), or the drain waits for
    /// it; and its answer should say `Connection: close`, or the connection stays when it is over.
    pub fn outlive(&self) {
        if !self.outlives.swap(true, Ordering::AcqRel) {
            self.drain.connections.outliving.fetch_add(1, Ordering::AcqRel);
            self.drain.connections.count_out();
        }
    }

    pub(super) fn drain(&self) -> &Drain {
        &self.drain
    }

    pub(super) fn lane(&self) -> usize {
        self.lane
    }

    /// A request begins on it.
    pub(super) fn begin(&self, method: &Method, path: &str, counted: bool) {
        let now = Instant::now();
        let length = path.floor_char_boundary(PATH);
        let mut record = lock(&self.record);
        record.activity = if counted { Activity::Serving } else { Activity::Uncounted };
        record.used = now;
        record.started = now;
        record.method.clone_from(method);
        record.path[..length].copy_from_slice(&path.as_bytes()[..length]);
        record.path_length = u8::try_from(length).unwrap_or(u8::MAX);
    }

    /// The request's body has left for the connection's buffer; it is counted out when that has been written.
    pub(super) fn answered(&self, counted: bool) {
        lock(&self.record).activity = Activity::Flushing;
        let unflushed = (self.unflushed.load(Ordering::Relaxed) | ANY) + if counted { COUNTED } else { 0 };
        self.unflushed.store(unflushed, Ordering::Relaxed);
    }

    /// The request was dropped before its answer was whole.
    pub(super) fn given_up(&self, counted: bool) {
        lock(&self.record).activity = Activity::Idle;
        if counted {
            self.drain.gate.leave(self.lane, false);
        }
    }

    /// All that was written is with the kernel.
    fn flushed(&self) {
        let unflushed = self.unflushed.load(Ordering::Relaxed);
        if unflushed == 0 {
            return;
        }
        self.unflushed.store(0, Ordering::Relaxed);
        let mut record = lock(&self.record);
        if record.activity == Activity::Flushing {
            record.activity = Activity::Idle;
            record.used = Instant::now();
        }
        drop(record);
        for _ in 0..unflushed / COUNTED {
            self.drain.gate.leave(self.lane, true);
        }
    }

    /// Whether it is to close now, for all that its own record knows.
    fn is_to_close(&self) -> bool {
        self.hangs_up.load(Ordering::Acquire) && lock(&self.record).activity == Activity::Idle
    }

    fn in_flight(&self, now: Instant) -> Option<InFlight> {
        let record = lock(&self.record);
        let counted = match record.activity {
            Activity::Serving => true,
            Activity::Flushing => self.unflushed.load(Ordering::Relaxed) >= COUNTED,
            Activity::Idle | Activity::Uncounted => false,
        };
        counted.then(|| InFlight {
            method: record.method.to_string(),
            path: String::from_utf8_lossy(&record.path[..usize::from(record.path_length)]).into_owned(),
            age: now.saturating_duration_since(record.started),
        })
    }

    fn standing(&self, now: Instant, recently: Duration) -> Standing {
        let record = lock(&self.record);
        match record.activity {
            Activity::Serving => Standing::Busy,
            Activity::Flushing if self.unflushed.load(Ordering::Relaxed) >= COUNTED => Standing::Busy,
            Activity::Uncounted | Activity::Flushing => Standing::Recent,
            Activity::Idle if now.saturating_duration_since(record.used) <= recently => Standing::Recent,
            Activity::Idle => Standing::Unused,
        }
    }
}

impl Drop for Connection {
    /// What was not flushed never will be.
    fn drop(&mut self) {
        for _ in 0..*self.unflushed.get_mut() / COUNTED {
            self.drain.gate.leave(self.lane, false);
        }
    }
}

/// A connection's socket. It passes everything through, and tells the connection's record when what was written
/// is with the kernel: a body that has been dropped is not yet sent, up to 32 KiB of it can be in user space.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    connection: Arc<Connection>,
}

impl Stream {
    /// A socket, and the record of its connection.
    pub fn new(socket: TcpStream, connection: Arc<Connection>) -> Self {
        Self { socket, connection }
    }

    /// Its connection's record: actix-http's `on_connect_ext` is to put it among the connection's data.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Stream {
    /// Whether the kernel has nothing of the client's that was not read. tokio may not have heard of it yet.
    fn nothing_waits(&self) -> bool {
        let peeked = SockRef::from(&self.socket).peek(&mut [MaybeUninit::uninit()]);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what a client has sent past its last answer: closing a socket with unread data in it resets the
    /// connection, and a reset can take the answer along.
    fn discard(&self) {
        let mut unread = [MaybeUninit::uninit(); 4096];
        for _ in 0..DISCARDED {
            if !matches!(SockRef::from(&self.socket).recv(&mut unread), Ok(read) if read > 0) {
                return;
            }
        }
    }
}

impl AsyncRead for Stream {
    /// A connection that is to close looks to actix-http as if the client had closed it: it ends in the same way,
    /// wherever between two requests it is.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        if read.is_pending() && self.connection.is_to_close() && self.nothing_waits() {
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    /// actix-http flushes when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing the socket, which follows, says the same to the client, in one system call less.
        if self.connection.is_to_close() {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
        if self.connection.drain.gate.is_closing(self.connection.lane) {
            self.discard();
        }
        Poll::Ready(shut)
    }
}

/// A thread that panicked with a lock held leaves a record that is whole all the same: each is written in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
