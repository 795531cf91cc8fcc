//! The admin server: health, status, the live page, and the button that starts the exit.

mod access;
mod events;
mod metrics;
mod page;
mod routes;

pub(crate) use events::Feed;
pub(crate) use metrics::Metrics;
pub(crate) use page::Page;
pub(crate) use routes::{Admin, is_read_only, is_stream};
