//! The spool or the store fails.

use std::time::Instant;

use super::*;

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

/// Windows refuses to delete a file that is open.
#[cfg(unix)]
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
