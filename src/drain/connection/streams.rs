//! [`StreamTable`]: what becomes of each stream of one HTTP/2 connection.
//!
//! Pure: no socket, no lock, no gate. Two sides report to it: the byte stream, which sees frames and their stream
//! identifiers, and the layer around the application, which sees requests. actix-http tells the layer no
//! identifier; it calls the application in the order in which the streams were begun, and that is how the two sides
//! are brought together. Only where the h2 crate ends a stream by itself, before its request reaches the application,
//! and cannot write that down at once, can two requests of that connection be taken for each other. Which streams
//! are open is known exactly even then, and that is what a connection's close waits for.

use std::{collections::VecDeque, task::Waker};

use fnv::FnvHashMap;

use super::{
    discards::Discards,
    stream::{Left, PIECE, State, Stream, Turn},
};

/// The streams of one connection that have begun and not ended.
#[derive(Debug)]
pub(super) struct StreamTable<R> {
    /// By identifier. A client chooses these, but only so many at a time that no choice makes a search long.
    streams: FnvHashMap<u32, Stream<R>>,
    /// Streams whose request the application has not been called with, in order.
    waiting: VecDeque<u32>,
    /// Those that are [`State::Written`].
    written: Vec<u32>,
    /// At most so many pieces of bodies wait for the application.
    unread: usize,
    /// The memory of answers that have been handed on and not written.
    unwritten: usize,
    /// Reads on when fewer wait.
    reader: Option<Waker>,
    /// Bodies that the application does not want.
    pub(super) discards: Discards,
    /// The highest identifier that has been seen.
    highest: u32,
    /// Streams above it are not served: the server has said so in a GOAWAY.
    limit: Option<u32>,
}

/// How many pieces of requests' bodies wait on one connection before nothing is read on: the window bounds their bytes,
/// but an empty one takes memory as well.
const UNREAD: usize = 1024;

impl<R> Default for StreamTable<R> {
    fn default() -> Self {
        Self {
            streams: FnvHashMap::default(),
            waiting: VecDeque::new(),
            written: Vec::new(),
            unread: 0,
            unwritten: 0,
            reader: None,
            discards: Discards::default(),
            highest: 0,
            limit: None,
        }
    }
}

impl<R> StreamTable<R> {
    /// A request's head has been read, or trailers; a body may follow.
    pub(super) fn begin(&mut self, id: u32, has_body: bool) {
        if id <= self.highest || self.limit.is_some_and(|limit| id > limit) {
            return;
        }
        self.highest = id;
        self.streams.insert(id, Stream::new(has_body));
        self.waiting.push_back(id);
    }

