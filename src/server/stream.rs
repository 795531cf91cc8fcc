//! A connection's socket, which knows when an answer's last byte is with the kernel.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::io::Io;
use crate::{drain::Connection, os::socket};

/// A connection's socket. It passes everything through, and tells the connection's record when what was written
/// is with the kernel: a body that has been dropped is not yet sent, up to 32 KiB of it can be in user space.
#[derive(Debug)]
pub struct Stream {
    io: Io,
    connection: Arc<Connection>,
}

/// How often a closing connection's socket is read to find it empty.
const DISCARDED: usize = 16;

impl Stream {
    /// A connection's bytes, and its record.
    pub fn new(io: Io, connection: Arc<Connection>) -> Self {
        if let Some(number) = io.number() {
            connection.set_socket(number);
        }
        Self { io, connection }
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
        let read = Pin::new(&mut self.io).poll_read(cx, buf);
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
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        if written.is_pending() {
            self.connection.waits();
        }
        written
    }

    /// actix-http flushes when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing the socket, which follows, says the same to the client, in one system call less.
        if self.connection.closes_now() {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
        if self.connection.gate().is_closing(self.connection.shard()) {
            self.discard(cx);
        }
        Poll::Ready(shut)
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
