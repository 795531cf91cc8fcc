//! The writes that the store does not have yet, in memory. Nothing here waits.
//!
//! ```text
//!           take           spooled            store           stored
//! put ─▶ dirty ─▶ taken ─▶ spooled ─▶ storing ─▶ forgotten
//!            ◀────────        ◀──────────────
//!             untake              not_stored
//! ```

use std::collections::btree_map::Entry;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::error::PutError;
use crate::business::store::Writes;

/// How much may wait for the store: above it a flush is due, above twice of it a write is refused.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    /// Of keys and values.
    pub(crate) bytes: usize,
}

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Mode {
    /// Once it is in memory.
    #[default]
    WriteBehind,
    /// Once it is in the spool: the exit has begun.
    WriteThrough,
    /// Never: the exit's flush has begun, and would not have it.
    Closed,
}

/// A write that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accepted {
    /// It may be acknowledged only once it is in the spool.
    pub(super) needs_spool: bool,
    /// More waits for the store than the limits say.
    pub(super) is_flush_due: bool,
}

/// Four generations of writes, newest first. A write moves down as it becomes safer and is forgotten
/// when the store has it: memory holds what is not stored and nothing else.
#[derive(Debug, Default)]
pub(super) struct Memory {
    mode: Mode,
    /// Neither spooled nor stored.
    dirty: Generation,
    /// On its way into the spool.
    taken: Arc<Generation>,
    /// In the spool.
    spooled: Generation,
    /// In the spool, and on its way into the store.
    storing: Arc<Generation>,
    /// How many keys `dirty` and `taken` have between them: what a kill would lose.
    unsaved: usize,
    /// A spool is on the disk.
    pub(super) has_spool: bool,
    /// The spool's temporary file has been removed.
    pub(super) is_released: bool,
}

/// Writes, and how many bytes their keys and values have.
#[derive(Debug, Clone, Default)]
pub(super) struct Generation {
    writes: Writes,
    bytes: usize,
}

impl Memory {
    /// Accepts a write.
    pub(super) fn put(&mut self, key: String, value: Bytes, limits: Limits) -> Result<Accepted, PutError> {
        if self.mode == Mode::Closed {
            return Err(PutError::Closed);
        }
        let (entries, bytes) = self.size();
        let (entries, bytes) = (entries + 1, bytes + key.len() + value.len());
        if entries > limits.entries.saturating_mul(2) || bytes > limits.bytes.saturating_mul(2) {
            return Err(PutError::Full);
        }
        let was_at_risk = self.taken.writes.contains_key(&key);
        let is_new = self.dirty.insert(key, value);
        self.unsaved += usize::from(is_new && !was_at_risk);
        Ok(Accepted {
            needs_spool: self.mode == Mode::WriteThrough,
            is_flush_due: entries > limits.entries || bytes > limits.bytes,
        })
    }

    pub(super) fn get(&self, key: &str) -> Option<&Bytes> {
        let generations = [&self.dirty, &*self.taken, &self.spooled, &*self.storing];
        generations.into_iter().find_map(|generation| generation.writes.get(key))
    }

    /// From now on a write is acknowledged once it is in the spool.
    pub(super) fn write_through(&mut self) {
        if self.mode == Mode::WriteBehind {
            self.mode = Mode::WriteThrough;
        }
    }

    /// From now on writes are refused.
    pub(super) fn close(&mut self) {
        self.mode = Mode::Closed;
    }

    /// Takes what is to be spooled next; nothing if nothing is dirty.
    pub(super) fn take(&mut self) -> Option<Arc<Generation>> {
        debug_assert!(self.taken.writes.is_empty(), "only the spooler takes, one generation at a time");
        if self.dirty.writes.is_empty() {
            return None;
        }
        self.taken = Arc::new(mem::take(&mut self.dirty));
        Some(Arc::clone(&self.taken))
    }

    /// What was taken is in the spool.
    pub(super) fn spooled(&mut self) {
        let taken = mem::take(&mut self.taken);
        self.spooled.overlay(Arc::unwrap_or_clone(taken));
        self.unsaved = self.dirty.writes.len();
    }

    /// What was taken could not be spooled.
    pub(super) fn untake(&mut self) {
        let newer = mem::take(&mut self.dirty);
        self.dirty = Arc::unwrap_or_clone(mem::take(&mut self.taken));
        self.dirty.overlay(newer);
    }

