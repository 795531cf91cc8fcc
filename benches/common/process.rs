//! A measured server as a process.

use std::{
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

/// Copies a program as an installation does. A linker's output lies in the page cache in smaller pieces, which take longer
/// to unmap at the process's end.
pub(crate) fn install(program: &Path, directory: &Path) -> io::Result<PathBuf> {
    let name = program.file_name().ok_or_else(|| io::Error::other("a program without a name"))?;
    let to = directory.join(name);
    fs::copy(program, &to).map(|_| to)
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
    pub(crate) fn start(mut command: Command) -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        command.current_dir(folder.path()).env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
        // Into a file: reading a pipe at each line of the exit would compete with the exit for the processors.
        let log = folder.path().join("log");
        let mut child = command.stderr(File::create(&log)?).spawn()?;
        let Some(address) = listens(&log)? else {
            // A process that does not start is killed.
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other(format!("{command:?} does not start")));
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

    /// What the system tells of the process; on Linux only.
    pub(crate) fn proc(&self) -> PathBuf {
        format!("/proc/{}", self.child.id()).into()
    }

    /// The resident memory in KiB; on Linux only.
    pub(crate) fn memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(self.proc().join("status")).ok()?;
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
