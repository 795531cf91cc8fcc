//! The settings as the program reads them: plain structs, in the library's own types, with their defaults.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::address::BindAddress;
use super::redact;
use crate::locale::Language;
use crate::logging::{self, Color, Format};
use crate::os::signals::SignalName;
use crate::sequence::{ExitCodes, Timeouts};
use crate::server::Stop;

/// Everything that can be set, checked. `config/default.toml` says what each key means.
///
/// Its `Debug` shows neither the token nor the store's password.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// How the exit goes.
    pub shutdown: Shutdown,
    /// The answer to a request that comes too late.
    pub reject: Reject,
    /// The two servers.
    pub servers: Servers,
    /// Who may use the admin server.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// The report.
    pub report: Report,
    /// The process's exit codes when the exit was not clean.
    pub exit_codes: ExitCodes,
    /// The demo's write-behind cache.
    pub cache: Cache,
    /// Delays and faults to try the exit with.
    pub demo: Demo,
}

/// How the exit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// What starts the exit and, again, forces it: as given, duplicates and names of other platforms included. At
    /// least one is a signal of this platform.
    pub signals: Vec<SignalName>,
    /// How long each part may take. The keys are `shutdown.drain_timeout` and so on, without `timeouts`.
    pub timeouts: Timeouts,
    /// How often the log says what is waited for; zero is never.
    pub progress_interval: Duration,
}

/// The answer to a request that comes too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its status, from 400 to 599.
    pub status: u16,
    /// Its body; none is a sentence in the language of the log.
    pub body: Option<String>,
    /// The time after which a client may try again. The header has whole seconds, rounded up.
    pub retry_after: Duration,
}

/// The two servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Servers {
    /// Health, status, and the start of the exit.
    pub admin: Server,
    /// What the application is for.
    pub business: Server,
}

/// One server. The options from `client_request_timeout` on are those of actix-web's `HttpServer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it listens on; at least one address.
    pub bind: Vec<BindAddress>,
    /// The permissions of its Unix sockets.
    pub unix_mode: u32,
    /// Its threads; none is one for each core that this process may use.
    pub workers: Option<NonZeroUsize>,
    /// When it closes.
    pub stop: Stop,
    /// Its certificate.
    pub tls: Tls,
    /// True if plain connections may speak HTTP/2 by prior knowledge.
    pub h2c: bool,
    /// How long a client may take to send a request's head; zero is without a limit.
    pub client_request_timeout: Duration,
    /// How long a client may take to close its side of a connection; zero is without a limit.
    pub client_disconnect_timeout: Duration,
    /// How long a TLS handshake may take.
    pub tls_handshake_timeout: Duration,
    /// How long a connection without a request is kept; zero closes it after its first answer.
    pub keep_alive: Duration,
    /// The most connections that each worker serves at a time.
    pub max_connections: usize,
    /// True if a request of a client that has closed its sending side is still answered.
    pub half_closed: bool,
}

/// A server's certificate: both files, or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The PEM file of the certificate chain.
    pub certificate: Option<PathBuf>,
    /// The PEM file of the private key.
    pub key: Option<PathBuf>,
}

/// Who may use the admin server.
#[derive(Clone, PartialEq, Eq)]
pub struct Admin {
    /// The bearer token that `POST /shutdown` needs; without one, only this machine may ask. At least 16 characters.
    pub token: Option<String>,
    /// A file that holds the token in its first line, in place of [`token`](Self::token).
    pub token_file: Option<PathBuf>,
    /// True if reading needs the token too.
    pub token_for_reads: bool,
    /// The most event streams that are open at a time.
    pub max_streams: usize,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its language; none is the one of the environment.
    pub language: Option<Language>,
    /// What is logged.
    pub level: LevelFilter,
    /// A file that is written as well as standard error.
    pub file: Option<PathBuf>,
    /// When standard error has colors.
    pub color: Color,
    /// How a line is written.
    pub format: Format,
    /// True if an exit's log names what was abandoned or failed, and ends with a summary.
    pub summary: bool,
}

