//! One stream of an HTTP/2 connection: [`Stream`].

use std::task::Waker;

/// A stream that has begun and not ended.
#[derive(Debug)]
pub(super) struct Stream<R> {
    pub(super) state: State,
    /// Its request, while that is not over: whether the gate has counted it in, and its name.
    pub(super) request: Option<(bool, R)>,
    /// Its answer has no end of its own.
    pub(super) is_endless: bool,
    /// A body may follow its request's head.
    pub(super) has_body: bool,
    /// Pieces of that body that wait for the application.
    pub(super) unread: usize,
    /// The head of the answer has been handed on.
    pub(super) has_begun_answer: bool,
    /// Bytes of the answer's body that have been handed on and not written, and in how many pieces at least.
    pub(super) unwritten: usize,
    pub(super) unwritten_pieces: usize,
    /// Wakes what is at work on the answer, and what that was told last.
    pub(super) waker: Option<(Turn, Waker)>,
}

/// Whether an answer goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drain) enum Turn {
    GoOn,
    /// So much of it waits to be written that no more is taken of it.
    Wait,
    /// The client does not want it any more.
    Cancelled,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its request has been read.
    Begun,
    /// Its client has reset it before the application was called.
    Unwanted,
    /// The application is at work on its answer.
    Running,
    /// The answer has been handed over; its end is not written yet.
    Answered,
    /// Its end is written, and not flushed yet.
    Written,
    /// The client does not want the answer that the application is at work on.
    Cancelled,
    /// The server has reset it, and the application has not noticed.
    Detached,
}

/// How much memory of an answer is handed on before some of it is written; HTTP/1 buffers as much.
pub(super) const UNWRITTEN: usize = 32 << 10;
/// How much of all answers of a connection is, before each of them hands on no more than a piece at a time.
const UNWRITTEN_OF_ALL: usize = 256 << 10;
/// What a piece takes beside its bytes.
pub(super) const PIECE: usize = 512;

/// Requests that are over.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// Those whose answer is with the kernel to its last byte.
    pub(super) answered: Requests,
    /// Those that were given up.
    pub(super) given_up: Requests,
}

/// How many requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Requests {
    /// Those that the gate has counted in.
    pub(super) counted: u32,
    /// Those that are rejected, or always answered.
    pub(super) uncounted: u32,
}

impl Requests {
    pub(super) fn add(&mut self, counted: bool) {
        let which = if counted { &mut self.counted } else { &mut self.uncounted };
        *which += 1;
    }

    fn one(counted: bool) -> Self {
        let mut one = Self::default();
        one.add(counted);
        one
    }
}

impl Left {
    pub(super) fn add(&mut self, other: Self) {
        for (all, more) in [(&mut self.answered, other.answered), (&mut self.given_up, other.given_up)] {
            all.counted += more.counted;
            all.uncounted += more.uncounted;
        }
    }

    pub(super) fn given_up(counted: bool) -> Self {
        Self { given_up: Requests::one(counted), ..Self::default() }
    }
}

impl<R> Stream<R> {
    /// Its request has been read; a body may follow the head.
    pub(super) fn new(has_body: bool) -> Self {
        Self {
            state: State::Begun,
            request: None,
            is_endless: false,
            has_body,
            unread: 0,
            has_begun_answer: false,
            unwritten: 0,
            unwritten_pieces: 0,
            waker: None,
        }
    }

    /// Returns whether the answer goes on, and keeps the waker for when that changes. `unwritten_of_all`: the memory of
    /// all answers of the connection that have been handed on and not written.
    pub(super) fn turn(&mut self, waker: &Waker, unwritten_of_all: usize) -> Turn {
        let turn = self.next_turn(unwritten_of_all);
        match &mut self.waker {
            Some((told, known)) => {
                *told = turn;
                known.clone_from(waker);
            }
            none => *none = Some((turn, waker.clone())),
        }
        turn
    }

    /// Takes what wakes the work on the answer.
    pub(super) fn take_waker(&mut self) -> Option<Waker> {
        self.waker.take().map(|(_, waker)| waker)
    }

    /// Whether the answer goes on. It does when all of it is written, however much waits of others.
    pub(super) fn next_turn(&self, unwritten_of_all: usize) -> Turn {
        let is_full = self.memory() >= UNWRITTEN;
        let all_are_full = unwritten_of_all >= UNWRITTEN_OF_ALL && self.memory() > 0;
        match self.state {
            State::Cancelled => Turn::Cancelled,
            State::Running if is_full || all_are_full => Turn::Wait,
            _ => Turn::GoOn,
        }
    }

    /// What of the answer has been handed on and not written takes so much.
    pub(super) fn memory(&self) -> usize {
        self.unwritten + PIECE * self.unwritten_pieces
    }

    /// Gives its request up, if it has not left yet.
    pub(super) fn give_up(&mut self) -> Left {
        self.request.take().map_or_else(Left::default, |(counted, _)| Left::given_up(counted))
    }
}
