//! How the log is written.

use std::path::PathBuf;

use log::LevelFilter;

use crate::locale::Language;

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What this crate, its binary and [`targets`](Self::targets) log. Everything else is logged from `warn` up, and
    /// at most one line each 10 s of each module: what a client does to a library fills no log.
    pub level: LevelFilter,
    /// Further crates or modules to log at [`level`](Self::level): a library user's own, such as `my_service`.
    pub targets: Vec<String>,
    /// Crates or modules whose messages are left out, such as those that name a secret.
    pub muted: Vec<String>,
    /// The language of the lines that the log itself writes.
    pub language: Language,
    /// A file that is appended to, besides standard error. Missing parent folders are created; on Unix the file is
    /// created with the permissions 0600 and its folder with 0700, since the paths of requests are in it.
    pub file: Option<PathBuf>,
    /// Whether standard error has colors; the file never has.
    pub color: Color,
    /// How a line is written.
    pub format: Format,
}

/// When standard error has colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `YYYY/MM/DD HH:MM:SS text`, in local time. What a reader cannot see is escaped: an event is one line. Where
    /// standard error is connected to journald (`JOURNAL_STREAM`), lines there begin with their priority, such as `<4>`.
    #[default]
    Text,
    /// `{"time":…,"level":…,"target":…,"message":…}` and the event's fields, with the time in RFC 3339. It has no colors.
    Json,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: LevelFilter::Info,
            targets: Vec::new(),
            muted: Vec::new(),
            language: Language::En,
            file: None,
            color: Color::Auto,
            format: Format::Text,
        }
    }
}

impl Options {
    /// True if a target is this crate's, its binary's or one of [`targets`](Self::targets).
    pub(super) fn is_own(&self, target: &str) -> bool {
        let own = self.targets.iter().map(String::as_str).chain([env!("CARGO_CRATE_NAME")]);
        own.into_iter()
            .any(|own| target.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
    }
}
