//! Graceful shutdown for actix-web services.

pub mod sequence;
pub mod drain;
pub mod actors;
pub mod os;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "logging")]
pub mod logging;
pub mod words;
