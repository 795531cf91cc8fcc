//! The business server's state: a write-behind cache over a store, with a spool between the two.
//!
//! ```text
//! PUT ─▶ memory ─▶ spool (fsync) ─▶ store (one transaction) ─▶ spool removed
//!        dirty     safe             stored
//! ```
//!
//! [`cache`] decides what happens when, [`spool`] and [`store`] keep bytes, and [`folder`] makes a
//! folder's entries survive a power cut.

pub(crate) mod cache;
pub(crate) mod directory;
pub(crate) mod flush;
mod routes;
pub(crate) mod spool;
pub(crate) mod store;

pub(crate) use routes::Business;

/// The flush's name in reports.
pub(crate) const FLUSH: &str = "flush-cache";
/// The store's name in reports.
pub(crate) const STORE: &str = "store";
