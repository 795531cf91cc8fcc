use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use log::LevelFilter;

use super::choice::{self, Choice, ColorChoice, LanguageChoice, LogFormat, StopOrder};
use super::error::SettingsError;
use super::layers::{Layers, Values};
use super::redact;
use super::schema::Value;
use crate::os::signals::SignalName;

/// Everything that can be set, checked. `config/default.toml` says what each key means.
///
/// Its `Debug` shows neither the token nor the store's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How the exit goes.
    pub shutdown: Shutdown,
    /// The answer to a request that comes too late.
    pub reject: Reject,
    /// The two servers.
    pub servers: Servers,
    /// Who may start the exit over HTTP.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// The report.
    pub report: Report,
    /// What the process ends with when the exit was not clean.
    pub exit_codes: ExitCodes,
    /// The demo's write-behind cache.
    pub cache: Cache,
    /// Delays and faults to try the exit with.
    pub demo: Demo,
}

/// How the exit goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Names of what starts the exit and, again, forces it: as they were given, duplicates and names of other
    /// platforms included. At least one is a signal of this platform.
    pub signals: Vec<SignalName>,
    /// A further signal this soon after the first is the same request.
    pub coalesce: Duration,
    /// How long the process is not ready, but still serves.
    pub ready_delay: Duration,
    /// How long requests in flight are waited for.
    pub drain_timeout: Duration,
    /// How long connections just used stay open for a request on its way.
    pub keep_alive_grace: Duration,
    /// How long servers may take to close, the keep-alive grace included.
    pub stop_timeout: Duration,
    /// The bound of each callback that has none of its own; never zero.
    pub callback_timeout: Duration,
    /// The bound of each resource; never zero.
    pub release_timeout: Duration,
    /// The overall deadline, from the first request to stop; never zero.
    pub timeout: Duration,
    /// How often waiting is reported in the log; none is never.
    pub progress_interval: Option<Duration>,
}

/// The answer to a request that comes too late.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Its status, from 400 to 599.
    pub status: u16,
    /// Its body, unless it is the one of the log's language.
    pub body: Option<String>,
    /// After what time to try again; the header has whole seconds, rounded up.
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

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// `IP:port` or `host:port`.
    pub bind: String,
    /// Its threads.
    pub workers: Workers,
    /// When it closes.
    pub stop: StopOrder,
}

/// How many threads a server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workers {
    /// As many as the machine has cores for this process.
    Cores,
    /// So many, 512 at most.
    Count(NonZeroUsize),
}

/// Who may start the exit over HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct Admin {
    /// The bearer token; without one, only loopback may ask.
    pub token: Option<String>,
}

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Its language.
    pub language: LanguageChoice,
    /// What is logged.
    pub level: LevelFilter,
    /// A file that is written besides standard error.
    pub file: Option<PathBuf>,
    /// Whether standard error has colors.
    pub color: ColorChoice,
    /// How a line is written.
    pub format: LogFormat,
    /// Whether an exit's log ends with a summary.
    pub summary: bool,
}

/// The report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Where it is written.
    pub path: Option<PathBuf>,
}

/// What the process ends with when the exit was not clean; none is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExitCodes {
    /// After a second signal.
    pub forced: u8,
    /// After the overall deadline.
    pub timed_out: u8,
    /// After a sequence in which something was abandoned or failed.
    pub incomplete: u8,
}

/// The demo's write-behind cache.
#[derive(Clone, PartialEq, Eq)]
pub struct Cache {
    /// The store's address: `sqlite:…`, `postgres:…` or `postgresql:…`. It may hold a password:
    /// [`store_for_display`](Self::store_for_display) is for logs and errors.
    pub store: String,
    /// How often it is flushed before the exit; none is never.
    pub flush_interval: Option<Duration>,
    /// The file that a flush writes before the store.
    pub spool: PathBuf,
}

/// Delays and faults to try the exit with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// Added to the flush at the exit.
    pub flush_delay: Duration,
    /// Added to the release of resources.
    pub release_delay: Duration,
    /// Whether `/chaos/*` is mounted.
    pub chaos: bool,
}

