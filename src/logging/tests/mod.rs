//! The log with outputs that hang, fail and tear.

mod lines;
mod outputs;
mod start;

use std::error::Error;
use std::io::{self, ErrorKind, PipeReader, Write, pipe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use log::{Level, Log, Record};

use super::handle::build;
use super::line::Decoration;
use super::{Color, Logging, LoggingError, Options};

type Outcome = Result<(), Box<dyn Error>>;

/// Longer than any healthy output needs.
const AMPLE: Duration = Duration::from_secs(10);

/// An output that keeps what is written, and refuses while `broken`.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<u8>, bool)>>);

impl Kept {
    fn lines(&self) -> Vec<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept.0).lines().map(str::to_owned).collect()
    }

    fn set_broken(&self, broken: bool) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = broken;
    }
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1 {
            return Err(ErrorKind::StorageFull.into());
        }
        kept.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Started {
    log: Box<dyn Log>,
    logging: Logging,
}

impl Started {
    fn new(
        options: &Options,
        stderr: impl Write + Send + 'static,
        file: Option<Kept>,
    ) -> Result<Self, LoggingError> {
        let decoration = if options.color == Color::Always { Decoration::Color } else { Decoration::Plain };
        Self::decorated(options, decoration, stderr, file)
    }

    fn decorated(
        options: &Options,
        decoration: Decoration,
        stderr: impl Write + Send + 'static,
        file: Option<Kept>,
    ) -> Result<Self, LoggingError> {
        let (_, log, logging) = build(options, decoration, stderr, file)?;
        Ok(Self { log, logging })
    }

    fn say(&self, level: Level, target: &str, text: &str) {
        self.log.log(&Record::builder().level(level).target(target).args(format_args!("{text}")).build());
    }

    fn info(&self, text: &str) {
        self.say(Level::Info, "graceful_exit::sequence", text);
    }
}

/// A log whose standard error is a pipe that is full, and the pipe's other end.
fn hanging(options: &Options, file: Option<Kept>) -> Result<(Started, PipeReader), Box<dyn Error>> {
    let (reader, writer) = pipe()?;
    let started = Started::new(options, writer, file)?;
    // More than a pipe holds anywhere, in lines fewer than the queue does.
    let line = "x".repeat(2000);
    for _ in 0..1000 {
        started.info(&line);
    }
    assert!(!started.logging.flush(Duration::from_millis(50)), "the pipe is not full");
    Ok((started, reader))
}
