//! Every sentence that an operator reads, in each language.
//!
//! A file a subject. Each sentence is one entry with all languages side by side, so a missing one does not compile.
//! The lines of the transcripts in `config/scenarios/` are fixed to the letter: they are the same in every Chinese.

#[cfg(feature = "admin")]
mod admin;
mod cause;
mod duration;
mod escape;
mod exit;
mod language;
mod log;
mod phase;
mod progress;
mod report;
mod sentences;
#[cfg(feature = "settings")]
mod settings;
mod start;
#[cfg(feature = "rustls-0_23")]
mod tls;
mod verdict;

pub use duration::rounded;
pub use escape::{escaped, escaped_json, is_misleading};
pub use language::Language;
