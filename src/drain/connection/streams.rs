//! [`StreamTable`]: what becomes of each stream of one HTTP/2 connection.
//!
//! Pure: no socket, no lock, no gate. Two sides report to it: the byte stream, which sees frames and their stream
//! identifiers, and the layer around the application, which sees requests. actix-http tells the layer no
//! identifier; it calls the application in the order in which the streams were begun, and that is how the two sides
//! are brought together. Only where the h2 crate ends a stream by itself, before its request reaches the application,
//! and cannot write that down at once, can two requests of that connection be taken for each other. Which streams
//! are open is known exactly even then, and that is what a connection's close waits for.

use std::{
    collections::{BTreeMap, VecDeque},
    task::Waker,
};

/// The streams of one connection that have begun and not ended.
#[derive(Debug)]
pub(super) struct StreamTable<R> {
    streams: BTreeMap<u32, Stream<R>>,
    /// Streams whose request the application has not been called with, in order.
    waiting: VecDeque<u32>,
    /// How many are [`State::Written`].
    written: usize,
    /// The highest identifier that has been seen.
    highest: u32,
    /// Streams above it are not served: the server has said so in a GOAWAY.
    limit: Option<u32>,
}

#[derive(Debug)]
struct Stream<R> {
    state: State,
    /// Its request, while that is not over: whether the gate has counted it in, and its name.
    request: Option<(bool, R)>,
    /// Its answer has no end of its own.
    is_endless: bool,
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
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
    fn add(&mut self, counted: bool) {
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
    fn given_up(counted: bool) -> Self {
        Self { given_up: Requests::one(counted), ..Self::default() }
    }
}

impl<R> Default for StreamTable<R> {
    fn default() -> Self {
        Self { streams: BTreeMap::new(), waiting: VecDeque::new(), written: 0, highest: 0, limit: None }
    }
}

impl<R> StreamTable<R> {
    /// A request's head has been read, or trailers.
    pub(super) fn begin(&mut self, id: u32) {
        if id <= self.highest || self.limit.is_some_and(|limit| id > limit) {
            return;
        }
        self.highest = id;
        self.insert(id, State::Begun);
        self.waiting.push_back(id);
    }

    fn insert(&mut self, id: u32, state: State) {
        self.streams.insert(id, Stream { state, request: None, is_endless: false, waker: None });
    }

    /// The application is called with the next request. Returns its stream, and whether it is still wanted.
    pub(super) fn call(&mut self, request: R, counted: bool) -> Option<u32> {
        let id = self.waiting.pop_front()?;
        let stream = self.streams.get_mut(&id)?;
        let is_wanted = stream.state == State::Begun;
        stream.state = if is_wanted { State::Running } else { State::Cancelled };
        stream.request = Some((counted, request));
        Some(id)
    }

    /// Returns true if the client does not want the answer any more. Otherwise the waker is woken when that changes.
    pub(super) fn is_cancelled(&mut self, id: u32, waker: &Waker) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else { return false };
        if stream.state == State::Cancelled {
            return true;
        }
        match &mut stream.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    /// The answer has been handed over to its end (`answered`), or given up.
    pub(super) fn finish(&mut self, id: u32, answered: bool) -> Left {
        let Some(stream) = self.streams.get_mut(&id) else { return Left::default() };
        stream.waker = None;
        match stream.state {
            State::Running => {
                stream.state = State::Answered;
                // What is given up the dispatcher resets: that is to be written as well.
                if answered { Left::default() } else { stream.give_up() }
            }
            State::Cancelled | State::Detached => {
                let left = stream.give_up();
                self.streams.remove(&id);
                left
            }
            State::Begun | State::Unwanted | State::Answered | State::Written => Left::default(),
        }
    }

    /// The stream's last frame has been written: `END_STREAM` or `RST_STREAM`.
    pub(super) fn write_end(&mut self, id: u32) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        match stream.state {
            // The dispatcher's own work: its request was malformed, or came too many at once.
            State::Begun | State::Unwanted => {
                self.waiting.retain(|&waiting| waiting != id);
                self.streams.remove(&id);
            }
            State::Running => stream.state = State::Detached,
            State::Answered => {
                stream.state = State::Written;
                self.written += 1;
            }
            State::Written | State::Cancelled | State::Detached => {}
        }
    }

