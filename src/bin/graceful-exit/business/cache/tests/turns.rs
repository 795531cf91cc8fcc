//! Flushes that are cancelled, left by their caller, or taken over.

use super::*;

#[tokio::test]
async fn a_flush_cancelled_in_its_delay_spools_at_once_and_says_where() {
    let place = Place::new();
    let (cache, _) = place.open_delayed(Duration::from_hours(1)).await;
    put(&cache, "a", "1").await;
    let cancelled = never();
    let flush = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    until_closed(&cache).await;
    assert_eq!(cache.unsaved(), 1, "what is not spooled yet is at risk");
    assert!(!place.is_spooled());
    cancelled.cancel();
    let error = soon(flush).await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    assert!(error.to_string().contains("1 write is safe in "), "{error}");
    assert_eq!(cache.unsaved(), 0);
    drop(cache);
    assert!(place.stored().await.is_empty());
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
async fn a_flush_whose_caller_left_goes_on() {
    let place = Place::new();
    let (cache, _) = place.open_delayed(Duration::from_millis(20)).await;
    put(&cache, "a", "1").await;
    let flush = cache.flush_for_exit(never());
    assert!(tokio::time::timeout(Duration::from_millis(1), flush).await.is_err());
    until(|| cache.unsaved() == 0 && !place.is_spooled()).await;
    assert_eq!(place.stored().await, pairs([("a", "1")]));
}

#[tokio::test]
async fn a_flush_cancelled_while_it_stores_says_where_the_writes_are() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    let cancelled = never();
    let flush = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    until(|| place.is_spooled()).await;
    cancelled.cancel();
    let error = soon(flush).await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    drop((cache, lock));
    assert_eq!(place.open().await.1, 1);
}

#[tokio::test]
async fn the_exits_flush_spools_at_once_and_stores_after_one_that_waits_for_the_store() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    let periodic = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush().await }
    });
    until(|| cache.unsaved() == 0).await;
    put(&cache, "b", "1").await;
    let exit = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush_for_exit(never()).await }
    });
    until(|| cache.unsaved() == 0).await;
    assert_eq!(place.spooled(), writes([("a", "1"), ("b", "1")]));
    drop(lock);
    let periodic = soon(periodic).await.unwrap().map_or(0, |flushed| flushed.writes);
    let exit = soon(exit).await.unwrap().unwrap().writes;
    assert_eq!(periodic + exit, 2);
    assert!(!place.is_spooled());
    assert_eq!(place.stored().await, pairs([("a", "1"), ("b", "1")]));
}

/// What is spooled while a flush stores is not part of that flush, and outlives it.
#[tokio::test]
async fn a_flush_that_ends_leaves_the_spool_to_what_was_spooled_meanwhile() {
    let place = Place::new();
    let (cache, _) = place.open().await;
    let lock = place.lock_store().await;
    put(&cache, "a", "1").await;
    let periodic = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush().await }
    });
    until(|| cache.unsaved() == 0).await;
    put(&cache, "a", "2").await;
    cache.checkpoint().await.unwrap();
    drop(lock);
    if soon(periodic).await.unwrap().is_ok() {
        assert_eq!(place.stored().await, pairs([("a", "1")]));
    }
    assert_eq!(place.spooled(), writes([("a", "2")]));
    drop(cache);
    assert_eq!(place.open().await.1, 1);
    assert_eq!(place.stored().await, pairs([("a", "2")]));
}

#[tokio::test]
async fn a_flush_is_due_above_the_limits_and_writes_are_refused_above_twice_of_them() {
    let place = Place::new();
    let limits = Limits { entries: 2, bytes: usize::MAX };
    let (cache, _) = place.open_with(Duration::ZERO, limits).await;
    put(&cache, "a", "1").await;
    put(&cache, "b", "1").await;
    tokio::time::timeout(Duration::from_millis(1), cache.flush_is_due()).await.unwrap_err();
    put(&cache, "c", "1").await;
    soon(cache.flush_is_due()).await;
    put(&cache, "d", "1").await;
    assert!(matches!(cache.put("e".into(), b"1").await, Err(PutError::Full)));
    cache.flush().await.unwrap();
    put(&cache, "e", "1").await;
    assert_eq!(cache.flush_for_exit(never()).await.unwrap().writes, 1);
    assert_eq!(place.stored().await.len(), 5);
}

async fn until_closed(cache: &Cache) {
    soon(async {
        while !matches!(cache.put("a".into(), b"1").await, Err(PutError::Closed)) {
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
    })
    .await;
}
