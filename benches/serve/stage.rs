//! The server of one run.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tempfile::TempDir;
use tokio_rustls::rustls::ClientConfig;

use crate::common::{
    certificate,
    process::{Process, install},
    servers::{Framework, Transport, command},
};

/// What all servers are started from.
#[derive(Debug)]
pub(crate) struct Programs {
    program: PathBuf,
    directory: TempDir,
}

/// Where one server is to be measured.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    programs: &'a Programs,
    pub(crate) framework: Framework,
    pub(crate) transport: Transport,
}

/// The timeout of an exit after which a server is killed.
const STUCK_AFTER: Duration = Duration::from_secs(3);

impl Programs {
    pub(crate) fn install() -> io::Result<Self> {
        let directory = tempfile::tempdir()?;
        certificate::write(directory.path())?;
        Ok(Self { program: install(&env::current_exe()?, directory.path())?, directory })
    }

    pub(crate) fn stage(&self, framework: Framework, transport: Transport) -> Stage<'_> {
        Stage { programs: self, framework, transport }
    }
}

impl Stage<'_> {
    /// Starts the server with so many workers, or one a core.
    pub(crate) fn start(&self, workers: Option<usize>) -> io::Result<Process> {
        self.start_on(workers, None)
    }

    /// Starts the server, which also listens on a Unix socket if there is a path for it.
    pub(crate) fn start_on(&self, workers: Option<usize>, socket: Option<&Path>) -> io::Result<Process> {
        let directory = self.programs.directory.path();
        let mut command = command(&self.programs.program, self.framework, self.transport, directory);
        if let Some(workers) = workers {
            command.env("WORKERS", workers.to_string());
        }
        if let Some(socket) = socket {
            command.env("SOCKET", socket);
        }
        Process::start(command)
    }

    /// What clients of TLS connect with.
    pub(crate) fn tls(&self, protocol: &str) -> io::Result<Arc<ClientConfig>> {
        certificate::client(self.programs.directory.path(), protocol)
    }
}

/// Ends a server, or kills it.
pub(crate) fn stop(process: Process) -> io::Result<()> {
    process.terminate()?;
    process.gone(STUCK_AFTER).map(drop)
}

/// The processor time of a server's threads so far; on Linux only.
pub(crate) fn processor_time(process: &Process) -> Option<Duration> {
    let threads = fs::read_dir(process.proc().join("task")).ok()?;
    let of_thread = |thread: fs::DirEntry| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    Some(threads.flatten().filter_map(of_thread).sum())
}