    /// A piece of a request's body has been read.
    pub(super) fn read_data(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.unread += 1;
            self.unread += 1;
        }
    }

    /// Returns false if so many of them wait for the application that nothing is read on. The waker is woken then, when
    /// that changes.
    pub(super) fn has_room(&mut self, reader: &Waker) -> bool {
        if self.unread < UNREAD {
            return true;
        }
        // One whose application is done with it has none: the dispatcher has dropped them.
        let streams = self.streams.values();
        let awaited = streams.filter(|stream| matches!(stream.state, State::Begun | State::Running));
        self.unread = awaited.map(|stream| stream.unread).sum();
        let has_room = self.unread < UNREAD;
        if !has_room {
            self.reader = Some(reader.clone());
        }
        has_room
    }

    /// The application has taken a piece of the request's body. What reads on is to be woken.
    pub(super) fn take_data(&mut self, id: u32) -> Option<Waker> {
        let stream = self.streams.get_mut(&id)?;
        stream.unread = stream.unread.saturating_sub(1);
        self.unread = self.unread.saturating_sub(1);
        if self.unread < UNREAD { self.reader.take() } else { None }
    }

    /// Returns true if the head of the answer has been handed on.
    pub(super) fn has_begun_answer(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.has_begun_answer)
    }

    /// So many bytes of the answer's body have been handed on. Returns whether it goes on.
    pub(super) fn hand_on_data(&mut self, id: u32, length: usize) -> Turn {
        let Some(stream) = self.streams.get_mut(&id) else { return Turn::GoOn };
        stream.has_begun_answer = true;
        stream.unwritten += length;
        stream.unwritten_pieces += 1;
        self.unwritten += length + PIECE;
        stream.next_turn(self.unwritten)
    }

    /// So many bytes of the answer's body have been written. What waits for that has to be woken.
    pub(super) fn write_data(&mut self, id: u32, length: usize) -> Option<Waker> {
        let stream = self.streams.get_mut(&id)?;
        let before = stream.memory();
        stream.unwritten = stream.unwritten.saturating_sub(length);
        stream.unwritten_pieces = stream.unwritten_pieces.saturating_sub(1);
        self.unwritten -= before - stream.memory();
        let goes_on = stream.next_turn(self.unwritten) != Turn::Wait;
        if goes_on && matches!(stream.waker, Some((Turn::Wait, _))) { stream.take_waker() } else { None }
    }

    /// The application is called with the next request. Returns its stream, whether a body may follow the head, and
    /// whether the client still wants it.
    pub(super) fn call(&mut self, request: R, counted: bool) -> Option<(u32, bool, bool)> {
        let id = self.waiting.pop_front()?;
        let stream = self.streams.get_mut(&id)?;
        let is_wanted = stream.state == State::Begun;
        stream.state = if is_wanted { State::Running } else { State::Cancelled };
        stream.request = Some((counted, request));
        Some((id, stream.has_body, is_wanted))
    }

    /// Returns whether the handler goes on. The waker is woken when that changes.
    pub(super) fn turn(&mut self, id: u32, waker: &Waker) -> Turn {
        let unwritten = self.unwritten;
        self.streams.get_mut(&id).map_or(Turn::GoOn, |stream| stream.turn(waker, unwritten))
    }

    /// The same of the answer's body, whose head has been handed on.
    pub(super) fn body_turn(&mut self, id: u32, waker: &Waker) -> Turn {
        let Some(stream) = self.streams.get_mut(&id) else { return Turn::GoOn };
        stream.has_begun_answer = true;
        stream.turn(waker, self.unwritten)
    }

    /// The answer has been handed over to its end (`answered`), or given up. What reads on is to be woken.
    pub(super) fn finish(&mut self, id: u32, answered: bool) -> (Left, Option<Waker>) {
        (self.end(id, answered), self.reader.take())
    }

    fn end(&mut self, id: u32, answered: bool) -> Left {
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
                self.remove(id);
                left
            }
            State::Begun | State::Unwanted | State::Answered | State::Written => Left::default(),
        }
    }

    /// The stream's last frame has been written: `END_STREAM` or `RST_STREAM`. What is at work on its answer has to be
    /// woken.
    pub(super) fn write_end(&mut self, id: u32) -> Option<Waker> {
        let stream = self.streams.get_mut(&id)?;
        match stream.state {
            // The dispatcher's own work: its request was malformed, or came too many at once.
            State::Begun | State::Unwanted => {
                self.waiting.retain(|&waiting| waiting != id);
                self.remove(id);
            }
            State::Running => {
                stream.state = State::Detached;
                return stream.take_waker();
            }
            State::Answered => {
                stream.state = State::Written;
                self.written.push(id);
            }
            State::Written | State::Cancelled | State::Detached => {}
        }
        None
    }

    /// All that was written is with the kernel.
    #[inline]
    pub(super) fn flush(&mut self) -> Left {
        let mut left = Left::default();
        while let Some(id) = self.written.pop() {
            if let Some((counted, _)) = self.remove(id).and_then(|stream| stream.request) {
                left.answered.add(counted);
            }
        }
        left
    }

    /// What was handed on of it and not written never will be.
    fn remove(&mut self, id: u32) -> Option<Stream<R>> {
        let stream = self.streams.remove(&id)?;
        self.unwritten -= stream.memory();
        Some(stream)
    }

    /// The client has reset a stream. What is at work on its answer has to be woken.
    pub(super) fn reset(&mut self, id: u32) -> (Left, Option<Waker>) {
        let Some(stream) = self.streams.get_mut(&id) else { return (Left::default(), None) };
        match stream.state {
            State::Begun => stream.state = State::Unwanted,
            State::Running => {
                stream.state = State::Cancelled;
                return (Left::default(), stream.take_waker());
            }
            State::Answered => {
                let left = stream.give_up();
                self.remove(id);
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
        self.written.clear();
        self.streams.retain(|_, stream| match stream.state {
            State::Running | State::Cancelled | State::Detached => {
                stream.state = State::Cancelled;
                wakers.extend(stream.take_waker());
                true
            }
            State::Begun | State::Unwanted | State::Answered | State::Written => {
                if let Some((counted, _)) = stream.request {
                    left.given_up.add(counted);
                }
                self.unwritten -= stream.memory();
                false
            }
        });
        (left, wakers)
    }

    /// Returns how many streams hold anything: a frame to be written, or an application at work.
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Returns the requests that the gate counts, in any order.
    pub(super) fn in_flight(&self) -> impl Iterator<Item = &R> {
        self.streams.values().filter_map(|stream| match &stream.request {
            Some((true, request)) => Some(request),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests;
