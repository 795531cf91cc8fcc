//! One connection's record: its state, and the request that is in flight on it, by name.

use std::{
    borrow::Cow,
    task::Poll,
    time::{Duration, Instant},
};

use actix_web::http::Method;

use super::{
    super::gate::Gate,
    open::OpenCount,
    state::{ConnectionClass, Effect, Event, Order, Orders, State},
};
use crate::sync::{Arc, AtomicU8, AtomicU32, AtomicU64, Mutex, Ordering, lock};

/// One connection. HTTP/1 serves one request at a time on it, so its record is the request's as well: a request
/// in flight costs no memory of its own. Only the connection's own thread changes its state; any thread may read it.
#[derive(Debug)]
pub struct Connection {
    gate: Arc<Gate>,
    open: Arc<OpenCount>,
    shard: u16,
    /// The number of its socket, or [`NO_SOCKET`].
    socket: AtomicU32,
    /// A [`State`].
    state: AtomicU64,
    /// An [`Orders`].
    orders: AtomicU8,
    request: Mutex<Request>,
}

/// No socket's number.
const NO_SOCKET: u32 = u32::MAX;

/// The longest path that is kept of a request in flight, in bytes.
pub(super) const PATH: usize = 96;

/// The request in flight, or the last one.
#[derive(Debug)]
struct Request {
    /// When it began; before the first one, when the connection was opened.
    began: Instant,
    /// How long it took, in milliseconds; 0 until it is answered.
    took_ms: u32,
    method: Method,
    path_length: u8,
    path: [u8; PATH],
}

impl Request {
    /// When the connection was opened, or last began or finished a request.
    fn last_used(&self) -> Instant {
        let took = Duration::from_millis(self.took_ms.into());
        self.began.checked_add(took).unwrap_or(self.began)
    }
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

impl Connection {
    pub(super) fn new(gate: Arc<Gate>, open: Arc<OpenCount>, shard: usize) -> Self {
        let request = Request {
            began: Instant::now(),
            took_ms: 0,
            method: Method::GET,
            path_length: 0,
            path: [0; PATH],
        };
        Self {
            gate,
            open,
            shard: u16::try_from(shard).unwrap_or(u16::MAX), // a server has fewer workers
            socket: AtomicU32::new(NO_SOCKET),
            state: AtomicU64::new(State::default().word()),
            orders: AtomicU8::new(0),
            request: Mutex::new(request),
        }
    }

    /// A record that no server knows of: for a request that came by another way than this crate's own server.
    pub(in crate::drain) fn unregistered(gate: Arc<Gate>, shard: usize) -> Self {
        let connection = Self::new(gate, Arc::default(), shard);
        connection.open.opened();
        connection
    }

    /// From here on its server closes without it: it stays open until its answer ends, or the process does. This
    /// is for an answer that tells how the exit ended: the end of the process waits a moment until it is out. A
    /// handler finds its connection in the request's `conn_data`, as an `Arc<Connection>`.
    ///
    /// The request should be one that is [always answered](crate::Server::always_answer), or the drain waits for
    /// it; and its answer should say `Connection: close`, or the connection stays when it is over.
    pub fn pin_until_exit(&self) {
        self.order(Order::Pin);
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) fn shard(&self) -> usize {
        usize::from(self.shard)
    }

    /// Says by which number the system knows its socket.
    pub(crate) fn set_socket(&self, socket: u32) {
        self.socket.store(socket, Ordering::Release);
    }

    pub(super) fn socket(&self) -> Option<u32> {
        Some(self.socket.load(Ordering::Acquire)).filter(|&socket| socket != NO_SOCKET)
    }

    /// Polls what serves it. Ready as well once the server has asked it to close at once.
    pub(crate) fn poll<R>(&self, poll: impl FnOnce() -> Poll<R>) -> Poll<Option<R>> {
        // In one order with what is read from the socket: see `is_polled`.
        let (state, _) = self.state().apply(Event::PollStarted);
        self.state.swap(state.word(), Ordering::SeqCst);
        if self.orders().contain(Order::Abort) {
            return Poll::Ready(None);
        }
        let result = poll();
        self.apply(Event::PollEnded);
        result.map(Some)
    }

