//! What a checkpoint promises.

use super::*;

#[tokio::test]
async fn a_kill_after_the_checkpoint_loses_no_acknowledged_write() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "a", "1").await;
    put(&cache, "b", "1").await;
    assert_eq!(cache.unsaved(), 2);
    cache.checkpoint().await.unwrap();
    assert_eq!((cache.unsaved(), place.spooled()), (0, writes([("a", "1"), ("b", "1")])));
    // Each is in the spool as soon as it is acknowledged.
    for (key, value) in [("a", "2"), ("c", "1"), ("a", "3")] {
        put(&cache, key, value).await;
        assert_eq!((cache.unsaved(), &place.spooled()[key][..]), (0, value.as_bytes()));
    }
    drop(cache);
    assert_eq!(place.open().await.1, 3);
    assert_eq!(place.stored().await, pairs([("a", "3"), ("b", "1"), ("c", "1")]));
}

#[tokio::test]
async fn after_the_checkpoint_the_flush_stores_everything_once() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "a", "1").await;
    cache.checkpoint().await.unwrap();
    put(&cache, "b", "1").await;
    assert_eq!(cache.flush_for_exit(never()).await.unwrap().writes, 2);
    assert!(!place.is_spooled());
    assert_eq!(place.stored().await, pairs([("a", "1"), ("b", "1")]));
    cache.close().await;
    assert!(!place.path("cache.spool.tmp").exists());
    drop(cache);
    assert_eq!(place.open().await.1, 0);
}

#[tokio::test]
async fn a_store_that_is_locked_holds_neither_the_checkpoint_nor_a_write_back() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let _lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    let periodic = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush().await }
    });
    until(|| cache.unsaved() == 0).await;
    put(&cache, "b", "1").await;
    cache.checkpoint().await.unwrap();
    put(&cache, "c", "1").await;
    assert!(!periodic.is_finished(), "the store is waited for, and nothing waits with it");
    assert_eq!(place.spooled().len(), 3);
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine keeps a removed file in its folder while it is open")]
async fn a_write_that_cannot_be_spooled_is_not_acknowledged_and_may_be_tried_again() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "a", "1").await;
    place.break_spool();
    let error = cache.checkpoint().await.unwrap_err();
    assert!(matches!(error, FlushError::NotCheckpointed { writes: 1, .. }), "{error}");
    let error = cache.put("b".into(), b"1").await.unwrap_err();
    assert!(matches!(error, PutError::NotSpooled(_)), "{error}");
    assert!(std::error::Error::source(&error).is_some(), "it keeps its cause");
    place.mend_spool();
    put(&cache, "b", "2").await;
    assert_eq!(place.spooled(), writes([("a", "1"), ("b", "2")]), "the ones before are spooled as well");
}

#[tokio::test]
async fn writes_that_come_together_are_synced_together() {
    const WRITES: usize = 200;
    let place = Place::new();
    let (cache, _) = place.open().await;
    put(&cache, "first", "1").await;
    cache.checkpoint().await.unwrap();
    let tasks: Vec<_> = (0..WRITES)
        .map(|n| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.put(format!("key-{n}"), b"1").await.unwrap() })
        })
        .collect();
    for task in tasks {
        soon(task).await.unwrap();
    }
    let spooled = place.spooled();
    assert_eq!(spooled.len(), WRITES + 1);
    // A group has 16 bytes of its own.
    let entries: u64 = spooled.iter().map(|(key, value)| (16 + key.len() + value.len()) as u64).sum();
    let groups = (fs::metadata(place.path("cache.spool")).unwrap().len() - entries) / 16;
    assert!(groups < WRITES as u64, "{groups} groups for {WRITES} writes");
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine keeps a removed file in its folder while it is open")]
async fn a_checkpoint_of_nothing_touches_nothing() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    place.break_spool();
    cache.checkpoint().await.unwrap();
    assert_eq!(cache.flush_for_exit(never()).await.unwrap().writes, 0);
}
