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

use super::{super::io::Io, heads::HeadScanner, lingering_close::LingeringClose};
use crate::{drain::Connection, os::socket};

/// A connection's bytes, and how much of them has been handed to actix-http.
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
    /// Bytes that were read and are not handed on yet.
    read_ahead: Vec<u8>,
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

/// How the connection ends.
#[derive(Debug)]
enum End {
    None,
    /// The client has gone with a request in flight, which is to be dropped.
    ClientGone,
    Closing(LingeringClose),
}

/// How many heads are handed on before actix-http has to answer: it queues 16 by itself.
const HEADS_AHEAD: usize = 16;
/// How many bytes behind a request's head, while it is answered.
const BYTES_AHEAD: usize = 16 << 10;
/// How many bytes are handed on in one piece.
const BYTES_AT_ONCE: usize = 64 << 10;

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

impl Wire {
    pub(in crate::server) fn new(io: Io, connection: Arc<Connection>) -> Self {
        // A connection that has to send `close_notify` is never closed unasked, and so not looked up by its number.
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
            read_ahead: Vec::new(),
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

    /// True if no byte of the client's waits in the socket or here.
    pub(in crate::server) fn has_no_pending_input(&self) -> bool {
        self.read_ahead.is_empty()
            && !self.io.has_buffered_input()
            && self.io.number().is_some_and(|socket| socket::have_no_pending_input(&[socket]) == [true])
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
        if self.scanner.is_full(HEADS_AHEAD, BYTES_AT_ONCE) {
            self.scanner.start_piece();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if self.read_ahead.is_empty() {
            match Pin::new(&mut self.io).poll_read(cx, buf) {
                Poll::Pending => {
                    self.scanner.start_piece();
                    return Poll::Pending;
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
            let fits = self.read_ahead.len().min(buf.remaining());
            buf.put_slice(&self.read_ahead[..fits]);
            self.read_ahead.drain(..fits);
        }
        let new = &buf.filled()[before..];
        let (heads, taken) = self.scanner.scan(new, HEADS_AHEAD);
        if taken < new.len() {
            self.read_ahead.splice(..0, new[taken..].iter().copied());
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

    /// Ends a connection on which a head does not become whole, or a body that is not wanted does not end. To be called
    /// when actix-http has done all that it can do.
    pub(in crate::server) fn poll_head_timer(&mut self, cx: &mut Context<'_>) {
        let Some(timeout) = self.limits.head_timeout.filter(|_| self.is_incomplete()) else {
            self.head_timer = None;
            return;
        };
        let timer = self.head_timer.get_or_insert_with(|| Box::pin(sleep(timeout)));
        if timer.as_mut().poll(cx).is_pending() {
            return;
        }
        if !self.connection.awaits_body() {
            // The connection is idle, so nothing else waits to be written. If this does not fit, it is not worth more.
            let _ = Pin::new(&mut self.io).poll_write(cx, REQUEST_TIMEOUT);
        }
        self.connection.finish();
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

    /// Wakes the task if reading may go on.
    fn after_write(&mut self, cx: &mut Context<'_>, waits: bool) {
        self.writes_wait = waits;
        let goes_on = self.read_waits && (self.connection.is_idle() || self.handed_on < BYTES_AHEAD);
        if !waits && goes_on {
            self.read_waits = false;
            cx.waker().wake_by_ref();
        }
    }

    /// Ready when the socket may be closed.
    pub(in crate::server) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let End::None = self.end {
            let awaits_body = self.connection.awaits_body();
            self.end = End::Closing(LingeringClose::new(self.limits.disconnect_timeout, awaits_body));
        }
        match &mut self.end {
            End::Closing(close) => close.poll(&mut self.io, cx),
            End::None | End::ClientGone => Poll::Ready(()),
        }
    }
}

#[cfg(test)]
mod tests;
