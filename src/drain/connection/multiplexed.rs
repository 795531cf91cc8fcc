//! What an HTTP/2 connection's record is told of its streams, by its bytes and by the layer around the application.

use std::task::Waker;

use super::{
    record::Connection,
    request::{Begun, Named, Requests},
    state::Event,
    stream::{Left, Turn},
    streams::StreamTable,
};
use crate::sync::{MutexGuard, lock};

impl Connection {
    /// The connection speaks HTTP/2: its requests are streams.
    pub(crate) fn speaks_http2(&self) {
        lock(self.requests()).named = Named::Streams(Box::default());
    }

    pub(super) fn is_multiplexed(&self) -> bool {
        matches!(lock(self.requests()).named, Named::Streams(_))
    }

    /// Reports frames that have been read or written.
    pub(crate) fn report_frames(&self) -> FrameReport<'_> {
        FrameReport { connection: self, requests: None, left: Left::default(), wakers: Vec::new() }
    }

    /// Returns false if so many of them wait for the application that nothing is read on. The waker is woken then, when
    /// that changes.
    pub(crate) fn streams_have_room(&self, waker: &Waker) -> bool {
        self.with(|streams| streams.has_room(waker)).unwrap_or(true)
    }

    /// All that was written is with the kernel.
    pub(crate) fn streams_flushed(&self) {
        let left = self.with(StreamTable::flush);
        self.leave(left.unwrap_or_default());
    }

    /// Returns how many streams have a frame to be written, or a handler that runs.
    pub(crate) fn open_streams(&self) -> usize {
        self.with(|streams| streams.len()).unwrap_or_default()
    }

    /// The connection is over: what is at work on an answer is cancelled.
    pub(crate) fn streams_closed(&self) {
        if let Some((left, wakers)) = self.with(StreamTable::close) {
            self.leave(left);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Counts endless answers as given up. Their streams stay open until the connection closes.
    pub(super) fn give_up_endless_streams(&self) {
        let left = self.with(StreamTable::give_up_endless);
        self.leave(left.unwrap_or_default());
    }

    /// Returns whether a request's handler goes on, that waits. The waker is woken when that changes.
    pub(in crate::drain) fn turn(&self, stream: u32, waker: &Waker) -> Turn {
        self.with(|streams| streams.turn(stream, waker)).unwrap_or(Turn::GoOn)
    }

    /// The same of an answer's body, whose head has been handed on: it has to wait, or has nothing to hand on.
    pub(in crate::drain) fn body_turn(&self, stream: u32, waker: &Waker) -> Turn {
        self.with(|streams| streams.body_turn(stream, waker)).unwrap_or(Turn::GoOn)
    }

    /// The application has taken a piece of the request's body.
    pub(in crate::drain) fn take_data(&self, stream: u32) {
        self.wake(|streams| streams.take_data(stream));
    }

    /// Returns true if a body that the application does not want is read to its end.
    pub(in crate::drain) fn begin_discard(&self) -> bool {
        self.with(|streams| streams.discards.begin()).unwrap_or_default()
    }

    /// A piece of it has been read. Returns true if it is read on.
    pub(in crate::drain) fn discard(&self, length: usize) -> bool {
        self.with(|streams| streams.discards.read(length)).unwrap_or_default()
    }

    /// It is not read any more.
    pub(in crate::drain) fn end_discard(&self) {
        self.with(|streams| streams.discards.end());
    }

    /// Returns true if the head of the answer has been handed on.
    pub(in crate::drain) fn has_begun_answer(&self, stream: u32) -> bool {
        self.with(|streams| streams.has_begun_answer(stream)).unwrap_or_default()
    }

    /// So many bytes of the answer's body have been handed on. Returns whether it goes on without being asked.
    pub(in crate::drain) fn hand_on_data(&self, stream: u32, length: usize) -> Turn {
        self.with(|streams| streams.hand_on_data(stream, length)).unwrap_or(Turn::GoOn)
    }

    /// A request's answer has been handed on whole (`answered`), or was given up.
    pub(in crate::drain) fn finish_stream(&self, stream: u32, answered: bool) {
        if let Some((left, reader)) = self.with(|streams| streams.finish(stream, answered)) {
            self.leave(left);
            if let Some(reader) = reader {
                reader.wake();
            }
        }
    }

    fn wake(&self, change: impl FnOnce(&mut StreamTable<Begun>) -> Option<Waker>) {
        if let Some(waker) = self.with(change).flatten() {
            waker.wake();
        }
    }

    fn with<T>(&self, use_them: impl FnOnce(&mut StreamTable<Begun>) -> T) -> Option<T> {
        match &mut lock(self.requests()).named {
            Named::Streams(streams) => Some(use_them(streams)),
            Named::Single(_) => None,
        }
    }

    #[inline]
    fn leave(&self, left: Left) {
        if left != Left::default() {
            self.take_leave(left);
        }
    }

    fn take_leave(&self, left: Left) {
        let Left { answered, given_up } = left;
        for (requests, counted) in [(given_up.counted, true), (given_up.uncounted, false)] {
            for _ in 0..requests {
                self.apply(Event::GivenUp { counted });
            }
        }
        for (requests, counted) in [(answered.counted, true), (answered.uncounted, false)] {
            for _ in 0..requests {
                self.apply(Event::Answered { counted });
            }
        }
        self.flushed();
    }
}

/// Reports frames, as many as there are at a time: the record is locked from the first one on until this is dropped, which
/// wakes what has to be woken.
#[derive(Debug)]
pub(crate) struct FrameReport<'a> {
    connection: &'a Connection,
    requests: Option<MutexGuard<'a, Requests>>,
    left: Left,
    wakers: Vec<Waker>,
}

