//! What actix-http is given to read of HTTP/1, and when: [`Wire`].
//!
//! - An answer has left when the kernel has its last byte: a body that has been dropped is not yet sent, up to 32 KiB
//!   of it can be in user space.
//! - Nothing is read while an answer waits to be written: a client that does not read its answers cannot ask for more.
//! - Requests are handed on one at a time: actix-http would decode a whole buffer of them ahead, at 6 KB each, and would
//!   answer by what the last of them asks for. What comes behind one is read ahead, and so is the end of the connection.
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
    put_off: PutOff,
    scanner: HeadScanner,
    /// Bytes that were read and are not handed on yet.
    read_ahead: Vec<u8>,
    /// The client has closed its sending side, behind what was read.
    read_closed: bool,
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

/// How long reading is put off.
#[derive(Clone, Copy, Debug)]
enum PutOff {
    No,
    UntilWritten,
    UntilAnswered,
}

/// How the connection ends.
#[derive(Debug)]
enum End {
    None,
    /// The client has gone with a request in flight, which is to be dropped.
    ClientGone,
    Closing(LingeringClose),
}

/// How many heads are handed on in one piece of what may be a body: actix-http queues 16 by itself.
const HEADS_IN_BODY: usize = 16;
/// How many bytes are read ahead while a request is answered, before no more is read.
const BYTES_AHEAD: usize = 16 << 10;
/// How many bytes are handed on in one piece.
const BYTES_AT_ONCE: usize = 64 << 10;
/// How many of those that were read ahead.
const AHEAD_AT_ONCE: usize = 1 << 10;

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
            put_off: PutOff::No,
            scanner: HeadScanner::default(),
            read_ahead: Vec::new(),
            read_closed: false,
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
            self.put_off = PutOff::UntilWritten;
            return Poll::Pending;
        }
        if self.connection.is_between_requests() {
            self.poll_hand_on(cx, buf, 1)
        } else if self.connection.awaits_body() {
            self.poll_hand_on(cx, buf, HEADS_IN_BODY)
        } else {
            self.poll_read_ahead(cx, buf)
        }
    }

    /// Hands on a piece with so many heads at the most. actix-http has to do something about it before the next one.
    fn poll_hand_on(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        most: usize,
    ) -> Poll<io::Result<()>> {
        if self.scanner.is_full(BYTES_AT_ONCE) {
            return self.poll_next_piece(cx);
        }
        if !self.read_ahead.is_empty() {
            let fits = self.read_ahead.len().min(buf.remaining()).min(AHEAD_AT_ONCE);
            let taken = self.scanner.scan(&self.read_ahead[..fits], most);
            if taken == 0 {
                return self.poll_next_piece(cx);
            }
            buf.put_slice(&self.read_ahead[..taken]);
            self.read_ahead.drain(..taken);
            if self.read_ahead.is_empty() {
                self.connection.read_ahead(false);
            }
        } else if !self.read_closed {
            let before = buf.filled().len();
            match Pin::new(&mut self.io).poll_read(cx, buf) {
                Poll::Pending => {
                    self.scanner.start_piece();
                    return Poll::Pending;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buf.filled().len() == before => {
                    self.close_reading();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) => {}
            }
            let new = &buf.filled()[before..];
            let taken = self.scanner.scan(new, most);
            if taken < new.len() {
                self.keep(buf, before + taken);
            }
            if taken == 0 {
                return self.poll_next_piece(cx);
            }
        } else {
            return Poll::Ready(Ok(()));
        }
        self.connection.input();
        Poll::Ready(Ok(()))
    }

    fn poll_next_piece<T>(&mut self, cx: &Context<'_>) -> Poll<T> {
        self.scanner.start_piece();
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Reads while a request is answered. What comes is the beginning of the next one, which waits; but the client may
    /// have gone.
    fn poll_read_ahead(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.scanner.start_piece();
        let before = buf.filled().len();
        while !self.read_closed && self.read_ahead.len() < BYTES_AHEAD {
            match Pin::new(&mut self.io).poll_read(cx, buf) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(())) if buf.filled().len() == before => self.close_reading(),
                Poll::Ready(Ok(())) => self.keep(buf, before),
            }
            if self.client_has_gone() {
                return Poll::Ready(Ok(()));
            }
        }
        if self.read_closed || !self.read_ahead.is_empty() {
            self.put_off = PutOff::UntilAnswered;
        }
        Poll::Pending
    }

    /// Keeps for later what was read from `from` on.
    fn keep(&mut self, buf: &mut ReadBuf<'_>, from: usize) {
        self.read_ahead.extend_from_slice(&buf.filled()[from..]);
        buf.set_filled(from);
        self.connection.read_ahead(true);
    }

    /// The client has closed its sending side.
    fn close_reading(&mut self) {
        self.read_closed = true;
        if self.limits.half_closed_is_gone && !self.connection.is_between_requests() {
            self.end = End::ClientGone;
        }
    }

    /// True between two requests, if a head has begun to arrive, or the last request's body has not ended. What of a head
    /// came in one piece with the end of a body is not seen.
    fn is_incomplete(&self) -> bool {
        let connection = &self.connection;
        let behind_a_head = || !self.scanner.ends_with_head() && !connection.had_body();
        connection.is_idle()
            && (connection.has_partial_input() || connection.awaits_body() || behind_a_head())
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
        let goes_on = match self.put_off {
            PutOff::No => false,
            PutOff::UntilWritten => true,
            PutOff::UntilAnswered => self.connection.is_between_requests(),
        };
        if !waits && goes_on {
            self.put_off = PutOff::No;
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
