//! The log as a whole: its start, and the handle to it.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use fern::Dispatch;
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::file;
use super::limit::Limit;
use super::line::{self, Clock, Decoration, OwnLines};
use super::options::{Color, Format, Options};
use super::queue::{self, Origin, Queue};
use crate::locale::Language;
use crate::os::journal;

/// A handle to the log that [`start`] started. Clones are handles to the same log; dropping them changes nothing.
#[derive(Clone, Debug)]
pub struct Logging {
    queues: Vec<Arc<Queue>>,
    limit: Arc<Limit>,
    format: Format,
    decoration: Decoration,
}

impl Logging {
    /// Waits until no output has anything left to write of what was logged before this call, `timeout` at most. Returns
    /// whether that was reached.
    ///
    /// A line that an output refused is not waited for: it is lost, and [`dropped`](Self::dropped) counts it. With an
    /// output that works this takes microseconds; one that hangs takes the whole timeout.
    ///
    /// Before that, the counts of lines that were left out because they repeated are logged.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.limit.tell(Duration::ZERO);
        let start = Instant::now();
        // Every output is asked, also after one that has used up the timeout: they write side by side.
        let hanging =
            self.queues.iter().filter(|queue| !queue.flush(timeout.saturating_sub(start.elapsed())));
        hanging.count() == 0
    }

    /// An error as a line for standard error in the log's form, without its end and without a time: for what is written
    /// past the log. Nothing is logged.
    #[must_use]
    pub fn unlogged(&self, event: &str, message: &str) -> String {
        line::unlogged(self.format, self.decoration, Level::Error, event, message)
    }

    /// How many lines were lost since the start. A line that neither standard error nor the file took counts as two.
    pub fn dropped(&self) -> u64 {
        self.queues.iter().map(|queue| queue.dropped()).sum()
    }
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
    let failed = |error| LoggingError::File { path: options.file.clone().unwrap_or_default(), error };
    let file: Option<File> = options.file.as_deref().map(file::open).transpose().map_err(failed)?;
    let colored = is_colored(options.color, io::stderr().is_terminal(), |name| std::env::var_os(name));
    let decoration = if journal::is_stderr() {
        Decoration::Priority
    } else if colored {
        Decoration::Color
    } else {
        Decoration::Plain
    };
    let (level, log, logging) = build(options, decoration, stderr, file)?;
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
struct Output {
    queue: Arc<Queue>,
    options: Options,
}

impl Log for Output {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let origin = if self.options.is_own(record.target()) { Origin::Own } else { Origin::Foreign };
        self.queue.push(record.args().to_string(), origin);
    }

    /// Without effect: a logger is flushed without a timeout, and must not hang.
    fn flush(&self) {}
}

/// What [`start`] installs, over any outputs.
pub(super) fn build(
    options: &Options,
    decoration: Decoration,
    stderr: impl Write + Send + 'static,
    file: Option<impl Write + Send + 'static>,
) -> Result<(LevelFilter, Box<dyn Log>, Logging), LoggingError> {
    let clock = Clock::local();
    let (format, language) = (options.format, options.language);
    let stderr_queue = Arc::new(Queue::default());
    let file_queue = file.as_ref().map(|_| Arc::new(Queue::default()));

    let own = |decoration| OwnLines { clock: clock.clone(), format, decoration };
    let (of_stderr, of_file) = (own(decoration), own(Decoration::Plain));

    spawn("log-stderr", of_stderr.clone(), language, &stderr_queue, stderr, {
        let (other, lines) = (file_queue.clone(), of_file.clone());
        move |error: &io::Error| {
            if let Some(other) = &other {
                let message = language.log_unwritable(None, error);
                other.push(lines.line("log_output_failed", &message), Origin::Own);
            }
        }
    })?;
    if let (Some(file), Some(file_queue)) = (file, &file_queue) {
        let (other, path) = (Arc::clone(&stderr_queue), options.file.clone());
        spawn("log-file", of_file, language, file_queue, file, move |error: &io::Error| {
            let message = language.log_unwritable(path.as_deref(), error);
            other.push(of_stderr.line("log_output_failed", &message), Origin::Own);
        })?;
    }

    let output = |queue: &Arc<Queue>| -> Box<dyn Log> {
        Box::new(Output { queue: Arc::clone(queue), options: options.clone() })
    };
    let to_stderr = Dispatch::new().chain(output(&stderr_queue)).format(move |out, message, record| {
        let (on, off) = decoration.around(format, record.level());
        out.finish(format_args!("{on}{message}{off}"));
    });
    let mut formatted = Dispatch::new()
        .format(move |out, _, record| out.finish(format_args!("{}", line::format(&clock, format, record))))
        .chain(to_stderr);
    if let Some(queue) = &file_queue {
        formatted = formatted.chain(output(queue));
    }
    let limit = Arc::new(Limit::new(options.clone(), formatted.into_log().1));
    let mut root = Dispatch::new().level(options.level.min(LevelFilter::Warn));
    for target in [env!("CARGO_CRATE_NAME")].into_iter().chain(options.targets.iter().map(String::as_str)) {
        root = root.level_for(target.to_owned(), options.level);
    }
    for target in &options.muted {
        root = root.level_for(target.clone(), LevelFilter::Off);
    }
    if format == Format::Text {
        // The sentences beside these say the same.
        root = root.level_for(crate::actors::EVENTS, LevelFilter::Off);
    }
    let first: Box<dyn Log> = Box::new(Arc::clone(&limit));
    let (level, log) = root.chain(first).into_log();
    let queues = [Some(stderr_queue), file_queue].into_iter().flatten().collect();
    Ok((level, log, Logging { queues, limit, format, decoration }))
}

/// Starts an output's writer thread. It is not joined: it may hang in its output for good.
fn spawn(
    name: &str,
    own: OwnLines,
    language: Language,
    queue: &Arc<Queue>,
    output: impl Write + Send + 'static,
    complain: impl Fn(&io::Error) + Send + 'static,
) -> Result<(), LoggingError> {
    let queue = Arc::clone(queue);
    let lost = move |count| own.line("log_lines_lost", &language.log_lost(count));
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || queue::write_all(&queue, output, lost, complain))
        .map(drop)
        .map_err(|error| LoggingError::Thread { error })
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
