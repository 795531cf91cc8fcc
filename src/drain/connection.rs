//! One connection, and the request that is in flight on it.

use std::{
    borrow::Cow,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use actix_web::http::Method;

use super::{Drain, Standing, registry::lock};

/// One connection. HTTP/1 serves one request at a time on it, so its record is the request's as well: a request
/// in flight costs no memory of its own. Only the connection's own thread writes it; any thread may read it.
#[derive(Debug)]
pub struct Connection {
    drain: Arc<Drain>,
    lane: u32,
    /// What it does, one of [`activity`], whether its request has waited, and above that how many counted requests were answered whose
    /// last bytes may still be in user space.
    state: AtomicU32,
    request: Mutex<Request>,
    /// The number of its socket, or [`NO_SOCKET`].
    socket: AtomicU32,
    /// Its task is at work just now: what it has read may not have begun to be a request.
    is_at_work: AtomicBool,
    /// It is to close as soon as it is idle and no request waits in its socket.
    hangs_up: AtomicBool,
    /// Its answer, on the way or given, says that it closes.
    is_leaving: AtomicBool,
    /// One of [`hold`].
    hold: AtomicU8,
}

/// In [`Connection::state`]: the activity.
const ACTIVITY: u32 = 0b11;
/// In [`Connection::state`]: its request had to wait for something. One that did not has taken no time, and the
/// clock need not be asked when it ends.
const WAITED: u32 = 0b100;
/// In [`Connection::state`]: one answered request that the gate has counted in.
const COUNTED: u32 = 0b1000;

/// No socket's number.
const NO_SOCKET: u32 = u32::MAX;

/// The longest path that is kept of a request in flight, in bytes.
const PATH: usize = 96;

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
    fn is_answered(&mut self) {
        self.took_ms = u32::try_from(self.began.elapsed().as_millis()).unwrap_or(u32::MAX);
    }

    /// When the connection was opened, or last began or finished a request.
    fn used(&self) -> Instant {
        let took = Duration::from_millis(self.took_ms.into());
        self.began.checked_add(took).unwrap_or(self.began)
    }
}

/// What a connection does.
mod activity {
    /// Between two requests, or before the first.
    pub(super) const IDLE: u32 = 0;
    /// Its request is counted in flight.
    pub(super) const SERVING: u32 = 1;
    /// Its request is answered, but not counted: it is rejected, or always answered.
    pub(super) const UNCOUNTED: u32 = 2;
    /// Answered, and not all of it is with the kernel yet.
    pub(super) const FLUSHING: u32 = 3;
}

/// How a connection holds up its server's close.
mod hold {
    /// It is waited for.
    pub(super) const WAITED_FOR: u8 = 0;
    /// It is not.
    pub(super) const LET_GO: u8 = 1;
    /// It is not, and stays open until the end of the process, or of its answer.
    pub(super) const OUTLIVES: u8 = 2;
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
    /// A record outside of any listing: for a request that came by another way than this crate's own server.
    pub(super) fn new(drain: Arc<Drain>, lane: usize) -> Self {
        let now = Instant::now();
        let request =
            Request { began: now, took_ms: 0, method: Method::GET, path_length: 0, path: [0; PATH] };
        Self {
            drain,
            lane: u32::try_from(lane).unwrap_or(u32::MAX), // which the drain does not have
            state: AtomicU32::new(activity::IDLE),
            request: Mutex::new(request),
            socket: AtomicU32::new(NO_SOCKET),
            is_at_work: AtomicBool::new(false),
            hangs_up: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            hold: AtomicU8::new(hold::WAITED_FOR),
        }
    }

    /// From here on its server closes without it: it stays open until its answer ends, or the process does. This
    /// is for an answer that tells how the exit ended: the end of the process waits a moment until it is out. A
    /// handler finds its connection in the request's `conn_data`, as an `Arc<Connection>`.
    ///
    /// The request should be one that is [always answered](crate::Server::always_answer), or the drain waits for
    /// it; and its answer should say `Connection: close`, or the connection stays when it is over.
    pub fn outlive(&self) {
        self.let_go();
        if self.hold.swap(hold::OUTLIVES, Ordering::AcqRel) != hold::OUTLIVES {
            self.drain.connections.outlived();
        }
    }

    /// Its server's close does not wait for it from here on.
    pub(crate) fn let_go(&self) {
        if self.hold.fetch_max(hold::LET_GO, Ordering::AcqRel) == hold::WAITED_FOR {
            self.drain.connections.count_out();
        }
    }

    pub(super) fn outlives(&self) -> bool {
        self.hold.load(Ordering::Acquire) == hold::OUTLIVES
    }

    /// Says by which number the system knows its socket.
    pub(crate) fn is_on(&self, socket: u32) {
        self.socket.store(socket, Ordering::Release);
    }

