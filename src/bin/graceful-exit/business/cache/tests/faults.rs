//! The spool or the store fails.

use std::error::Error;

use super::*;

#[tokio::test]
async fn what_a_locked_store_refuses_is_spooled_and_brought_in_by_the_next_start() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    put(&cache, "b", "1").await;
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FlushError::NotStored { writes: 2, .. }), "{text}");
    assert!(text.ends_with(&error.source().unwrap().to_string()), "{text}");
    assert!(text.contains("brings them in"), "{text}");
    assert!(text.starts_with("2 writes are safe in ") && text.ends_with("database is locked"), "{text}");
    assert!(text.contains(place.path("cache.spool").to_str().unwrap()), "{text}");
    let told = graceful_exit::JobError::from(error).to_string();
    assert_eq!(told.matches("database is locked").count(), 1, "with all causes: {told}");
    assert_eq!(cache.unsaved(), 0, "a kill would lose nothing");
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
    let (url, path) = (place.url(), place.path("cache.spool"));
    Spool::open(&path).unwrap().0.append(&writes([("a", "1")])).unwrap();
    let lock = place.lock_store().await;
    let options = Options { store: &url, spool: &path, limits: NO_LIMITS, flush_delay: Duration::ZERO };
    let error = Cache::open(options).await.unwrap_err();
    assert!(error.source().unwrap().to_string().contains("locked"), "{error}");
    let text = error.to_string();
    assert!(text.starts_with("1 write that an earlier run left in ") && text.contains("locked"), "{text}");
    drop(lock);
    assert_eq!(place.open().await.1, 1);
    assert_eq!(place.stored().await, pairs([("a", "1")]));
}

#[tokio::test]
async fn a_store_that_is_down_for_some_flushes_loses_none_of_their_writes() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "old").await;
    put(&cache, "b", "old").await;
    cache.flush().await.unwrap_err();
    put(&cache, "a", "new").await;
    put(&cache, "c", "new").await;
    assert_eq!(cache.unsaved(), 2);
    cache.flush().await.unwrap_err();
    assert_eq!(cache.unsaved(), 0);
    let all = [("a", "new"), ("b", "old"), ("c", "new")];
    assert_eq!(place.spooled(), writes(all));
    drop(lock);
    // Nothing is dirty, and yet there is something to import.
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
    put(&cache, "a", "1").await;
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    assert!(matches!(error, FlushError::NotStored { writes: 1, .. }), "{error}");
    assert!(error.to_string().ends_with("moved or deleted while in use"), "{error}");
    assert!(error.to_string().contains("brings it in"), "{error}");
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
    put(&cache, "a", "1").await;
    let error = cache.flush_for_exit(never()).await.unwrap_err();
    assert!(matches!(error, FlushError::NotStored { writes: 1, .. }), "{error}");
    drop(cache);
    fs::remove_dir(place.path("cache.db-journal")).unwrap();
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine keeps a removed file in its folder while it is open")]
async fn without_a_spool_the_store_is_the_place_that_is_left() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    place.break_spool();
    put(&cache, "a", "1").await;
    let flushed = cache.flush().await.unwrap();
    assert!(flushed.writes == 1 && flushed.unspooled.is_some());
    assert_eq!((place.stored().await, cache.unsaved()), (pairs([("a", "1")]), 0));

    let lock = place.lock_store().await;
    put(&cache, "a", "2").await;
    put(&cache, "b", "2").await;
    let error = cache.flush().await.unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, FlushError::NotSpooled { writes: 2, .. }), "{text}");
    assert!(error.source().and_then(Error::source).is_some(), "the spool's error, and the system's");
    assert!(text.contains("only in memory") && text.ends_with("database is locked"), "{text}");
    assert_eq!(cache.unsaved(), 2);
    drop(lock);
    place.mend_spool();
    assert_eq!(cache.flush().await.unwrap().writes, 2);
    assert_eq!(place.stored().await, pairs([("a", "2"), ("b", "2")]));
}

