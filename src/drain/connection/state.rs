//! What a connection is doing, as a pure state machine, and what its server has asked of it.
//!
//! [`State`] is one word, written by the thread that serves the connection and by no other. [`Orders`] is one word,
//! written by the thread that closes the server. Each reads the other's.

/// What a connection is doing, in one word: flags and three counts. HTTP/1 has one request at a time, HTTP/2 many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State(u64);

/// The connection's task is being polled; it may hold bytes that are not parsed yet.
const POLLED: u64 = 1;
/// An answer has said that the connection closes: no further request is served.
const LAST_ANSWER: u64 = 1 << 1;
/// A request or its answer had to wait for something. One that did not has taken no time.
const WAITED: u64 = 1 << 2;
/// Part of an answer may still be in user space.
const UNFLUSHED: u64 = 1 << 3;
/// The last request that began has a body, whose end was not read.
const BODY: u64 = 1 << 4;
/// Something was read since the last request began.
const INPUT: u64 = 1 << 5;
/// A handshake has begun on it, and its first request has not.
const HANDSHAKE: u64 = 1 << 6;
/// The last request that began has or had a body.
const HAD_BODY: u64 = 1 << 7;
/// Bytes were read that wait for the answers to the requests before them.
const AHEAD: u64 = 1 << 8;
/// One request in its handler, or in its answer's body, that the gate counts.
const COUNTED: u64 = 1 << 9;
/// The same, of a request that the gate does not count: it is rejected, or always answered.
const UNCOUNTED: u64 = 1 << 27;
/// One request that the gate counts, and whose answer has been handed on whole, but not flushed.
const ANSWERED: u64 = 1 << 45;

/// What happens on a connection's own thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drain) enum Event {
    /// The task begins to be polled.
    PollStarted,
    /// The task has been polled.
    PollEnded,
    /// Something was read, for a request that may begin.
    Input,
    /// Whether bytes were read that wait for the answers to the requests before them.
    ReadAhead(bool),
    #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
    /// The request that has begun, which the gate does not count, is none: it stands for a handshake.
    Handshake,
    /// A request begins; it may have a body.
    Begin { counted: bool, body: bool },
    /// The end of its body was read.
    BodyEnded,
    /// A request, or its answer, waits.
    Waited,
    /// A request's answer says that the connection closes.
    LastAnswer,
    /// A request's answer has been handed on whole.
    Answered { counted: bool },
    /// A request was dropped before its answer was whole.
    GivenUp { counted: bool },
    /// All that was handed on is with the kernel.
    Flushed,
    /// The connection is gone, and with it what was not flushed. The last event.
    Dropped,
}

/// What follows from an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Effect {
    None,
    /// So many requests leave the gate; `answered` if their last bytes are with the kernel.
    Leave {
        requests: u32,
        answered: bool,
    },
    /// The same, and the time is recorded as the end of the last request.
    LeaveAndMark {
        requests: u32,
    },
}

/// What a closing server does about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionClass {
    /// It has a request in flight.
    Active,
    /// A request may be on its way, or an answer is being written.
    Recent,
    /// Its handshake is in progress, or has just ended: its first request may be on its way.
    Handshake,
    /// It has had its last answer, or that is being written, and closes.
    Closing,
    /// Nothing has happened on it for a while.
    Idle,
}

impl State {
    pub(super) const fn from_word(word: u64) -> Self {
        Self(word)
    }

    pub(super) const fn word(self) -> u64 {
        self.0
    }

    #[expect(clippy::inline_always, reason = "as for `Connection::apply`")]
    #[inline(always)]
    pub(super) const fn apply(self, event: Event) -> (Self, Effect) {
        let word = self.0;
        match event {
            Event::PollStarted => (Self(word | POLLED), Effect::None),
            Event::PollEnded => (Self(word & !POLLED), Effect::None),
            Event::Input => (Self(word | INPUT), Effect::None),
            Event::ReadAhead(true) => (Self(word | AHEAD), Effect::None),
            Event::ReadAhead(false) => (Self(word & !AHEAD), Effect::None),
            #[cfg(any(feature = "http2", feature = "rustls-0_23", feature = "openssl"))]
            Event::Handshake => (Self(word | HANDSHAKE), Effect::None),
            Event::Begin { counted, body } => {
                let body = if body { BODY | HAD_BODY } else { 0 };
                let kept = word & !(WAITED | INPUT | BODY | HAD_BODY | HANDSHAKE);
                (Self((kept | body) + one(counted)), Effect::None)
            }
            Event::BodyEnded => (Self(word & !BODY), Effect::None),
            Event::Waited => (Self(word | WAITED), Effect::None),
            Event::LastAnswer => (Self(word | LAST_ANSWER), Effect::None),
            Event::Answered { counted } => {
                let answered = if counted { ANSWERED } else { 0 };
                (Self(((word - one(counted)) | UNFLUSHED) + answered), Effect::None)
            }
            Event::GivenUp { counted } => {
                let effect =
                    if counted { Effect::Leave { requests: 1, answered: false } } else { Effect::None };
                (Self(word - one(counted)), effect)
            }
            Event::Flushed => {
                let (requests, marks) = (self.answered(), self.is_unserving() && word & WAITED != 0);
                let kept = if self.is_unserving() { !(UNFLUSHED | WAITED) } else { !UNFLUSHED };
                let effect = match (requests, marks) {
                    (0, false) => Effect::None,
                    (requests, false) => Effect::Leave { requests, answered: true },
                    (requests, true) => Effect::LeaveAndMark { requests },
                };
                (Self(word & kept & (ANSWERED - 1)), effect)
            }
            Event::Dropped => {
                let effect = match self.answered() {
                    0 => Effect::None,
                    requests => Effect::Leave { requests, answered: false },
                };
                (self, effect)
            }
        }
    }

