//! What a server listens on, as it is printed: [`Address`].

use std::{
    error::Error,
    fmt, io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A listening socket's address. It is printed as `127.0.0.1:8080`, `[::1]:8080` or `unix:/run/app.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

impl Address {
    /// The IP address and port; `None` for a Unix socket.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }

    /// The path; `None` for an IP address.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A server's address cannot be used.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindError {
    /// The server's name.
    pub server: String,
    /// What it was to listen on.
    pub address: String,
    /// What the system said.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "server {} cannot listen on {}: {}", self.server, self.address, self.source)
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_one_kind_and_is_printed_as_it_is_written() {
        let tcp = Address::Tcp(([127, 0, 0, 1], 80).into());
        assert_eq!((tcp.tcp(), tcp.path()), (Some(([127, 0, 0, 1], 80).into()), None));
        let unix = Address::Unix("/run/app.sock".into());
        assert_eq!((unix.tcp(), unix.path()), (None, Some(Path::new("/run/app.sock"))));
        assert_eq!([tcp.to_string(), unix.to_string()], ["127.0.0.1:80", "unix:/run/app.sock"]);
    }
}
