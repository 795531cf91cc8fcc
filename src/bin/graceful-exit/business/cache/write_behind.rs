//! [`Cache`]: what the routes and the exit call.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use graceful_exit::Language;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::{FlushError, MAX_KEY_BYTES, OpenError, PutError, safe};
use super::memory::{Limits, Memory, SharedMemory};
use super::spooler::{Opened, Spooler};
use crate::business::spool::SpoolError;
use crate::business::store::{Store, StoreError};

/// The cache. Clones are the same cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    shared: Arc<Shared>,
}

/// Where the cache keeps its writes, and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options<'a> {
    /// The store's URL.
    pub(crate) store: &'a str,
    pub(crate) spool: &'a Path,
    pub(crate) limits: Limits,
    /// How long the exit's flush pauses between its snapshot and the spool.
    pub(crate) flush_delay: Duration,
}

/// What a flush did.
#[derive(Debug, Default)]
pub(crate) struct Flushed {
    /// How many keys are in the store that were not there before.
    pub(crate) writes: usize,
    /// The spool's error, if they went into the store without having been in the spool. Nothing is
    /// lost, but a later flush may lose something: this is for the log.
    pub(crate) unspooled: Option<Arc<SpoolError>>,
}

impl Cache {
    /// Locks the spool, opens the store and imports what an earlier run left in the spool. Serve
    /// only after this. The number is how many keys were imported.
    ///
    /// # Errors
    ///
    /// No thread or descriptor is left, the spool is held or damaged, or the store cannot be opened or
    /// written. What the spool holds is left there.
    pub(crate) async fn open(options: Options<'_>) -> Result<(Self, usize), OpenError> {
        let Opened { spooler, memory, store, recovered } =
            Spooler::start(options.store, options.spool).await?;
        let shared = Shared {
            memory,
            spooler,
            spool_path: options.spool.to_owned(),
            store,
            limits: options.limits,
            flush_delay: options.flush_delay,
            flush_is_due: Notify::new(),
        };
        Ok((Self { shared: Arc::new(shared) }, recovered))
    }

    /// Keeps `value` for `key`. On `Ok` it will be part of the next flush, and the exit's is one; once
    /// the exit has begun ([`Cache::checkpoint`]), it is in the spool as well.
    ///
    /// # Errors
    ///
    /// [`PutError`]: the write is not acknowledged. It may be kept all the same if it could not be
    /// spooled.
    pub(crate) async fn put(&self, key: String, value: &[u8]) -> Result<(), PutError> {
        if !is_key(&key) {
            return Err(PutError::Key);
        }
        // A copy: the request's buffer may be much larger than the value, and would live as long.
        let value = Bytes::copy_from_slice(value);
        let shared = &self.shared;
        let accepted = shared.memory.change(|memory| memory.put(key, value, shared.limits))?;
        if accepted.is_flush_due {
            shared.flush_is_due.notify_one();
        }
        if accepted.needs_spool {
            shared.spooler.save().await.map_err(|not_saved| PutError::NotSpooled(not_saved.error))?;
        }
        Ok(())
    }

    /// Returns the last value that was put for `key`, whether it is stored yet or not.
    ///
    /// # Errors
    ///
    /// It is not in memory and the store cannot be read.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        if !is_key(key) {
            return Ok(None);
        }
        let held = self.shared.memory.lock().get(key).cloned();
        match held {
            Some(value) => Ok(Some(value)),
            None => self.shared.store.get(key).await,
        }
    }

    /// How many keys have a value that is neither in the spool nor in the store: what a kill would
    /// lose. Takes no lock.
    pub(crate) fn unsaved(&self) -> usize {
        self.shared.memory.unsaved()
    }

    /// Says where the writes are that are in the spool and may not be in the store; `None` if there are none. Takes no
    /// lock.
    pub(crate) fn spooled(&self, language: Language) -> Option<String> {
        let writes = self.shared.memory.spooled();
        (writes > 0).then(|| safe(writes, &self.shared.spool_path, language))
    }

    /// Waits until more is in memory than the limits say, and a flush is due.
    pub(crate) async fn flush_is_due(&self) {
        self.shared.flush_is_due.notified().await;
    }

    /// Spools what is dirty, and has every later write acknowledged by the spool. On `Ok` a kill loses
    /// nothing that was or will be acknowledged. Dropping the future does not stop the spooling.
    ///
    /// # Errors
    ///
    /// The disk's: [`FlushError::NotCheckpointed`]. Writes go on being acknowledged by the spool alone.
    pub(crate) async fn checkpoint(&self) -> Result<(), FlushError> {
        let shared = &self.shared;
        shared.memory.change(Memory::write_through);
        if self.unsaved() == 0 {
            return Ok(());
        }
        let saved = shared.spooler.save().await;
        saved.map_err(|not_saved| FlushError::NotCheckpointed {
            writes: self.unsaved(),
            source: not_saved.error,
        })
    }

    /// Flushes while the service goes on; what is put meanwhile stays dirty for the next flush.
    ///
    /// # Errors
    ///
    /// [`FlushError`] says where the writes are. The next flush tries again with all of them.
    pub(crate) async fn flush(&self) -> Result<Flushed, FlushError> {
        let shared = Arc::clone(&self.shared);
        let flush = async move { shared.flush(&CancellationToken::new()).await };
        joined(self.shared.spooler.runtime.spawn(flush)).await
    }

    /// The exit's flush: from the call on, [`Cache::put`] refuses.
    ///
    /// `cancelled` ends its delay and its wait for the store, so that everything is left in the spool.
    /// Dropping the future does not stop the flush.
    ///
    /// # Errors
    ///
    /// [`FlushError`] says where the writes are.
    pub(crate) async fn flush_for_exit(&self, cancelled: CancellationToken) -> Result<Flushed, FlushError> {
        let is_settled = self.shared.memory.change(|memory| {
            memory.close();
            memory.is_settled()
        });
        let delay = self.shared.flush_delay;
        if is_settled && delay.is_zero() {
            // By the time that `close` would ask for it, it is done.
            self.shared.spooler.begin_release();
            return Ok(Flushed::default());
        }
        let shared = Arc::clone(&self.shared);
        let flush = async move {
            if !delay.is_zero() {
                cancelled.run_until_cancelled(tokio::time::sleep(delay)).await;
            }
            shared.flush(&cancelled).await
        };
        joined(self.shared.spooler.runtime.spawn(flush)).await
    }

    /// Closes the store's connections, once what runs on them has ended, and removes the spool's
    /// temporary file. Flush before. The spool stays locked until the last clone is gone.
    pub(crate) async fn close(&self) {
        self.shared.store.close().await;
        if !self.shared.memory.lock().is_released {
            self.shared.spooler.release().await;
        }
    }
}

