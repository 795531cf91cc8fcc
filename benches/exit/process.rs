//! A server to be measured, as a process.

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

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// This crate's binary: both of its servers, its cache and its store.
    Ours,
    Actix,
    Axum,
    /// This crate's library with so many callbacks of no work.
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

/// What is run: copies, as an installation makes them. A linker's own output lies in the page cache in smaller pieces,
/// and each takes its time to be taken out of a process's memory.
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

/// A running server. It is killed when it is dropped, if it has not ended.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    child: Child,
    gone: Receiver<Instant>,
    /// Where ours keeps its cache and its spool.
    _folder: TempDir,
}

/// Longer than a server takes to start on a busy machine.
const STUCK_AFTER: Duration = Duration::from_secs(20);
/// How often it is seen whether it has.
const LOOK: Duration = Duration::from_millis(2);

impl Process {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(programs: &Programs, kind: Kind, workers: Option<usize>) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut command = programs.command(kind, workers);
        command.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        // Into a file: whoever read a pipe at each line of an exit would take the processors from the exit.
        let log = folder.path().join("log");
        let mut child = command.stderr(File::create(&log)?).spawn()?;
        let Some(address) = listens(&log)? else {
            // It is ours, and of no use.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("{kind} does not start")));
        };
        let gone = gone(child.id());
        Ok(Self { address, child, gone, _folder: folder })
    }

    /// Sends SIGTERM, and tells when.
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    pub(crate) fn terminate(&self) -> io::Result<Instant> {
        let id = libc::pid_t::try_from(self.child.id()).map_err(io::Error::other)?;
        let at = Instant::now();
        // SAFETY: the child has not been waited for, so its id is its own.
        if unsafe { libc::kill(id, libc::SIGTERM) } == 0 { Ok(at) } else { Err(io::Error::last_os_error()) }
    }

    /// When it was gone; `None` if it was not gone within `patience`, and had to be killed.
    pub(crate) fn gone(mut self, patience: Duration) -> io::Result<Option<Instant>> {
        let gone = self.gone.recv_timeout(patience).ok();
        if gone.is_none() {
            self.child.kill()?;
        }
        self.child.wait()?;
        Ok(gone)
    }

    /// What it holds in memory, in KiB. Only Linux's `/proc` tells.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        resident.trim().strip_suffix(" kB")?.trim().parse().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address of the server that is measured, once the log has it.
fn listens(log: &Path) -> io::Result<Option<SocketAddr>> {
    let begun = Instant::now();
    while begun.elapsed() < STUCK_AFTER {
        let lines = fs::read_to_string(log)?;
        // The last line may not be whole.
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

/// Tells when a child has ended, and leaves it to be waited for: its id stays its own until then.
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
            // Nobody listens when the server was killed.
            let _ = sender.send(Instant::now());
        }
    });
    receiver
}