    /// True while the task is being polled; it may hold bytes that are not parsed yet.
    pub(super) const fn is_polled(self) -> bool {
        self.0 & POLLED != 0
    }

    /// True between two requests, when all of the last answer is with the kernel, and before the first one.
    pub(super) const fn is_between_requests(self) -> bool {
        self.is_unserving() && self.0 & UNFLUSHED == 0
    }

    /// The same, where no byte that was read waits to become a request.
    pub(super) const fn is_idle(self) -> bool {
        self.is_between_requests() && self.0 & AHEAD == 0
    }

    /// True if a flush would change anything.
    pub(super) const fn has_unflushed(self) -> bool {
        self.0 & UNFLUSHED != 0
    }

    pub(super) const fn has_had_last_answer(self) -> bool {
        self.0 & LAST_ANSWER != 0
    }

    /// True if the gate waits for a request on it.
    pub(super) const fn is_counted(self) -> bool {
        self.0 & (UNCOUNTED - COUNTED) != 0 || self.answered() > 0
    }

    /// True from a request's head to the end of its body.
    pub(super) const fn awaits_body(self) -> bool {
        self.0 & BODY != 0
    }

    /// True if the last request that began has or had a body.
    pub(super) const fn had_body(self) -> bool {
        self.0 & HAD_BODY != 0
    }

    /// True if something was read since the last request began.
    pub(super) const fn has_input(self) -> bool {
        self.0 & INPUT != 0
    }

    /// `unused` says whether nothing has happened on the connection for a while; it is asked of an idle one alone.
    pub(super) fn class(self, unused: impl FnOnce() -> bool) -> ConnectionClass {
        if self.is_counted() {
            ConnectionClass::Active
        } else if self.has_had_last_answer() {
            ConnectionClass::Closing
        } else if self.is_idle() && unused() {
            ConnectionClass::Idle
        } else if self.0 & HANDSHAKE != 0 {
            ConnectionClass::Handshake
        } else {
            ConnectionClass::Recent
        }
    }

    const fn is_unserving(self) -> bool {
        self.0 & (ANSWERED - COUNTED) == 0
    }

    const fn answered(self) -> u32 {
        (self.0 / ANSWERED) as u32
    }
}

const fn one(counted: bool) -> u64 {
    if counted { COUNTED } else { UNCOUNTED }
}

/// What a server has asked of a connection, in one word of flags that are only ever set.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct Orders(u8);

/// One order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Order {
    /// Close once it is idle and no request waits in its socket.
    CloseWhenIdle = 1,
    /// Close now.
    Abort = 1 << 1,
    /// Give up an endless answer that does not end.
    GiveUpEndless = 1 << 4,
    /// Its server's close does not wait for it.
    Detach = 1 << 2,
    /// The same, and it stays open until its answer ends, or the process does.
    Pin = 1 << 2 | 1 << 3,
}

const PINNED: u8 = 1 << 3;

impl Orders {
    pub(super) const fn from_word(word: u8) -> Self {
        Self(word)
    }

    pub(super) const fn contain(self, order: Order) -> bool {
        self.0 & order as u8 == order as u8
    }

    pub(super) const fn is_pinned(self) -> bool {
        self.0 & PINNED != 0
    }

    /// Whether this order is the one by which the server stops waiting for the connection.
    pub(super) const fn is_detached_by(self, order: Order) -> bool {
        order as u8 & Order::Detach as u8 != 0 && !self.contain(Order::Detach)
    }

    /// Whether this order is the one that pins it.
    pub(super) const fn is_pinned_by(self, order: Order) -> bool {
        order as u8 & PINNED != 0 && !self.is_pinned()
    }
}

#[cfg(test)]
mod tests;
