//! systemd's protocols, against a notify socket of the test's own: readiness, progress, watchdog and socket activation.

use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::{
        fd::{AsRawFd, RawFd},
        unix::{
            net::{UnixDatagram, UnixListener, UnixStream},
            process::CommandExt,
        },
    },
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{App, Client, STUCK_AFTER, Traffic, tools, wait_until};

#[test]
fn ready_is_sent_when_every_server_serves() {
    let manager = Manager::new();
    // The store is opened before the servers: a failure there means that READY=1 is never sent.
    let failed =
        App::run(&manager.folder, manager.command(&["cache.store=sqlite:///proc/no/such/folder.db"]));
    assert_eq!(failed.code(), Some(4));
    assert_eq!(manager.heard_now(), Vec::<String>::new());

    let app = App::spawn(Arc::clone(&manager.folder), manager.command(&[]));
    let ready = manager.hears("READY=1");
    assert!(ready.contains("STATUS=server started"), "{ready}");
    let mut app = app;
    app.find_ports();
    assert_eq!(Client::get(app.business, "/").status, 200);
    assert_eq!(Client::get(app.admin, "/readyz").status, 200);
}

#[test]
fn the_exit_reports_its_progress_and_asks_for_no_more_time_than_its_deadline() {
    let manager = Manager::new();
    let settings = ["shutdown.timeout=4s", "shutdown.drain_timeout=10s", "shutdown.ready_delay=200ms"];
    let app = App::start_command(Arc::clone(&manager.folder), manager.command(&settings));
    manager.hears("READY=1");
    let _slow = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);

    let mut asked = Vec::new();
    let mut statuses = Vec::new();
    let first = manager.hears("STOPPING=1");
    let mut message = first.clone();
    loop {
        if let Some(extension) = value(&message, "EXTEND_TIMEOUT_USEC=") {
            asked.push(Duration::from_micros(extension.parse().expect("a number")));
        }
        statuses.extend(value(&message, "STATUS=").map(str::to_owned));
        match manager.next(Duration::from_secs(3)) {
            Some(next) => message = next,
            None => break,
        }
    }
    let ended = app.wait();
    assert_eq!(ended.code(), Some(1), "the deadline passed");
    assert!(first.contains("EXTEND_TIMEOUT_USEC="), "{first}");
    assert!(first.contains("STATUS=not ready, but serving for another 200ms"), "{first}");
    // Once for each phase, and once a second.
    assert!((4..=8).contains(&asked.len()), "{asked:?}");
    // Each time for what is left of the deadline.
    assert!(asked[0] <= Duration::from_secs(4) && asked.is_sorted_by(|one, next| one >= next), "{asked:?}");
    assert!(asked.last() < asked.first(), "{asked:?}");
    let waiting = statuses.iter().any(|status| {
        status.starts_with("waiting for the requests in flight; still waiting for 1 request")
            && status.contains("GET /slow")
    });
    assert!(waiting, "{statuses:#?}");
    eprintln!("{first}\n{}", statuses.join("\n"));
}

#[test]
fn the_watchdog_is_notified_twice_in_its_interval() {
    let manager = Manager::new();
    let mut command = manager.command(&[]);
    command.env("WATCHDOG_USEC", "600000");
    let app = App::start_command(Arc::clone(&manager.folder), command);
    for _ in 0..10 {
        manager.hears("WATCHDOG=1");
    }
    // During the exit as well.
    let _slow = app.in_flight("/slow?ms=60000");
    app.signal(libc::SIGTERM);
    manager.hears("STOPPING=1");
    for _ in 0..3 {
        let beat = manager.hears("WATCHDOG=1");
        assert!(beat.contains("EXTEND_TIMEOUT_USEC="), "{beat}");
    }
}

