//! [`Io`]: a connection's bytes over TCP, a Unix socket or TLS.

use std::{
    any::Any,
    fmt,
    io::{self, IoSlice},
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
pub enum Io {
    /// Over TCP.
    Tcp(TcpStream),
    /// Over a Unix socket.
    #[cfg(unix)]
    Unix(UnixStream),
    /// Over TLS by rustls.
    #[cfg(feature = "rustls-0_23")]
    Rustls(Box<actix_tls::accept::rustls_0_23::TlsStream<TcpStream>>),
    /// Over TLS by OpenSSL.
    #[cfg(feature = "openssl")]
    OpenSsl(Box<actix_tls::accept::openssl::TlsStream<TcpStream>>),
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
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => &**stream,
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => &**stream,
        }
    }

    /// True if the bytes are encrypted: closing says so to the client.
    pub(super) fn is_secure(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            #[cfg(unix)]
            Self::Unix(_) => false,
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(_) => true,
            #[cfg(feature = "openssl")]
            Self::OpenSsl(_) => true,
        }
    }

    /// True if bytes were taken from the socket that have not been read from here: what is left of a TLS record.
    pub(super) fn has_buffered_input(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            #[cfg(unix)]
            Self::Unix(_) => false,
            // It wants no more while it has some, or after the client's close_notify, which is to be read as well.
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => !stream.get_ref().1.wants_read(),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => stream.ssl().pending() > 0,
        }
    }

    /// The number of the bare socket below; see [`socket::number`].
    pub(super) fn number(&self) -> Option<socket::Number> {
        match self {
            Self::Tcp(stream) => socket::number(stream),
            #[cfg(unix)]
            Self::Unix(stream) => socket::number(stream),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => socket::number(stream.get_ref().0),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => socket::number(stream.get_ref()),
        }
    }
}

impl fmt::Debug for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp(_) => "Tcp",
            #[cfg(unix)]
            Self::Unix(_) => "Unix",
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(_) => "Rustls",
            #[cfg(feature = "openssl")]
            Self::OpenSsl(_) => "OpenSsl",
        })
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            #[cfg(unix)]
            Self::Unix(stream) => stream.is_write_vectored(),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => stream.is_write_vectored(),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => AsyncWrite::is_write_vectored(&**stream),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => Pin::new(&mut **stream).poll_flush(cx),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
            #[cfg(feature = "openssl")]
            Self::OpenSsl(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}
