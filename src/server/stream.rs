//! A connection's socket, which knows when an answer's last byte is with the kernel.

#[cfg(feature = "http2")]
use std::time::Duration;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[cfg(feature = "http2")]
use super::http2::{Ending, StreamEvents, Wire};
use super::io::Io;
use crate::{drain::Connection, os::socket};

/// A connection's socket. It passes everything through, and tells the connection's record when what was written
/// is with the kernel: a body that has been dropped is not yet sent, up to 32 KiB of it can be in user space.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    connection: Arc<Connection>,
    #[cfg(feature = "http2")]
    http2: Option<Box<Wire>>,
}

/// How often a closing connection's socket is read to find it empty.
const DISCARDED: usize = 16;

impl Stream {
    /// The bytes of a connection that speaks HTTP/1, and its record.
    pub fn new(io: Io, connection: Arc<Connection>) -> Self {
        // One that says goodbye to its client is never closed unasked, and so cannot be looked up by its number.
        if !io.is_secure()
            && let Some(number) = io.number()
        {
            connection.set_socket(number);
        }
        Self {
            io,
            connection,
            #[cfg(feature = "http2")]
            http2: None,
        }
    }

    /// The same of one that speaks HTTP/2. Closing takes at most `disconnect_timeout`.
    #[cfg(feature = "http2")]
    pub(super) fn http2(io: Io, connection: Arc<Connection>, disconnect_timeout: Duration) -> Self {
        connection.speaks_http2();
        Self { io, connection, http2: Some(Box::new(Wire::new(disconnect_timeout))) }
    }

    pub(super) fn io(&self) -> &Io {
        &self.io
    }

    /// Its connection's record: actix-http's `on_connect_ext` is to put it among the connection's data.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Stream {
    /// What an HTTP/2 connection's bytes pass through.
    #[cfg(feature = "http2")]
    fn multiplexed(&mut self) -> Option<(&mut Wire, &mut Io, &Connection)> {
        let Self { io, connection, http2 } = self;
        http2.as_deref_mut().map(|wire| (wire, io, &**connection))
    }

    /// True if HTTP/2 is spoken here, which ends a connection by frames and not by the end of what is read.
    fn takes_leave(&self) -> bool {
        #[cfg(feature = "http2")]
        return self.http2.as_ref().is_some_and(|wire| !wire.is_before_preface());
        #[cfg(not(feature = "http2"))]
        false
    }

    /// Reads what a client has sent past its last answer: closing a socket with unread data in it resets the
    /// connection, and a reset can take the answer along.
    fn discard(&mut self, cx: &mut Context<'_>) {
        let mut unread = [0; 4096];
        for _ in 0..DISCARDED {
            let mut unread = ReadBuf::new(&mut unread);
            let read = Pin::new(&mut self.io).poll_read(cx, &mut unread);
            if !matches!(read, Poll::Ready(Ok(()))) || unread.filled().is_empty() {
                return;
            }
        }
    }
}