#[test]
fn a_missing_or_unresponsive_manager_delays_nothing() {
    let manager = Manager::new();
    let mut command = manager.command(&["shutdown.progress_interval=0s"]);
    command.env("NOTIFY_SOCKET", manager.folder.path().join("missing.sock"));
    command.env("WATCHDOG_USEC", "20000");
    let app = App::start_command(Arc::clone(&manager.folder), command);
    app.wait_for("NOTIFY_SOCKET: the service manager cannot be told");
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(0));

    // This manager never reads: its socket's queue is full after a few messages.
    let mut command = manager.command(&[]);
    command.env("WATCHDOG_USEC", "2000");
    let app = App::start_command(Arc::clone(&manager.folder), command);
    std::thread::sleep(Duration::from_millis(500));
    app.signal(libc::SIGTERM);
    assert_eq!(app.wait().code(), Some(0));
}

#[test]
fn no_connection_is_refused_while_the_service_restarts_on_an_inherited_socket() {
    let manager = Manager::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let start = || {
        let mut command = manager.command(&[]);
        passes_in(&mut command, &[(&listener, "business")]);
        App::start_command(Arc::clone(&manager.folder), command)
    };
    let mut app = start();
    assert_eq!(app.business, address, "the settings' address is not used");
    let traffic = Traffic::start(address, 0);
    for restart in 0..10 {
        let before = traffic.answered();
        wait_until("new connections are answered", || traffic.answered() > before + 3);
        app.signal(libc::SIGTERM);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "restart {restart}");
        // No process serves now; a client can connect all the same, and the next process answers it.
        let mut waiting = Client::connect(address);
        waiting.send("GET", "/", &[]).expect("sent");
        app = start();
        assert_eq!(waiting.read().expect("answered").status, 200, "restart {restart}");
    }
    let seen = traffic.stop();
    let (rejected, failed): (Vec<_>, Vec<_>) =
        seen.failures.iter().partition(|what| what.contains("status 503"));
    eprintln!(
        "inherited socket: {} new connections in 10 restarts, {} rejected",
        seen.new_connections,
        rejected.len()
    );
    assert!(failed.is_empty(), "{failed:#?}");
    // Requests on connections that were accepted just before rejecting began.
    assert!(rejected.len() <= 10, "{rejected:#?}");
}

#[test]
fn inherited_sockets_are_assigned_to_servers_by_name() {
    let manager = Manager::new();
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let mut command = manager.command(&[]);
    passes_in(&mut command, &[(&first, "business"), (&second, "admin")]);
    let app = App::start_command(Arc::clone(&manager.folder), command);
    assert_eq!(app.business, first.local_addr().expect("an address"));
    assert_eq!(app.admin, second.local_addr().expect("an address"));
    assert_eq!(Client::get(app.admin, "/healthz").status, 200);
}

#[test]
fn an_inherited_unix_socket_is_served_and_left_for_the_next_process() {
    let manager = Manager::new();
    let path = manager.folder.path().join("business.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    for _ in 0..2 {
        let mut command = manager.command(&[]);
        passes_in(&mut command, &[(&listener, "business")]);
        let app = App::spawn(Arc::clone(&manager.folder), command);
        // It waits in the queue until the application serves.
        let mut client = UnixStream::connect(&path).expect("the socket listens");
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        client.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        app.signal(libc::SIGTERM);
        let ended = app.wait();
        assert_eq!(ended.code(), Some(0), "{}", ended.text());
        assert!(path.exists(), "the socket is the manager's");
    }
}

#[test]
fn an_inherited_socket_without_a_server_is_an_error_that_names_it() {
    let manager = Manager::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    for (name, message) in [
        ("metrics", "LISTEN_FDNAMES names a socket `metrics`"),
        ("", "LISTEN_FDS passes in 1 sockets, and LISTEN_FDNAMES gives 0 names"),
    ] {
        let mut command = manager.command(&[]);
        passes_in(&mut command, &[(&listener, name)]);
        let ended = App::run(&manager.folder, command);
        assert_eq!(ended.code(), Some(4));
        assert!(ended.has(message), "{:#?}", ended.log);
    }
    let file = fs::File::open("/dev/null").expect("a file");
    let mut command = manager.command(&[]);
    passes_in(&mut command, &[(&file, "admin")]);
    let ended = App::run(&manager.folder, command);
    assert_eq!(ended.code(), Some(4));
    assert!(ended.has("the socket `admin` from LISTEN_FDS: fd 3 is not a socket"), "{:#?}", ended.log);
}