    /// All that was written is with the kernel.
    #[inline]
    pub(super) fn flush(&mut self) -> Left {
        if self.written == 0 {
            return Left::default();
        }
        self.written = 0;
        let mut left = Left::default();
        self.streams.retain(|_, stream| {
            let ended = stream.state == State::Written;
            if let Some((counted, _)) = stream.request.as_ref().filter(|_| ended) {
                left.answered.add(*counted);
            }
            !ended
        });
        left
    }

    /// The client has reset a stream. What is at work on its answer has to be woken.
    pub(super) fn reset(&mut self, id: u32) -> (Left, Option<Waker>) {
        let Some(stream) = self.streams.get_mut(&id) else { return (Left::default(), None) };
        match stream.state {
            State::Begun => stream.state = State::Unwanted,
            State::Running => {
                stream.state = State::Cancelled;
                return (Left::default(), stream.waker.take());
            }
            State::Answered => {
                let left = stream.give_up();
                self.streams.remove(&id);
                return (left, None);
            }
            State::Unwanted | State::Written | State::Cancelled | State::Detached => {}
        }
        (Left::default(), None)
    }

    /// A stream's answer has no end of its own.
    pub(super) fn set_endless(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.is_endless = true;
        }
    }

    /// Gives up the requests of endless answers; their streams stay open.
    pub(super) fn give_up_endless(&mut self) -> Left {
        let mut left = Left::default();
        for stream in self.streams.values_mut().filter(|stream| stream.is_endless) {
            if let Some((counted, _)) = stream.request.take() {
                left.given_up.add(counted);
            }
        }
        left
    }

    /// The server has written that it serves no stream above this one.
    pub(super) fn limit(&mut self, last: u32) {
        self.limit = Some(last);
        self.waiting.retain(|&id| id <= last);
        self.streams
            .retain(|&id, stream| id <= last || !matches!(stream.state, State::Begun | State::Unwanted));
    }

    /// The connection is over. What is at work on an answer has to be woken.
    pub(super) fn close(&mut self) -> (Left, Vec<Waker>) {
        let (mut left, mut wakers) = (Left::default(), Vec::new());
        self.waiting.clear();
        self.written = 0;
        self.streams.retain(|_, stream| match stream.state {
            State::Running | State::Cancelled | State::Detached => {
                stream.state = State::Cancelled;
                wakers.extend(stream.waker.take());
                true
            }
            State::Begun | State::Unwanted | State::Answered | State::Written => {
                if let Some((counted, _)) = stream.request {
                    left.given_up.add(counted);
                }
                false
            }
        });
        (left, wakers)
    }

    /// Returns how many streams hold anything: a frame to be written, or an application at work.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Returns the requests that the gate counts, in order.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &R> {
        self.streams.values().filter_map(|stream| match &stream.request {
            Some((true, request)) => Some(request),
            _ => None,
        })
    }
}

