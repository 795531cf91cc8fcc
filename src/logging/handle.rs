use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fern::Dispatch;
use log::{LevelFilter, Log, Metadata, Record};

use super::line::{self, Clock};
use super::queue::{self, Queue};
use crate::locale::Language;

/// A handle to the log that [`start`] started. Clones are handles to the same log; dropping them changes nothing.
#[derive(Clone, Debug)]
pub struct Logging {
    queues: Vec<Arc<Queue>>,
}

impl Logging {
    /// Waits until no output has anything left to write of what was logged before this call, `bound` at most. Returns
    /// whether that was reached.
    ///
    /// A line that an output refused is not waited for: it is lost, and [`dropped`](Self::dropped) counts it. With an
    /// output that works this takes microseconds; one that hangs costs the whole bound.
    pub fn flush(&self, bound: Duration) -> bool {
        let start = Instant::now();
        // Every output gets its look, also after one that used up the bound: they write side by side.
        let hanging = self.queues.iter().filter(|queue| !queue.flush(bound.saturating_sub(start.elapsed())));
        hanging.count() == 0
    }

    /// How many lines were lost since the start. A line that neither standard error nor the file took counts as two.
    pub fn dropped(&self) -> u64 {
        self.queues.iter().map(|queue| queue.dropped()).sum()
    }
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What this crate, its binary and [`targets`](Self::targets) log. Everything else is logged from `warn` up, so
    /// that the chatter of a database client stays out.
    pub level: LevelFilter,
    /// Further crates or modules to log at [`level`](Self::level): a library user's own, such as `my_service`.
    pub targets: Vec<String>,
    /// The language of the lines that the log itself writes.
    pub language: Language,
    /// A file that is appended to, besides standard error. Missing parent folders are created.
    pub file: Option<PathBuf>,
    /// Whether standard error has colors; the file never has.
    pub color: Color,
    /// How a line is written.
    pub format: Format,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
            targets: Vec::new(),
            language: Language::En,
            file: None,
            color: Color::Auto,
            format: Format::Text,
        }
    }
}

/// Whether standard error has colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `YYYY/MM/DD HH:MM:SS text`, in local time. Control characters are escaped: an event is one line.
    Text,
    /// `{"time":…,"level":…,"target":…,"message":…}`, with the time in RFC 3339. It has no colors.
    Json,
}

/// Starts the log: installs it as the process's logger, and one writer thread for each output.
///
/// # Errors
///
/// [`LoggingError`]; nothing is installed then.
pub fn start(options: &Options) -> Result<Logging, LoggingError> {
    start_through(options, io::stderr())
}

/// [`start`], with lines for standard error written through `stderr`, on the thread that is for them alone: it may
/// have something of its own on the same terminal, a progress bar for example. It may block, and may fail.
///
/// # Errors
///
/// [`LoggingError`]; nothing is installed then.
pub fn start_through(
    options: &Options,
    stderr: impl Write + Send + 'static,
) -> Result<Logging, LoggingError> {
    let file = options.file.as_deref().map(open).transpose()?;
    let colored = is_colored(options.color, io::stderr().is_terminal(), |name| std::env::var_os(name));
    let (level, log, logging) = build(options, colored, stderr, file)?;
    log::set_boxed_logger(log).map_err(|_| LoggingError::AlreadyStarted)?;
    log::set_max_level(level);
    Ok(logging)
}

/// Why the log cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoggingError {
    /// The log file, or the folder for it, cannot be written.
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A writer thread cannot be started.
    Thread {
        /// What the operating system said.
        error: io::Error,
    },
    /// The process has a logger already.
    AlreadyStarted,
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => {
                write!(f, "the log file {} cannot be written: {error}", path.display())
            }
            Self::Thread { error } => write!(f, "a thread for the log cannot be started: {error}"),
            Self::AlreadyStarted => f.write_str("the process has a logger already"),
        }
    }
}

impl Error for LoggingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::File { error, .. } | Self::Thread { error } => Some(error),
            Self::AlreadyStarted => None,
        }
    }
}

