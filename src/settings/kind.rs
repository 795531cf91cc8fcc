//! What a setting takes: how a TOML value becomes a typed one, and what is said where it does not.

use serde_json::Value as Shown;
use toml::de::DeValue;

use crate::locale::Language;
use crate::os::signals::SignalNameError;

/// Reads and shows the values of one or more settings.
pub(super) trait Kind {
    /// What the setting is in [`Settings`](super::Settings).
    type Value;

    /// True if a value from the environment or the command line is text unless it is quoted.
    fn takes_text(&self) -> bool {
        true
    }

    /// True if the value is never shown.
    fn is_secret(&self) -> bool {
        false
    }

    /// The typed value.
    ///
    /// # Errors
    ///
    /// Why it is refused, where what is allowed does not say it.
    fn read(&self, value: &DeValue<'_>) -> Result<Self::Value, Refusal>;

    /// The value as the settings file would have it; secrets are hidden.
    fn show(&self, value: &Self::Value) -> Shown;

    /// What the setting takes, for messages.
    fn allowed(&self, language: Language) -> String;
}

/// Why a value is refused, beyond that it is not among what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// What is allowed says it all.
    NotAllowed,
    /// A value that begins with a quote does not end with it.
    UnclosedQuote,
    /// A list of signals holds names that cannot be used, each with what was probably meant by it.
    Signals(Vec<(SignalNameError, Option<&'static str>)>),
    /// No signal of the list exists on this platform.
    NoNativeSignal,
    /// Another key has to be set together with this one.
    Needs(&'static str),
    /// Another key that is set excludes this one.
    Excludes(&'static str),
    /// Another key has the address of a Unix socket, which this one is not for.
    UnixSocket(&'static str),
    /// Another key names the same file.
    SameFile(&'static str),
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn takes_text(&self) -> bool {
        false
    }

    fn read(&self, value: &DeValue<'_>) -> Result<bool, Refusal> {
        value.as_bool().ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &bool) -> Shown {
        (*value).into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_flag().to_owned()
    }
}

/// One of a few words, each with what it stands for.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy + PartialEq> Kind for Choice<T> {
    type Value = T;

    fn read(&self, value: &DeValue<'_>) -> Result<T, Refusal> {
        let found = self.0.iter().find(|(word, _)| text(value) == Some(word));
        found.map(|(_, meant)| *meant).ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &T) -> Shown {
        self.0.iter().find(|(_, meant)| meant == value).map(|(word, _)| *word).into()
    }

    fn allowed(&self, _: Language) -> String {
        self.0.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(", ")
    }
}

pub(super) fn text<'a>(value: &'a DeValue<'_>) -> Option<&'a str> {
    value.as_str()
}
