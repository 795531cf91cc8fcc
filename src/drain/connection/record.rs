//! One connection's record: its state, and the request that is in flight on it, by name.

use std::{
    task::Poll,
    time::{Duration, Instant},
};

use super::{
    super::gate::Gate,
    open::OpenCount,
    request::{Called, InFlight, RequestName, Requests},
    state::{ConnectionClass, Effect, Event, Order, Orders, State},
};
use crate::sync::{Arc, AtomicU8, AtomicU32, AtomicU64, Mutex, Ordering, lock};

/// One connection. HTTP/1 serves one request at a time on it, so its record is the request's as well: a request
/// in flight costs no memory of its own. Only the connection's own thread changes its state; any thread may read it.
///
/// In this order, so that its end is the rest of a path, which is seldom written: the record behind it may be that of a
/// connection that another worker serves, and begins in the same cache line.
#[derive(Debug)]
#[repr(C)]
pub struct Connection {
    gate: Arc<Gate>,
    open: Arc<OpenCount>,
    shard: u16,
    /// An [`Orders`].
    orders: AtomicU8,
    /// The number of its socket, or [`NO_SOCKET`].
    socket: AtomicU32,
    /// A [`State`].
    state: AtomicU64,
    requests: Mutex<Requests>,
}

/// A number that no socket has.
const NO_SOCKET: u32 = u32::MAX;

impl Connection {
    pub(super) fn new(gate: Arc<Gate>, open: Arc<OpenCount>, shard: usize) -> Self {
        Self {
            gate,
            open,
            shard: u16::try_from(shard).unwrap_or(u16::MAX), // a server has fewer workers
            socket: AtomicU32::new(NO_SOCKET),
            state: AtomicU64::new(State::default().word()),
            orders: AtomicU8::new(0),
            requests: Mutex::new(Requests::none()),
        }
    }

    /// A record outside of any server's registry: for a request that this crate's own server did not accept.
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

    #[inline]
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    #[inline]
    pub(crate) fn shard(&self) -> usize {
        usize::from(self.shard)
    }

    /// Says by which number the system knows its socket.
    pub(crate) fn set_socket(&self, socket: u32) {
        self.socket.store(socket, Ordering::Release);
    }

    /// Forgets the socket's number. A connection that has to send `close_notify` or GOAWAY is never closed without
    /// that.
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    pub(crate) fn forget_socket(&self) {
        self.socket.store(NO_SOCKET, Ordering::Release);
    }

    /// The number by which the system knows its socket; none, if it cannot be looked into.
    pub(crate) fn socket(&self) -> Option<u32> {
        Some(self.socket.load(Ordering::Acquire)).filter(|&socket| socket != NO_SOCKET)
    }

    /// Polls the future that serves the connection. Ready too once the server has aborted the connection.
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

    /// True between two requests, when all of the last answer is with the kernel, and before the first one.
    #[inline]
    pub(crate) fn is_between_requests(&self) -> bool {
        self.state().is_between_requests()
    }

    /// The same, where no byte that was read waits to become a request.
    pub(crate) fn is_idle(&self) -> bool {
        self.state().is_idle()
    }

    /// True from a request's head to the end of its body, if that is read.
    pub(crate) fn awaits_body(&self) -> bool {
        self.state().awaits_body()
    }

    /// True if the last request that began has or had a body.
    pub(crate) fn had_body(&self) -> bool {
        self.state().had_body()
    }

    /// True if something was read since the last request began.
    pub(crate) fn has_partial_input(&self) -> bool {
        self.state().has_input()
    }

    /// Something was read.
    #[inline]
    pub(crate) fn input(&self) {
        if !self.has_partial_input() {
            self.apply(Event::Input);
        }
    }

    /// Whether bytes were read that wait for the answers to the requests before them.
    pub(crate) fn read_ahead(&self, waits: bool) {
        self.apply(Event::ReadAhead(waits));
    }

    /// The end of its request's body was read.
    pub(in crate::drain) fn body_ended(&self) {
        self.apply(Event::BodyEnded);
    }

