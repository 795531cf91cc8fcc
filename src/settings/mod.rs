//! The settings: what can be set, from where, and what is refused.
//!
//! Four layers, each over the one before: the built-in `config/default.toml`, files in the order given,
//! the environment (`GRACEFUL_EXIT__SHUTDOWN__TIMEOUT=8s`), and `KEY=VALUE` pairs in the order given.
//! One table (`schema.rs`) says what each key takes; every layer is checked against it, also where a later
//! layer wins, and the first thing that is wrong is returned as one [`SettingsError`] that names its source.
//!
//! ```
//! use graceful_exit::settings::{Layers, Settings};
//!
//! let settings = Settings::load(&Layers { set: vec!["shutdown.timeout=8s".to_owned()], ..Layers::default() })?;
//! assert_eq!(settings.shutdown.timeout.as_secs(), 8);
//! # Ok::<(), graceful_exit::settings::SettingsError>(())
//! ```

mod choice;
mod error;
mod layers;
mod model;
mod redact;
mod schema;
mod signals;
mod suggest;
#[cfg(test)]
mod tests;

pub use choice::{ColorChoice, LanguageChoice, LogFormat, StopOrder};
pub use error::{SettingsError, Source};
pub use layers::Layers;
pub use model::{
    Admin, Cache, Demo, ExitCodes, Log, Reject, Report, Server, Servers, Settings, Shutdown, Workers,
};
