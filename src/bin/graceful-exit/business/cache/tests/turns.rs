//! Flushes that are cancelled, left by their caller, or taken over.

use super::*;

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
    until(|| cache.put("a".into(), b"1").is_err()).await;
    assert_eq!(cache.dirty(), 1, "what is not spooled yet is at risk");
    assert!(!place.is_spooled());
    cancelled.cancel();
    let error = soon(flush).await.unwrap().unwrap_err();
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
    until(|| cache.dirty() == 0 && !place.is_spooled()).await;
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
    until(|| place.is_spooled()).await;
    cancelled.cancel();
    let error = soon(flush).await.unwrap().unwrap_err();
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
    until(|| cache.dirty() == 0).await;
    put(&cache, "b", "1");
    let exit = tokio::spawn({
        let cache = cache.clone();
        async move { cache.flush_for_exit(never()).await }
    });
    let error = soon(periodic).await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    until(|| cache.dirty() == 0).await;
    // What the one that gave up had begun in the store must not stand in the way.
    drop(lock);
    assert_eq!(soon(exit).await.unwrap().unwrap().writes, 2);
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
    until(|| cache.shared.spool.try_lock().is_err()).await;
    put(&cache, "b", "1");
    let cancelled = never();
    let exit = tokio::spawn({
        let (cache, cancelled) = (cache.clone(), cancelled.clone());
        async move { cache.flush_for_exit(cancelled).await }
    });
    let error = soon(periodic).await.unwrap().unwrap_err();
    assert!(matches!(error, FlushError::Cancelled { writes: 1, .. }), "{error}");
    until(|| cache.put("late".into(), b"1").is_err()).await;
    cancelled.cancel();
    soon(exit).await.unwrap().unwrap_err();
    drop(cache);
    let (_cache, recovered) = place.open().await;
    assert!(recovered >= 2);
    let stored = place.stored().await;
    assert!(stored.contains_key("a") && stored.contains_key("b"), "{stored:?}");
}
