//! [`Transport`]: what stands between a listener's sockets and HTTP.

use std::fmt;

/// What stands between a listener's sockets and HTTP.
#[derive(Clone)]
pub(super) enum Transport {
    /// HTTP/1 on the bare socket.
    Plain,
    /// HTTP/1 or HTTP/2 on the bare socket, by what the client says first.
    #[cfg(feature = "http2")]
    AutoH2c,
    /// TLS, and the protocol that it agrees on.
    #[cfg(feature = "rustls-0_23")]
    Rustls(tokio_rustls::TlsAcceptor),
    /// The same, by OpenSSL.
    #[cfg(feature = "openssl")]
    OpenSsl(openssl::ssl::SslAcceptor),
}

impl Transport {
    /// True if the bytes on the socket are encrypted.
    pub(super) fn is_secure(&self) -> bool {
        match self {
            Self::Plain => false,
            #[cfg(feature = "http2")]
            Self::AutoH2c => false,
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(_) => true,
            #[cfg(feature = "openssl")]
            Self::OpenSsl(_) => true,
        }
    }
}

impl fmt::Debug for Transport {
    /// Without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            #[cfg(feature = "http2")]
            Self::AutoH2c => "AutoH2c",
            #[cfg(feature = "rustls-0_23")]
            Self::Rustls(_) => "Rustls",
            #[cfg(feature = "openssl")]
            Self::OpenSsl(_) => "OpenSsl",
        })
    }
}