impl AsyncRead for Stream {
    /// A connection that is to close looks to actix-http as if the client had closed it: it ends in the same way,
    /// wherever between two requests it is.
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        #[cfg(feature = "http2")]
        let read = match self.multiplexed() {
            Some((wire, io, connection)) => wire.poll_read(io, cx, buf, ending(connection), connection),
            None => Pin::new(&mut self.io).poll_read(cx, buf),
        };
        #[cfg(not(feature = "http2"))]
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
        if self.takes_leave() {
            return read;
        }
        // tokio may not have heard of what the kernel has.
        if read.is_pending()
            && self.connection.closes_now()
            && self.io.number().is_some_and(|socket| socket::have_no_pending_input(&[socket]) == [true])
        {
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        #[cfg(feature = "http2")]
        if let Some((wire, io, connection)) = self.multiplexed() {
            return wire.poll_write(io, cx, &[IoSlice::new(buf)], ending(connection), connection);
        }
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if written.is_pending() {
            self.connection.waits();
        }
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        #[cfg(feature = "http2")]
        if let Some((wire, io, connection)) = self.multiplexed() {
            return wire.poll_write(io, cx, bufs, ending(connection), connection);
        }
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        if written.is_pending() {
            self.connection.waits();
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    /// actix-http flushes when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(feature = "http2")]
        if let Some((wire, io, connection)) = self.multiplexed() {
            return wire.poll_flush(io, cx, connection);
        }
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        #[cfg(feature = "http2")]
        if let Some((wire, io, _)) = self.multiplexed() {
            return wire.poll_shutdown(io, cx);
        }
        // Closing the socket, which follows, says the same to the client, in one system call less.
        if self.connection.closes_now() && !self.io.is_secure() {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        if self.connection.gate().is_closing(self.connection.shard()) {
            self.discard(cx);
        }
        Poll::Ready(shut)
    }
}

#[cfg(feature = "http2")]
impl Drop for Stream {
    fn drop(&mut self) {
        if self.http2.is_some() {
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
    fn begin(&self, stream: u32) {
        self.stream_begun(stream);
    }

    fn write_end(&self, stream: u32) {
        self.stream_written(stream);
    }

    fn flush(&self) {
        self.streams_flushed();
    }

    fn reset(&self, stream: u32) {
        self.stream_reset(stream);
    }

    fn limit(&self, last: u32) {
        self.streams_limited(last);
    }

    fn len(&self) -> usize {
        self.open_streams()
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write, net, time::Duration};

    use tokio::net::TcpListener;

    use super::*;
    use crate::drain::{ConnectionGuard, Connections, Drain};

    /// A drain, a client's end of its only connection, and the server's, with its guard.
    async fn connected() -> io::Result<(Drain, net::TcpStream, Stream, ConnectionGuard)> {
        let drain = Drain::new(1);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = net::TcpStream::connect(listener.local_addr()?)?;
        let (socket, _) = listener.accept().await?;
        let guard = drain.connections.register(0);
        let stream = Stream::new(Io::Tcp(socket), Arc::clone(guard.connection()));
        Ok((drain, client, stream, guard))
    }

    fn detach_all(connections: &Connections) -> bool {
        connections.detach(Duration::ZERO, |_| true, socket::have_no_pending_input)
    }

    /// tokio's driver has no turn between the client's write and the look: the kernel alone knows of the request.
    #[tokio::test]
    async fn a_request_that_waits_in_the_socket_is_neither_detached_nor_closed() -> io::Result<()> {
        let (drain, mut client, mut stream, _guard) = connected().await?;
        let (mut unread, mut bytes) = ([0; 8], [0; 8]);
        let mut unread = ReadBuf::new(&mut unread);
        let looked = poll_fn(|cx| {
            let stream = &mut stream;
            assert!(Pin::new(&mut *stream).poll_read(cx, &mut unread).is_pending());
            client.write_all(b"GET").expect("it is open");
            assert!(detach_all(&drain.connections));
            drain.connections.close_when_idle(Duration::ZERO, |_| true);
            Poll::Ready(Pin::new(stream).poll_read(cx, &mut unread).is_pending())
        });
        assert!(looked.await, "an end in place of the request");
        assert_eq!(drain.connections.awaited(), 1, "it was detached");
        let read = poll_fn(|cx| {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut stream).poll_read(cx, &mut buffer));
            Poll::Ready(read.map(|()| buffer.filled().to_vec()))
        });
        assert_eq!(read.await?, b"GET");
        Ok(())
    }

    /// Between reading a request and beginning it, neither the kernel nor the connection's record knows of it.
    #[tokio::test]
    async fn a_connection_whose_task_is_being_polled_is_not_detached() -> io::Result<()> {
        let (drain, client, stream, _guard) = connected().await?;
        let asked_all = stream.connection().poll(|| Poll::Ready(detach_all(&drain.connections)));
        assert_eq!((asked_all, drain.connections.awaited()), (Poll::Ready(Some(false)), 1));
        assert_eq!((detach_all(&drain.connections), drain.connections.awaited()), (true, 0));
        drop(client);
        Ok(())
    }
}
