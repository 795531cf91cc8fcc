//! The write-behind cache: a `PUT` is answered from memory, a flush makes it last.
//!
//! # A flush
//!
//! 1. Snapshot: everything that is not stored. The exit's one closes the cache in the same step,
//!    so whatever was acknowledged is in it and whatever is not in it was refused.
//! 2. Spool: the whole snapshot, durable before the store is touched.
//! 3. Store: one transaction.
//! 4. The spool is removed.
//!
//! Flushes take turns. The exit's does not wait for the store on behalf of an earlier one: that one
//! gives up as soon as its writes are in the spool, and the exit's brings them in with its own.
//!
//! # Exactly once
//!
//! A process that ends between the steps 3 and 4, or in the middle of the commit, leaves a spool
//! whose writes may already be stored. The next start writes them again *before* it serves: each
//! sets a key to a value, and nothing newer can have come between, since a later flush replaces the
//! spool before it touches the store and nobody else can hold the spool. So writing them twice
//! leaves what writing them once does. This is not promised for keys that somebody else writes into
//! the same table.
//!
//! # Memory
//!
//! It holds what is not stored and nothing else; what is stored is read from the store. So it grows
//! with the keys put between two flushes: with `cache.flush_interval = 0s`, until the exit.

mod error;
mod memory;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::business::spool::{Spool, SpoolError};
use crate::business::store::{Store, StoreError};
pub(crate) use error::{FlushError, OpenError, PutError};
use memory::{Memory, Snapshot};

/// The longest key in bytes: an index of PostgreSQL takes no more than about 2,700, and one key that
/// the store refuses would make every flush fail from then on.
pub(crate) const MAX_KEY_BYTES: usize = 1024;

/// The cache, shared by every worker: clones are the same cache.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    shared: Arc<Shared>,
}

/// What a flush did.
#[derive(Debug)]
pub(crate) struct Flushed {
    /// How many keys are in the store now and were not before.
    pub(crate) writes: usize,
    /// Why they went into the store without having been in the spool. Nothing is lost, but the next
    /// time it may be: somebody should know.
    pub(crate) unspooled: Option<SpoolError>,
}

impl Cache {
    /// Takes the spool, opens the store and brings in what an earlier run left in the spool. Serve
    /// only after this. Also says how many keys were brought in.
    ///
    /// `flush_delay` is how long each flush pauses between its snapshot and the spool.
    ///
    /// # Errors
    ///
    /// The spool is held or damaged, or the store cannot be opened or written. What the spool holds
    /// is left there.
    pub(crate) async fn open(
        store: &str,
        spool: &Path,
        flush_delay: Duration,
    ) -> Result<(Self, usize), OpenError> {
        let spool_path = spool.to_owned();
        let (mut spool, left) = blocking({
            let path = spool_path.clone();
            move || Spool::open(&path)
        })
        .await
        .map_err(OpenError::Spool)?;
        let store = Store::open(store).await.map_err(OpenError::Store)?;
        let recovered = left.len();
        store.write_all(&left).await.map_err(|source| OpenError::NotRecovered {
            writes: recovered,
            spool: spool_path.clone(),
            source,
        })?;
        let spool = blocking(move || spool.remove().map(|()| spool)).await.map_err(OpenError::Spool)?;
        let shared = Shared {
            memory: Mutex::default(),
            unsaved: AtomicUsize::new(0),
            spool: Arc::new(tokio::sync::Mutex::new(spool)),
            spool_path,
            store,
            flush_delay,
            exiting: CancellationToken::new(),
        };
        Ok((Self { shared: Arc::new(shared) }, recovered))
    }

    /// Keeps `value` for `key`. On `Ok` it will be part of the next flush, and the exit's is one.
    ///
    /// # Errors
    ///
    /// The exit's flush has taken its snapshot, or `key` is one that no store could keep.
    pub(crate) fn put(&self, key: String, value: &[u8]) -> Result<(), PutError> {
        if !is_key(&key) {
            return Err(PutError::Key);
        }
        // A copy: the request's buffer may be much larger than the value, and would live as long.
        let value = Bytes::copy_from_slice(value);
        if self.shared.change(|memory| memory.put(key, value)) { Ok(()) } else { Err(PutError::Closed) }
    }

