//! A connection's bytes as actix-http has them: [`Stream`].

#[cfg(feature = "http2")]
use std::task::Waker;
#[cfg(feature = "http2")]
use std::time::Duration;
use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "http2")]
use super::http2::{self, Ending, Frame, FrameEvents, StreamEvents};
use super::{http1, io::Io};
use crate::drain::Connection;
#[cfg(feature = "http2")]
use crate::drain::FrameReport;

/// A connection's bytes.
#[derive(Debug)]
pub struct Stream {
    wire: Wire,
    connection: Arc<Connection>,
}

/// The protocol's own layer, which the bytes pass through.
#[derive(Debug)]
enum Wire {
    /// Shared with the connection's task, which closes the connection when actix-http is done.
    Http1(SharedWire),
    #[cfg(feature = "http2")]
    Http2 { io: Io, wire: Box<http2::Wire> },
}

pub(super) type SharedWire = Rc<RefCell<http1::Wire>>;

impl Stream {
    /// The bytes of a connection that speaks HTTP/1, and its record.
    pub fn new(io: Io, connection: Arc<Connection>) -> Self {
        let wire = http1::Wire::new(io, Arc::clone(&connection));
        Self { wire: Wire::Http1(Rc::new(RefCell::new(wire))), connection }
    }

    /// The same of one that speaks HTTP/2. Closing takes at most `disconnect_timeout`.
    #[cfg(feature = "http2")]
    pub fn http2(io: Io, connection: Arc<Connection>, disconnect_timeout: Duration) -> Self {
        connection.speaks_http2();
        Self { wire: Wire::Http2 { io, wire: Box::new(http2::Wire::new(disconnect_timeout)) }, connection }
    }

    /// Its connection's record: actix-http's `on_connect_ext` is to put it among the connection's data.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// What HTTP/1 passes through; none, if HTTP/2 is spoken.
    #[cfg_attr(not(feature = "http2"), expect(clippy::unnecessary_wraps, reason = "HTTP/2 has none"))]
    pub(super) fn http1(&self) -> Option<&SharedWire> {
        match &self.wire {
            Wire::Http1(wire) => Some(wire),
            #[cfg(feature = "http2")]
            Wire::Http2 { .. } => None,
        }
    }

    pub(super) fn with_io<R>(&self, look: impl FnOnce(&Io) -> R) -> R {
        match &self.wire {
            Wire::Http1(wire) => look(wire.borrow().io()),
            #[cfg(feature = "http2")]
            Wire::Http2 { io, .. } => look(io),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self { wire: Wire::Http1(wire), .. } => wire.borrow_mut().poll_read(cx, buf),
            #[cfg(feature = "http2")]
            Self { wire: Wire::Http2 { io, wire }, connection } => {
                wire.poll_read(io, cx, buf, ending(connection), &**connection)
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self { wire: Wire::Http1(wire), .. } => wire.borrow_mut().poll_write(cx, buf),
            #[cfg(feature = "http2")]
            Self { wire: Wire::Http2 { io, wire }, connection } => {
                wire.poll_write(io, cx, &[IoSlice::new(buf)], ending(connection), &**connection)
            }
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self { wire: Wire::Http1(wire), .. } => {
                // actix-http writes HTTP/1 from one buffer.
                let buf = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &**buf);
                wire.borrow_mut().poll_write(cx, buf)
            }
            #[cfg(feature = "http2")]
            Self { wire: Wire::Http2 { io, wire }, connection } => {
                wire.poll_write(io, cx, bufs, ending(connection), &**connection)
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Http1(_) => false,
            #[cfg(feature = "http2")]
            Wire::Http2 { io, .. } => io.is_write_vectored(),
        }
    }

    /// actix-http flushes when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self { wire: Wire::Http1(wire), .. } => wire.borrow_mut().poll_flush(cx),
            #[cfg(feature = "http2")]
            Self { wire: Wire::Http2 { io, wire }, connection } => wire.poll_flush(io, cx, &**connection),
        }
    }

    /// Does nothing for HTTP/1: the connection's task closes that.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(not(feature = "http2"))]
        let _ = cx;
        match &mut *self {
            Self { wire: Wire::Http1(_), .. } => Poll::Ready(Ok(())),
            #[cfg(feature = "http2")]
            Self { wire: Wire::Http2 { io, wire }, .. } => wire.poll_shutdown(io, cx),
        }
    }
}

#[cfg(feature = "http2")]
impl Drop for Stream {
    fn drop(&mut self) {
        if matches!(self.wire, Wire::Http2 { .. }) {
            self.connection.streams_closed();
        }
    }
}

/// How far an HTTP/2 connection is to come to its end.
#[cfg(feature = "http2")]
fn ending(connection: &Connection) -> Ending {
    if connection.closes_now() {
        Ending::Finish
    } else if connection.gate().is_closing(connection.shard()) {
        Ending::Announce
    } else {
        Ending::Serve
    }
}

#[cfg(feature = "http2")]
impl StreamEvents for Connection {
    fn frames(&self) -> impl FrameEvents {
        self.report_frames()
    }

    fn has_room(&self, waker: &Waker) -> bool {
        self.streams_have_room(waker)
    }

    fn flush(&self) {
        self.streams_flushed();
    }

    fn len(&self) -> usize {
        self.open_streams()
    }
}

#[cfg(feature = "http2")]
impl FrameEvents for FrameReport<'_> {
    fn read(&mut self, frame: Frame) {
        match frame {
            Frame::Headers { stream, ends_stream } => self.begin(stream, !ends_stream),
            Frame::Data { stream, .. } => self.read_data(stream),
            Frame::Reset { stream } => self.reset(stream),
            Frame::Ping { .. } | Frame::GoAway { .. } | Frame::Other => {}
        }
    }

    fn written(&mut self, frame: Frame) {
        match frame {
            // The dispatcher's own end of a body is no piece of it.
            Frame::Data { length: 0, ends_stream: true, .. } => {}
            Frame::Data { stream, length, .. } => self.write_data(stream, length),
            Frame::GoAway { last_stream, .. } => self.limit(last_stream),
            _ => {}
        }
        if let Some(stream) = frame.ended_stream() {
            self.write_end(stream);
        }
    }
}

#[cfg(test)]
mod tests;
