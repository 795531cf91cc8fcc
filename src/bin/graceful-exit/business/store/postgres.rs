//! The store in a PostgreSQL database.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::{CONNECT_TIMEOUT, LOCK_TIMEOUT, MAX_CONNECTIONS, StoreError, Writes, statements};

/// Any number, the same in every instance: who creates the table holds the lock of that number.
const CREATING: i64 = 0x6361_6368_6500;

/// How long the pool's connections may take to say goodbye.
const GOODBYE: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Postgres {
    name: String,
    options: Box<PgConnectOptions>,
    /// For reads. A connection of it hears what comes in on the thread that has opened it, a server's worker for
    /// example, whoever uses it: it is not for a flush, which has to work beside a worker that is blocked.
    pool: PgPool,
}

impl Postgres {
    pub(super) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url)
            .map_err(|source| StoreError::sql("the postgres: URL", "use", source))?
            .disable_statement_logging();
        // Put together from what was understood, so that no password gets into it by any way.
        let name = format!(
            "postgres://{}@{}:{}/{}",
            options.get_username(),
            options.get_host(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username()),
        );
        let failed = |source| StoreError::sql(&name, "open", source);
        // The pool would keep trying a server that refuses, and then tell of its own patience alone.
        tokio::time::timeout(CONNECT_TIMEOUT, prepare(&options))
            .await
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(failed)?;
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .connect_with(options.clone())
            .await
            .map_err(failed)?;
        Ok(Self { name, options: Box::new(options), pool })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn get(&self, key: &str) -> sqlx::Result<Option<Vec<u8>>> {
        sqlx::query_scalar("SELECT value FROM cache WHERE key = $1")
            .bind(key)
            .fetch_optional(&self.pool)
            .await
    }

    pub(super) async fn write_all(&self, writes: &Writes) -> sqlx::Result<()> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.options.connect());
        let mut connection = connecting.await.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        let mut transaction = connection.begin().await?;
        limit_locks(&mut transaction).await?;
        // The spool is removed after the commit: it must be on the disk then, even where the
        // server's own default is to answer sooner.
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
        transaction.commit().await?;
        // What counts is stored; the server notices a connection that did not say goodbye.
        let _ = connection.close().await;
        Ok(())
    }

    pub(super) async fn close(&self) {
        // A connection that a blocked worker has opened cannot say goodbye. Only reads can still run on any: nothing is
        // lost by letting go of them.
        let _ = tokio::time::timeout(GOODBYE, self.pool.close()).await;
    }
}

/// Creates the table where it is missing, and finds out now what a flush would stumble over.
async fn prepare(options: &PgConnectOptions) -> sqlx::Result<()> {
    let mut connection = options.connect().await?;
    let encoding: String = sqlx::query_scalar("SHOW server_encoding").fetch_one(&mut connection).await?;
    if !matches!(encoding.as_str(), "UTF8" | "SQL_ASCII") {
        // One key that it has no characters for would make every flush fail from then on.
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
    transaction.commit().await?;
    connection.close().await
}

/// A lock that another session holds is an error after a while, not a wait without end.
async fn limit_locks(transaction: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query("SELECT set_config('lock_timeout', $1, true)")
        .bind(format!("{}ms", LOCK_TIMEOUT.as_millis()))
        .execute(transaction)
        .await
        .map(drop)
}
