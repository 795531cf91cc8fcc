use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

use super::*;
use crate::business::store::Writes;

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
        Cache::open(&self.url(), &self.path("cache.spool"), flush_delay).await.unwrap()
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

fn put(cache: &Cache, key: &str, value: &str) {
    cache.put(key.into(), value.as_bytes()).unwrap();
}

async fn get(cache: &Cache, key: &str) -> Option<String> {
    cache.get(key).await.unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
}

#[tokio::test]
async fn a_write_is_read_before_and_after_its_flush_and_by_the_next_run() {
    let place = Place::new();
    let (cache, recovered) = place.open().await;
    assert_eq!((recovered, cache.dirty()), (0, 0));
    assert_eq!(get(&cache, "a").await, None);
    put(&cache, "a", "1");
    put(&cache, "a", "2");
    put(&cache, "b", "1");
    assert_eq!(cache.dirty(), 2);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("2"));
    assert_eq!(cache.flush().await.unwrap().writes, 2);
    assert_eq!(cache.dirty(), 0);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("2"));
    put(&cache, "a", "3");
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
async fn without_dirty_entries_neither_spool_nor_store_is_touched() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    // A store that is locked and a spool that cannot be written would both show.
    let _lock = place.lock_store().await;
    fs::create_dir(place.path("cache.spool.tmp")).unwrap();
    assert_eq!(cache.flush().await.unwrap().writes, 0);
    let flushed = cache.flush_for_exit(never()).await.unwrap();
    assert!(flushed.writes == 0 && flushed.unspooled.is_none());
}

#[tokio::test]
async fn nothing_is_taken_in_from_the_exits_snapshot_on() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "a", "1");
    cache.flush_for_exit(never()).await.unwrap();
    assert_eq!(cache.put("b".into(), b"1"), Err(PutError::Closed));
    assert_eq!(cache.dirty(), 0);
    assert_eq!(get(&cache, "a").await.as_deref(), Some("1"), "reading goes on");
}

#[tokio::test]
async fn keys_that_a_store_would_refuse_never_reach_a_flush() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    for key in ["nul\0".to_owned(), "x".repeat(MAX_KEY_BYTES + 1)] {
        assert_eq!(cache.put(key.clone(), b""), Err(PutError::Key));
        assert_eq!(get(&cache, &key).await, None);
    }
    put(&cache, &"x".repeat(MAX_KEY_BYTES), "");
    assert_eq!(cache.flush().await.unwrap().writes, 1);
}

#[tokio::test]
async fn what_a_locked_store_refuses_is_spooled_and_brought_in_by_the_next_start() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1");
    put(&cache, "b", "1");
    let began = Instant::now();
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(3), "no callback would live to tell");
    let text = error.to_string();
    assert!(matches!(error, FlushError::NotStored { writes: 2, .. }), "{text}");
    assert!(text.starts_with("2 writes are safe in ") && text.ends_with("database is locked"), "{text}");
    assert!(text.contains(place.path("cache.spool").to_str().unwrap()), "{text}");
    assert_eq!(cache.dirty(), 0, "a kill would lose nothing");
    assert_eq!(get(&cache, "a").await.as_deref(), Some("1"), "what is spooled is still read");
    drop((cache, lock));
    assert!(place.stored().await.is_empty() && place.is_spooled());

    let (cache, recovered) = place.open().await;
    assert_eq!(recovered, 2);
    assert!(!place.is_spooled());
    assert_eq!(get(&cache, "b").await.as_deref(), Some("1"));
    assert_eq!(place.stored().await, pairs([("a", "1"), ("b", "1")]));
}

#[tokio::test]
async fn a_start_that_cannot_bring_the_spool_in_fails_and_keeps_it() {
    let place = Place::new();
    drop(place.open().await);
    let path = place.path("cache.spool");
    Spool::open(&path).unwrap().0.write(&writes([("a", "1")])).unwrap();
    let lock = place.lock_store().await;
    let error = Cache::open(&place.url(), &path, Duration::ZERO).await.unwrap_err().to_string();
    assert!(error.starts_with("1 write that an earlier run left in ") && error.contains("locked"), "{error}");
    drop(lock);
    assert_eq!(place.open().await.1, 1);
    assert_eq!(place.stored().await, pairs([("a", "1")]));
}

