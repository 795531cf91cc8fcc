//! What actix-http is given to read of HTTP/1, and when: [`Wire`].
//!
//! - An answer has left when the kernel has its last byte: a body that has been dropped is not yet sent, up to 32 KiB
//!   of it can be in user space.
//! - Nothing is read while an answer waits to be written: a client that does not read its answers cannot ask for more.
//! - Requests are handed on a few at a time: actix-http would decode a whole buffer of them ahead, at 6 KB each.
//! - A request's head that is not whole within its time limit ends the connection, on a kept connection too.
//! - A client whose end of the connection is closed has gone, unless half-closed connections are allowed.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use actix_rt::time::{Sleep, sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{super::io::Io, heads::HeadScanner};
use crate::{drain::Connection, os::socket};

/// A connection's bytes, and what is to be known of them.
#[derive(Debug)]
pub(in crate::server) struct Wire {
    io: Io,
    connection: Arc<Connection>,
    limits: Limits,
    /// The last write did not take all: nothing is read until it has.
    writes_wait: bool,
    /// Reading was put off: the task is to be woken when it may go on.
    read_waits: bool,
    scanner: HeadScanner,
    /// Heads that ended since the connection was last idle, or since actix-http was last told to wait.
    heads: usize,
    /// The same, in bytes.
    handed_on: usize,
    /// What was read, and is not handed on yet.
    held: Vec<u8>,
    /// When the head that has begun to arrive has to be whole.
    head_timer: Option<Pin<Box<Sleep>>>,
    end: End,
}

/// What differs between servers.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct Limits {
    /// How long a head may take; none: as long as it likes.
    pub(in crate::server) head_timeout: Option<Duration>,
    /// How long a closing connection's client may say nothing.
    pub(in crate::server) disconnect_timeout: Duration,
    /// A client that has closed its sending side has gone.
    pub(in crate::server) half_closed_is_gone: bool,
}

/// How its end is coming.
#[derive(Debug)]
enum End {
    None,
    /// The client has gone with a request in flight, which is to be dropped.
    ClientGone,
    /// Our side is to be closed.
    Finish,
    /// Our side is closed. The client's is read and discarded, until it closes, says nothing for too long, or says too
    /// much: closing the socket with unread data in it would reset the connection, and a reset can take the last
    /// answer along.
    Linger {
        silence: Option<Pin<Box<Sleep>>>,
        ends: Pin<Box<Sleep>>,
        left: usize,
    },
}

