//! The measured servers, each as a process.

use std::{
    env, fmt,
    fs::{self, File},
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// The measured servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// This crate's binary: both of its servers, its cache and its store.
    Ours,
    Actix,
    Axum,
    /// This crate's library with this many empty callbacks.
    Callbacks(usize),
}

impl Kind {
    pub(crate) const SERVERS: [Self; 3] = [Self::Ours, Self::Actix, Self::Axum];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ours => f.write_str("graceful-exit"),
            Self::Actix => f.write_str("actix-web"),
            Self::Axum => f.write_str("axum"),
            Self::Callbacks(count) => write!(f, "{count} callbacks"),
        }
    }
}

/// The programs to run: copies, as after an installation. A linker's output lies in the page cache in smaller pieces,
/// which take longer to unmap at the process's end.
#[derive(Debug)]
pub(crate) struct Programs {
    ours: PathBuf,
    peers: PathBuf,
    _folder: TempDir,
}

impl Programs {
    pub(crate) fn install() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let copy = |from: &Path, name| {
            let to = folder.path().join(name);
            fs::copy(from, &to).map(|_| to)
        };
        let ours = copy(Path::new(env!("CARGO_BIN_EXE_graceful-exit")), "graceful-exit")?;
        let peers = copy(&env::current_exe()?, "peers")?;
        Ok(Self { ours, peers, _folder: folder })
    }

    fn command(&self, kind: Kind, workers: Option<usize>) -> Command {
        if kind == Kind::Ours {
            let mut command = Command::new(&self.ours);
            let fixed =
                ["servers.admin.bind=127.0.0.1:0", "servers.business.bind=127.0.0.1:0", "demo.chaos=true"];
            let workers = workers.map(|workers| format!("servers.business.workers={workers}"));
            for setting in fixed.into_iter().map(str::to_owned).chain(workers) {
                command.args(["--set", &setting]);
            }
            return command;
        }
        let mut command = Command::new(&self.peers);
        command.arg("--serve");
        match kind {
            Kind::Callbacks(count) => command.args(["callbacks", &count.to_string()]),
            Kind::Axum => command.arg("axum"),
            Kind::Ours | Kind::Actix => command.arg("actix"),
        };
        if let Some(workers) = workers {
            command.env("WORKERS", workers.to_string());
        }
        command
    }
}

/// A running server, killed on drop if it has not ended.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    gone: Receiver<Instant>,
    /// The directory of this crate's cache and spool.
    _folder: TempDir,
}

/// The timeout of a server's start.
const STUCK_AFTER: Duration = Duration::from_secs(20);
/// The interval between two checks of whether it has started.
const LOOK: Duration = Duration::from_millis(2);

impl Process {
    /// Starts a server, and waits until it listens.
    pub(crate) fn start(programs: &Programs, kind: Kind, workers: Option<usize>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = programs.command(kind, workers);
        command.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        // Into a file: reading a pipe at each line of the exit would compete with the exit for the processors.
        let log = folder.path().join("log");
        let mut child = command.stderr(File::create(&log)?).spawn()?;
        let Some(address) = listens(&log)? else {
            // A process that does not start is killed.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("{kind} does not start")));
        };
        let gone = gone(child.id());
        Ok(Self { address, child, gone, _folder: folder })
    }

    /// Sends SIGTERM, and returns the instant.
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    pub(crate) fn terminate(&self) -> io::Result<Instant> {
        let id = libc::pid_t::try_from(self.child.id()).map_err(io::Error::other)?;
        let at = Instant::now();
        // SAFETY: the child has not been waited for, so its id is its own.
        if unsafe { libc::kill(id, libc::SIGTERM) } == 0 { Ok(at) } else { Err(io::Error::last_os_error()) }
    }

    /// The instant of the process's end; `None` if it did not end within `timeout` and was killed.
    pub(crate) fn gone(mut self, timeout: Duration) -> io::Result<Option<Instant>> {
        let gone = self.gone.recv_timeout(timeout).ok();
        if gone.is_none() {
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(gone)
    }

    /// The resident memory in KiB; on Linux only.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        resident.trim().strip_suffix(" kB")?.trim().parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of the measured server, once the log has it.
fn listens(log: &Path) -> io::Result<Option<SocketAddr>> {
    let begun = Instant::now();
    while begun.elapsed() < STUCK_AFTER {
        let lines = fs::read_to_string(log)?;
        // The last line may be incomplete.
        let lines = lines.rsplit_once('\n').map_or("", |(whole, _)| whole).lines();
        let lines = lines.filter(|line| !line.contains("admin"));
        let mut addresses = lines.filter_map(|line| line.split_once("http://")?.1.trim().parse().ok());
        if let Some(address) = addresses.next() {
            return Ok(Some(address));
        }
        thread::sleep(LOOK);
    }
    Ok(None)
}

/// Sends the instant of a child's end without reaping it, so that its id stays valid.
fn gone(id: u32) -> Receiver<Instant> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        #[expect(unsafe_code, reason = "std cannot wait for a child without reaping it")]
        // SAFETY: `info` is valid for the write, and all zeroes is a valid value of it.
        let waited = unsafe {
            let mut info = std::mem::zeroed::<libc::siginfo_t>();
            libc::waitid(libc::P_PID, id, &raw mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if waited == 0 {
            // The receiver is gone if the server was killed.
            let _ = sender.send(Instant::now());
        }
    });
    receiver
}