impl<R> Stream<R> {
    fn give_up(&mut self) -> Left {
        self.request.take().map_or_else(Left::default, |(counted, _)| Left::given_up(counted))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::task::noop_waker;
    use proptest::{collection::vec, prelude::*};

    use super::*;

    type Table = StreamTable<u32>;

    /// A table with one stream, whose request is with the application.
    fn running() -> Table {
        let mut table = Table::default();
        table.begin(1);
        assert_eq!(table.call(1, true), Some(1));
        table
    }

    const NONE: Requests = Requests { counted: 0, uncounted: 0 };
    const ONE: Requests = Requests { counted: 1, uncounted: 0 };
    const NOTHING: Left = Left { answered: NONE, given_up: NONE };
    const ANSWERED: Left = Left { answered: ONE, given_up: NONE };
    const GIVEN_UP: Left = Left { answered: NONE, given_up: ONE };

    #[test]
    fn a_stream_is_in_flight_until_its_end_is_written_and_flushed() {
        let mut table = running();
        assert_eq!(table.finish(1, true), NOTHING);
        assert_eq!(table.flush(), NOTHING, "earlier frames were flushed, not its end");
        table.write_end(1);
        assert_eq!((table.len(), table.in_flight().count()), (1, 1));
        assert_eq!(table.flush(), ANSWERED);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn one_that_was_given_up_holds_the_connection_until_its_reset_is_written() {
        let mut table = running();
        assert_eq!(table.finish(1, false), GIVEN_UP);
        assert_eq!((table.len(), table.in_flight().count()), (1, 0));
        table.write_end(1);
        assert_eq!(table.flush(), NOTHING, "it is counted once");
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_reset_by_the_client_cancels_its_own_request_alone() {
        let mut table = Table::default();
        for id in [1, 3, 5] {
            table.begin(id);
        }
        assert!(table.reset(5).1.is_none());
        let waker = noop_waker();
        for (id, request) in [(1, 10), (3, 30), (5, 50)] {
            assert_eq!(table.call(request, true), Some(id));
        }
        assert!(table.is_cancelled(5, &waker), "it was reset before the application was called");
        assert!(!table.is_cancelled(1, &waker) && !table.is_cancelled(3, &waker));
        assert!(table.reset(3).1.is_some());
        assert!(table.is_cancelled(3, &waker) && !table.is_cancelled(1, &waker));
        assert_eq!(table.finish(3, false), GIVEN_UP);
        assert_eq!(table.finish(5, true), GIVEN_UP, "nothing of it was sent");
        assert_eq!(table.in_flight().copied().collect::<Vec<_>>(), [10]);
    }

    #[test]
    fn what_the_dispatcher_refuses_by_itself_is_taken_for_no_request_of_the_application() {
        let mut table = Table::default();
        for id in [1, 3] {
            table.begin(id);
        }
        table.write_end(1);
        assert_eq!(table.call(30, true), Some(3));
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn trailers_begin_nothing_and_neither_does_what_comes_after_the_last_goaway() {
        let mut table = running();
        table.begin(1);
        table.begin(3);
        table.limit(1);
        table.begin(5);
        assert_eq!((table.len(), table.call(0, true)), (1, None));
    }

    #[test]
    fn the_end_of_the_connection_cancels_what_is_at_work_and_gives_up_the_rest() {
        let mut table = Table::default();
        for id in [1, 3, 5] {
            table.begin(id);
        }
        assert_eq!((table.call(10, true), table.call(30, true)), (Some(1), Some(3)));
        assert!(!table.is_cancelled(3, &noop_waker()));
        assert_eq!(table.finish(1, true), NOTHING);
        let (left, wakers) = table.close();
        assert_eq!((left, wakers.len(), table.len()), (GIVEN_UP, 1, 1));
        assert!(table.is_cancelled(3, &noop_waker()));
        assert_eq!(table.finish(3, false), GIVEN_UP);
        assert_eq!(table.len(), 0);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Begin(u32),
        Call(bool),
        Finish(u32, bool),
        WriteEnd(u32),
        Flush,
        Reset(u32),
        Limit(u32),
    }

    fn any_step() -> impl Strategy<Value = Step> {
        let id = 0_u32..10;
        prop_oneof![
            4 => id.clone().prop_map(Step::Begin),
            4 => any::<bool>().prop_map(Step::Call),
            4 => (id.clone(), any::<bool>()).prop_map(|(id, answered)| Step::Finish(id, answered)),
            4 => id.clone().prop_map(Step::WriteEnd),
            2 => Just(Step::Flush),
            1 => id.clone().prop_map(Step::Reset),
            1 => id.prop_map(Step::Limit),
        ]
    }

    proptest! {
        /// In whatever order the two sides report, every request that the gate has counted in is counted out exactly
        /// once, and nothing is left when the connection is over.
        #[test]
        fn every_request_is_counted_out_exactly_once(steps in vec(any_step(), 0..80)) {
            let mut table = Table::default();
            let (mut inside, mut called) = (NONE, Vec::new());
            let leave = |inside: &mut Requests, left: Left| {
                inside.counted -= left.answered.counted + left.given_up.counted;
                inside.uncounted -= left.answered.uncounted + left.given_up.uncounted;
            };
            for step in steps {
                let left = match step {
                    Step::Begin(id) => { table.begin(id); NOTHING }
                    Step::Call(counted) => {
                        if let Some(id) = table.call(0, counted) {
                            called.push(id);
                            inside.add(counted);
                        }
                        NOTHING
                    }
                    // The layer reports an end once, of a request that it has begun.
                    Step::Finish(id, answered) if called.contains(&id) => {
                        called.retain(|&running| running != id);
                        table.finish(id, answered)
                    }
                    Step::Finish(..) => NOTHING,
                    Step::WriteEnd(id) => { table.write_end(id); NOTHING }
                    Step::Flush => table.flush(),
                    Step::Reset(id) => table.reset(id).0,
                    Step::Limit(last) => { table.limit(last); NOTHING }
                };
                leave(&mut inside, left);
                prop_assert_eq!(table.in_flight().count(), inside.counted as usize);
            }
            leave(&mut inside, table.close().0);
            for id in called {
                leave(&mut inside, table.finish(id, false));
            }
            prop_assert_eq!((inside, table.len()), (NONE, 0));
        }
    }
}