#[tokio::test]
async fn a_store_that_is_down_for_some_flushes_loses_none_of_their_writes() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "old");
    put(&cache, "b", "old");
    cache.flush().await.unwrap_err();
    put(&cache, "a", "new");
    put(&cache, "c", "new");
    assert_eq!(cache.dirty(), 2);
    cache.flush().await.unwrap_err();
    assert_eq!(cache.dirty(), 0);
    let all = [("a", "new"), ("b", "old"), ("c", "new")];
    let spooled = place.path("copy.spool");
    fs::copy(place.path("cache.spool"), &spooled).unwrap();
    assert_eq!(Spool::open(&spooled).unwrap().1, writes(all));
    drop(lock);
    // Nothing is dirty, and there is something to bring in all the same.
    assert_eq!(cache.flush().await.unwrap().writes, 3);
    assert!(!place.is_spooled());
    assert_eq!(place.stored().await, pairs(all));
}

#[tokio::test]
async fn a_store_whose_file_is_gone_leaves_the_writes_in_the_spool() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    fs::remove_file(place.path("cache.db")).unwrap();
    put(&cache, "a", "1");
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    assert!(matches!(error, FlushError::NotStored { writes: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("moved or deleted while in use"), "{error}");
    drop(cache);
    assert_eq!(place.open().await.1, 1);
    assert_eq!(place.stored().await, pairs([("a", "1")]));
}

/// As in a folder that became read-only, which would not hinder root.
#[tokio::test]
async fn a_store_that_can_make_no_journal_leaves_the_writes_in_the_spool() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    fs::create_dir(place.path("cache.db-journal")).unwrap();
    put(&cache, "a", "1");
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    assert!(matches!(error, FlushError::NotStored { writes: 1, .. }), "{error}");
    drop(cache);
    fs::remove_dir(place.path("cache.db-journal")).unwrap();
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
async fn without_a_spool_the_store_is_the_place_that_is_left() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    fs::create_dir(place.path("cache.spool.tmp")).unwrap();
    put(&cache, "a", "1");
    let flushed = cache.flush().await.unwrap();
    assert!(flushed.writes == 1 && flushed.unspooled.is_some());
    assert_eq!((place.stored().await, cache.dirty()), (pairs([("a", "1")]), 0));

    let lock = place.lock_store().await;
    put(&cache, "a", "2");
    put(&cache, "b", "2");
    let error = cache.flush().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FlushError::NotSpooled { writes: 2, .. }), "{text}");
    assert!(text.contains("only in memory") && text.ends_with("database is locked"), "{text}");
    assert_eq!(cache.dirty(), 2);
    drop(lock);
    fs::remove_dir(place.path("cache.spool.tmp")).unwrap();
    assert_eq!(cache.flush().await.unwrap().writes, 2);
    assert_eq!(place.stored().await, pairs([("a", "2"), ("b", "2")]));
}

/// Stored past an older spool, the newer value would be overwritten by the next start.
#[tokio::test]
async fn nothing_newer_is_stored_past_an_older_spool() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1");
    cache.flush().await.unwrap_err();
    drop(lock);
    fs::create_dir(place.path("cache.spool.tmp")).unwrap();
    put(&cache, "a", "2");
    let error = cache.flush().await.unwrap_err();
    assert!(matches!(error, FlushError::NotSpooled { writes: 1, store: None, .. }), "{error}");
    assert!(place.stored().await.is_empty());
    fs::remove_dir(place.path("cache.spool.tmp")).unwrap();
    cache.flush().await.unwrap();
    assert_eq!(place.stored().await, pairs([("a", "2")]));
}

