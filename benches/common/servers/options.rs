//! What a measured server is started with.

use std::{
    env, fmt, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tokio_rustls::rustls::ServerConfig;

use super::super::certificate;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Framework {
    Library,
    Actix,
    Axum,
}

/// What is spoken on the TCP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Transport {
    Plain,
    /// HTTP/2 by prior knowledge, beside HTTP/1.
    H2c,
    /// TLS, with HTTP/2 or HTTP/1 by ALPN.
    Tls,
}

/// The options of one server.
pub(super) struct Options {
    pub(super) transport: Transport,
    pub(super) workers: Option<usize>,
    pub(super) socket: Option<PathBuf>,
    /// The certificate, if the transport is TLS.
    pub(super) tls: Option<ServerConfig>,
}

/// How long an unused connection is kept: longer than it takes to open thousands of them.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// A free port of the loopback.
pub(super) const FREE_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Framework {
    pub(crate) const ALL: [Self; 3] = [Self::Library, Self::Actix, Self::Axum];

    pub(crate) fn named(name: &str) -> io::Result<Self> {
        let found = Self::ALL.into_iter().find(|framework| framework.to_string() == name);
        found.ok_or_else(|| io::Error::other(format!("there is no framework `{name}`")))
    }
}

impl fmt::Display for Framework {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Library => "graceful-exit",
            Self::Actix => "actix-web",
            Self::Axum => "axum",
        })
    }
}

impl Transport {
    const ALL: [Self; 3] = [Self::Plain, Self::H2c, Self::Tls];

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::H2c => "h2c",
            Self::Tls => "tls",
        }
    }
}

impl Options {
    pub(super) fn new(transport: &str) -> io::Result<Self> {
        let found = Transport::ALL.into_iter().find(|known| known.name() == transport);
        let transport =
            found.ok_or_else(|| io::Error::other(format!("there is no transport `{transport}`")))?;
        let tls = match (transport, env::var_os("CERTIFICATE")) {
            (Transport::Tls, None) => return Err(io::Error::other("CERTIFICATE is not set")),
            (Transport::Tls, Some(directory)) => Some(certificate::server(Path::new(&directory))?),
            _ => None,
        };
        let workers = env::var("WORKERS").ok().and_then(|workers| workers.parse().ok());
        Ok(Self { transport, workers, socket: env::var_os("SOCKET").map(PathBuf::from), tls })
    }
}

/// The command that starts a server: `program` is this benchmark.
pub(crate) fn command(
    program: &Path,
    framework: Framework,
    transport: Transport,
    certificate: &Path,
) -> Command {
    let mut command = Command::new(program);
    command.args(["--serve", &framework.to_string(), transport.name()]).env("CERTIFICATE", certificate);
    command
}
