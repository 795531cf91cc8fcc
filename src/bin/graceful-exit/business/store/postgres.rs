//! The store in a PostgreSQL database.
//!
//! # TLS
//!
//! `sslmode` means what it means to libpq. Where the URL does not give it, a password goes to a host
//! that is not local through TLS alone: the mode is then `require` instead of `prefer`.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::error::{Attempt, StoreError};
use super::shared::{CONNECT_TIMEOUT, LOCK_TIMEOUT, MAX_CONNECTIONS, Writes, statements};

/// Any number, the same in every instance: the lock of that number is held while the table is created.
const CREATING: i64 = 0x6361_6368_6500;

/// How long closing a connection in order may take.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(500);

/// How long the connection that was kept may take to answer, before another one is opened.
const PING_TIMEOUT: Duration = Duration::from_millis(500);

/// Reads the store. A connection of its pool is served by the thread that has opened it, a server's
/// worker for example, whichever thread uses it.
#[derive(Debug)]
pub(super) struct Reader {
    pool: PgPool,
}

/// Writes the store, by a connection of its own: a blocked worker does not hold it back.
#[derive(Debug)]
pub(super) struct Writer {
    options: PgConnectOptions,
    /// None after an error: the next write opens another.
    connection: Option<PgConnection>,
}

/// Opens the store that `url` names, and creates its table where it is missing. Errors call it `shown`.
pub(super) async fn open(url: &str, shown: &str) -> Result<(Reader, Writer), StoreError> {
    let options = options(url).map_err(|source| StoreError::url(shown, &source))?.disable_statement_logging();
    let failed = |source| StoreError::sql(shown, Attempt::Open, source);
    let connection = prepared(&options).await.map_err(failed)?;
    // It is opened by the first use: the exit's flush needs none of its connections.
    let pool = PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        .connect_lazy_with(options.clone());
    Ok((Reader { pool }, Writer { options, connection: Some(connection) }))
}

impl Reader {
    pub(super) async fn get(&self, key: &str) -> sqlx::Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT value FROM cache WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
    }

    pub(super) async fn close(&self) {
        // A connection that a blocked worker has opened cannot be closed in order. Nothing is lost with it: it reads.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.pool.close()).await;
    }
}

impl Writer {
    pub(super) async fn write_all(&mut self, writes: &Writes) -> sqlx::Result<()> {
        let mut connection = self.connect().await?;
        transact(&mut connection, writes).await?;
        self.connection = Some(connection);
        Ok(())
    }

    /// The connection that was kept, if it still answers.
    async fn connect(&mut self) -> sqlx::Result<PgConnection> {
        if let Some(mut kept) = self.connection.take()
            && let Ok(Ok(())) = tokio::time::timeout(PING_TIMEOUT, kept.ping()).await
        {
            return Ok(kept);
        }
        connect(&self.options).await
    }

    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.connection.take() {
            // If this fails, the server notices that the connection has gone.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, connection.close()).await;
        }
    }
}

