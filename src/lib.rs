//! Graceful shutdown for actix-web services.

pub mod actors;
pub mod drain;
#[cfg(feature = "logging")]
pub mod logging;
pub mod os;
pub mod sequence;
pub mod server;
#[cfg(feature = "settings")]
pub mod settings;
pub mod words;
