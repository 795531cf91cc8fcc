//! [`Store`]: SQLite or PostgreSQL.

use bytes::Bytes;
use graceful_exit::settings::address_without_secrets;
use tokio::sync::{Mutex, MutexGuard};

use super::error::{Attempt, StoreError};
use super::shared::Writes;
use super::{postgres, sqlite};

/// An open store. It is read by any number of tasks, and written by one at a time.
#[derive(Debug)]
pub(crate) struct Store {
    /// Its name in errors: its URL without what may be secret.
    name: String,
    reader: Reader,
    writer: Mutex<Writer>,
}

#[derive(Debug)]
enum Reader {
    Sqlite(sqlite::Reader),
    Postgres(postgres::Reader),
}

#[derive(Debug)]
enum Writer {
    Sqlite(Box<sqlite::Writer>),
    Postgres(Box<postgres::Writer>),
}

/// The right to write.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    name: &'a str,
    writer: MutexGuard<'a, Writer>,
}

impl Store {
    /// Opens the store that `url` names (`sqlite://data/cache.db`, `postgres://user@host/database`)
    /// and creates its table, and for SQLite its file and the folders above it, where missing. The
    /// connection for [`Turn::write_all`] is open on `Ok`, and served by the calling runtime.
    ///
    /// # Errors
    ///
    /// The URL names no store, or the store cannot be reached, or its table cannot be used.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let shown = address_without_secrets(url);
        let (name, reader, writer) = match url.split_once(':') {
            Some(("sqlite", _)) => {
                let (reader, writer) = sqlite::open(url, &shown).await?;
                (shown, Reader::Sqlite(reader), Writer::Sqlite(Box::new(writer)))
            }
            Some(("postgres" | "postgresql", _)) => {
                let (reader, writer) = postgres::open(url, &shown).await?;
                (shown, Reader::Postgres(reader), Writer::Postgres(Box::new(writer)))
            }
            // The rest of it may be a password.
            Some((scheme, _)) => return Err(StoreError::neither_store(format!("{scheme}:"))),
            None => return Err(StoreError::neither_store("cache.store".into())),
        };
        Ok(Self { name, reader, writer: Mutex::new(writer) })
    }

    /// True if `url` names a store in a file, which needs no network.
    pub(crate) fn is_file(url: &str) -> bool {
        url.starts_with("sqlite:")
    }

    /// Returns what `key` has in the store.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or is locked for longer than a second.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let value = match &self.reader {
            Reader::Sqlite(store) => store.get(key).await,
            Reader::Postgres(store) => store.get(key).await,
        };
        let value = value.map_err(|source| StoreError::sql(&self.name, Attempt::Read, source))?;
        Ok(value.map(Bytes::from))
    }

    /// Waits for the right to write, which one task has at a time.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        Turn { name: &self.name, writer: self.writer.lock().await }
    }

    /// Closes every connection, once what is running on it has ended. Later calls fail.
    pub(crate) async fn close(&self) {
        let mut turn = self.turn().await;
        match &self.reader {
            Reader::Sqlite(store) => store.close().await,
            Reader::Postgres(store) => store.close().await,
        }
        match &mut *turn.writer {
            Writer::Sqlite(_) => {}
            Writer::Postgres(store) => store.close().await,
        }
    }
}

impl Turn<'_> {
    /// Writes all of `writes` in one transaction, each over what its key had.
    ///
    /// Dropping the future gives up between two statements; whether the transaction was committed
    /// is then unknown, as it is when the connection is lost at that moment.
    ///
    /// # Errors
    ///
    /// The store cannot be written, or is locked for longer than a second.
    pub(crate) async fn write_all(&mut self, writes: &Writes) -> Result<(), StoreError> {
        if writes.is_empty() {
            return Ok(());
        }
        // Boxed: each future takes tens of kilobytes, which even a flush of nothing would
        // initialize on its stack.
        match &mut *self.writer {
            Writer::Sqlite(store) => Box::pin(store.write_all(writes)).await,
            Writer::Postgres(store) => Box::pin(store.write_all(writes)).await,
        }
        .map_err(|source| StoreError::sql(self.name, Attempt::Write, source))
    }
}
