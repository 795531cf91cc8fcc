//! The store: the table `cache (key, value)` in SQLite or PostgreSQL.
//!
//! Writes go in together in one transaction. It is durable once it is reported, because the spool
//! is removed then.

mod any;
mod error;
mod postgres;
mod shared;
mod sqlite;

pub(crate) use any::Store;
pub(crate) use error::StoreError;
pub(crate) use shared::Writes;

#[cfg(test)]
mod tests;
