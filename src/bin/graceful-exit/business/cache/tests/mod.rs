//! The cache over a real spool and a real SQLite file.

mod checkpoint;
mod faults;
mod kills;
mod turns;

use std::collections::BTreeMap;
use std::fs;
use std::str::FromStr;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::{FlushError, PutError};
use super::*;
use crate::business::spool::Spool;
use crate::business::store::{Store, Writes};

const NO_LIMITS: Limits = Limits { entries: usize::MAX, bytes: usize::MAX };

/// A folder with a store and a spool, as one run after another finds it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        format!("sqlite://{}", self.path("cache.db").display())
    }

    async fn open_delayed(&self, flush_delay: Duration) -> (Cache, usize) {
        self.open_with(flush_delay, NO_LIMITS).await
    }

    async fn open_with(&self, flush_delay: Duration, limits: Limits) -> (Cache, usize) {
        let (store, spool) = (self.url(), self.path("cache.spool"));
        Cache::open(Options { store: &store, spool: &spool, limits, flush_delay }).await.unwrap()
    }

    async fn open(&self) -> (Cache, usize) {
        self.open_delayed(Duration::ZERO).await
    }

    /// What the store has, as another process sees it.
    async fn stored(&self) -> BTreeMap<String, String> {
        let rows = sqlx::query_as("SELECT key, CAST(value AS TEXT) FROM cache");
        let mut other = self.another_connection().await;
        let rows: Vec<(String, String)> = rows.fetch_all(&mut other).await.unwrap();
        other.close().await.unwrap();
        let count = rows.len();
        let rows: BTreeMap<_, _> = rows.into_iter().collect();
        assert_eq!(rows.len(), count, "a key is stored twice");
        rows
    }

    async fn another_connection(&self) -> SqliteConnection {
        SqliteConnectOptions::from_str(&self.url()).unwrap().connect().await.unwrap()
    }

    /// Locks the store against writers until the connection goes.
    async fn lock_store(&self) -> SqliteConnection {
        let mut other = self.another_connection().await;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.unwrap();
        other
    }

    fn is_spooled(&self) -> bool {
        self.path("cache.spool").exists()
    }

    /// Has the spool fail: a folder lies where its temporary file would.
    fn break_spool(&self) {
        fs::remove_file(self.path("cache.spool.tmp")).unwrap_or_default();
        fs::create_dir(self.path("cache.spool.tmp")).unwrap();
    }

    fn mend_spool(&self) {
        fs::remove_dir(self.path("cache.spool.tmp")).unwrap();
    }

    /// What the next start would import.
    fn spooled(&self) -> Writes {
        let copy = self.path("copy.spool");
        fs::copy(self.path("cache.spool"), &copy).unwrap();
        Spool::open(&copy).unwrap().1
    }
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn writes<const N: usize>(all: [(&str, &str); N]) -> Writes {
    pairs(all).into_iter().map(|(key, value)| (key, value.into())).collect()
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

/// Waits for a condition; one that never comes is a failure and not a test without end.
async fn until(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("within 20 s")
}

async fn put(cache: &Cache, key: &str, value: &str) {
    soon(cache.put(key.into(), value.as_bytes())).await.unwrap();
}

async fn get(cache: &Cache, key: &str) -> Option<String> {
    cache.get(key).await.unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test]
async fn a_write_is_read_before_and_after_its_flush_and_by_the_next_run() {
    let place = Place::new();
    let (cache, recovered) = place.open().await;
    assert_eq!((recovered, cache.unsaved()), (0, 0));
    assert_eq!(get(&cache, "a").await, None);
    put(&cache, "a", "1").await;
    put(&cache, "a", "2").await;
    put(&cache, "b", "1").await;
    assert_eq!(cache.unsaved(), 2);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("2"));
    assert_eq!(cache.flush().await.unwrap().writes, 2);
    assert_eq!(cache.unsaved(), 0);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("2"));
    put(&cache, "a", "3").await;
    assert_eq!(get(&cache, "a").await.as_deref(), Some("3"));
    assert_eq!(cache.flush_for_exit(never()).await.unwrap().writes, 1);
    cache.close().await;
    assert!(!place.is_spooled());
    drop(cache);
    let (cache, recovered) = place.open().await;
    assert_eq!(recovered, 0);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("3"));
    assert_eq!(place.stored().await, pairs([("a", "3"), ("b", "1")]));
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine keeps a removed file in its folder while it is open")]
async fn without_dirty_entries_neither_spool_nor_store_is_touched() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    // A store that is locked and a spool that cannot be written would both show.
    let _lock = place.lock_store().await;
    place.break_spool();
    assert_eq!(cache.flush().await.unwrap().writes, 0);
    let flushed = cache.flush_for_exit(never()).await.unwrap();
    assert!(flushed.writes == 0 && flushed.unspooled.is_none());
}

#[tokio::test]
async fn nothing_is_taken_in_from_the_exits_snapshot_on() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "a", "1").await;
    cache.flush_for_exit(never()).await.unwrap();
    assert!(matches!(cache.put("b".into(), b"1").await, Err(PutError::Closed)));
    assert_eq!(cache.unsaved(), 0);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("1"), "reading goes on");
}

#[tokio::test]
async fn keys_that_a_store_would_refuse_never_reach_a_flush() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    for key in ["nul\0".to_owned(), "x".repeat(error::MAX_KEY_BYTES + 1)] {
        let error = cache.put(key.clone(), b"").await.unwrap_err();
        assert_eq!(error.to_string(), "a key has at most 1024 bytes and no NUL");
        assert_eq!(get(&cache, &key).await, None);
    }
    put(&cache, &"x".repeat(error::MAX_KEY_BYTES), "").await;
    assert_eq!(cache.flush().await.unwrap().writes, 1);
}
