//! The cache's flush as an ordinary callback actor: what a service's own callback looks like.

use std::time::Duration;

use actix::prelude::*;
use graceful_exit::{Job, JobError, Language, RunCallback};

use super::cache::{Cache, FlushError, Flushed};

/// Flushes the cache at the exit.
pub(crate) struct FlushActor {
    cache: Cache,
    language: Language,
}

impl Actor for FlushActor {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for FlushActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, RunCallback(context): RunCallback, _: &mut Self::Context) -> Self::Result {
        let (cache, words) = (self.cache.clone(), Words(self.language));
        Box::pin(async move {
            log::info!("{}", words.flushing());
            warn_of_the_spool(&cache.flush_for_exit(context.cancellation_token().clone()).await?);
            log::info!("{}", words.flushed());
            Ok(())
        })
    }
}

/// The exit's part in the cache: the flush, and then the release of the store.
pub(crate) fn jobs(cache: &Cache, language: Language, release_delay: Duration) -> [Job; 2] {
    let words = Words(language);
    let (flushed, unsaved, released) = (cache.clone(), cache.clone(), cache.clone());
    let flush = Job::callback_actor(super::FLUSH, move || FlushActor { cache: flushed, language })
        .label(words.flush())
        .unsaved(move || Some(unsaved.dirty()).filter(|&dirty| dirty > 0).map(|dirty| words.lost(dirty)));
    let release = Job::resource_fn(super::STORE, move |_| async move {
        // A timer of no length takes up to two milliseconds.
        if !release_delay.is_zero() {
            actix_web::rt::time::sleep(release_delay).await;
        }
        released.close().await;
        Ok(())
    });
    [flush, release.label(words.release())]
}

/// Flushes each `interval` until the exit does it.
pub(crate) fn every(interval: Duration, cache: Cache) {
    actix_web::rt::spawn(async move {
        loop {
            actix_web::rt::time::sleep(interval).await;
            match cache.flush().await {
                Ok(flushed) => warn_of_the_spool(&flushed),
                Err(FlushError::Cancelled { .. }) => return,
                Err(error) => log::error!("flush: {}", JobError::from(error)),
            }
        }
    });
}

fn warn_of_the_spool(flushed: &Flushed) {
    if let Some(error) = &flushed.unspooled {
        log::warn!("{error}; {} writes went straight to the store", flushed.writes);
    }
}

/// What an operator reads of the flush.
#[derive(Clone, Copy)]
struct Words(Language);

impl Words {
    fn flush(self) -> &'static str {
        match self.0 {
            Language::En => "flushing the cache",
            Language::Zh | Language::ZhHant => "刷新缓存",
        }
    }

    fn release(self) -> &'static str {
        match self.0 {
            Language::En => "releasing resources",
            Language::Zh | Language::ZhHant => "释放资源",
        }
    }

    fn flushing(self) -> &'static str {
        match self.0 {
            Language::En => "flushing the cache…",
            Language::Zh | Language::ZhHant => "刷新缓存中……",
        }
    }

    fn flushed(self) -> &'static str {
        match self.0 {
            Language::En => "the cache was flushed to the DB",
            Language::Zh | Language::ZhHant => "缓存被刷新到了 DB",
        }
    }

    fn lost(self, dirty: usize) -> String {
        match self.0 {
            Language::En if dirty == 1 => "1 cached write was not flushed".to_owned(),
            Language::En => format!("{dirty} cached writes were not flushed"),
            Language::Zh => format!("{dirty} 个缓存写入未刷新"),
            Language::ZhHant => format!("{dirty} 個快取寫入未更新到 DB"),
        }
    }
}