impl FrameReport<'_> {
    /// A request's head has been read, or trailers; a body may follow.
    #[inline]
    pub(crate) fn begin(&mut self, stream: u32, body: bool) {
        self.with((), |streams| streams.begin(stream, body));
    }

    /// A piece of a request's body has been read.
    #[inline]
    pub(crate) fn read_data(&mut self, stream: u32) {
        self.with((), |streams| streams.read_data(stream));
    }

    /// The client has reset a stream: what is at work on its answer is cancelled.
    pub(crate) fn reset(&mut self, stream: u32) {
        let (left, waker) = self.with(Default::default(), |streams| streams.reset(stream));
        self.left.add(left);
        self.wakers.extend(waker);
    }

    /// So many bytes of an answer's body have been written.
    #[inline]
    pub(crate) fn write_data(&mut self, stream: u32, length: usize) {
        let waker = self.with(None, |streams| streams.write_data(stream, length));
        self.wakers.extend(waker);
    }

    /// `END_STREAM` or `RST_STREAM` has been written.
    #[inline]
    pub(crate) fn write_end(&mut self, stream: u32) {
        let waker = self.with(None, |streams| streams.write_end(stream));
        self.wakers.extend(waker);
    }

    /// The client has been told that no stream above this one is served.
    pub(crate) fn limit(&mut self, last: u32) {
        self.with((), |streams| streams.limit(last));
    }

    #[inline]
    fn with<T>(&mut self, none: T, change: impl FnOnce(&mut StreamTable<Begun>) -> T) -> T {
        let requests = self.requests.get_or_insert_with(|| {
            let mut requests = lock(self.connection.requests());
            requests.touch();
            requests
        });
        match &mut requests.named {
            Named::Streams(streams) => change(streams),
            Named::Single(_) => none,
        }
    }
}

impl Drop for FrameReport<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.requests.take().is_some() {
            self.connection.leave(self.left);
            std::mem::take(&mut self.wakers).into_iter().for_each(Waker::wake);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::{
        super::{super::gate::Gate, registry::Connections, request::RequestName, state::Order},
        *,
    };
    use crate::sync::{Arc, AtomicUsize, Ordering};

    #[test]
    fn streams_above_the_last_one_that_is_served_hold_nothing() {
        let connection = Connection::unregistered(Arc::new(Gate::new(1)), 0);
        assert!(!connection.is_multiplexed());
        connection.speaks_http2();
        assert!(connection.is_multiplexed());
        for stream in [1, 3, 5] {
            connection.report_frames().begin(stream, false);
        }
        assert_eq!(connection.open_streams(), 3);
        connection.report_frames().limit(3);
        connection.report_frames().begin(7, false);
        assert_eq!(connection.open_streams(), 2);
    }

    /// A connection with a stream whose answer has been handed on whole, and none of it written.
    fn answered() -> (Arc<Gate>, Connection) {
        let gate = Arc::new(Gate::new(1));
        let connection = Connection::unregistered(Arc::clone(&gate), 0);
        connection.speaks_http2();
        connection.report_frames().begin(1, false);
        gate.admit(0).expect("it is open");
        connection.begin(RequestName::GET, true, false);
        connection.finish_stream(1, true);
        (gate, connection)
    }

    #[test]
    fn a_request_leaves_the_gate_when_the_end_of_its_answer_is_with_the_kernel() {
        let (gate, connection) = answered();
        connection.streams_flushed();
        assert_eq!((gate.in_flight(), gate.completed()), (1, 0), "its end is not written");
        connection.report_frames().write_end(1);
        assert_eq!((gate.in_flight(), gate.completed()), (1, 0), "it is not flushed");
        connection.streams_flushed();
        assert_eq!((gate.in_flight(), gate.completed()), (0, 1));
    }

    #[test]
    fn a_request_whose_answer_waits_to_be_written_leaves_the_gate_when_its_client_resets_the_stream() {
        let (gate, connection) = answered();
        let mut frames = connection.report_frames();
        frames.reset(1);
        frames.reset(1);
        assert_eq!(gate.in_flight(), 1, "its frames are still being reported");
        drop(frames);
        assert_eq!((gate.in_flight(), gate.completed()), (0, 0));
    }

    #[test]
    fn an_endless_answer_that_is_given_up_leaves_the_gate() {
        let gate = Arc::new(Gate::new(1));
        let connection = Connection::unregistered(Arc::clone(&gate), 0);
        connection.speaks_http2();
        for stream in [1, 3] {
            connection.report_frames().begin(stream, false);
            gate.admit(0).expect("it is open");
            connection.begin(RequestName::GET, true, false);
        }
        connection.is_endless(Some(3));
        connection.gives_up_endless();
        assert_eq!(gate.in_flight(), 2, "it was not ordered");
        connection.order(Order::GiveUpEndless);
        assert!(!connection.gives_up_endless(), "the other one is served on");
        assert_eq!((gate.in_flight(), gate.completed()), (1, 0));
    }

    /// Counts how often a task is woken.
    #[derive(Debug, Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn connections_that_speak_http2_are_woken_to_take_their_leave_and_no_others() {
        let connections = Arc::new(Connections::new(Arc::new(Gate::new(2))));
        let woken = [(); 2].map(|()| Arc::new(Woken::default()));
        let guards = [0, 1].map(|shard| connections.register(shard));
        guards.iter().zip(&woken).for_each(|(guard, woken)| guard.set_waker(Arc::clone(woken).into()));
        guards[1].connection().speaks_http2();
        connections.wake_multiplexed();
        assert_eq!(woken.map(|woken| woken.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
