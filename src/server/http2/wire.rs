//! [`Wire`]: what an HTTP/2 connection's bytes pass through on their way between the dispatcher and the socket.
//!
//! actix-http's dispatcher has no way to end a connection gracefully. The wire adds it, by frames of its own:
//!
//! 1. Where a frame may begin, it writes GOAWAY with the highest stream identifier, and a PING: the client opens no more
//!    streams here, and those that it has opened by then are served.
//! 2. When the client has acknowledged the PING, all of these have been read. The dispatcher is handed a GOAWAY as if
//!    the client had sent it: it serves what it has, says by a GOAWAY of its own which stream was the last, and closes.
//! 3. The socket sends FIN, and reads on until the client closes as well: closing a socket with unread bytes in it
//!    resets the connection, and can take answers along that are still on their way.
//!
//! A last GOAWAY of the wire's own would be wrong: the dispatcher would not know of it, and could serve a stream that
//! the client repeats elsewhere.

use std::{
    future::Future,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use actix_rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    frames::{self, Frame, FrameScanner, MAX_STREAM},
    reader::{Read, Reader},
};

/// How far the connection is to come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server) enum Ending {
    /// Not at all.
    Serve,
    /// The client is told to open no more streams; what it has opened is served.
    Announce,
    /// The same, without waiting until the client has acknowledged it.
    Finish,
}

/// What is told of a connection's streams.
pub(in crate::server) trait StreamEvents {
    /// Reports frames, until that is dropped; nothing else may be called meanwhile.
    fn frames(&self) -> impl FrameEvents;
    /// Returns false if so many pieces of bodies wait for the application that nothing is read on. The waker is woken
    /// then, when that changes.
    fn has_room(&self, waker: &Waker) -> bool;
    /// All that was written is with the kernel.
    fn flush(&self);
    /// Returns how many there are that hold anything.
    fn len(&self) -> usize;
}

/// What is told of frames.
pub(in crate::server) trait FrameEvents {
    /// This one has been read.
    fn read(&mut self, frame: Frame);
    /// This one has been written.
    fn written(&mut self, frame: Frame);
}

/// How many streams of one connection are served at a time, as the client is told.
const MAX_STREAMS: u32 = 256;
/// How many streams hold anything before the connection is ended: a client may not have heard of the limit yet, and
/// one that resets its streams does not make handlers go away in no time.
const TOLERATED_STREAMS: usize = 2 * MAX_STREAMS as usize;

/// How long a client may take to acknowledge that it was told to open no more streams.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(1);

/// What the client sends back.
const PAYLOAD: [u8; 8] = *b"graceful";

/// One HTTP/2 connection's bytes, wherever they are carried: the socket is given to each call.
#[derive(Debug)]
pub(in crate::server) struct Wire {
    reader: Reader,
    written: FrameScanner,
    state: State,
    /// A request's head has been read.
    is_used: bool,
    /// A piece of a request's body has been read since there was room for more.
    may_be_full: bool,
    /// Something has been written since the last flush.
    is_unflushed: bool,
    /// What is to be written where a frame may begin, and how much of it has been.
    own: Vec<u8>,
    own_written: usize,
    disconnect_timeout: Duration,
    close: Close,
}

#[derive(Debug)]
enum State {
    /// The server's SETTINGS have not been written.
    Opening,
    Serving,
    /// The client has been told, and has not acknowledged it.
    Announced(Pin<Box<Sleep>>),
    /// The dispatcher is to be handed a GOAWAY where a frame may begin.
    Acknowledged,
    /// It has been.
    Ending,
}

/// How the connection closes.
#[derive(Debug)]
enum Close {
    Open,
    /// FIN is sent; the client's is waited for.
    Lingering(Pin<Box<Sleep>>),
    /// The client has closed its side.
    ByClient,
}

