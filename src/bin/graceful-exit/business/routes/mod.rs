//! The business server's routes.

mod cache;
mod frames;
mod mount;
mod query;
mod requests;
mod state;
mod streams;

pub(crate) use state::Business;
