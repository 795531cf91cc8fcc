//! The store in a SQLite file.
//!
//! # The journal
//!
//! A rollback journal with `synchronous = EXTRA`, and no write-ahead log, for three reasons:
//!
//! - A committed transaction is in the one file. Whoever copies it or opens it with `sqlite3`, after
//!   an exit of any kind and with or without the right to write beside it, sees all of it.
//! - SQLite notices before a transaction that the file was moved or deleted. With a write-ahead log
//!   it writes into the deleted file and reports success; the spool would be removed for nothing.
//! - `EXTRA` syncs the folder after the journal is deleted. With `FULL`, a power cut may bring the
//!   journal back, and the next opening would roll back what was already reported as committed.
//!
//! The price: a process that reads the file for longer than a second can make a flush fail; its
//! writes wait in the spool then.

use std::io;
use std::path::PathBuf;
use std::str::FromStr;

use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder};

use super::{CONNECT_TIMEOUT, LOCK_TIMEOUT, MAX_CONNECTIONS, StoreError, Writes, statements};
use crate::business::directory;

/// `SQLITE_READONLY_DBMOVED`, for which SQLite has the words "attempt to write a readonly database".
const MOVED: &str = "1032";

/// `SQLITE_CANTOPEN`.
const CANNOT_OPEN: &str = "14";

/// `SQLITE_BUSY`.
const LOCKED: &str = "5";

#[derive(Debug)]
pub(crate) struct Sqlite {
    name: String,
    file: PathBuf,
    pool: SqlitePool,
}

impl Sqlite {
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let name = url.to_owned();
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Err(StoreError::url(name, "a store in memory keeps nothing"));
        }
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|source| StoreError::sql(url, "use", source))?
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Extra)
            .busy_timeout(LOCK_TIMEOUT)
            .disable_statement_logging();
        directory::create(directory::of(options.get_filename()))
            .map_err(|source| StoreError::sql(url, "create the folder of", source.into()))?;
        prepare(&options).await.map_err(|source| StoreError::sql(url, "open", source))?;
        let file = options.get_filename().to_owned();
        // What the store is worth is known by now; a connection for each use of it is opened when the first comes, and
        // none stands in the way of an exit that has nothing to write. None of them creates the file: it would replace
        // a deleted one by an empty one without a word.
        let pool = SqlitePoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            // A connection to a file does not age; the task that would see to it would have to be woken at the exit.
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy_with(options);
        Ok(Self { name, file, pool })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn get(&self, key: &str) -> sqlx::Result<Option<Vec<u8>>> {
        let query = sqlx::query_scalar("SELECT value FROM cache WHERE key = ?").bind(key);
        query.fetch_optional(&self.pool).await.map_err(|error| self.named(error))
    }

    pub(super) async fn write_all(&self, writes: &Writes) -> sqlx::Result<()> {
        self.try_write_all(writes).await.map_err(|error| self.named(error))
    }

    /// A file that is gone, by that name: whether a connection was open when it went or not.
    fn named(&self, error: sqlx::Error) -> sqlx::Error {
        let code = error.as_database_error().and_then(DatabaseError::code);
        let gone = match code.as_deref() {
            Some(MOVED) => true,
            Some(CANNOT_OPEN) => !self.file.exists(),
            _ => false,
        };
        if gone { io::Error::other("its file was moved or deleted while in use").into() } else { error }
    }

    async fn try_write_all(&self, writes: &Writes) -> sqlx::Result<()> {
        // The lock at once: taken only at the first row, it could not be waited for.
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        for rows in statements(writes) {
            QueryBuilder::new("INSERT INTO cache (key, value) ")
                .push_values(rows, |mut row, (key, value)| {
                    row.push_bind(key).push_bind(value);
                })
                .push(" ON CONFLICT (key) DO UPDATE SET value = excluded.value")
                .build()
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    pub(super) async fn close(&self) {
        // From here on none is handed out.
        let closed = self.pool.close();
        // Closing one that is idle writes nothing: with the process it ends sooner than its thread could be told.
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(0);
        if idle < self.pool.size() {
            closed.await;
        }
    }
}

/// Creates what is missing and finds out now, not at the exit, what a flush would stumble over.
async fn prepare(options: &SqliteConnectOptions) -> sqlx::Result<()> {
    let mut connection = options.clone().create_if_missing(true).connect().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
        .execute(&mut connection)
        .await?;
    // A table of that name may be somebody else's, and a file or its folder may be read-only.
    let try_out = "INSERT INTO cache (key, value) SELECT key, value FROM cache WHERE false \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    match sqlx::query(try_out).execute(&mut connection).await {
        // Whoever has the lock may be done with it by the first flush.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCKED) => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    connection.close().await
}