/// How many heads are handed on before actix-http has to answer: it queues 16 by itself.
const HEADS_AHEAD: usize = 16;
/// How many at a time.
const HEADS_AT_ONCE: usize = 4;
/// How many bytes behind a request's head, while it is answered.
const BYTES_AHEAD: usize = 16 << 10;
/// How many bytes at a time.
const BYTES_AT_ONCE: usize = 64 << 10;
/// The longest time that a closing connection is read on, and the most bytes.
const LINGER: Duration = Duration::from_secs(10);
const LINGER_BYTES: usize = 64 << 20;
/// How often a closing connection is read in one poll.
const DISCARDS: usize = 16;

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Wire {
    pub(in crate::server) fn new(io: Io, connection: Arc<Connection>) -> Self {
        // One that says goodbye to its client is never closed unasked, and so cannot be looked up by its number.
        if let Some(number) = io.number().filter(|_| !io.is_secure()) {
            connection.set_socket(number);
        }
        Self {
            io,
            connection,
            limits: Limits::default(),
            writes_wait: false,
            read_waits: false,
            scanner: HeadScanner::default(),
            heads: 0,
            handed_on: 0,
            held: Vec::new(),
            head_timer: None,
            end: End::None,
        }
    }

    pub(in crate::server) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(in crate::server) fn io(&self) -> &Io {
        &self.io
    }

    /// True if the client has gone, and what it asked for is to be dropped.
    pub(in crate::server) fn client_has_gone(&self) -> bool {
        matches!(self.end, End::ClientGone)
    }

    /// True if nothing of the client's waits to be read or handed on.
    pub(in crate::server) fn has_no_pending_input(&self) -> bool {
        self.held.is_empty()
            && self.io.number().is_some_and(|socket| socket::have_no_pending_input(&[socket]) == [true])
    }

    /// True if bytes, or an end, wait in the socket.
    fn has_unread(&self) -> bool {
        self.io.number().is_some_and(|socket| socket::have_no_pending_input(&[socket]) == [false])
    }

    pub(in crate::server) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.writes_wait {
            self.read_waits = true;
            return Poll::Pending;
        }
        if !self.is_incomplete() {
            self.head_timer = None;
        }
        if self.connection.is_idle() {
            (self.heads, self.handed_on) = (0, 0);
        } else if self.connection.awaits_body() {
            // What is read may be its body.
        } else if self.heads >= HEADS_AHEAD || self.handed_on >= BYTES_AHEAD {
            self.read_waits = true;
            return Poll::Pending;
        }
        self.poll_hand_on(cx, buf)
    }

    /// Hands on a piece. After one that is as large as may be at once, actix-http has to do something about it first.
    fn poll_hand_on(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.scanner.is_full(HEADS_AT_ONCE, BYTES_AT_ONCE) {
            self.scanner.start_piece();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if self.held.is_empty() {
            match Pin::new(&mut self.io).poll_read(cx, buf) {
                Poll::Pending => {
                    self.scanner.start_piece();
                    return self.poll_head_timer(cx);
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buf.filled().len() == before => {
                    if self.limits.half_closed_is_gone && !self.connection.is_idle() {
                        self.end = End::ClientGone;
                    }
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => {}
            }
        } else {
            let fits = self.held.len().min(buf.remaining());
            buf.put_slice(&self.held[..fits]);
            self.held.drain(..fits);
        }
        let (heads, taken) = self.scanner.scan(&buf.filled()[before..], HEADS_AT_ONCE);
        let held = &buf.filled()[before + taken..];
        if !held.is_empty() {
            self.held.splice(..0, held.iter().copied());
            buf.set_filled(before + taken);
        }
        self.heads += heads;
        self.handed_on += taken;
        self.connection.input();
        Poll::Ready(Ok(()))
    }

    /// True between two requests, if a head has begun to arrive, or the last request's body has not ended.
    fn is_incomplete(&self) -> bool {
        self.connection.is_idle() && (self.connection.has_partial_input() || self.connection.awaits_body())
    }

    /// Ends a connection on which a head does not become whole, or a body that is not wanted does not end.
    fn poll_head_timer(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(timeout) = self.limits.head_timeout.filter(|_| self.is_incomplete()) else {
            return Poll::Pending;
        };
        let timer = self.head_timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if !self.connection.awaits_body() {
            // The connection is idle, so nothing else waits to be written. If this does not fit, it is not worth more.
            let _ = Pin::new(&mut self.io).poll_write(cx, REQUEST_TIMEOUT);
        }
        self.connection.finish();
        Poll::Pending
    }

    pub(in crate::server) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.after_write(cx, written.is_pending());
        if written.is_pending() {
            self.connection.waits();
        }
        written
    }

    pub(in crate::server) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        self.after_write(cx, flushed.is_pending());
        flushed
    }

    /// Lets reading go on where it was put off, and looks after a body that its request has left unread.
    fn after_write(&mut self, cx: &mut Context<'_>, waits: bool) {
        self.writes_wait = waits;
        let goes_on = self.read_waits && (self.connection.is_idle() || self.handed_on < BYTES_AHEAD);
        let unread = self.head_timer.is_none() && self.connection.is_idle() && self.connection.awaits_body();
        if !waits && (goes_on || unread) {
            self.read_waits = false;
            cx.waker().wake_by_ref();
        }
    }

    /// Closes our side, and then reads on for as long as the client may still be sending. Ready when the socket may be
    /// closed.
    pub(in crate::server) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.end {
                End::ClientGone => return Poll::Ready(()),
                End::None => self.end = End::Finish,
                End::Finish => {
                    // An error means that there is no connection any more.
                    if !matches!(std::task::ready!(Pin::new(&mut self.io).poll_shutdown(cx)), Ok(())) {
                        return Poll::Ready(());
                    }
                    let silence = self.connection.awaits_body().then(|| self.silence()).flatten();
                    self.end = End::Linger { silence, ends: Box::pin(sleep(LINGER)), left: LINGER_BYTES };
                }
                End::Linger { .. } => return self.poll_linger(cx),
            }
        }
    }

    fn silence(&self) -> Option<Pin<Box<Sleep>>> {
        let timeout = self.limits.disconnect_timeout;
        (!timeout.is_zero()).then(|| Box::pin(sleep(timeout)))
    }

    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut unread = [0; 4096];
        for _ in 0..DISCARDS {
            let mut unread = ReadBuf::new(&mut unread);
            let read = Pin::new(&mut self.io).poll_read(cx, &mut unread);
            let discarded = unread.filled().len();
            let more = self.silence();
            // The runtime may not have been told yet of bytes that have come.
            let unread_waits = read.is_pending() && self.has_unread();
            let End::Linger { silence, ends, left } = &mut self.end else { return Poll::Ready(()) };
            match read {
                Poll::Ready(Ok(())) if discarded > 0 && discarded < *left => {
                    *left -= discarded;
                    *silence = more;
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => {
                    let over = match silence {
                        Some(silence) => silence.as_mut().poll(cx).is_ready(),
                        None => !unread_waits,
                    } || ends.as_mut().poll(cx).is_ready();
                    return if over { Poll::Ready(()) } else { Poll::Pending };
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests;