async fn transact(connection: &mut PgConnection, writes: &Writes) -> sqlx::Result<()> {
    let mut transaction = connection.begin().await?;
    limit_locks(&mut transaction).await?;
    // The spool is removed after the commit: it must be on the disk then, even where the server's own
    // default is to answer sooner.
    sqlx::query("SET LOCAL synchronous_commit = on").execute(&mut *transaction).await?;
    for rows in statements(writes) {
        let (keys, values): (Vec<&str>, Vec<&[u8]>) = rows.into_iter().unzip();
        sqlx::query(
            "INSERT INTO cache (key, value) SELECT * FROM unnest($1::text[], $2::bytea[]) \
             ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        )
        .bind(keys)
        .bind(values)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Opens a connection. `allow` and `prefer` try it without or with TLS first, and then the other way,
/// as libpq does and sqlx does not.
async fn connect(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let connecting = async {
        let (first, second) = match options.get_ssl_mode() {
            PgSslMode::Allow => (PgSslMode::Disable, PgSslMode::Require),
            PgSslMode::Prefer => (PgSslMode::Prefer, PgSslMode::Disable),
            _ => return options.connect().await,
        };
        match options.clone().ssl_mode(first).connect().await {
            // The server answered, and refused this mode.
            Err(error @ (sqlx::Error::Tls(_) | sqlx::Error::Database(_))) => {
                options.clone().ssl_mode(second).connect().await.map_err(|_| error)
            }
            connected => connected,
        }
    };
    // A server that does not answer is not waited for longer.
    tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// What the URL says, and how the connection is encrypted where it does not.
fn options(url: &str) -> sqlx::Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url)?;
    Ok(if has_ssl_mode(url) { options } else { encrypted(options) })
}

/// True if the URL says whether the connection is encrypted.
fn has_ssl_mode(url: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').any(|pair| pair.starts_with("sslmode=") || pair.starts_with("ssl-mode="))
}

/// Asks for TLS where a password would go to another host in clear.
fn encrypted(options: PgConnectOptions) -> PgConnectOptions {
    let may_be_clear =
        matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow | PgSslMode::Prefer);
    let has_password = options.to_url_lossy().password().is_some();
    if may_be_clear && has_password && !is_local(&options) {
        options.ssl_mode(PgSslMode::Require)
    } else {
        options
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host.eq_ignore_ascii_case("localhost")
        || address.is_ok_and(|address| address.is_loopback())
}

/// A connection to a database whose table can be written.
async fn prepared(options: &PgConnectOptions) -> sqlx::Result<PgConnection> {
    let mut connection = connect(options).await?;
    let preparing = tokio::time::timeout(CONNECT_TIMEOUT, prepare(&mut connection));
    preparing.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
    Ok(connection)
}

/// Creates the table where it is missing, and detects now what would make a flush fail.
async fn prepare(connection: &mut PgConnection) -> sqlx::Result<()> {
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut *connection).await?;
    if !matches!(encoding.as_str(), "UTF8" | "SQL_ASCII") {
        // A key with a character that the encoding lacks would make every later flush fail.
        let why = format!("the database's encoding is {encoding}, and keys need UTF8");
        return Err(sqlx::Error::Configuration(why.into()));
    }
    let mut transaction = connection.begin().await?;
    limit_locks(&mut transaction).await?;
    // `CREATE TABLE IF NOT EXISTS` fails when two instances start at once, and asks for the right to
    // create even where there is nothing to create.
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(CREATING).execute(&mut *transaction).await?;
    let missing: bool =
        sqlx::query_scalar("SELECT to_regclass('cache') IS NULL").fetch_one(&mut *transaction).await?;
    if missing {
        sqlx::query("CREATE TABLE cache (key TEXT PRIMARY KEY, value BYTEA NOT NULL)")
            .execute(&mut *transaction)
            .await?;
    }
    let try_out = "INSERT INTO cache (key, value) SELECT key, value FROM cache WHERE false \
                   ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    sqlx::query(try_out).execute(&mut *transaction).await?;
    transaction.commit().await
}

/// A lock that another session holds is an error after a while, not a wait without end.
async fn limit_locks(transaction: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('lock_timeout', $1, true)")
        .bind(format!("{}ms", LOCK_TIMEOUT.as_millis()))
        .execute(transaction)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        options(url).unwrap().get_ssl_mode()
    }

    #[test]
    fn a_password_goes_to_another_host_through_tls_unless_the_url_says_otherwise() {
        for (url, is_required) in [
            ("postgres://me:secret@db.example/shop", true),
            ("postgres://me@db.example/shop?password=secret", true),
            ("postgres://me:secret@192.0.2.1/shop?application_name=x", true),
            ("postgres://me:secret@[2001:db8::1]/shop", true),
            ("postgres://me:secret@db.example/shop?sslmode=prefer", false),
            ("postgres://me:secret@db.example/shop?application_name=x&sslmode=disable", false),
            ("postgres://me@db.example/shop", false),
            ("postgres://me:secret@localhost/shop", false),
            ("postgres://me:secret@127.0.0.2/shop", false),
            ("postgres://me:secret@[::1]/shop", false),
            ("postgres://me:secret@%2Frun%2Fpostgresql/shop", false),
            ("postgres://me:secret@ignored/shop?host=/run/postgresql", false),
        ] {
            let mode = mode(url);
            assert_eq!(matches!(mode, PgSslMode::Require), is_required, "{url}: {mode:?}");
        }
        assert!(matches!(mode("postgres://me:x@db.example/shop?sslmode=verify-full"), PgSslMode::VerifyFull));
    }
}
