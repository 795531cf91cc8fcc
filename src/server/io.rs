//! A connection's bytes, whatever carries them: [`Io`], and how a listener makes one of a socket: [`Transport`].

use std::{
    any::Any,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use socket2::Socket;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::address::Address;
use crate::os::socket;

/// A connection's bytes.
#[derive(Debug)]
pub enum Io {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
}

/// What stands between a listener's sockets and HTTP.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    /// HTTP/1 on the bare socket.
    Plain,
}

impl Io {
    /// Registers a connection's socket, which does not block, with this thread's runtime.
    pub(super) fn watch(socket: Socket, address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(_) => Ok(Self::Tcp(TcpStream::from_std(socket.into())?)),
            #[cfg(unix)]
            Address::Unix(_) => {
                let fd: std::os::fd::OwnedFd = socket.into();
                Ok(Self::Unix(UnixStream::from_std(fd.into())?))
            }
            #[cfg(not(unix))]
            Address::Unix(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// The type that `HttpServer` hands to its `on_connect`.
    pub(super) fn as_any(&self) -> &dyn Any {
        match self {
            Self::Tcp(stream) => stream,
            #[cfg(unix)]
            Self::Unix(stream) => stream,
        }
    }

    /// The number of the bare socket below; see [`socket::number`].
    pub(super) fn number(&self) -> Option<socket::Number> {
        match self {
            Self::Tcp(stream) => socket::number(stream),
            #[cfg(unix)]
            Self::Unix(stream) => socket::number(stream),
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
