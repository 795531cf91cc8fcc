//! The store: the table `cache (key, value)` in SQLite or PostgreSQL.
//!
//! What is written together is written in one transaction, durable when it is reported: the spool is
//! removed on the strength of it.

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