    /// True if an answer has said that it closes: no further request is served.
    #[inline]
    pub(in crate::drain) fn has_had_last_answer(&self) -> bool {
        self.state().has_had_last_answer()
    }

    /// True if all of its last answer is with the kernel.
    pub(crate) fn is_finished(&self) -> bool {
        let state = self.state();
        state.has_had_last_answer() && state.is_between_requests()
    }

    /// No further request is served on it, although no answer has said so.
    pub(crate) fn finish(&self) {
        self.apply(Event::LastAnswer);
    }

    /// A request begins on it. Returns its stream, if the connection speaks HTTP/2.
    #[inline]
    pub(crate) fn begin(&self, request: RequestName<'_>, counted: bool, body: bool) -> Option<Called> {
        let called = lock(&self.requests).begin(request, counted);
        self.apply(Event::Begin { counted, body });
        called
    }

    /// A TLS handshake begins: the connection counts as used until [`end_handshake`](Self::end_handshake).
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    pub(crate) fn begin_handshake(&self) {
        self.apply(Event::Begin { counted: false, body: false });
        self.apply(Event::Handshake);
    }

    /// The TLS handshake is over, and a request is expected.
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    pub(crate) fn end_handshake(&self) {
        self.apply(Event::GivenUp { counted: false });
        lock(&self.requests).touch();
    }

    /// The request's answer has been handed on whole; it leaves the gate when that has been flushed.
    #[inline]
    pub(in crate::drain) fn answered(&self, counted: bool) {
        self.apply(Event::Answered { counted });
    }

    /// The request was dropped before its answer was whole.
    pub(crate) fn given_up(&self, counted: bool) {
        self.apply(Event::GivenUp { counted });
    }

    /// A request's answer has no end of its own.
    pub(in crate::drain) fn is_endless(&self, stream: Option<u32>) {
        lock(&self.requests).set_endless(stream);
    }

    /// Gives up endless answers that did not end when they were told to, if that was ordered. Returns true if the
    /// connection is to be closed for that. To be asked after its task was polled: an answer of a worker that was busy
    /// may not have been polled since it was told.
    pub(crate) fn gives_up_endless(&self) -> bool {
        if !self.orders().contain(Order::GiveUpEndless) {
            return false;
        }
        #[cfg(feature = "http2")]
        self.give_up_endless_streams();
        self.state().is_counted() && lock(&self.requests).is_endless()
    }

    /// Its answer says that it closes: no further request is served on it.
    #[inline]
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
    #[expect(
        clippy::inline_always,
        reason = "each call has one event: what is left of the match is some instructions"
    )]
    #[inline(always)]
    pub(super) fn apply(&self, event: Event) {
        let (state, effect) = self.state().apply(event);
        self.state.store(state.word(), Ordering::Release);
        match effect {
            Effect::None => {}
            Effect::Leave { requests, answered } => self.gate.leave(self.shard(), requests, answered),
            Effect::LeaveAndMark { requests } => {
                lock(&self.requests).mark_end();
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

    /// Gives it an order. The caller wakes its task, which carries the order out.
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

    #[cfg(feature = "http2")]
    pub(super) fn requests(&self) -> &Mutex<Requests> {
        &self.requests
    }

    /// Adds its requests in flight.
    pub(super) fn add_in_flight(&self, now: Instant, found: &mut Vec<InFlight>) {
        if !self.state().is_counted() {
            return;
        }
        lock(&self.requests).add_in_flight(now, found);
    }

    /// Its class, for a server that counts a connection as idle when it has been unused for longer than `recent`.
    pub(super) fn class(&self, now: Instant, recent: Duration) -> ConnectionClass {
        self.state().class(|| now.saturating_duration_since(lock(&self.requests).last_used()) > recent)
    }
}

impl Drop for Connection {
    /// Counts answers that were not flushed as given up.
    fn drop(&mut self) {
        self.apply(Event::Dropped);
    }
}