/// The report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Where it is written.
    pub path: Option<PathBuf>,
    /// How many earlier reports are kept beside it.
    pub keep: u32,
}

/// The demo's write-behind cache.
#[derive(Clone, PartialEq, Eq)]
pub struct Cache {
    /// The store's address: `sqlite:…`, `postgres:…` or `postgresql:…`. It may hold a password:
    /// [`store_for_display`](Self::store_for_display) is for logs and errors.
    pub store: String,
    /// How often it is flushed before the exit; zero is never.
    pub flush_interval: Duration,
    /// The file that a flush writes before the store.
    pub spool: PathBuf,
    /// True if the exit spools what is dirty at its very beginning.
    pub checkpoint: bool,
    /// The number of dirty entries above which a PUT starts a flush, and above twice of which it is refused.
    pub max_dirty: usize,
    /// The same for the bytes of dirty entries.
    pub max_dirty_bytes: u64,
}

/// Delays and faults to try the exit with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demo {
    /// Added to the flush at the exit.
    pub flush_delay: Duration,
    /// Added to the release of resources.
    pub release_delay: Duration,
    /// True if `/chaos/*` is mounted.
    pub chaos: bool,
}

impl Default for Shutdown {
    fn default() -> Self {
        Self {
            signals: [SignalName::UNIX, SignalName::WINDOWS].concat(),
            timeouts: Timeouts::default(),
            progress_interval: Duration::from_secs(1),
        }
    }
}

impl Default for Reject {
    fn default() -> Self {
        Self { status: 503, body: None, retry_after: Duration::from_secs(1) }
    }
}

impl Default for Servers {
    fn default() -> Self {
        Self {
            admin: Server::on("127.0.0.1:8081", Stop::Last),
            business: Server::on("127.0.0.1:8080", Stop::First),
        }
    }
}

impl Server {
    fn on(address: &str, stop: Stop) -> Self {
        Self {
            bind: vec![BindAddress::Tcp(address.to_owned())],
            unix_mode: 0o660,
            workers: None,
            stop,
            tls: Tls::default(),
            h2c: false,
            client_request_timeout: Duration::from_secs(5),
            client_disconnect_timeout: Duration::from_secs(1),
            tls_handshake_timeout: Duration::from_secs(3),
            keep_alive: Duration::from_secs(5),
            max_connections: 25_600,
            half_closed: false,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self { token: None, token_file: None, token_for_reads: false, max_streams: 256 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            language: None,
            level: LevelFilter::Info,
            file: None,
            color: Color::Auto,
            format: Format::Text,
            summary: true,
        }
    }
}

impl Log {
    /// The language itself: the one that is set, or else the environment's.
    pub fn language(&self) -> Language {
        self.language.unwrap_or_else(Language::from_environment)
    }
}

impl From<&Log> for logging::Options {
    fn from(log: &Log) -> Self {
        Self {
            level: log.level,
            language: log.language(),
            file: log.file.clone(),
            color: log.color,
            format: log.format,
            ..Self::default()
        }
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self {
            store: "sqlite://data/cache.db".to_owned(),
            flush_interval: Duration::ZERO,
            spool: "data/cache.spool".into(),
            checkpoint: true,
            max_dirty: 100_000,
            max_dirty_bytes: 64 << 20,
        }
    }
}

impl Cache {
    /// The store's address without what may be secret in it.
    pub fn store_for_display(&self) -> String {
        redact::address_without_secrets(&self.store)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { token, token_file, token_for_reads, max_streams } = self;
        f.debug_struct("Admin")
            .field("token", &token.as_ref().map(|_| redact::HIDDEN))
            .field("token_file", token_file)
            .field("token_for_reads", token_for_reads)
            .field("max_streams", max_streams)
            .finish()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, flush_interval, spool, checkpoint, max_dirty, max_dirty_bytes } = self;
        f.debug_struct("Cache")
            .field("store", &self.store_for_display())
            .field("flush_interval", flush_interval)
            .field("spool", spool)
            .field("checkpoint", checkpoint)
            .field("max_dirty", max_dirty)
            .field("max_dirty_bytes", max_dirty_bytes)
            .finish()
    }
}