impl Wire {
    /// A new connection's. Closing takes at most `disconnect_timeout`.
    pub(in crate::server) fn new(disconnect_timeout: Duration) -> Self {
        Self {
            reader: Reader::new(PAYLOAD),
            written: FrameScanner::of_server(),
            state: State::Opening,
            is_used: false,
            may_be_full: false,
            is_unflushed: false,
            own: Vec::new(),
            own_written: 0,
            disconnect_timeout,
            close: Close::Open,
        }
    }

    /// Reads for the dispatcher.
    #[inline(never)] // its caller is the one of HTTP/1 as well, and would save its registers for both
    pub(in crate::server) fn poll_read<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        ending: Ending,
        streams: &impl StreamEvents,
    ) -> Poll<io::Result<()>> {
        self.announce(ending);
        // The dispatcher reads whenever it is woken: what it does not write itself is written here.
        if self.has_own_frames() && self.write_own_frames(io, cx)?.is_ready() {
            let _ = Pin::new(&mut *io).poll_flush(cx)?;
        }
        if let State::Announced(timeout) = &mut self.state {
            if ending == Ending::Finish || timeout.as_mut().poll(cx).is_ready() {
                self.state = State::Acknowledged;
            }
        }
        loop {
            if self.hand_over_goaway(buf) {
                return Poll::Ready(Ok(()));
            }
            let is_awaited = matches!(self.state, State::Announced(_));
            if self.may_be_full {
                if !streams.has_room(cx.waker()) {
                    return Poll::Pending;
                }
                self.may_be_full = false;
            }
            let (mut frames, mut head, mut data) = (streams.frames(), false, false);
            let read = self.reader.poll_read(io, cx, buf, is_awaited, |frame| {
                head |= matches!(frame, Frame::Headers { .. });
                data |= matches!(frame, Frame::Data { .. });
                frames.read(frame);
            });
            drop(frames);
            self.is_used |= head;
            self.may_be_full = data;
            // One that has not begun to speak has nothing to lose: to the dispatcher its client has closed.
            if read.is_pending() && ending == Ending::Finish && !self.reader.is_past_preface() {
                return Poll::Ready(Ok(()));
            }
            match ready!(read)? {
                Read::End => self.close = Close::ByClient,
                Read::Bytes => {}
                Read::Acknowledgement => self.state = State::Acknowledged,
                Read::NothingButAcknowledgement => {
                    self.state = State::Acknowledged;
                    continue;
                }
                Read::Nothing => continue,
            }
            let excess = if streams.len() > TOLERATED_STREAMS {
                "too many streams at once"
            } else if self.reader.head_is_too_large() {
                "a request's head is too large"
            } else {
                return Poll::Ready(Ok(()));
            };
            return Poll::Ready(Err(self.refuse(io, cx, excess)));
        }
    }

    /// Writes for the dispatcher.
    #[inline(never)] // its caller is the one of HTTP/1 as well, and would save its registers for both
    pub(in crate::server) fn poll_write<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        ending: Ending,
        streams: &impl StreamEvents,
    ) -> Poll<io::Result<usize>> {
        if matches!(self.state, State::Opening) {
            if let Some(length) = self.send_settings(bufs) {
                return Poll::Ready(Ok(length));
            }
        }
        self.announce(ending);
        if self.has_own_frames() {
            ready!(self.write_own_frames(io, cx))?;
        }
        let length = ready!(Pin::new(io).poll_write_vectored(cx, bufs))?;
        self.is_unflushed = true;
        let (mut left, mut frames) = (length, streams.frames());
        for buf in bufs {
            let part = &buf[..buf.len().min(left)];
            left -= part.len();
            self.written.feed(part, |frame, _| frames.written(frame));
        }
        Poll::Ready(Ok(length))
    }

    /// Flushes for the dispatcher.
    #[inline(never)] // its caller is the one of HTTP/1 as well, and would save its registers for both
    pub(in crate::server) fn poll_flush<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
        streams: &impl StreamEvents,
    ) -> Poll<io::Result<()>> {
        if self.has_own_frames() {
            ready!(self.write_own_frames(io, cx))?;
        }
        ready!(Pin::new(io).poll_flush(cx))?;
        if std::mem::take(&mut self.is_unflushed) {
            streams.flush();
        }
        Poll::Ready(Ok(()))
    }

    /// Sends FIN, then reads until the client has closed as well, at most for the disconnect timeout.
    pub(in crate::server) fn poll_shutdown<T: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let timeout = match &mut self.close {
            Close::ByClient => return Pin::new(io).poll_shutdown(cx),
            Close::Lingering(timeout) => timeout,
            Close::Open => {
                ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
                self.close = Close::Lingering(Box::pin(sleep(self.disconnect_timeout)));
                return self.poll_shutdown(io, cx);
            }
        };
        let mut discarded = [0; 4096];
        // Bounded: a client that keeps sending is left after so much.
        for _ in 0..64 {
            if timeout.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            let mut buf = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut *io).poll_read(cx, &mut buf)) {
                Ok(()) if !buf.filled().is_empty() => {}
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Says to the client that it asks for too much, as far as that can be written at once.
    fn refuse<T: AsyncWrite + Unpin>(&mut self, io: &mut T, cx: &mut Context<'_>, excess: &str) -> io::Error {
        if !self.has_own_frames() {
            self.own.extend(frames::enhance_your_calm());
            if let Poll::Ready(Ok(())) = self.write_own_frames(io, cx) {
                let _ = Pin::new(io).poll_flush(cx);
            }
        }
        io::Error::other(excess)
    }

    fn has_own_frames(&self) -> bool {
        self.own_written < self.own.len()
    }

    /// Adds the limits to the server's SETTINGS, for which the dispatcher's configuration has no place.
    /// Returns how much of what it wrote is taken care of; none, if it did not begin with SETTINGS.
    fn send_settings(&mut self, bufs: &[IoSlice<'_>]) -> Option<usize> {
        self.state = State::Serving;
        let first = bufs.iter().find(|buf| !buf.is_empty())?;
        let (settings, length) = frames::with_limits(first, MAX_STREAMS)?;
        self.own = settings;
        self.own_written = 0;
        Some(length)
    }

    /// Tells the client to open no more streams. One that has opened none yet may be about to: some open a connection for
    /// a request, and send that after a GOAWAY as well. It is told once it has, or when the connection is to finish.
    fn announce(&mut self, ending: Ending) {
        let is_serving = matches!(self.state, State::Serving);
        let is_time = ending == Ending::Finish || ending == Ending::Announce && self.is_used;
        if is_time && is_serving && self.reader.is_past_preface() && !self.has_own_frames() {
            self.own.clear();
            self.own.extend(frames::go_away(MAX_STREAM));
            self.own.extend(frames::ping(PAYLOAD));
            self.own_written = 0;
            self.state = State::Announced(Box::pin(sleep(ACKNOWLEDGE_TIMEOUT)));
        }
    }

    /// Writes the wire's own frames, if they are begun or may begin.
    fn write_own_frames<T: AsyncWrite + Unpin>(
        &mut self,
        io: &mut T,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.written.at_boundary() {
            return Poll::Ready(Ok(()));
        }
        while self.has_own_frames() {
            let length = ready!(Pin::new(&mut *io).poll_write(cx, &self.own[self.own_written..]))?;
            if length == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.own_written += length;
        }
        self.own = Vec::new();
        self.own_written = 0;
        Poll::Ready(Ok(()))
    }

    /// Hands the dispatcher a GOAWAY as if the client had sent it, if it is time for that and a frame may begin here.
    fn hand_over_goaway(&mut self, buf: &mut ReadBuf<'_>) -> bool {
        if !matches!(self.state, State::Acknowledged) || !self.reader.at_boundary() {
            return false;
        }
        let frame = frames::go_away(MAX_STREAM);
        if buf.remaining() < frame.len() {
            return false;
        }
        buf.put_slice(&frame);
        self.state = State::Ending;
        true
    }
}