    /// What `key` has: the last value that was put, wherever it is by now.
    ///
    /// # Errors
    ///
    /// It is not in memory and the store cannot be read.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        if !is_key(key) {
            return Ok(None);
        }
        let held = self.shared.memory().get(key).cloned();
        match held {
            Some(value) => Ok(Some(value)),
            None => self.shared.store.get(key).await,
        }
    }

    /// How many keys have a value that is neither in the spool nor in the store: what a kill would
    /// lose. Takes no lock, so that whoever reports a forced exit can ask whatever else hangs.
    pub(crate) fn dirty(&self) -> usize {
        self.shared.unsaved.load(Ordering::Acquire)
    }

    /// Flushes while the service goes on; what is put meanwhile stays dirty for the next one.
    ///
    /// # Errors
    ///
    /// [`FlushError`] says where the writes are. The next flush tries again with all of them.
    /// [`FlushError::Cancelled`] if the exit's flush took over.
    pub(crate) async fn flush(&self) -> Result<Flushed, FlushError> {
        let shared = Arc::clone(&self.shared);
        let stop = shared.exiting.clone();
        joined(tokio::spawn(shared.flush(false, stop))).await
    }

    /// The exit's flush: from its snapshot on, [`Cache::put`] refuses.
    ///
    /// `cancelled` makes it leave everything in the spool, at once, and give up. Dropping the future
    /// does not stop the flush.
    ///
    /// # Errors
    ///
    /// [`FlushError`] says where the writes are.
    pub(crate) async fn flush_for_exit(&self, cancelled: CancellationToken) -> Result<Flushed, FlushError> {
        let shared = Arc::clone(&self.shared);
        shared.exiting.cancel();
        joined(tokio::spawn(shared.flush(true, cancelled))).await
    }

    /// Closes the store's connections, once what runs on them has ended. A flush that was told to
    /// stop is waited for as well: it is still bringing its writes into the spool. The spool stays
    /// locked until the last clone is gone.
    pub(crate) async fn close(&self) {
        let _turn = self.shared.spool.lock().await;
        self.shared.store.close().await;
    }
}

#[derive(Debug)]
struct Shared {
    memory: Mutex<Memory>,
    /// [`Memory::unsaved`], for those who must not wait for a lock.
    unsaved: AtomicUsize,
    /// Whoever holds it flushes.
    spool: Arc<tokio::sync::Mutex<Spool>>,
    spool_path: PathBuf,
    store: Store,
    flush_delay: Duration,
    /// Cancelled when the exit's flush begins: a flush that is under way then leaves the rest to it.
    exiting: CancellationToken,
}

impl Shared {
    async fn flush(self: Arc<Self>, exit: bool, stop: CancellationToken) -> Result<Flushed, FlushError> {
        let spool = Arc::clone(&self.spool).lock_owned().await;
        let snapshot = self.change(|memory| memory.take(exit));
        let writes = snapshot.writes.len();
        if !self.flush_delay.is_zero() {
            stop.run_until_cancelled(tokio::time::sleep(self.flush_delay)).await;
        }
        let (spool, snapshot, unspooled) = Arc::clone(&self).spool(spool, snapshot).await?;
        let stored = stop.run_until_cancelled(self.store.write_all(&snapshot.writes)).await;
        match (stored, unspooled) {
            (Some(Ok(())), unspooled) => {
                self.change(Memory::stored);
                clear(spool).await.map_err(|source| FlushError::NotRemoved { writes, source })?;
                Ok(Flushed { writes, unspooled })
            }
            (Some(Err(store)), None) => {
                Err(FlushError::NotStored { writes, spool: self.spool_path.clone(), source: store })
            }
            (None, None) => Err(FlushError::Cancelled { writes, spool: self.spool_path.clone() }),
            (stored, Some(source)) => {
                let store = stored.and_then(Result::err);
                Err(FlushError::NotSpooled { writes: self.unsaved(), source, store })
            }
        }
    }

    /// Brings the snapshot into the spool, on a thread that may block.
    ///
    /// An error of the spool is handed on where the store may be written all the same, as the only
    /// place that is left. It may not while an older spool is there, since the next start would
    /// bring that in over it.
    async fn spool(
        self: Arc<Self>,
        mut spool: OwnedMutexGuard<Spool>,
        snapshot: Snapshot,
    ) -> Result<(OwnedMutexGuard<Spool>, Snapshot, Option<SpoolError>), FlushError> {
        if !snapshot.unspooled {
            return Ok((spool, snapshot, None));
        }
        blocking(move || {
            let older = spool.is_occupied();
            match spool.write(&snapshot.writes) {
                Ok(()) => {
                    self.change(Memory::spooled);
                    Ok((spool, snapshot, None))
                }
                Err(error) if !older => Ok((spool, snapshot, Some(error))),
                Err(source) => Err(FlushError::NotSpooled { writes: self.unsaved(), source, store: None }),
            }
        })
        .await
    }

    /// Changes the memory, and publishes what is at risk before anybody can change it again.
    fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.memory();
        let result = change(&mut memory);
        self.unsaved.store(memory.unsaved(), Ordering::Release);
        result
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // No step of the memory is left half done by a panic, so a poisoned one is as good as any.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unsaved(&self) -> usize {
        self.unsaved.load(Ordering::Acquire)
    }
}

/// Whether every store can keep it: PostgreSQL's text has no NUL.
fn is_key(key: &str) -> bool {
    key.len() <= MAX_KEY_BYTES && !key.contains('\0')
}

async fn clear(mut spool: OwnedMutexGuard<Spool>) -> Result<(), SpoolError> {
    if !spool.is_occupied() {
        return Ok(());
    }
    blocking(move || spool.remove()).await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    joined(tokio::task::spawn_blocking(work)).await
}

/// Waits for a task as if it ran here, its panic included.
async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // Nobody aborts it, so the runtime is shutting down, and this task with it.
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests;
