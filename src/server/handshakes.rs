//! [`Handshakes`]: what happens on a connection before its protocol is known.

use std::{io, sync::Arc, time::Duration};

use actix_http::Protocol;
use tokio::{sync::Semaphore, time::timeout};

use super::{io::Io, options::Options, stream::Stream, transport::Transport};
use crate::drain::Connection;

/// Makes the handshakes of one worker.
#[derive(Clone)]
pub(super) struct Handshakes {
    /// How long a client may take for its first bytes, by which its protocol is known; zero is without end.
    #[cfg(feature = "http2")]
    first_bytes_timeout: Duration,
    #[cfg(feature = "http2")]
    disconnect_timeout: Duration,
    #[cfg(any(feature = "rustls-0_23", feature = "openssl"))]
    tls_timeout: Duration,
    /// One for each TLS handshake that may be made at a time.
    permits: Arc<Semaphore>,
}

impl Handshakes {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            #[cfg(feature = "http2")]
            first_bytes_timeout: options.client_request_timeout,
            #[cfg(feature = "http2")]
            disconnect_timeout: options.client_disconnect_timeout,
            #[cfg(any(feature = "rustls-0_23", feature = "openssl"))]
            tls_timeout: options.tls_handshake_timeout,
            permits: Arc::new(Semaphore::new(options.max_connection_rate)),
        }
    }

    /// Makes a connection's handshake; the connection is in use from its client's first byte on. Returns none if the
    /// client gives it up, takes too long, or none can be made with it.
    pub(super) async fn make(
        self,
        transport: Transport,
        io: Io,
        connection: Arc<Connection>,
    ) -> Option<(Stream, Protocol)> {
        let limit = self.limit(&transport);
        match within(limit, self.establish(transport, io, &connection)).await {
            #[cfg(feature = "http2")]
            Ok((io, Protocol::Http2)) => {
                Some((Stream::http2(io, connection, self.disconnect_timeout), Protocol::Http2))
            }
            Ok((io, protocol)) => Some((Stream::new(io, connection), protocol)),
            Err(error) => {
                // A client's fault, of which it can make any number.
                log::debug!(
                    event = "handshake_failed", error:% = error;
                    "a connection got no further than its handshake: {error}"
                );
                None
            }
        }
    }

    /// How long a client may take until its protocol is known; zero is without end.
    fn limit(&self, transport: &Transport) -> Duration {
        match transport {
            Transport::Plain => Duration::ZERO,
            #[cfg(feature = "http2")]
            Transport::AutoH2c => self.first_bytes_timeout,
            #[cfg(feature = "rustls-0_23")]
            Transport::Rustls(_) => self.tls_timeout,
            #[cfg(feature = "openssl")]
            Transport::OpenSsl(_) => self.tls_timeout,
        }
    }

    /// Finds out which protocol the client speaks, after a handshake if there is one.
    ///
    /// # Errors
    /// The client has closed, or no handshake can be made with it.
    async fn establish(
        &self,
        transport: Transport,
        io: Io,
        connection: &Connection,
    ) -> io::Result<(Io, Protocol)> {
        // Until its client speaks, it is like any other connection that has not been used.
        if let Io::Tcp(socket) = &io {
            socket.readable().await?;
        }
        connection.begin_handshake();
        connection.forget_socket();
        let permit = if transport.is_secure() { self.permits.acquire().await.ok() } else { None };
        let established = handshake(transport, io).await;
        drop(permit);
        connection.end_handshake();
        established
    }
}

/// Makes the handshake, if there is one, and finds out which protocol the client speaks.
async fn handshake(transport: Transport, io: Io) -> io::Result<(Io, Protocol)> {
    match (transport, io) {
        (Transport::Plain, io) => Ok((io, Protocol::Http1)),
        #[cfg(feature = "http2")]
        (Transport::AutoH2c, Io::Tcp(socket)) => {
            let protocol = protocol_of(&socket).await?;
            Ok((Io::Tcp(socket), protocol))
        }
        #[cfg(all(unix, feature = "http2"))]
        (Transport::AutoH2c, io @ Io::Unix(_)) => Ok((io, Protocol::Http1)),
        #[cfg(feature = "rustls-0_23")]
        (Transport::Rustls(acceptor), Io::Tcp(socket)) => {
            let stream = acceptor.accept(socket).await?;
            let protocol = agreed(stream.get_ref().1.alpn_protocol());
            Ok((Io::Rustls(Box::new(stream.into())), protocol))
        }
        #[cfg(feature = "openssl")]
        (Transport::OpenSsl(acceptor), Io::Tcp(socket)) => {
            let ssl = openssl::ssl::Ssl::new(acceptor.context())?;
            let mut stream = tokio_openssl::SslStream::new(ssl, socket)?;
            std::pin::Pin::new(&mut stream).accept().await.map_err(io::Error::other)?;
            let protocol = agreed(stream.ssl().selected_alpn_protocol());
            Ok((Io::OpenSsl(Box::new(stream.into())), protocol))
        }
        #[cfg(any(feature = "rustls-0_23", feature = "openssl"))]
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "TLS is served over TCP alone")),
    }
}

/// The protocol that ALPN has agreed on. A client without ALPN speaks HTTP/1.
#[cfg(any(feature = "rustls-0_23", feature = "openssl"))]
fn agreed(alpn: Option<&[u8]>) -> Protocol {
    if cfg!(feature = "http2") && alpn == Some(b"h2") { Protocol::Http2 } else { Protocol::Http1 }
}

async fn within<T>(limit: Duration, handshake: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    if limit.is_zero() {
        return handshake.await;
    }
    timeout(limit, handshake).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The protocol that the client's first bytes are of. No method of HTTP/1 begins like the preface of HTTP/2.
#[cfg(feature = "http2")]
async fn protocol_of(socket: &tokio::net::TcpStream) -> io::Result<Protocol> {
    const PREFACE: [u8; 4] = *b"PRI ";
    /// How long it takes until the next look, when the client has sent one to three bytes like the preface's.
    const RECHECK: Duration = Duration::from_millis(1);

    loop {
        let mut bytes = [0; PREFACE.len()];
        let length = socket.peek(&mut bytes).await?;
        if length == 0 || bytes[..length] != PREFACE[..length] {
            return Ok(Protocol::Http1);
        }
        if length == PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        tokio::time::sleep(RECHECK).await;
    }
}