#[tokio::test]
async fn a_spool_that_cannot_be_removed_is_told_and_tried_again() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let path = place.path("cache.spool");
    put(&cache, "a", "1");
    // A folder takes the spool's place between its rename and its removal.
    cache.shared.spool.lock().await.write(&writes([("a", "1")])).unwrap();
    cache.shared.change(|memory| {
        memory.take(false);
        memory.spooled();
    });
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let error = cache.flush().await.unwrap_err();
    assert!(matches!(error, FlushError::NotRemoved { writes: 1, .. }), "{error}");
    assert_eq!(place.stored().await, pairs([("a", "1")]));
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "what could not be removed").unwrap();
    assert_eq!(cache.flush().await.unwrap().writes, 0);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_flush_cancelled_in_its_delay_spools_at_once_and_says_where() {
    let place = Place::new();
    let (cache, _) = place.open_delayed(Duration::from_hours(1)).await;
    put(&cache, "a", "1");
    let cancelled = never();
    let flush = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    while cache.put("a".into(), b"1").is_ok() {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.dirty(), 1, "what is not spooled yet is at risk");
    assert!(!place.is_spooled());
    cancelled.cancel();
    let error = flush.await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    assert!(error.to_string().contains("1 write is safe in "), "{error}");
    assert_eq!(cache.dirty(), 0);
    drop(cache);
    assert!(place.stored().await.is_empty());
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
async fn a_flush_whose_caller_left_goes_on() {
    let place = Place::new();
    let (cache, _) = place.open_delayed(Duration::from_millis(20)).await;
    put(&cache, "a", "1");
    let flush = cache.flush_for_exit(never());
    assert!(tokio::time::timeout(Duration::from_millis(1), flush).await.is_err());
    while cache.dirty() > 0 || place.is_spooled() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(place.stored().await, pairs([("a", "1")]));
}

#[tokio::test]
async fn a_flush_cancelled_while_it_stores_says_where_the_writes_are() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1");
    let cancelled = never();
    let flush = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    while !place.is_spooled() {
        tokio::task::yield_now().await;
    }
    cancelled.cancel();
    let error = flush.await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    drop((cache, lock));
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
async fn the_exits_flush_takes_over_from_one_that_waits_for_the_store() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1");
    let periodic = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush().await }
    });
    while cache.dirty() > 0 {
        tokio::task::yield_now().await;
    }
    put(&cache, "b", "1");
    let exit = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush_for_exit(never()).await }
    });
    let error = periodic.await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    while cache.dirty() > 0 {
        tokio::task::yield_now().await;
    }
    // What the one that gave up had begun in the store must not stand in the way.
    drop(lock);
    assert_eq!(exit.await.unwrap().unwrap().writes, 2);
    assert!(!place.is_spooled());
    assert_eq!(place.stored().await, pairs([("a", "1"), ("b", "1")]));
}

#[tokio::test]
async fn the_exits_flush_takes_over_from_one_in_its_delay() {
    let place = Place::new();
    let (cache, _) = place.open_delayed(Duration::from_hours(1)).await;
    put(&cache, "a", "1");
    let periodic = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush().await }
    });
    while cache.shared.spool.try_lock().is_ok() {
        tokio::task::yield_now().await;
    }
    put(&cache, "b", "1");
    let cancelled = never();
    let exit = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    let error = periodic.await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    while cache.put("late".into(), b"1").is_ok() {
        tokio::task::yield_now().await;
    }
    cancelled.cancel();
    exit.await.unwrap().unwrap_err();
    drop(cache);
    let (_cache, recovered) = place.open().await;
    assert!(recovered >= 2);
    let stored = place.stored().await;
    assert!(stored.contains_key("a") && stored.contains_key("b"), "{stored:?}");
}

