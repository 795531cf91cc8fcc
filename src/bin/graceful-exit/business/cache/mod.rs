//! The write-behind cache: a `PUT` is answered once it is in memory, and a later flush stores it.
//!
//! # A flush
//!
//! 1. Spool: everything that is not in the spool yet, durable before the store is touched. The exit's
//!    flush closes the cache first, so everything acknowledged is in it and everything else was refused.
//! 2. Store: one transaction with everything that is in the spool and was not stored.
//! 3. The spool is removed.
//!
//! One flush at a time writes to the store. The spool is written independently of the store.
//!
//! # The checkpoint
//!
//! The first request to stop spools what is dirty at once. From then on a `PUT` is answered when it is in the spool, by
//! one sync for all that wait. So a kill can lose writes only until the checkpoint, not until the flush, which has to
//! wait for the drain.
//!
//! # Exactly once
//!
//! A process that ends between the steps 2 and 3, or during the commit, leaves a spool whose writes may already be
//! stored. The next start writes them again *before* it serves. Each sets a key to a value, and the store has no newer
//! value of it: a newer one would be in the same spool, behind the older one. So writing them twice has the same result
//! as writing them once. This is not promised for keys that another program writes into the same table.
//!
//! # Memory
//!
//! It holds only what is not stored; what is stored is read from the store. A flush is due above `cache.max_dirty` and
//! `cache.max_dirty_bytes`, and above twice of either a `PUT` is refused.
//!
//! # In hand before ready
//!
//! The spooler's thread, the spool's files and the store's connection for the flush exist before the service is ready.
//! So the exit works on a system that has run out of threads or descriptors.

mod error;
mod memory;
mod spooler;
mod write_behind;

pub(crate) use error::{OpenError, PutError};
pub(crate) use memory::Limits;
pub(crate) use write_behind::{Cache, Flushed, Options};

#[cfg(test)]
mod tests;