#[test]
fn systemd_analyze_accepts_the_units() {
    let Some(analyze) = tools::tool("systemd-analyze", "the units' check by systemd-analyze") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for unit in ["graceful-exit.service", "graceful-exit.socket"] {
        let text = fs::read_to_string(tools::project_file(&format!("config/deploy/{unit}"))).expect("a unit");
        // systemd-analyze checks that the program exists.
        let ours = text.replace("/usr/local/bin/graceful-exit", env!("CARGO_BIN_EXE_graceful-exit"));
        fs::write(folder.path().join(unit), ours).expect("a file");
    }
    let units = ["graceful-exit.service", "graceful-exit.socket"].map(|unit| folder.path().join(unit));
    let verified = tools::output(Command::new(&analyze).arg("verify").args(&units));
    let ours: Vec<_> = verified.lines().filter(|line| line.contains("graceful-exit")).collect();
    assert!(ours.is_empty(), "{verified}");
    let security = tools::output(
        Command::new(&analyze).args(["security", "--offline=true", "--threshold=12"]).arg(&units[0]),
    );
    eprintln!("{}", security.lines().last().unwrap_or_default());
}

/// A test double of systemd: its notify socket.
struct Manager {
    folder: Arc<TempDir>,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        let socket = UnixDatagram::bind(folder.path().join("notify.sock")).expect("a socket");
        Self { folder, socket }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("notify.sock")
    }

    fn command(&self, settings: &[&str]) -> Command {
        let mut command = App::command(self.folder.path());
        command.env("NOTIFY_SOCKET", self.path()).env_remove("WATCHDOG_PID");
        for setting in settings {
            command.args(["--set", setting]);
        }
        command
    }

    fn next(&self, timeout: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(timeout)).expect("a timeout");
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    /// Waits for a message with this line.
    fn hears(&self, line: &str) -> String {
        let start = Instant::now();
        while let Some(message) =
            self.next(STUCK_AFTER.saturating_sub(start.elapsed()).max(Duration::from_millis(1)))
        {
            if message.lines().any(|said| said == line) {
                return message;
            }
        }
        panic!("{line} was not sent");
    }

    fn heard_now(&self) -> Vec<String> {
        std::iter::from_fn(|| self.next(Duration::from_millis(1))).collect()
    }
}

fn value<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message.lines().find_map(|line| line.strip_prefix(name))
}

/// Starts the command with open files from descriptor 3 on, as systemd does.
#[expect(
    unsafe_code,
    reason = "a descriptor gets its number between fork and exec, and std has no safe form of it"
)]
fn passes_in(command: &mut Command, files: &[(&dyn AsRawFd, &str)]) {
    let names: Vec<_> = files.iter().map(|(_, name)| *name).filter(|name| !name.is_empty()).collect();
    command.env("LISTEN_FDS", files.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
    let descriptors: Vec<RawFd> = files.iter().map(|(file, _)| file.as_raw_fd()).collect();
    let put = move || {
        // To high numbers first, so that no descriptor is overwritten before it has been moved to its place.
        let mut parked = [0; 8];
        for (place, &descriptor) in parked.iter_mut().zip(&descriptors) {
            // SAFETY: `fcntl` is async-signal-safe, and returns a new descriptor.
            *place = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, 100) };
        }
        for (target, &parked) in (3..).zip(&parked[..descriptors.len()]) {
            // SAFETY: `dup2` is async-signal-safe, and what it closes is of this child alone.
            if unsafe { libc::dup2(parked, target) } < 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: the closure allocates nothing and takes no lock.
    unsafe { command.pre_exec(put) };
}
