//! The spool: a file that holds the writes that are not in the store yet.
//!
//! - It appears whole or not at all: temporary file, sync, rename, sync of the folder. Later groups of
//!   writes are appended and synced; [`format`] tells one that a kill cut off from a whole one.
//! - It belongs to one process at a time, by a lock on `<spool>.lock`, which the system releases
//!   however the process ends. The lock file stays: if it were removed, two processes could lock two
//!   files of the same name.
//! - What it needs is open from the start: the lock, the folder and the temporary file. A flush at the
//!   exit asks the system for no descriptor.

mod error;
mod file;
mod format;
#[cfg(test)]
mod fuzz;

pub(crate) use error::SpoolError;
pub(crate) use file::Spool;
