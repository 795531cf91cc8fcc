//! The business server: its routes, and its write-behind cache with a spool and a store.
//!
//! ```text
//! PUT ─▶ memory ─▶ spool (fsync) ─▶ store (one transaction) ─▶ spool removed
//!        dirty     safe             stored
//! ```
//!
//! [`cache`] decides what happens when; [`spool`] and [`store`] keep bytes; [`directory`] and
//! [`private_file`] are how they reach the disk. [`jobs`] is the cache's part in the exit.

pub(crate) mod cache;
mod directory;
pub(crate) mod jobs;
mod locale;
mod private_file;
mod routes;
mod spool;
mod store;

pub(crate) use routes::Business;
