//! The programs that are measured.

use std::{env, fmt, io, net::SocketAddr, path::PathBuf, process::Command, sync::Arc};

use tempfile::TempDir;
use tokio_rustls::rustls::ClientConfig;

use crate::common::{
    certificate,
    client::Target,
    process::{Process, install},
    servers::{self, Framework, Transport},
};

/// A measured program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This crate's binary: both of its servers, its cache and its store.
    Application,
    /// A program with one server.
    Server(Framework),
    /// This crate's library with this many empty callbacks.
    Callbacks(usize),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Application => f.write_str("graceful-exit"),
            Self::Server(framework) => framework.fmt(f),
            Self::Callbacks(count) => write!(f, "{count} callbacks"),
        }
    }
}

/// The installed programs, and the certificate of those that serve TLS.
#[derive(Debug)]
pub(crate) struct Programs {
    application: PathBuf,
    servers: PathBuf,
    tls: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    directory: TempDir,
}

impl Programs {
    pub(crate) fn install() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        certificate::write(directory.path())?;
        Ok(Self {
            application: install(env!("CARGO_BIN_EXE_graceful-exit").as_ref(), directory.path())?,
            servers: install(&env::current_exe()?, directory.path())?,
            tls: certificate::client(directory.path(), "http/1.1")?,
            http2: certificate::client(directory.path(), "h2")?,
            directory,
        })
    }

    /// Starts a program, with a number of workers if there should not be one a core.
    pub(crate) fn start(
        &self,
        kind: Kind,
        transport: Transport,
        workers: Option<usize>,
    ) -> io::Result<Process> {
        let mut command = match kind {
            Kind::Application => self.application(workers),
            Kind::Server(framework) => {
                servers::command(&self.servers, framework, transport, self.directory.path())
            }
            Kind::Callbacks(count) => {
                let mut command = Command::new(&self.servers);
                command.args(["--serve", "callbacks", &count.to_string()]);
                command
            }
        };
        if let Some(workers) = workers {
            command.env("WORKERS", workers.to_string());
        }
        Process::start(command)
    }

    fn application(&self, workers: Option<usize>) -> Command {
        let mut command = Command::new(&self.application);
        let fixed = [
            "servers.admin.bind=127.0.0.1:0",
            "servers.business.bind=127.0.0.1:0",
            "servers.business.keep_alive=60s",
            "demo.chaos=true",
        ];
        let workers = workers.map(|workers| format!("servers.business.workers={workers}"));
        for setting in fixed.into_iter().map(str::to_owned).chain(workers) {
            command.args(["--set", &setting]);
        }
        command
    }

    /// What clients of HTTP/1 connect to.
    pub(crate) fn target(&self, address: SocketAddr, transport: Transport) -> Target {
        Target { address, tls: (transport == Transport::Tls).then(|| Arc::clone(&self.tls)) }
    }

    /// What clients of HTTP/2 connect to.
    pub(crate) fn http2_target(&self, address: SocketAddr, transport: Transport) -> Target {
        Target { address, tls: (transport == Transport::Tls).then(|| Arc::clone(&self.http2)) }
    }
}