impl Settings {
    /// Lays the layers over the built-in defaults. Reads the named files, and nothing else.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]: the first thing that is wrong, and where it stands.
    pub fn load(layers: &Layers) -> Result<Self, SettingsError> {
        let values = layers.merge()?;
        Ok(Self {
            shutdown: Shutdown {
                signals: names(&values, "shutdown.signals")?,
                coalesce: duration(&values, "shutdown.coalesce")?,
                ready_delay: duration(&values, "shutdown.ready_delay")?,
                drain_timeout: duration(&values, "shutdown.drain_timeout")?,
                keep_alive_grace: duration(&values, "shutdown.keep_alive_grace")?,
                stop_timeout: duration(&values, "shutdown.stop_timeout")?,
                callback_timeout: duration(&values, "shutdown.callback_timeout")?,
                release_timeout: duration(&values, "shutdown.release_timeout")?,
                timeout: duration(&values, "shutdown.timeout")?,
                progress_interval: interval(&values, "shutdown.progress_interval")?,
            },
            reject: Reject {
                status: integer(&values, "reject.status")?,
                body: text_or_none(&values, "reject.body")?,
                retry_after: duration(&values, "reject.retry_after")?,
            },
            servers: Servers {
                admin: Server {
                    bind: text(&values, "servers.admin.bind")?,
                    workers: workers(&values, "servers.admin.workers")?,
                    stop: choice(&values, "servers.admin.stop")?,
                },
                business: Server {
                    bind: text(&values, "servers.business.bind")?,
                    workers: workers(&values, "servers.business.workers")?,
                    stop: choice(&values, "servers.business.stop")?,
                },
            },
            admin: Admin { token: text_or_none(&values, "admin.token")? },
            log: Log {
                language: choice(&values, "log.language")?,
                level: choice(&values, "log.level")?,
                file: text_or_none(&values, "log.file")?.map(PathBuf::from),
                color: choice(&values, "log.color")?,
                format: choice(&values, "log.format")?,
                summary: flag(&values, "log.summary")?,
            },
            report: Report { path: text_or_none(&values, "report.path")?.map(PathBuf::from) },
            exit_codes: ExitCodes {
                forced: integer(&values, "exit_codes.forced")?,
                timed_out: integer(&values, "exit_codes.timed_out")?,
                incomplete: integer(&values, "exit_codes.incomplete")?,
            },
            cache: Cache {
                store: text(&values, "cache.store")?,
                flush_interval: interval(&values, "cache.flush_interval")?,
                spool: text(&values, "cache.spool")?.into(),
            },
            demo: Demo {
                flush_delay: duration(&values, "demo.flush_delay")?,
                release_delay: duration(&values, "demo.release_delay")?,
                chaos: flag(&values, "demo.chaos")?,
            },
        })
    }
}

impl Cache {
    /// The store's address with `***` in place of its password.
    pub fn store_for_display(&self) -> String {
        redact::without_password(&self.store)
    }
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("token", &self.token.as_ref().map(|_| redact::HIDDEN)).finish()
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store: _, flush_interval, spool } = self;
        f.debug_struct("Cache")
            .field("store", &self.store_for_display())
            .field("flush_interval", flush_interval)
            .field("spool", spool)
            .finish()
    }
}

// Each takes a value of one kind. That the schema gives the key this kind, and the defaults a value, is what
// loading no layers shows; a test does.

fn text(values: &Values, key: &'static str) -> Result<String, SettingsError> {
    match values.get(key) {
        Some(Value::Text(text)) => Ok(text.clone()),
        _ => Err(SettingsError::Incomplete { key }),
    }
}

fn text_or_none(values: &Values, key: &'static str) -> Result<Option<String>, SettingsError> {
    Ok(Some(text(values, key)?).filter(|text| !text.is_empty()))
}

fn choice<C: Choice>(values: &Values, key: &'static str) -> Result<C, SettingsError> {
    choice::read(&text(values, key)?).ok_or(SettingsError::Incomplete { key })
}

fn duration(values: &Values, key: &'static str) -> Result<Duration, SettingsError> {
    match values.get(key) {
        Some(Value::Duration(time)) => Ok(*time),
        _ => Err(SettingsError::Incomplete { key }),
    }
}

fn interval(values: &Values, key: &'static str) -> Result<Option<Duration>, SettingsError> {
    Ok(Some(duration(values, key)?).filter(|time| !time.is_zero()))
}

fn integer<N: TryFrom<i64>>(values: &Values, key: &'static str) -> Result<N, SettingsError> {
    match values.get(key) {
        Some(Value::Integer(number)) => N::try_from(*number).map_err(|_| SettingsError::Incomplete { key }),
        _ => Err(SettingsError::Incomplete { key }),
    }
}

fn flag(values: &Values, key: &'static str) -> Result<bool, SettingsError> {
    match values.get(key) {
        Some(Value::Flag(flag)) => Ok(*flag),
        _ => Err(SettingsError::Incomplete { key }),
    }
}

fn workers(values: &Values, key: &'static str) -> Result<Workers, SettingsError> {
    match values.get(key) {
        Some(Value::Workers(workers)) => Ok(*workers),
        _ => Err(SettingsError::Incomplete { key }),
    }
}

fn names(values: &Values, key: &'static str) -> Result<Vec<SignalName>, SettingsError> {
    match values.get(key) {
        Some(Value::Names(names)) => Ok(names.clone()),
        _ => Err(SettingsError::Incomplete { key }),
    }
}
