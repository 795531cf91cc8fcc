//! What can go wrong with the cache, in words that say where the writes are.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

use crate::business::spool::SpoolError;
use crate::business::store::StoreError;

/// The longest key in bytes. PostgreSQL's index takes about 2,700, and a key that the store refuses
/// would make every later flush fail.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// Why a write was not acknowledged.
#[derive(Debug, Clone)]
pub(crate) enum PutError {
    /// The exit's flush has begun.
    Closed,
    /// Twice as much waits for the store as the settings say.
    Full,
    /// The key is longer than [`MAX_KEY_BYTES`] or has a NUL.
    Key,
    /// The exit has begun, and the spool cannot be written.
    NotSpooled(Arc<SpoolError>),
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the cache is closed for the exit"),
            Self::Full => f.write_str("the cache is full until its next flush"),
            Self::Key => write!(f, "a key has at most {MAX_KEY_BYTES} bytes and no NUL"),
            Self::NotSpooled(error) => error.fmt(f),
        }
    }
}

impl Error for PutError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotSpooled(error) => Some(error),
            Self::Closed | Self::Full | Self::Key => None,
        }
    }
}

/// Why the cache cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// The system has no thread for the spooler, or no descriptor for its runtime.
    Thread(io::Error),
    Spool(SpoolError),
    Store(StoreError),
    /// What an earlier run left in the spool cannot be brought in, and is still there.
    NotRecovered {
        writes: usize,
        spool: PathBuf,
        source: StoreError,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(error) => write!(f, "the spooler's thread cannot be started: {error}"),
            Self::Spool(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::NotRecovered { writes, spool, source } => write!(
                f,
                "{} an earlier run left in {} cannot be brought in, and stay there: {source}",
                Count(*writes, "that"),
                spool.display()
            ),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::Thread(error) => error,
            Self::Spool(error) => error,
            Self::Store(error) | Self::NotRecovered { source: error, .. } => error,
        })
    }
}

/// Why a flush did not do all of its work.
#[derive(Debug)]
pub(crate) enum FlushError {
    /// Spooled; the store failed. Whether it has them is unknown only if its connection was lost
    /// during the commit.
    NotStored { writes: usize, spool: PathBuf, source: StoreError },
    /// Spooled; it was told to stop before the store reported them.
    Cancelled { writes: usize, spool: PathBuf },
    /// Neither spooled nor stored: these would be lost with the process. `store` is what the store
    /// said, where it was tried.
    NotSpooled { writes: usize, source: Arc<SpoolError>, store: Option<StoreError> },
    /// Stored; the spool is still there, and the next start writes the same once more.
    NotRemoved { writes: usize, source: SpoolError },
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStored { writes, spool, source } => {
                write!(f, "{}: {source}", Safe { writes: *writes, spool })
            }
            Self::Cancelled { writes: 0, .. } => f.write_str("stopped, with nothing to write"),
            Self::Cancelled { writes, spool } => write!(f, "stopped; {}", Safe { writes: *writes, spool }),
            Self::NotSpooled { writes, source, store } => {
                write!(f, "{} only in memory and lost with the process: {source}", Count(*writes, "are"))?;
                store.iter().try_for_each(|store| write!(f, "; {store}"))
            }
            Self::NotRemoved { writes, source } => write!(
                f,
                "{} stored, but the next start stores the same once more: {source}",
                Count(*writes, "are")
            ),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NotStored { source, .. } => Some(source),
            Self::NotSpooled { source, .. } => Some(source),
            Self::NotRemoved { source, .. } => Some(source),
            Self::Cancelled { .. } => None,
        }
    }
}

/// Where the writes are that the store does not have.
struct Safe<'a> {
    writes: usize,
    spool: &'a Path,
}

impl fmt::Display for Safe<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let them = if self.writes == 1 { "it" } else { "them" };
        let (writes, spool) = (Count(self.writes, "are"), self.spool.display());
        write!(f, "{writes} safe in {spool} and the next start brings {them} in")
    }
}

/// "1 write is", "3 writes are"; the word that follows is the plural's.
struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self(1, "are") => f.write_str("1 write is"),
            Self(1, word) => write!(f, "1 write {word}"),
            Self(n, word) => write!(f, "{n} writes {word}"),
        }
    }
}
