//! The application as a process, with its log.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    client::Client,
    files::report,
    wait::{STUCK_AFTER, wait_until},
};

/// The reason in the report after [`App::signal_to_stop`].
pub(crate) const STOPPED_BY: &str = if cfg!(windows) { "CTRL_BREAK" } else { "SIGTERM" };

/// A running application in a directory of its own, killed on drop.
#[derive(Debug)]
pub(crate) struct App {
    child: Child,
    folder: Arc<TempDir>,
    log: Arc<Mutex<Vec<Line>>>,
    reader: Option<JoinHandle<()>>,
    pub admin: SocketAddr,
    pub business: SocketAddr,
}

/// A line of the log, with the instant at which it was read.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// The line without its time.
    pub text: String,
    /// The line as it was written.
    pub raw: String,
    pub at: Instant,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub status: ExitStatus,
    pub at: Instant,
    pub log: Vec<Line>,
    pub folder: Arc<TempDir>,
}

impl App {
    /// Starts the application in a new directory, on free ports, with a report, and waits until it serves.
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_in(Arc::new(tempfile::tempdir().expect("a temporary folder")), settings)
    }

    /// The same, in the directory of an earlier run.
    pub(crate) fn start_in(folder: Arc<TempDir>, settings: &[&str]) -> Self {
        let mut command = Self::command(folder.path());
        for setting in settings {
            command.args(["--set", setting]);
        }
        Self::start_command(folder, command)
    }

    /// The command that starts the application in `folder`; more arguments may follow.
    pub(crate) fn command(folder: &Path) -> Command {
        let mut command = bare(folder);
        let ours = [
            "servers.admin.bind=127.0.0.1:0",
            "servers.business.bind=127.0.0.1:0",
            "report.path=report.json",
        ];
        for setting in ours {
            command.args(["--set", setting]);
        }
        command
    }

    /// Runs a command of [`App::command`] and waits until it serves.
    pub(crate) fn start_command(folder: Arc<TempDir>, command: Command) -> Self {
        let mut app = Self::spawn(folder, command);
        app.find_ports();
        app
    }

    /// Waits until it serves.
    pub(crate) fn find_ports(&mut self) {
        self.admin = self.port_of("admin");
        self.business = self.port_of("business");
    }

    /// Starts a command of [`App::command`], without waiting.
    pub(crate) fn spawn(folder: Arc<TempDir>, mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        let stderr = child.stderr.take().expect("a pipe");
        let log = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&log);
        let reader = thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(Line::new(&line));
            }
        });
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, folder, log, reader: Some(reader), admin: nowhere, business: nowhere }
    }

    /// Runs a command of [`App::command`] to its end, with its log as text.
    pub(crate) fn run(folder: &Arc<TempDir>, command: Command) -> Ended {
        Self::spawn(Arc::clone(folder), command).wait()
    }

    fn port_of(&mut self, server: &str) -> SocketAddr {
        let mut found = None;
        wait_until("the server listens", || {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("it ended with {status} while it started:\n{}", self.log_text());
            }
            let log = self.log.lock().expect("no panic");
            let line = log.iter().find(|line| {
                line.text.contains("://")
                    && ["server {} ", "服务器{}", "伺服器{}"]
                        .iter()
                        .any(|words| line.text.contains(&words.replace("{}", server)))
            });
            found =
                line.and_then(|line| line.text.rsplit("://").next()?.split('"').next()?.trim().parse().ok());
            found.is_some()
        });
        found.expect("it was found")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the application.
    #[cfg(unix)]
    #[expect(unsafe_code, reason = "kill(2) has no safe form in std")]
    pub(crate) fn signal(&self, signal: libc::c_int) -> Instant {
        let id = libc::pid_t::try_from(self.child.id()).expect("a process id");
        let at = Instant::now();
        // SAFETY: the child has not been waited for, so its id is its own.
        assert_eq!(unsafe { libc::kill(id, signal) }, 0, "kill {signal}");
        at
    }

    /// Asks the application to stop; see [`STOPPED_BY`].
    #[cfg(unix)]
    pub(crate) fn signal_to_stop(&self) -> Instant {
        self.signal(libc::SIGTERM)
    }

    #[cfg(windows)]
    pub(crate) fn signal_to_stop(&self) -> Instant {
        let at = Instant::now();
        self.event(1);
        at
    }

    /// Sends a console control event to the application.
    #[cfg(windows)]
    pub(crate) fn event(&self, event: u32) -> super::control::Sent {
        super::control::send(&self.child, event)
    }

    /// Sends a request, and waits until the business server counts it as in flight.
    pub(crate) fn in_flight(&self, path: &str) -> Client {
        self.in_flight_by(|client| client.send("GET", path, &[]))
    }

    /// The same of a request that `send` sends.
    pub(crate) fn in_flight_by(&self, send: impl FnOnce(&mut Client) -> std::io::Result<()>) -> Client {
        // A request that was just answered may still be counted as in flight.
        let before = (0..3).map(|_| self.count_begun()).min().expect("three counts");
        let mut client = Client::connect(self.business);
        send(&mut client).expect("the request is sent");
        wait_until("the request is in flight", || self.count_begun() > before && self.count_begun() > before);
        client
    }

    /// The number of requests that the business server has admitted.
    fn count_begun(&self) -> u64 {
        let business = &self.status()["servers"][1];
        ["in_flight", "completed"].iter().filter_map(|count| business[count].as_u64()).sum()
    }

    pub(crate) fn count_in_flight(&self) -> u64 {
        let status = self.status();
        status["servers"]
            .as_array()
            .expect("servers")
            .iter()
            .filter_map(|server| server["in_flight"].as_u64())
            .sum()
    }

    pub(crate) fn status(&self) -> serde_json::Value {
        let response = Client::get(self.admin, "/status");
        serde_json::from_slice(&response.body).expect("JSON")
    }

    /// Waits for a line that contains `text`.
    pub(crate) fn wait_for(&self, text: &str) -> Line {
        let mut found = None;
        wait_until(text, || {
            found = self.log.lock().expect("no panic").iter().find(|line| line.text.contains(text)).cloned();
            found.is_some()
        });
        found.expect("it was found")
    }

    /// Kills the application with SIGKILL.
    pub(crate) fn kill(mut self) -> Arc<TempDir> {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("a child");
        Arc::clone(&self.folder)
    }

    /// Waits until the exit is in this phase. Needs an admin server that answers during the exit.
    pub(crate) fn wait_for_phase(&self, phase: &str) {
        wait_until(phase, || self.status()["phase"] == phase);
    }

    pub(crate) fn log_text(&self) -> String {
        text(&self.log.lock().expect("no panic"))
    }

    /// Waits until the process has ended.
    pub(crate) fn wait(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            assert!(start.elapsed() < STUCK_AFTER, "it does not end:\n{}", self.log_text());
            thread::sleep(Duration::from_millis(1));
        };
        let at = Instant::now();
        if let Some(reader) = self.reader.take() {
            reader.join().expect("the log is read");
        }
        Ended {
            status,
            at,
            log: self.log.lock().expect("no panic").clone(),
            folder: Arc::clone(&self.folder),
        }
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Line {
    fn new(line: &str) -> Self {
        // `YYYY/MM/DD HH:MM:SS text`; other lines are kept whole.
        let timed = line.starts_with('2') && line.as_bytes().get(19) == Some(&b' ');
        let text = line.get(20..).filter(|_| timed).unwrap_or(line);
        Self { text: text.to_owned(), raw: line.to_owned(), at: Instant::now() }
    }
}

