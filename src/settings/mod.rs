//! The settings: what can be set, from where, and what is refused.
//!
//! Four layers, each over the one before: the defaults, files in the order given, the environment
//! (`GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s`), and `KEY=VALUE` pairs in the order given. `config/default.toml`
//! ([`DEFAULTS`]) documents every key with its default. Every layer is checked, also where a later layer wins, and
//! everything that is wrong is returned as one [`SettingsError`] whose messages name their source.
//!
//! ```
//! use graceful_exit::settings::{Layers, Settings};
//!
//! let settings = Settings::load(&Layers { set: vec!["shutdown.timeout=8s".to_owned()], ..Layers::default() })?;
//! assert_eq!(settings.shutdown.timeouts.timeout.as_secs(), 8);
//! # Ok::<(), graceful_exit::settings::SettingsError>(())
//! ```
//!
//! To add a setting: a field with its default in `model.rs`, its entry in `keys.rs`, and its text in
//! `config/default.toml`. A test compares the three.

mod address;
mod error;
#[cfg(test)]
mod fuzz;
mod keys;
mod kind;
mod layers;
mod merge;
mod model;
mod numbers;
mod pairs;
mod redact;
mod signals;
mod suggest;
#[cfg(test)]
mod tests;
mod texts;
mod token;
mod variables;

pub use address::BindAddress;
pub use error::{Mistake, SettingsError, Source, UnusedVariable};
pub use layers::{Entry, Layers, Loaded};
pub use model::{Admin, Cache, Demo, Log, Reject, Report, Server, Servers, Settings, Shutdown, Tls};
pub use redact::address_without_secrets;
pub use token::TokenError;

/// `config/default.toml`: every key with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
