//! The business server's routes.

mod cache;
mod mount;
mod query;
mod requests;
mod streams;

pub(crate) use mount::Business;
