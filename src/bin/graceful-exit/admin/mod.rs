//! The admin server: health, status, and the button that starts the exit.

mod caller;
mod metrics;
mod routes;

pub(crate) use metrics::Metrics;
pub(crate) use routes::{Admin, is_read_only};
