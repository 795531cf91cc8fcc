//! The store in a SQLite file.
//!
//! # The journal
//!
//! A rollback journal with `synchronous = EXTRA`, and no write-ahead log, for three reasons:
//!
//! - A committed transaction is in the one file. A program that copies it or opens it with `sqlite3`,
//!   after an exit of any kind and with or without the right to write beside it, sees all of it.
//! - SQLite notices before a transaction that the file was moved or deleted. With a write-ahead log it
//!   writes into the deleted file and reports success; the spool would be removed for nothing.
//! - `EXTRA` syncs the folder after the journal is deleted. With `FULL`, a power cut may bring the
//!   journal back, and the next opening would roll back what was already reported as committed.
//!
//! The cost: a process that reads the file for longer than a second can make a flush fail. The writes then wait in the
//! spool.
//!
//! # Descriptors
//!
//! The connection that writes is open from the start. A transaction needs two more descriptors, for
//! the journal and for its folder. They are kept in reserve, and given back to the system for the time
//! of the transaction.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use graceful_exit::os::refusal::Refusal;
use sqlx::error::DatabaseError;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, QueryBuilder};

use super::error::{Attempt, StoreError};
use super::shared::{CONNECT_TIMEOUT, LOCK_TIMEOUT, MAX_CONNECTIONS, Writes, statements};
use crate::business::directory::{self, beside};
use crate::business::private_file;

/// `SQLITE_READONLY_DBMOVED`, for which SQLite has the words "attempt to write a readonly database".
const MOVED: &str = "1032";

/// `SQLITE_CANTOPEN`.
const CANNOT_OPEN: &str = "14";

/// `SQLITE_BUSY`.
const LOCKED: &str = "5";

/// Reads the store.
#[derive(Debug)]
pub(super) struct Reader {
    file: PathBuf,
    pool: SqlitePool,
}

/// Writes the store.
#[derive(Debug)]
pub(super) struct Writer {
    options: SqliteConnectOptions,
    /// None if a write was given up, or if the file has gone: the next write opens another.
    connection: Option<SqliteConnection>,
    reserve: Reserve,
}

/// Opens the store that `url` names, and creates what is missing of it. Errors call it `shown`.
pub(super) async fn open(url: &str, shown: &str) -> Result<(Reader, Writer), StoreError> {
    if url.contains(":memory:") || url.contains("mode=memory") {
        return Err(StoreError::in_memory(shown.to_owned()));
    }
    let failed = |attempt| move |source| StoreError::sql(shown, attempt, source);
    let options = SqliteConnectOptions::from_str(url)
        .map_err(|source| StoreError::url(shown, &source))?
        .journal_mode(SqliteJournalMode::Delete)
        .synchronous(SqliteSynchronous::Extra)
        .busy_timeout(LOCK_TIMEOUT)
        .disable_statement_logging();
    let file = options.get_filename().to_owned();
    directory::create(directory::of(&file)).map_err(|source| failed(Attempt::CreateFolder)(source.into()))?;
    create(&file).map_err(|source| failed(Attempt::Open)(source.into()))?;
    let connection = prepare(&options).await.map_err(failed(Attempt::Open))?;
    let reserve = Reserve::take().map_err(|source| failed(Attempt::Open)(source.into()))?;
    // Connections are opened on first use. None creates the file: that would replace a deleted file by an empty one
    // without an error.
    let pool = SqlitePoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        // A connection to a file does not age. The task that would watch it would have to be woken at the exit.
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    Ok((Reader { file, pool }, Writer { options, connection: Some(connection), reserve }))
}

impl Reader {
    pub(super) async fn get(&self, key: &str) -> sqlx::Result<Option<Vec<u8>>> {
        let query = sqlx::query_scalar("SELECT value FROM cache WHERE key = ?").bind(key);
        query.fetch_optional(&self.pool).await.map_err(|error| named(error, &self.file))
    }

    pub(super) async fn close(&self) {
        // From here on no connection is handed out.
        let closed = self.pool.close();
        // Closing an idle connection writes nothing: it ends with the process, sooner than its thread could be asked.
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(0);
        if idle < self.pool.size() {
            closed.await;
        }
    }
}

impl Writer {
    pub(super) async fn write_all(&mut self, writes: &Writes) -> sqlx::Result<()> {
        self.reserve.give();
        let written = self.try_write_all(writes).await;
        self.reserve.refill();
        written
    }

    async fn try_write_all(&mut self, writes: &Writes) -> sqlx::Result<()> {
        let result = match self.connection.take() {
            Some(connection) => Ok(connection),
            None => self.options.connect().await,
        };
        let file = self.options.get_filename();
        let mut connection = result.map_err(|error| named(error, file))?;
        let written = transact(&mut connection, writes).await;
        // A connection to a file that is gone is of no use, should the file come back.
        if !written.as_ref().is_err_and(|error| is_gone(error, file)) {
            self.connection = Some(connection);
        }
        written.map_err(|error| named(error, file))
    }
}

async fn transact(connection: &mut SqliteConnection, writes: &Writes) -> sqlx::Result<()> {
    // The lock at once: taken only at the first row, it could not be waited for.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
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

/// Makes the error name a missing file, whether or not a connection was open when the file was removed.
fn named(error: sqlx::Error, file: &Path) -> sqlx::Error {
    if is_gone(&error, file) { io::Error::from(Refusal::Moved).into() } else { error }
}

fn is_gone(error: &sqlx::Error, file: &Path) -> bool {
    match error.as_database_error().and_then(DatabaseError::code).as_deref() {
        Some(MOVED) => true,
        Some(CANNOT_OPEN) => !file.exists(),
        _ => false,
    }
}

/// Creates the file for its owner alone, and refuses what is no regular file.
fn create(file: &Path) -> io::Result<()> {
    private_file::check(&beside(file, "-journal"))?;
    match private_file::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => private_file::open_or_create(file).map(drop),
        // SQLite says more about a file that cannot be written.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => private_file::check(file),
        opened => opened.map(drop),
    }
}

/// Creates what is missing, and detects now, not at the exit, what would make a flush fail.
async fn prepare(options: &SqliteConnectOptions) -> sqlx::Result<SqliteConnection> {
    let mut connection = options.connect().await?;
    sqlx::query("CREATE TABLE IF NOT EXISTS cache (key TEXT PRIMARY KEY, value BLOB NOT NULL)")
        .execute(&mut connection)
        .await?;
    // A table of that name may be another program's, and a file or its folder may be read-only.
    let try_out = "INSERT INTO cache (key, value) SELECT key, value FROM cache WHERE false \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    match sqlx::query(try_out).execute(&mut connection).await {
        // The program that holds the lock may release it before the first flush.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(LOCKED) => {}
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    Ok(connection)
}

/// Reserved descriptors, which are closed when a transaction needs some.
#[derive(Debug)]
struct Reserve(Vec<File>);

impl Reserve {
    /// A transaction needs one for the journal and one for the folder.
    const DESCRIPTORS: usize = 2;

    fn take() -> io::Result<Self> {
        let mut reserve = Self(Vec::with_capacity(Self::DESCRIPTORS));
        reserve.fill()?;
        Ok(reserve)
    }

    fn give(&mut self) {
        self.0.clear();
    }

    /// Opens as many as the system has left; the next call tries again.
    fn refill(&mut self) {
        let _ = self.fill();
    }

    fn fill(&mut self) -> io::Result<()> {
        while cfg!(unix) && self.0.len() < Self::DESCRIPTORS {
            self.0.push(File::open("/dev/null")?);
        }
        Ok(())
    }
}
