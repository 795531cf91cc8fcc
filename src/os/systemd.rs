//! systemd: readiness, progress and the watchdog, and the sockets that it passes in.
//!
//! Nothing here blocks its caller: a thread of its own sends the messages, and while it is blocked, further messages
//! are dropped.

use std::{
    env,
    error::Error,
    fmt, io,
    net::TcpListener,
    os::unix::net::UnixListener,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Duration,
};

use listenfd::ListenFd;
use sd_notify::NotifyState;

/// A line to the service manager that started this process.
#[derive(Clone, Debug)]
pub struct Systemd {
    messages: SyncSender<String>,
    watchdog: Option<Duration>,
    status: String,
    stopping: bool,
}

/// How often the manager is told that the process lives, unless the watchdog's interval is shorter.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// How much more time one message asks for. Each heartbeat asks again, so an exit that hangs gets no more.
const EXTENSION: Duration = Duration::from_secs(5);
/// Messages that wait for a manager that does not read.
const WAITING: usize = 16;

impl Systemd {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`. `None` if no service manager listens.
    ///
    /// A socket in the abstract namespace (`@…`), which containers' managers use, is not supported: each message
    /// fails then, and the log says so once.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn from_environment() -> io::Result<Option<Self>> {
        if env::var_os("NOTIFY_SOCKET").is_none() {
            return Ok(None);
        }
        let (messages, waiting) = sync_channel(WAITING);
        thread::Builder::new().name("systemd".to_owned()).spawn(move || send(&waiting))?;
        let watchdog = sd_notify::watchdog_enabled();
        Ok(Some(Self { messages, watchdog, status: String::new(), stopping: false }))
    }

    /// How often [`Systemd::alive`] wants to be called: each second, or twice within the watchdog's timeout.
    #[must_use]
    pub fn heartbeat(&self) -> Duration {
        self.watchdog.map_or(HEARTBEAT, |timeout| HEARTBEAT.min(timeout / 2)).max(Duration::from_millis(1))
    }

    /// Tells the manager that everything is up.
    pub fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Tells the manager that the process lives, and what it is doing. Once the exit has begun, it also asks for more
    /// time, in small pieces, and never past the end of `deadline_left`.
    pub fn alive(&mut self, status: &str, deadline_left: Option<Duration>) {
        let mut message = Vec::new();
        if self.watchdog.is_some() {
            message.push(NotifyState::Watchdog);
        }
        if let Some(left) = deadline_left {
            if !self.stopping {
                message.push(NotifyState::Stopping);
            }
            let extension = left.min(EXTENSION).as_micros();
            message.push(NotifyState::ExtendTimeoutUsec(u32::try_from(extension).unwrap_or(u32::MAX)));
        }
        let is_news = status != self.status;
        if is_news {
            message.push(NotifyState::Status(status));
        }
        let sent = message.is_empty() || self.tell(&message);
        if sent && is_news {
            status.clone_into(&mut self.status);
        }
        self.stopping |= sent && deadline_left.is_some();
    }

    /// Returns true if there was room for it.
    fn tell(&self, message: &[NotifyState<'_>]) -> bool {
        let lines: Vec<_> = message.iter().map(NotifyState::to_string).collect();
        self.messages.try_send(lines.join("\n")).is_ok()
    }
}

fn send(waiting: &Receiver<String>) {
    let mut complained = false;
    for message in waiting {
        let sent = sd_notify::notify(&[NotifyState::Custom(&message)]);
        if let Err(error) = sent
            && !std::mem::replace(&mut complained, true)
        {
            log::warn!(
                event = "service_manager_failed", error:% = error;
                "NOTIFY_SOCKET: the service manager cannot be told how things stand: {error}"
            );
        }
    }
}

/// The sockets that were passed in by `LISTEN_FDS`, with their names from `LISTEN_FDNAMES` (`FileDescriptorName=` in
/// a socket unit). None where nothing was passed to this process.
///
/// To be called first of all, before any thread is started: it takes the variables out of the environment, so that
/// no child inherits them.
///
/// # Errors
/// When something that was passed in is no listening TCP or Unix socket, or has no name.
pub fn inherited_sockets() -> Result<Vec<(String, InheritedSocket)>, InheritError> {
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut passed = ListenFd::from_env();
    let names: Vec<_> = names.split(':').filter(|name| !name.is_empty()).collect();
    if passed.len() > 0 && names.len() != passed.len() {
        return Err(InheritError::Names { sockets: passed.len(), names: names.len() });
    }
    let mut sockets = Vec::new();
    for (index, name) in names.into_iter().enumerate().take(passed.len()) {
        // The descriptor stays there after a refusal: it may be of the other kind.
        let taken = match passed.take_tcp_listener(index) {
            Ok(listener) => listener.map(InheritedSocket::Tcp),
            Err(source) => match passed.take_unix_listener(index) {
                Ok(listener) => listener.map(InheritedSocket::Unix),
                Err(_) => return Err(InheritError::NotAListener { name: name.to_owned(), source }),
            },
        };
        sockets.extend(taken.map(|socket| (name.to_owned(), socket)));
    }
    Ok(sockets)
}

/// A listening socket that was passed in.
#[derive(Debug)]
pub enum InheritedSocket {
    /// `ListenStream=` with a port.
    Tcp(TcpListener),
    /// `ListenStream=` with a path.
    Unix(UnixListener),
}

/// What was passed in cannot be listened on.
#[derive(Debug)]
pub enum InheritError {
    /// Not each socket has a name, and it is by name that a server finds its own.
    Names {
        /// `LISTEN_FDS`.
        sockets: usize,
        /// How many `LISTEN_FDNAMES` gives.
        names: usize,
    },
    /// It is neither a TCP nor a Unix socket that listens.
    NotAListener {
        /// Its name.
        name: String,
        /// What it is.
        source: io::Error,
    },
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names { sockets, names } => write!(
                f,
                "LISTEN_FDS passes in {sockets} sockets, and LISTEN_FDNAMES gives {names} names: each needs its own (FileDescriptorName=)"
            ),
            Self::NotAListener { name, source } => write!(f, "the socket `{name}` from LISTEN_FDS: {source}"),
        }
    }
}

impl Error for InheritError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Names { .. } => None,
            Self::NotAListener { source, .. } => Some(source),
        }
    }
}