    pub(super) fn socket(&self) -> Option<u32> {
        Some(self.socket.load(Ordering::Acquire)).filter(|&socket| socket != NO_SOCKET)
    }

    /// Does a turn of its task's work.
    pub(crate) fn at_work<R>(&self, turn: impl FnOnce() -> R) -> R {
        // In one order with what the turn reads from the socket: see `is_at_rest`.
        self.is_at_work.swap(true, Ordering::SeqCst);
        let result = turn();
        self.is_at_work.store(false, Ordering::Release);
        result
    }

    /// Whether its task is not at work: to be asked after its socket was found silent, and before it is asked whether it
    /// [is idle](Self::is_idle). Whatever the task had read by then has become a request.
    pub(super) fn is_at_rest(&self) -> bool {
        !self.is_at_work.load(Ordering::SeqCst)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.state.load(Ordering::Acquire) & ACTIVITY == activity::IDLE
    }

    pub(crate) fn drain(&self) -> &Drain {
        &self.drain
    }

    pub(crate) fn lane(&self) -> usize {
        self.lane as usize
    }

    /// A request begins on it.
    pub(super) fn begin(&self, method: &Method, path: &str, counted: bool) {
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
        self.turn_to(if counted { activity::SERVING } else { activity::UNCOUNTED });
    }

    /// The request's body has left for the connection's buffer; it is counted out when that has been written.
    pub(super) fn answered(&self, counted: bool) {
        let unflushed = self.state.load(Ordering::Relaxed) & !ACTIVITY; // and whether it has waited
        let unflushed = if counted { unflushed + COUNTED } else { unflushed };
        self.state.store(unflushed | activity::FLUSHING, Ordering::Release);
    }

    /// The request was dropped before its answer was whole.
    pub(super) fn given_up(&self, counted: bool) {
        self.turn_to(activity::IDLE);
        if counted {
            self.drain.gate.leave(self.lane(), false);
        }
    }

    /// All that was written is with the kernel.
    #[inline]
    pub(crate) fn flushed(&self) {
        let state = self.state.load(Ordering::Relaxed);
        if state & ACTIVITY == activity::FLUSHING || state >= COUNTED {
            self.settle(state);
        }
    }

    fn settle(&self, state: u32) {
        if state & ACTIVITY == activity::FLUSHING {
            if state & WAITED != 0 {
                lock(&self.request).is_answered();
            }
            self.state.store(activity::IDLE, Ordering::Release);
        } else {
            // A pipelined request is being served behind it.
            self.state.store(state & (ACTIVITY | WAITED), Ordering::Release);
        }
        if state >= COUNTED {
            self.drain.gate.leave_answered(self.lane(), state / COUNTED);
        }
    }

    fn turn_to(&self, activity: u32) {
        let unflushed = self.state.load(Ordering::Relaxed) & !(ACTIVITY | WAITED);
        self.state.store(unflushed | activity, Ordering::Release);
    }

    /// Its answer says that it closes: no request comes on it any more.
    pub(super) fn leaves(&self) {
        self.is_leaving.store(true, Ordering::Release);
    }

    /// Its request, or the answer to it, waits for something.
    pub(crate) fn waits(&self) {
        self.state.store(self.state.load(Ordering::Relaxed) | WAITED, Ordering::Release);
    }

    /// Tells it to close as soon as it is idle; its task has to be woken for that.
    pub(super) fn hang_up(&self) {
        self.hangs_up.store(true, Ordering::Release);
    }

    /// Whether it is to close now, for all that its own record knows.
    pub(crate) fn hangs_up(&self) -> bool {
        self.hangs_up.load(Ordering::Acquire) && self.is_idle()
    }

    pub(super) fn in_flight(&self, now: Instant) -> Option<InFlight> {
        let state = self.state.load(Ordering::Acquire);
        let counted = state & ACTIVITY == activity::SERVING || state >= COUNTED;
        counted.then(|| {
            let request = lock(&self.request);
            let path = &request.path[..usize::from(request.path_length)];
            InFlight {
                method: request.method.to_string(),
                path: whole_characters(path).into_owned(),
                age: now.saturating_duration_since(request.began),
            }
        })
    }

    pub(super) fn standing(&self, now: Instant, recently: Duration) -> Standing {
        let state = self.state.load(Ordering::Acquire);
        let unused = || now.saturating_duration_since(lock(&self.request).used());
        match state & ACTIVITY {
            _ if state >= COUNTED => Standing::Busy,
            activity::SERVING => Standing::Busy,
            _ if self.is_leaving.load(Ordering::Acquire) => Standing::Leaving,
            activity::IDLE if unused() > recently => Standing::Unused,
            _ => Standing::Recent,
        }
    }
}

impl Drop for Connection {
    /// What was not flushed never will be.
    fn drop(&mut self) {
        for _ in 0..*self.state.get_mut() / COUNTED {
            self.drain.gate.leave(self.lane(), false);
        }
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