/// The last link of fern's chain: hands the formatted line to an output's queue.
struct Output(Arc<Queue>);

impl Log for Output {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        self.0.push(record.args().to_string());
    }

    /// Without effect: whoever flushes a logger has no bound to give, and must not hang.
    fn flush(&self) {}
}

/// What [`start`] installs, over any outputs.
pub(super) fn build(
    options: &Options,
    colored: bool,
    stderr: impl Write + Send + 'static,
    file: Option<impl Write + Send + 'static>,
) -> Result<(LevelFilter, Box<dyn Log>, Logging), LoggingError> {
    let clock = Clock::local();
    let (format, language) = (options.format, options.language);
    let stderr_queue = Arc::new(Queue::default());
    let file_queue = file.as_ref().map(|_| Arc::new(Queue::default()));

    spawn("log-stderr", options, &clock, &stderr_queue, stderr, {
        let (peer, clock) = (file_queue.clone(), clock.clone());
        move |error: &io::Error| {
            if let Some(peer) = &peer {
                peer.push(line::own(&clock, format, &language.log_unwritable(None, error)));
            }
        }
    })?;
    if let (Some(file), Some(file_queue)) = (file, &file_queue) {
        let (peer, clock_of_peer, path) = (Arc::clone(&stderr_queue), clock.clone(), options.file.clone());
        spawn("log-file", options, &clock, file_queue, file, move |error: &io::Error| {
            peer.push(line::own(&clock_of_peer, format, &language.log_unwritable(path.as_deref(), error)));
        })?;
    }

    let mut to_stderr = Dispatch::new().chain(boxed(&stderr_queue));
    if colored && format == Format::Text {
        to_stderr = to_stderr.format(|out, message, record| {
            let (on, off) = line::paint(record.level());
            out.finish(format_args!("{on}{message}{off}"));
        });
    }
    let mut root = Dispatch::new().level(options.level.min(LevelFilter::Warn));
    for target in [env!("CARGO_CRATE_NAME")].into_iter().chain(options.targets.iter().map(String::as_str)) {
        root = root.level_for(target.to_owned(), options.level);
    }
    root = root
        .format(move |out, message, record| {
            let line = line::format(&clock, format, record.level(), record.target(), message);
            out.finish(format_args!("{line}"));
        })
        .chain(to_stderr);
    if let Some(queue) = &file_queue {
        root = root.chain(boxed(queue));
    }
    let (level, log) = root.into_log();
    let queues = [Some(stderr_queue), file_queue].into_iter().flatten().collect();
    Ok((level, log, Logging { queues }))
}

fn boxed(queue: &Arc<Queue>) -> Box<dyn Log> {
    Box::new(Output(Arc::clone(queue)))
}

/// Starts an output's writer thread. Nobody joins it: it may hang in its output for good.
fn spawn(
    name: &str,
    options: &Options,
    clock: &Clock,
    queue: &Arc<Queue>,
    output: impl Write + Send + 'static,
    complain: impl Fn(&io::Error) + Send + 'static,
) -> Result<(), LoggingError> {
    let (queue, clock, format, language) =
        (Arc::clone(queue), clock.clone(), options.format, options.language);
    let lost = move |count| line::own(&clock, format, &language.log_lost(count));
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || queue::write_all(&queue, output, lost, complain))
        .map(drop)
        .map_err(|error| LoggingError::Thread { error })
}

fn open(path: &Path) -> Result<File, LoggingError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(path))
        .map_err(|error| LoggingError::File { path: path.to_owned(), error })
}

pub(super) fn is_colored(color: Color, terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    // Windows' old console shows the escapes themselves; what understands them says so.
    let understands = if cfg!(windows) {
        is_set("WT_SESSION") || is_set("TERM")
    } else {
        variable("TERM").is_none_or(|term| term != "dumb")
    };
    match color {
        Color::Auto => terminal && understands && !is_set("NO_COLOR"),
        Color::Always => true,
        Color::Never => false,
    }
}
