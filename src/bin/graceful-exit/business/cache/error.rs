//! What can go wrong with the cache, in words that say where the writes are.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use super::MAX_KEY_BYTES;
use crate::business::spool::SpoolError;
use crate::business::store::StoreError;

/// Why a `PUT` was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutError {
    /// The exit's flush has taken its snapshot.
    Closed,
    /// The key is longer than [`MAX_KEY_BYTES`] or has a NUL.
    Key,
}

impl fmt::Display for PutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the cache is closed for the exit"),
            Self::Key => write!(f, "a key has at most {MAX_KEY_BYTES} bytes and no NUL"),
        }
    }
}

impl Error for PutError {}

/// Why the cache cannot be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
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
    NotSpooled { writes: usize, source: SpoolError, store: Option<StoreError> },
    /// Stored; the spool is still there, and the next start writes the same once more.
    NotRemoved { writes: usize, source: SpoolError },
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStored { writes, spool, source } => write!(
                f,
                "{} safe in {} and the next start brings them in: {source}",
                Count(*writes, "are"),
                spool.display()
            ),
            Self::Cancelled { writes: 0, .. } => f.write_str("stopped, with nothing to write"),
            Self::Cancelled { writes, spool } => write!(
                f,
                "stopped; {} safe in {} and the next start brings them in",
                Count(*writes, "are"),
                spool.display()
            ),
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
            Self::NotSpooled { source, .. } | Self::NotRemoved { source, .. } => Some(source),
            Self::Cancelled { .. } => None,
        }
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
