//! How a server is told to speak HTTP/2 and TLS: methods of [`Server`] under `HttpServer`'s names.

use std::net::{TcpListener, ToSocketAddrs};

use super::{builder::Server, transport::Transport};

/// HTTP/2, by prior knowledge on plain connections.
#[cfg(feature = "http2")]
impl Server {
    /// Listens as [`Server::bind`], for HTTP/1 and, by prior knowledge, HTTP/2 without TLS.
    pub fn bind_auto_h2c<A: ToSocketAddrs>(self, addrs: A) -> Self {
        self.bind_with(addrs, "its address", Transport::AutoH2c)
    }

    /// Serves HTTP/1 and, by prior knowledge, HTTP/2 without TLS on a socket that listens already; see
    /// [`Server::listen`].
    pub fn listen_auto_h2c(self, lst: TcpListener) -> Self {
        self.listen_with(lst, Transport::AutoH2c)
    }

    /// Serves HTTP/2 by prior knowledge, beside HTTP/1, on every plain TCP socket that the server has been given so far:
    /// inherited ones too, and those of [`Server::bind_address`]. Unix sockets serve HTTP/1.
    pub fn with_h2c(mut self) -> Self {
        self.set_transport(&Transport::AutoH2c);
        self
    }
}

/// TLS by rustls.
#[cfg(feature = "rustls-0_23")]
impl Server {
    /// Listens as [`Server::bind`], for TLS. ALPN offers `h2`, with the feature `http2`, and `http/1.1`, before what the
    /// configuration has already. For certificates in files that change, see
    /// [`CertificateFiles`](crate::CertificateFiles).
    pub fn bind_rustls_0_23<A: ToSocketAddrs>(
        self,
        addrs: A,
        config: tokio_rustls::rustls::ServerConfig,
    ) -> Self {
        self.bind_with(addrs, "its address", rustls(config))
    }

    /// Serves TLS on a socket that listens already; see [`Server::listen`] and [`Server::bind_rustls_0_23`].
    pub fn listen_rustls_0_23(self, lst: TcpListener, config: tokio_rustls::rustls::ServerConfig) -> Self {
        self.listen_with(lst, rustls(config))
    }

    /// Serves TLS, as [`Server::bind_rustls_0_23`] does, on every plain TCP socket that the server has been given so far:
    /// inherited ones too, and those of [`Server::bind_address`]. Unix sockets stay as they are.
    pub fn with_rustls_0_23(mut self, config: tokio_rustls::rustls::ServerConfig) -> Self {
        self.set_transport(&rustls(config));
        self
    }
}

#[cfg(feature = "rustls-0_23")]
fn rustls(mut config: tokio_rustls::rustls::ServerConfig) -> Transport {
    config.alpn_protocols = offered(std::mem::take(&mut config.alpn_protocols));
    Transport::Rustls(std::sync::Arc::new(config).into())
}

/// What ALPN offers: the server's own protocols, before others that were given.
#[cfg(feature = "rustls-0_23")]
fn offered(given: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let own = PROTOCOLS.iter().map(|protocol| protocol.to_vec());
    own.chain(given.into_iter().filter(|protocol| !PROTOCOLS.contains(&&**protocol))).collect()
}

/// TLS by OpenSSL.
#[cfg(feature = "openssl")]
impl Server {
    /// Listens as [`Server::bind`], for TLS. ALPN agrees on `h2`, with the feature `http2`, or on `http/1.1`.
    pub fn bind_openssl<A: ToSocketAddrs>(self, addrs: A, builder: openssl::ssl::SslAcceptorBuilder) -> Self {
        self.bind_with(addrs, "its address", openssl(builder))
    }

    /// Serves TLS on a socket that listens already; see [`Server::listen`] and [`Server::bind_openssl`].
    pub fn listen_openssl(self, lst: TcpListener, builder: openssl::ssl::SslAcceptorBuilder) -> Self {
        self.listen_with(lst, openssl(builder))
    }
}

#[cfg(feature = "openssl")]
fn openssl(mut builder: openssl::ssl::SslAcceptorBuilder) -> Transport {
    use openssl::ssl::{AlpnError, select_next_proto};

    /// The protocols, the preferred one first, as ALPN writes them.
    const OFFERED: &[u8] = if cfg!(feature = "http2") { b"\x02h2\x08http/1.1" } else { b"\x08http/1.1" };
    builder.set_alpn_select_callback(|_, asked| select_next_proto(OFFERED, asked).ok_or(AlpnError::NOACK));
    Transport::OpenSsl(builder.build())
}

#[cfg(any(feature = "http2", feature = "rustls-0_23"))]
impl Server {
    fn set_transport(&mut self, transport: &Transport) {
        self.listeners.iter_mut().for_each(|listener| listener.set_transport(transport));
    }
}

/// The server's own protocols, the preferred one first.
#[cfg(feature = "rustls-0_23")]
const PROTOCOLS: &[&[u8]] = if cfg!(feature = "http2") { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };

#[cfg(all(test, feature = "rustls-0_23"))]
mod tests {
    use super::*;

    #[test]
    fn alpn_offers_the_servers_own_protocols_once_and_then_those_that_were_given() {
        let given = [&b"acme-tls/1"[..], b"http/1.1"].map(<[u8]>::to_vec).to_vec();
        assert_eq!(offered(given), [PROTOCOLS, &[b"acme-tls/1"]].concat());
        assert_eq!(offered(Vec::new()), PROTOCOLS);
    }
}