    /// All that the spool has to hold, what was taken included.
    pub(super) fn all_for_spool(&self) -> Writes {
        let mut all = self.storing.writes.clone();
        for generation in [&self.spooled, &*self.taken] {
            all.extend(generation.writes.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        all
    }

    /// Takes what is to be stored next: all that is in the spool.
    pub(super) fn begin_storing(&mut self) -> Arc<Generation> {
        debug_assert!(self.storing.writes.is_empty(), "only one flush stores at a time");
        self.storing = Arc::new(mem::take(&mut self.spooled));
        Arc::clone(&self.storing)
    }

    /// What was being stored is in the store.
    pub(super) fn stored(&mut self) {
        self.storing = Arc::default();
    }

    /// What was being stored may not be in the store.
    pub(super) fn not_stored(&mut self) {
        let newer = mem::take(&mut self.spooled);
        self.spooled = Arc::unwrap_or_clone(mem::take(&mut self.storing));
        self.spooled.overlay(newer);
    }

    /// What is dirty, to be stored although the spool cannot be written.
    pub(super) fn copy_of_dirty(&self) -> Writes {
        self.dirty.writes.clone()
    }

    /// The store has these, which may have been dirty.
    pub(super) fn stored_past_the_spool(&mut self, writes: &Writes) {
        for (key, value) in writes {
            let is_gone = self.dirty.remove_if(key, value);
            self.unsaved -= usize::from(is_gone && !self.taken.writes.contains_key(key));
        }
    }

    /// True if a flush would have nothing to do.
    pub(super) fn is_settled(&self) -> bool {
        self.size().0 == 0 && !self.has_spool
    }

    /// True if the spool holds nothing that the store does not have.
    pub(super) fn is_spool_outdated(&self) -> bool {
        [&*self.taken, &self.spooled, &*self.storing].iter().all(|generation| generation.writes.is_empty())
    }

    /// How many entries of how many bytes are not stored.
    pub(super) fn size(&self) -> (usize, usize) {
        let generations = [&self.dirty, &*self.taken, &self.spooled, &*self.storing];
        let entries = generations.iter().map(|generation| generation.writes.len()).sum();
        (entries, generations.iter().map(|generation| generation.bytes).sum())
    }
}

impl Generation {
    pub(super) fn writes(&self) -> &Writes {
        &self.writes
    }

    /// Returns true if the key was not there.
    fn insert(&mut self, key: String, value: Bytes) -> bool {
        self.bytes += value.len();
        match self.writes.entry(key) {
            Entry::Vacant(entry) => {
                self.bytes += entry.key().len();
                entry.insert(value);
                true
            }
            Entry::Occupied(mut entry) => {
                self.bytes -= entry.insert(value).len();
                false
            }
        }
    }

    /// Merges newer writes into these.
    fn overlay(&mut self, newer: Self) {
        if self.writes.is_empty() {
            *self = newer;
            return;
        }
        for (key, value) in newer.writes {
            self.insert(key, value);
        }
    }

    fn remove_if(&mut self, key: &str, value: &Bytes) -> bool {
        if self.writes.get(key) != Some(value) {
            return false;
        }
        self.writes.remove(key);
        self.bytes -= key.len() + value.len();
        true
    }
}

/// The memory as the threads share it.
#[derive(Debug, Default)]
pub(super) struct SharedMemory {
    memory: Mutex<Memory>,
    unsaved: AtomicUsize,
    spooled: AtomicUsize,
}

impl SharedMemory {
    /// Changes the memory, and publishes how many keys a kill would lose, and how many writes only the spool has.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Memory) -> T) -> T {
        let mut memory = self.lock();
        let result = change(&mut memory);
        self.unsaved.store(memory.unsaved, Ordering::Release);
        let spooled = memory.spooled.writes.len() + memory.storing.writes.len();
        self.spooled.store(spooled, Ordering::Release);
        result
    }

    /// Locks the memory, to read it.
    pub(super) fn lock(&self) -> MutexGuard<'_, Memory> {
        // A panic leaves no step of the memory half done.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many keys a kill would lose. Takes no lock.
    pub(super) fn unsaved(&self) -> usize {
        self.unsaved.load(Ordering::Acquire)
    }

    /// How many writes the spool has and the store may not have. Takes no lock.
    pub(super) fn spooled(&self) -> usize {
        self.spooled.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
