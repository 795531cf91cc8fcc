//! The cache's part in the exit: a checkpoint at its beginning, the flush, and the release of the store.
//! One ordinary actor does all three, as a service's own would.

use std::path::Path;
use std::time::Duration;

use actix::prelude::*;
use actix_web::rt::time::sleep;
use graceful_exit::sequence::{Kind, Member};
use graceful_exit::settings::Settings;
use graceful_exit::{Checkpoint, Job, JobError, Language, ReleaseResource, RunCallback};

use super::cache::{Cache, Flushed};
use super::locale::Sentences;

/// The checkpoint's name in reports.
const CHECKPOINT: &str = "spool-cache";
/// The flush's name in reports.
pub(crate) const FLUSH: &str = "flush-cache";
/// The store's name in reports.
const STORE: &str = "store";

/// How long a flush that is due is put off after one that failed: the store may be down for long.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Saves the cache at the exit.
struct CacheActor {
    cache: Cache,
    sentences: Sentences,
    release_delay: Duration,
}

impl Actor for CacheActor {
    type Context = Context<Self>;
}

impl Handler<Checkpoint> for CacheActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, _: Checkpoint, _: &mut Self::Context) -> Self::Result {
        let (cache, sentences) = (self.cache.clone(), self.sentences);
        Box::pin(async move {
            cache.checkpoint().await.map_err(|error| JobError::new(error.message(sentences.0)))
        })
    }
}

impl Handler<RunCallback> for CacheActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, RunCallback(context): RunCallback, _: &mut Self::Context) -> Self::Result {
        let (cache, sentences) = (self.cache.clone(), self.sentences);
        Box::pin(async move {
            log::info!(event = "cache_flush_started", member = FLUSH; "{}", sentences.flushing());
            let flushed = cache.flush_for_exit(context.cancellation_token().clone()).await;
            let flushed = flushed.map_err(|error| JobError::new(error.message(sentences.0)))?;
            warn_if_unspooled(&flushed, sentences);
            log::info!(
                event = "cache_flushed", member = FLUSH, writes = flushed.writes;
                "{}", sentences.flushed()
            );
            Ok(())
        })
    }
}

impl Handler<ReleaseResource> for CacheActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, _: ReleaseResource, _: &mut Self::Context) -> Self::Result {
        let (cache, delay) = (self.cache.clone(), self.release_delay);
        Box::pin(async move {
            // A timer of no length takes up to two milliseconds.
            if !delay.is_zero() {
                sleep(delay).await;
            }
            cache.close().await;
            Ok(())
        })
    }
}

/// The members that [`start`] makes jobs for, under these settings.
pub(crate) fn members(settings: &Settings) -> Vec<Member> {
    let checkpoint = settings.cache.checkpoint.then(|| Member::new(Kind::Checkpoint, CHECKPOINT));
    let others = [Member::new(Kind::Callback, FLUSH), Member::new(Kind::Resource, STORE)];
    others.into_iter().chain(checkpoint).collect()
}

/// Starts the actor on the calling arbiter, which it never blocks. Returns its jobs, in any order: their
/// kinds say when each is done.
pub(crate) fn start(cache: &Cache, settings: &Settings, language: Language) -> Vec<Job> {
    let sentences = Sentences(language);
    let release_delay = settings.demo.release_delay;
    let actor = CacheActor { cache: cache.clone(), sentences, release_delay }.start();
    let (unsaved, spooled) = (cache.clone(), cache.clone());
    let flush = Job::callback(FLUSH, actor.clone().recipient())
        .label(sentences.flush())
        .unsaved(move || Some(unsaved.unsaved()).filter(|&lost| lost > 0).map(|lost| sentences.lost(lost)))
        .kept(move || spooled.spooled(language));
    let release = Job::resource(STORE, actor.clone().recipient()).label(sentences.release());
    let checkpoint = settings
        .cache
        .checkpoint
        .then(|| Job::checkpoint(CHECKPOINT, actor.recipient()).label(sentences.checkpoint()));
    [flush, release].into_iter().chain(checkpoint).collect()
}

/// Flushes at each `interval`, unless that is zero, and whenever the cache holds more than it should.
pub(crate) fn keep_flushed(cache: Cache, interval: Duration, language: Language) {
    let sentences = Sentences(language);
    actix_web::rt::spawn(async move {
        loop {
            let next = async {
                if interval.is_zero() {
                    std::future::pending::<()>().await;
                }
                sleep(interval).await;
            };
            tokio::select! {
                () = next => {}
                () = cache.flush_is_due() => {}
            }
            match cache.flush().await {
                Ok(flushed) => warn_if_unspooled(&flushed, sentences),
                Err(error) => {
                    let error = error.message(language);
                    log::error!(
                        event = "cache_flush_failed", error = error.as_str();
                        "{}", sentences.flush_failed(&error)
                    );
                    sleep(RETRY_DELAY).await;
                }
            }
        }
    });
}

/// Logs that the start has imported what an earlier run left.
pub(crate) fn tell_recovered(writes: usize, spool: &Path, language: Language) {
    if writes > 0 {
        log::info!(
            event = "cache_recovered", writes = writes, path:% = spool.display();
            "{}", Sentences(language).recovered(writes, spool)
        );
    }
}

fn warn_if_unspooled(flushed: &Flushed, sentences: Sentences) {
    if let Some(error) = &flushed.unspooled {
        let error = error.message(sentences.0);
        log::warn!(
            event = "cache_not_spooled", writes = flushed.writes, error = error.as_str();
            "{}", sentences.unspooled(&error, flushed.writes)
        );
    }
}