    /// True while its task is being polled: it may hold bytes that are not parsed yet. To be asked after its socket was
    /// found to have no pending input, and before it is asked whether it [is idle](Self::is_idle): what the task had
    /// read by then has become a request.
    pub(super) fn is_polled(&self) -> bool {
        State::from_word(self.state.load(Ordering::SeqCst)).is_polled()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state().is_idle()
    }

    /// A request begins on it.
    pub(in crate::drain) fn begin(&self, method: &Method, path: &str, counted: bool) {
        let now = Instant::now();
        let length = path.len().min(PATH);
        let mut request = lock(&self.request);
        request.began = now;
        request.took_ms = 0;
        if request.method != *method {
            request.method.clone_from(method);
        }
        request.path[..length].copy_from_slice(&path.as_bytes()[..length]);
        request.path_length = u8::try_from(length).unwrap_or(u8::MAX);
        drop(request);
        self.apply(Event::Begin { counted });
    }

    /// The request's answer has been handed on whole; it leaves the gate when that has been flushed.
    pub(in crate::drain) fn answered(&self, counted: bool) {
        self.apply(Event::Answered { counted });
    }

    /// The request was dropped before its answer was whole.
    pub(in crate::drain) fn given_up(&self, counted: bool) {
        self.apply(Event::GivenUp { counted });
    }

    /// Its answer says that it closes: no further request is served on it.
    pub(in crate::drain) fn announce_close(&self) {
        self.apply(Event::LastAnswer);
    }

    /// Its request, or the answer to it, waits for something.
    pub(crate) fn waits(&self) {
        self.apply(Event::Waited);
    }

    /// All that was written is with the kernel.
    #[inline]
    pub(crate) fn flushed(&self) {
        if self.state().has_unflushed() {
            self.apply(Event::Flushed);
        }
    }

    /// True if it is to close now, as far as its own record tells.
    pub(crate) fn closes_now(&self) -> bool {
        self.orders().contain(Order::CloseWhenIdle) && self.is_idle()
    }

    /// Takes an event through the state machine, and carries out what follows. On the connection's own thread alone.
    #[inline]
    fn apply(&self, event: Event) {
        let (state, effect) = self.state().apply(event);
        self.state.store(state.word(), Ordering::Release);
        match effect {
            Effect::None => {}
            Effect::Leave { requests, answered } => self.gate.leave(self.shard(), requests, answered),
            Effect::LeaveAndMark { requests } => {
                let mut request = lock(&self.request);
                request.took_ms = u32::try_from(request.began.elapsed().as_millis()).unwrap_or(u32::MAX);
                drop(request);
                if requests > 0 {
                    self.gate.leave(self.shard(), requests, true);
                }
            }
        }
    }

    #[inline]
    fn state(&self) -> State {
        State::from_word(self.state.load(Ordering::Acquire))
    }

    /// Asks something of it. Its task has to be woken to see it.
    pub(super) fn order(&self, order: Order) {
        let before = Orders::from_word(self.orders.fetch_or(order as u8, Ordering::AcqRel));
        if before.is_detached_by(order) {
            self.open.detached();
        }
        if before.is_pinned_by(order) {
            self.open.pin();
        }
    }

    pub(super) fn orders(&self) -> Orders {
        Orders::from_word(self.orders.load(Ordering::Acquire))
    }

    pub(super) fn in_flight(&self, now: Instant) -> Option<InFlight> {
        self.state().is_counted().then(|| {
            let request = lock(&self.request);
            let path = &request.path[..usize::from(request.path_length)];
            InFlight {
                method: request.method.to_string(),
                path: whole_characters(path).into_owned(),
                age: now.saturating_duration_since(request.began),
            }
        })
    }

    /// Its class, for a server that counts a connection as idle when it has been unused for longer than `recent`.
    pub(super) fn class(&self, now: Instant, recent: Duration) -> ConnectionClass {
        self.state().class(|| now.saturating_duration_since(lock(&self.request).last_used()) > recent)
    }
}

impl Drop for Connection {
    /// What was not flushed never will be.
    fn drop(&mut self) {
        self.apply(Event::Dropped);
    }
}

/// A path that was cut may end in the middle of a character.
fn whole_characters(path: &[u8]) -> Cow<'_, str> {
    match str::from_utf8(path) {
        Err(error) if path.len() == PATH && error.error_len().is_none() => {
            String::from_utf8_lossy(&path[..error.valid_up_to()])
        }
        _ => String::from_utf8_lossy(path),
    }
}