#[derive(Debug)]
struct Shared {
    memory: Arc<SharedMemory>,
    spooler: Spooler,
    spool_path: PathBuf,
    store: Store,
    limits: Limits,
    flush_delay: Duration,
    flush_is_due: Notify,
}

impl Shared {
    /// Spools what is dirty and stores what is spooled. It runs on the spooler's runtime.
    async fn flush(&self, cancelled: &CancellationToken) -> Result<Flushed, FlushError> {
        match self.spooler.save().await {
            Ok(()) => self.store_what_is_spooled(cancelled).await,
            // The next start would import the older spool over the newer values.
            Err(not_saved) if not_saved.has_older_spool => Err(self.not_spooled(not_saved.error, None)),
            Err(not_saved) => self.store_what_is_dirty(not_saved.error, cancelled).await,
        }
    }

    async fn store_what_is_spooled(&self, cancelled: &CancellationToken) -> Result<Flushed, FlushError> {
        let Some(mut turn) = cancelled.run_until_cancelled(self.store.turn()).await else {
            return Err(self.cancelled());
        };
        let storing = self.memory.change(Memory::begin_storing);
        let writes = storing.writes().len();
        let stored = cancelled.run_until_cancelled(turn.write_all(storing.writes())).await;
        drop(storing);
        match stored {
            Some(Ok(())) => {
                self.memory.change(Memory::stored);
                let cleared = self.spooler.clear().await;
                cleared.map_err(|source| FlushError::NotRemoved { writes, source })?;
                Ok(Flushed { writes, unspooled: None })
            }
            Some(Err(source)) => {
                self.memory.change(Memory::not_stored);
                Err(FlushError::NotStored { writes, spool: self.spool_path.clone(), source })
            }
            None => {
                self.memory.change(Memory::not_stored);
                Err(self.cancelled())
            }
        }
    }

    /// Stores what is dirty although the spool cannot be written.
    async fn store_what_is_dirty(
        &self,
        spool: Arc<SpoolError>,
        cancelled: &CancellationToken,
    ) -> Result<Flushed, FlushError> {
        let dirty = self.memory.lock().copy_of_dirty();
        let stored = async { self.store.turn().await.write_all(&dirty).await };
        match cancelled.run_until_cancelled(stored).await {
            Some(Ok(())) => {
                self.memory.change(|memory| memory.stored_past_the_spool(&dirty));
                Ok(Flushed { writes: dirty.len(), unspooled: Some(spool) })
            }
            stored => Err(self.not_spooled(spool, stored.and_then(Result::err))),
        }
    }

    fn cancelled(&self) -> FlushError {
        FlushError::Cancelled { writes: self.memory.lock().size().0, spool: self.spool_path.clone() }
    }

    fn not_spooled(&self, source: Arc<SpoolError>, store: Option<StoreError>) -> FlushError {
        FlushError::NotSpooled { writes: self.memory.unsaved(), source, store }
    }
}

/// Every store can keep such a key: PostgreSQL's text has no NUL.
fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY_BYTES && !key.contains('\0')
}

/// Awaits a task; its panic goes on here.
async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // No code aborts it: the runtime is shutting down, and the process with it.
            Err(_) => std::future::pending().await,
        },
    }
}
