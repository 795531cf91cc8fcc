use log::LevelFilter;

use crate::locale::Language;

/// When a server closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// Before the callbacks.
    First,
    /// After the resources; until then it answers its own read-only routes.
    Last,
}

/// The language that the log speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LanguageChoice {
    /// By `LC_ALL` or `LANG`.
    Auto,
    /// English.
    En,
    /// 中文.
    Zh,
}

/// Whether the log has colors on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Time and text.
    Text,
    /// One JSON object.
    Json,
}

impl LanguageChoice {
    /// The language itself; `Auto` looks at the environment.
    pub fn resolve(self) -> Language {
        match self {
            Self::Auto => Language::from_environment(),
            Self::En => Language::En,
            Self::Zh => Language::Zh,
        }
    }
}

/// A type with one word a value. The words stand here once: the schema reads them to refuse others, and the model to decode.
pub(super) trait Choice: Copy + 'static {
    const CHOICES: &'static [(&'static str, Self)];
}

/// What the schema holds of a choice: its words.
pub(super) fn words<C: Choice>() -> Vec<&'static str> {
    C::CHOICES.iter().map(|(word, _)| *word).collect()
}

/// The value that a word stands for.
pub(super) fn read<C: Choice>(word: &str) -> Option<C> {
    C::CHOICES.iter().find(|(known, _)| *known == word).map(|(_, choice)| *choice)
}

impl Choice for StopOrder {
    const CHOICES: &'static [(&'static str, Self)] = &[("first", Self::First), ("last", Self::Last)];
}

impl Choice for LanguageChoice {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("en", Self::En), ("zh", Self::Zh)];
}

impl Choice for ColorChoice {
    const CHOICES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

impl Choice for LogFormat {
    const CHOICES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for LevelFilter {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}