/// Stored past an older spool, the newer value would be overwritten by the next start.
#[cfg(unix)]
#[tokio::test]
async fn nothing_newer_is_stored_past_an_older_spool() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    cache.flush().await.unwrap_err();
    drop(lock);
    // The spool is out of reach, and no other can be put in its place.
    fs::rename(place.path("cache.spool"), place.path("elsewhere")).unwrap();
    place.break_spool();
    put(&cache, "a", "2").await;
    let error = cache.flush().await.unwrap_err();
    assert!(matches!(error, FlushError::NotSpooled { writes: 1, store: None, .. }), "{error}");
    assert!(place.stored().await.is_empty());
    place.mend_spool();
    fs::rename(place.path("elsewhere"), place.path("cache.spool")).unwrap();
    cache.flush().await.unwrap();
    assert_eq!(place.stored().await, pairs([("a", "2")]));
}

/// Appended to the file that is gone, the writes would be acknowledged and lost.
#[cfg(unix)]
#[tokio::test]
async fn a_spool_that_is_gone_from_its_place_is_written_anew_with_all_that_it_held() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    put(&cache, "b", "1").await;
    cache.flush().await.unwrap_err();
    fs::remove_file(place.path("cache.spool")).unwrap();
    put(&cache, "a", "2").await;
    cache.flush().await.unwrap_err();
    assert_eq!(place.spooled(), writes([("a", "2"), ("b", "1")]));
    drop((cache, lock));
    assert_eq!(place.open().await.1, 2);
}

/// A store that is down for long must not fill the disk with values that are out of date.
#[tokio::test]
#[cfg_attr(windows, ignore = "wine replaces no file that is open, as Windows does since version 10")]
async fn a_spool_grows_no_longer_than_what_it_has_to_hold_and_some_megabytes() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let _lock = place.lock_store().await;
    cache.checkpoint().await.unwrap();
    let value = "x".repeat(300_000);
    for round in 0..40 {
        put(&cache, "a", &value).await;
        put(&cache, "b", &round.to_string()).await;
    }
    let length = fs::metadata(place.path("cache.spool")).unwrap().len();
    assert!((300_000..6_000_000).contains(&length), "{length} bytes");
    assert_eq!(place.spooled(), writes([("a", &value), ("b", "39")]));
}

/// There may be no descriptor for another file, or no room.
#[cfg(unix)]
#[tokio::test]
async fn a_spool_that_cannot_be_written_anew_grows_on() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let _lock = place.lock_store().await;
    cache.checkpoint().await.unwrap();
    put(&cache, "a", "0").await;
    fs::create_dir(place.path("cache.spool.tmp")).unwrap();
    let value = "x".repeat(300_000);
    for round in 1..20 {
        put(&cache, "a", &value).await;
        put(&cache, "b", &round.to_string()).await;
    }
    assert!(fs::metadata(place.path("cache.spool")).unwrap().len() > 19 * 300_000);
    assert_eq!(place.spooled(), writes([("a", &value), ("b", "19")]));
}

#[cfg(unix)]
#[tokio::test]
async fn a_spool_that_cannot_be_removed_is_told_and_tried_again() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    cache.flush().await.unwrap_err();
    drop(lock);
    // A folder takes the spool's place, which is spooled already, before its removal.
    let (path, elsewhere) = (place.path("cache.spool"), place.path("elsewhere"));
    fs::rename(&path, &elsewhere).unwrap();
    fs::create_dir(&path).unwrap();
    let error = cache.flush().await.unwrap_err();
    assert!(matches!(error, FlushError::NotRemoved { writes: 1, .. }), "{error}");
    assert_eq!(place.stored().await, pairs([("a", "1")]));
    fs::remove_dir(&path).unwrap();
    fs::rename(&elsewhere, &path).unwrap();
    assert_eq!(cache.flush_for_exit(never()).await.unwrap().writes, 0);
    assert!(!path.exists());
}
