//! Both stores as far as no server is needed.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use bytes::Bytes;

use super::shared::{CONNECT_TIMEOUT, LOCK_TIMEOUT, STATEMENT_BYTES, STATEMENT_ROWS, statements};
use super::*;

fn url(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

fn writes<const N: usize>(pairs: [(&str, &'static str); N]) -> Writes {
    pairs.map(|(key, value)| (key.to_owned(), Bytes::from_static(value.as_bytes()))).into()
}

async fn another_connection(file: &Path) -> SqliteConnection {
    SqliteConnectOptions::from_str(&url(file)).unwrap().connect().await.unwrap()
}

#[tokio::test]
async fn what_is_written_is_read_and_the_last_write_of_a_key_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/er/cache.db");
    let store = Store::open(&url(&file)).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    store.turn().await.write_all(&writes([("a", "1"), ("\u{7f13}", "")])).await.unwrap();
    store.turn().await.write_all(&writes([("a", "2")])).await.unwrap();
    store.turn().await.write_all(&Writes::new()).await.unwrap();
    store.close().await;
    assert!(store.get("a").await.is_err());

    let store = Store::open(&url(&file)).await.unwrap();
    assert_eq!(store.get("a").await.unwrap().as_deref(), Some(&b"2"[..]));
    assert_eq!(store.get("\u{7f13}").await.unwrap().as_deref(), Some(&b""[..]));
}

#[tokio::test]
async fn ten_thousand_writes_are_one_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.db");
    let store = Store::open(&url(&file)).await.unwrap();
    let before = transactions(&file);
    let many: Writes = (0..10_000).map(|n| (format!("key-{n}"), vec![b'x'; 100].into())).collect();
    store.turn().await.write_all(&many).await.unwrap();
    assert_eq!(transactions(&file), before + 1);
    assert!(store.get("key-9999").await.unwrap().is_some());
}

/// The file's change counter, which SQLite increases with each transaction: a number at a fixed place of its header.
fn transactions(file: &Path) -> u32 {
    let header = std::fs::read(file).unwrap();
    u32::from_be_bytes(header[24..28].try_into().unwrap())
}

#[test]
fn a_lock_and_a_connection_are_waited_for_no_longer_than_a_callback_is() {
    let callback = graceful_exit::Timeouts::default().callback_timeout;
    assert!(LOCK_TIMEOUT < callback && CONNECT_TIMEOUT < callback);
}

#[tokio::test]
async fn a_lock_is_waited_for_a_second_and_then_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.db");
    let store = Store::open(&url(&file)).await.unwrap();
    let mut other = another_connection(&file).await;
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        sqlx::query(lock).execute(&mut other).await.unwrap();
        let error = store.turn().await.write_all(&writes([("a", "1")])).await.unwrap_err().to_string();
        assert!(error.contains("cache.db") && error.ends_with("database is locked"), "{error}");
        sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    }
    store.turn().await.write_all(&writes([("a", "1")])).await.unwrap();
}

#[tokio::test]
async fn a_lock_at_the_start_is_no_reason_not_to_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.db");
    drop(Store::open(&url(&file)).await.unwrap());
    let mut other = another_connection(&file).await;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
    Store::open(&url(&file)).await.unwrap();
}

/// Writing into a deleted file succeeds as far as the system is concerned: see `sqlite.rs`. Windows refuses to
/// delete or move a file that is open.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_deleted_or_moved_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.db");
    let moved = folder.path().join("moved.db");
    let unused = Store::open(&url(&file)).await.unwrap();
    let store = Store::open(&url(&file)).await.unwrap();
    assert_eq!(store.get("a").await.unwrap(), None);
    fs::rename(&file, &moved).unwrap();
    let error = store.turn().await.write_all(&writes([("a", "1")])).await.unwrap_err().to_string();
    assert!(error.ends_with("its file was moved or deleted while in use"), "{error}");
    let error = unused.turn().await.write_all(&writes([("a", "1")])).await.unwrap_err().to_string();
    assert!(error.ends_with("its file was moved or deleted while in use"), "{error}");
    assert!(!file.exists(), "an empty file took the place of the moved one");
    fs::remove_file(&moved).unwrap();
    store.turn().await.write_all(&writes([("a", "1")])).await.unwrap_err();
    assert!(!file.exists(), "an empty file took the place of the deleted one");
}

#[tokio::test]
async fn a_transaction_that_fails_half_way_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cache.db");
    let store = Store::open(&url(&file)).await.unwrap();
    let mut other = another_connection(&file).await;
    sqlx::query("CREATE TRIGGER full BEFORE INSERT ON cache WHEN new.key = 'key-9000' BEGIN SELECT RAISE(ABORT, 'disk full'); END")
        .execute(&mut other)
        .await
        .unwrap();
    other.close().await.unwrap();
    let many: Writes = (0..10_000).map(|n| (format!("key-{n}"), Bytes::new())).collect();
    let error = store.turn().await.write_all(&many).await.unwrap_err().to_string();
    assert!(error.ends_with("disk full"), "{error}");
    assert_eq!(store.get("key-0").await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_a_store_is_refused_at_the_start_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    fs::write(&text, "this is no database, and long enough for one to tell").unwrap();
    let foreign = folder.path().join("foreign.db");
    fs::write(&foreign, "").unwrap();
    let mut other = another_connection(&foreign).await;
    sqlx::query("CREATE TABLE cache (id INTEGER)").execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    for (url, named) in [
        (url(&text), "text.db"),
        (url(&foreign), "foreign.db"),
        (url(folder.path()), "sqlite:"),
        (url(&text.join("cache.db")), "create the folder of"),
        (format!("{}?mode=ro", url(&folder.path().join("new.db"))), "new.db"),
        ("sqlite::memory:".into(), "keeps nothing"),
        ("mysql://me:secret@host/db".into(), "neither sqlite: nor postgres:"),
        ("secret".into(), "neither sqlite: nor postgres:"),
        (
            "postgres://me:secret@127.0.0.1:1/db?password=secret".into(),
            "cannot open postgres://127.0.0.1:1/***: ",
        ),
        ("postgres://me:p@ss/secret@127.0.0.1:1/db?passwd=secret".into(), "postgres://***: "),
        ("postgres://me@127.0.0.1:1/db?sslmode=secret".into(), "unknown value *** for"),
        ("postgres://me@127.0.0.1:1/db?sslmode=a\"secret".into(), "unknown value *** for"),
        ("sqlite:x.db?mode=secret".into(), "cannot use sqlite:x.db?***: unknown value *** for `mode`"),
        ("postgres://me:secret@host:x/db".into(), "postgres:"),
    ] {
        let error = Store::open(&url).await.unwrap_err().to_string();
        eprintln!("{error}");
        assert!(error.contains(named) && !error.contains("secret"), "{error}");
    }
}

#[test]
fn statements_carry_everything_once_within_their_limits() {
    let mut all: Writes = (0..1_234).map(|n| (format!("{n:04}"), Bytes::from_static(b"small"))).collect();
    all.insert("0500-large".into(), vec![0; STATEMENT_BYTES + 1].into());
    all.insert("0501-large".into(), vec![0; STATEMENT_BYTES].into());
    let statements: Vec<_> = statements(&all).collect();
    for rows in &statements {
        let bytes: usize = rows.iter().map(|(key, value)| key.len() + value.len()).sum();
        assert!(rows.len() <= STATEMENT_ROWS && (rows.len() == 1 || bytes <= STATEMENT_BYTES));
    }
    assert!(statements.concat().into_iter().eq(all.iter().map(|(k, v)| (k.as_str(), &v[..]))));
}