/// What the reason of an exit says of a signal that this test sent: `SIGTERM from COMMAND (pid PID)`.
pub(crate) fn sent_here(signal: &str) -> String {
    if cfg!(target_os = "linux") {
        let command = std::fs::read_to_string("/proc/self/comm").expect("this process has a command");
        format!("{signal} from {} (pid {})", command.trim_end(), std::process::id())
    } else if cfg!(unix) {
        format!("{signal} from pid {}", std::process::id())
    } else {
        signal.to_owned()
    }
}

impl Ended {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The log's lines from the one that contains `from`.
    pub(crate) fn lines_from(&self, from: &str) -> Vec<Line> {
        self.log.iter().skip_while(|line| !line.text.contains(from)).cloned().collect()
    }

    pub(crate) fn report(&self) -> serde_json::Value {
        report(&self.folder.path().join("report.json"))
    }

    /// The log as text, without the times.
    pub(crate) fn text(&self) -> String {
        text(&self.log)
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        self.log.iter().any(|line| line.text.contains(text))
    }
}

fn text(log: &[Line]) -> String {
    log.iter().flat_map(|line| [line.text.as_str(), "\n"]).collect()
}

/// The binary in `folder` with the default settings, in English, and with no signal blocked or ignored: the tests may
/// themselves run under `nohup` or in a shell's background.
pub(crate) fn bare(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_graceful-exit"));
    // In a debug build a backtrace takes the panicking thread a second.
    command.current_dir(folder).env("LC_ALL", "C").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GRACEFUL_EXIT_") {
            command.env_remove(name);
        }
    }
    #[cfg(unix)]
    super::signals::all_default(&mut command);
    command
}

/// Asks the application to stop, and waits for its end.
pub(crate) fn stop(app: App) -> Ended {
    app.signal_to_stop();
    app.wait()
}

/// Runs a command that starts nothing, to its end.
pub(crate) fn output(mut command: Command) -> Output {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let start = Instant::now();
    while child.try_wait().expect("a child").is_none() {
        if start.elapsed() > STUCK_AFTER {
            // The output tells the result.
            let _ = child.kill();
        }
        thread::sleep(Duration::from_millis(1));
    }
    child.wait_with_output().expect("its output")
}
