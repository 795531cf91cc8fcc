//! A connection's socket, which knows when an answer's last byte is with the kernel.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::drain::{Connection, Farewell};

/// A connection's socket. It passes everything through, and tells the connection's record when what was written
/// is with the kernel: a body that has been dropped is not yet sent, up to 32 KiB of it can be in user space.
#[derive(Debug)]
pub struct Stream {
    socket: TcpStream,
    connection: Arc<Connection>,
}

/// How often a closing connection's socket is read to find it empty.
const DISCARDED: usize = 16;

impl Stream {
    /// A socket, and the record of its connection.
    pub fn new(socket: TcpStream, connection: Arc<Connection>) -> Self {
        Self { socket, connection }
    }

    /// Its connection's record: actix-http's `on_connect_ext` is to put it among the connection's data.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Stream {
    /// Whether the kernel has nothing of the client's that was not read. tokio may not have heard of it yet.
    fn nothing_waits(&self) -> bool {
        let peeked = SockRef::from(&self.socket).peek(&mut [MaybeUninit::uninit()]);
        matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Reads what a client has sent past its last answer: closing a socket with unread data in it resets the
    /// connection, and a reset can take the answer along.
    fn discard(&self) {
        let mut unread = [MaybeUninit::uninit(); 4096];
        for _ in 0..DISCARDED {
            if !matches!(SockRef::from(&self.socket).recv(&mut unread), Ok(read) if read > 0) {
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
        let read = Pin::new(&mut self.socket).poll_read(cx, buf);
        let farewell = self.connection.farewell();
        if read.is_pending() && farewell != Farewell::None && self.nothing_waits() {
            self.connection.let_go();
            if farewell == Farewell::Close {
                return Poll::Ready(Ok(()));
            }
        }
        read
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, buf);
        if written.is_pending() {
            self.connection.waits();
        }
        written
    }

    /// actix-http flushes when it has written all that it holds.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx);
        if let Poll::Ready(Ok(())) = flushed {
            self.connection.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Closing the socket, which follows, says the same to the client, in one system call less.
        if self.connection.farewell() == Farewell::Close {
            return Poll::Ready(Ok(()));
        }
        let shut = ready!(Pin::new(&mut self.socket).poll_shutdown(cx));
        if self.connection.drain().gate.is_closing(self.connection.lane()) {
            self.discard();
        }
        Poll::Ready(shut)
    }
}