/// Every instant at which a kill leaves something else on the disk, in the order of a flush.
#[tokio::test]
async fn whatever_step_a_kill_comes_after_the_next_start_has_each_write_once() {
    let old = [("a", "old"), ("b", "old")];
    let new = [("a", "new"), ("c", "new")];
    let merged = pairs([("a", "new"), ("b", "old"), ("c", "new")]);
    for (step, expected) in [
        ("temporary file", pairs(old)),
        ("rename", merged.clone()),
        ("half stored", merged.clone()),
        ("stored", merged),
    ] {
        let place = Place::new();
        let store = Store::open(&place.url()).await.unwrap();
        store.write_all(&writes(old)).await.unwrap();
        let (mut spool, _) = Spool::open(&place.path("cache.spool")).unwrap();
        spool.write(&writes(new)).unwrap();
        match step {
            "temporary file" => {
                fs::rename(place.path("cache.spool"), place.path("cache.spool.tmp")).unwrap();
            }
            "half stored" => {
                let mut other = place.another_connection().await;
                let mut transaction = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
                let half = sqlx::query("UPDATE cache SET value = 'new' WHERE key = 'a'");
                half.execute(&mut *transaction).await.unwrap();
            }
            "stored" => store.write_all(&writes(new)).await.unwrap(),
            _ => {}
        }
        store.close().await;
        drop(spool);
        // Twice: a kill may also come after the start has stored and before it removed the spool.
        for start in 0..2 {
            let left = fs::read(place.path("cache.spool"));
            drop(place.open().await);
            assert_eq!(place.stored().await, expected, "killed after: {step}, start {start}");
            assert!(!place.is_spooled() && !place.path("cache.spool.tmp").exists(), "{step}");
            if let (0, Ok(left)) = (start, left) {
                fs::write(place.path("cache.spool"), left).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn every_put_that_races_the_exits_flush_is_stored_or_refused() {
    const THREADS: usize = 4;
    const MOST: usize = 3_000;
    let mut refused = 0;
    for round in 0..25 {
        let place = Place::new();
        let (cache, _) = place.open().await;
        let barrier = Arc::new(Barrier::new(THREADS + 1));
        let threads = [(); THREADS].map(|()| {
            let (cache, barrier) = (cache.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let id = thread::current().id();
                barrier.wait();
                let keys = (0..MOST).map(|n| format!("{id:?}-{n}"));
                keys.take_while(|key| cache.put(key.clone(), b"x").is_ok()).collect::<Vec<_>>()
            })
        });
        barrier.wait();
        // A periodic flush is under way as the exit begins.
        let periodic = tokio::spawn({
            let cache = cache.clone();
            async move { cache.flush().await }
        });
        tokio::task::yield_now().await;
        cache.flush_for_exit(never()).await.unwrap();
        let _ = periodic.await.unwrap();
        assert_eq!(cache.dirty(), 0);
        let stored = place.stored().await;
        let mut acknowledged = 0;
        for thread in threads {
            let keys = thread.join().unwrap();
            assert!(keys.iter().all(|key| stored.contains_key(key)), "round {round}: a put is lost");
            acknowledged += keys.len();
            refused += usize::from(keys.len() < MOST);
        }
        assert_eq!(stored.len(), acknowledged, "round {round}: what was refused is stored");
    }
    assert!(refused > 0, "no put raced a flush");
}

const CHILD: &str = "GRACEFUL_EXIT_TEST_KILLED_CHILD";

/// Not a test of its own: what [`a_kill_at_any_instant_loses_no_flushed_write`] kills.
#[tokio::test]
async fn killed_child() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let url = format!("sqlite://{folder}/cache.db");
    let (cache, _) =
        Cache::open(&url, &Path::new(&folder).join("cache.spool"), Duration::ZERO).await.unwrap();
    for n in 0.. {
        put(&cache, "newest", &n.to_string());
        put(&cache, &format!("key-{n}"), &n.to_string());
        cache.flush().await.unwrap();
        println!("\nflushed {n}");
    }
}

#[tokio::test]
async fn a_kill_at_any_instant_loses_no_flushed_write() {
    for round in 0..8u64 {
        let place = Place::new();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "business::cache::tests::killed_child", "--nocapture"])
            .env(CHILD, place.folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("flushed ")?.parse::<usize>().ok());
        let first = lines.next().expect("the child flushes");
        // From here on some step or other of a flush is under way; which one is left to chance.
        thread::sleep(Duration::from_micros(round * 1_370));
        child.kill().unwrap();
        child.wait().unwrap();
        let last = lines.last().unwrap_or(first);

        let (cache, recovered) = place.open().await;
        let stored = place.stored().await;
        let newest: usize = stored["newest"].parse().unwrap();
        eprintln!("killed after {last} flushes, {recovered} writes recovered");
        assert!(newest == last || newest == last + 1, "{newest} after {last}");
        assert_eq!(stored.len(), newest + 2);
        drop(cache);
    }
}
