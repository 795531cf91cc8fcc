//! The store: the table `cache (key, value)` in SQLite or PostgreSQL.
//!
//! Whatever is written together is written in one transaction, durable when it is reported: the
//! spool is removed on the strength of it.

mod postgres;
mod sqlite;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use postgres::Postgres;
use sqlite::Sqlite;

/// What is written together: each key once, and in the same order everywhere, so that two instances
/// that write to one PostgreSQL cannot lock each other out.
pub(crate) type Writes = BTreeMap<String, Bytes>;

/// How long a lock that somebody else holds is waited for. Several such waits still fit into a
/// callback's 3 s, so that the error of the store is told and not a timeout.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);

/// How long a connection is waited for, a new one's login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An upper bound on connections that read, whatever the load; a flush has one of its own.
const MAX_CONNECTIONS: u32 = 4;

/// Rows and bytes that one statement carries at most: few round trips, little memory.
const STATEMENT_ROWS: usize = 500;
const STATEMENT_BYTES: usize = 4 << 20;

/// An open store. Its methods may be called from any thread of a tokio runtime.
#[derive(Debug)]
pub(crate) enum Store {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
}

impl Store {
    /// Opens the store that `url` names (`sqlite://data/cache.db`, `postgres://user@host/database`)
    /// and creates its table, and for SQLite its file and the folders above it, where missing.
    ///
    /// # Errors
    ///
    /// The URL names no store, or the store cannot be reached, or its table cannot be used.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        match url.split_once(':') {
            Some(("sqlite", _)) => Sqlite::open(url).await.map(Self::Sqlite),
            Some(("postgres" | "postgresql", _)) => {
                Postgres::open(url).await.map(|store| Self::Postgres(Box::new(store)))
            }
            // The rest of it may be a password.
            Some((scheme, _)) => {
                Err(StoreError::url(format!("{scheme}:"), "it is neither sqlite: nor postgres:"))
            }
            None => {
                Err(StoreError::url("the store".into(), "its URL begins with neither sqlite: nor postgres:"))
            }
        }
    }

    /// What `key` has in the store.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or is locked for longer than a second.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let value = match self {
            Self::Sqlite(store) => store.get(key).await,
            Self::Postgres(store) => store.get(key).await,
        };
        value.map(|value| value.map(Bytes::from)).map_err(|source| self.failed("read", source))
    }

    /// Writes all of `writes` in one transaction, each over what its key had.
    ///
    /// Dropping the future gives up between two statements; whether the transaction was committed
    /// is then unknown, as it is when the connection is lost at that moment.
    ///
    /// # Errors
    ///
    /// The store cannot be written, or is locked for longer than a second.
    pub(crate) async fn write_all(&self, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        // Each is tens of kilobytes large, which a flush of nothing would clear on its stack as well.
        match self {
            Self::Sqlite(store) => Box::pin(store.write_all(writes)).await,
            Self::Postgres(store) => Box::pin(store.write_all(writes)).await,
        }
        .map_err(|source| self.failed("write", source))
    }

    /// Closes every connection, once what is running on it has ended. Later calls fail.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }

    fn failed(&self, doing: &'static str, source: sqlx::Error) -> StoreError {
        let name = match self {
            Self::Sqlite(store) => store.name(),
            Self::Postgres(store) => store.name(),
        };
        StoreError::sql(name, doing, source)
    }
}

/// What went wrong with the store. Its text names the file or the server, and no password.
#[derive(Debug)]
pub(crate) struct StoreError {
    store: String,
    doing: &'static str,
    why: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    fn url(store: String, why: &'static str) -> Self {
        Self { store, doing: "use", why: why.into() }
    }

    fn sql(store: &str, doing: &'static str, source: sqlx::Error) -> Self {
        Self { store: store.to_owned(), doing, why: source.into() }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: ", self.doing, self.store)?;
        match self.why.downcast_ref() {
            Some(sqlx::Error::PoolTimedOut) => {
                write!(f, "no connection within {} s", CONNECT_TIMEOUT.as_secs())
            }
            Some(sqlx::Error::Database(error)) => f.write_str(error.message()),
            Some(sqlx::Error::Configuration(error)) => write!(f, "{error}"),
            Some(sqlx::Error::Io(error)) => write!(f, "{error}"),
            _ => write!(f, "{}", self.why),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self.why.as_ref())
    }
}

/// Splits `writes` into what one statement carries: at least one row, then up to both limits.
fn statements(writes: &Writes) -> impl Iterator<Item = Vec<(&str, &[u8])>> {
    let mut rows = writes.iter().map(|(key, value)| (key.as_str(), &value[..])).peekable();
    std::iter::from_fn(move || {
        let mut statement = vec![rows.next()?];
        let size = |(key, value): &(&str, &[u8])| key.len() + value.len();
        let mut bytes = size(&statement[0]);
        while statement.len() < STATEMENT_ROWS
            && let Some(row) = rows.next_if(|row| bytes + size(row) <= STATEMENT_BYTES)
        {
            bytes += size(&row);
            statement.push(row);
        }
        Some(statement)
    })
}

#[cfg(test)]
mod tests;
