//! What is wrong with settings, and where it stands.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::kind::Refusal;
use super::redact;
use crate::locale::Language;
use crate::os::signals::SignalNameError;

/// Why settings are refused: everything that is wrong with them. Its `Display` is one line a mistake.
#[derive(Debug)]
pub struct SettingsError {
    /// At least one, in the order of the layers.
    pub mistakes: Vec<Mistake>,
    /// Environment variables that were probably meant to set something, and do not. They are no mistakes, and not in
    /// the `Display`.
    pub unused: Vec<UnusedVariable>,
    /// The language of the messages: `log.language` as far as it could be read.
    pub language: Language,
}

/// One thing that is wrong. Its message names the key, the value, what is allowed and the [`Source`]; values of secret
/// keys are left out.
#[derive(Debug)]
pub struct Mistake(pub(super) Cause);

#[derive(Debug)]
pub(super) enum Cause {
    /// A settings file cannot be read.
    Unreadable { path: PathBuf, error: io::Error },
    /// A settings file is larger than any is.
    TooLarge { path: PathBuf },
    /// A settings file is not TOML.
    Malformed { source: Source, reason: String },
    /// No setting has this key.
    UnknownKey { key: String, value: String, hint: Hint, source: Source },
    /// A setting has a value of a wrong type, or one that is out of range.
    Refused {
        key: &'static str,
        value: String,
        refusal: Box<Refusal>,
        allowed: fn(Language) -> String,
        source: Source,
    },
    /// A `KEY=VALUE` pair without `=`, and its beginning, which is the key.
    NotAPair { key: String },
    /// An environment variable whose name or value is not Unicode.
    NotUnicode { variable: String },
}

/// What to write in place of an unknown key.
#[derive(Debug)]
pub(super) enum Hint {
    /// It is a section, which has these keys.
    Section(String),
    /// It is probably this key, misspelled.
    Meant(&'static str),
    /// Its section has these keys.
    Keys(String),
    /// These are the sections.
    Sections(String),
}

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: it has its default.
    Default,
    /// A settings file.
    File {
        /// The file as it was named.
        path: Box<Path>,
        /// The line, from 1.
        line: usize,
    },
    /// A `KEY=VALUE` pair of the command line.
    Set,
    /// The environment variable of this name.
    Variable(String),
}

/// An environment variable that starts like the settings' variables and names no key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnusedVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub meant: Option<String>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", mistake.message(self.language))?;
        }
        Ok(())
    }
}

impl Error for SettingsError {
    /// The cause of the first mistake.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.mistakes.first().and_then(Error::source)
    }
}

impl Mistake {
    /// The mistake in one line.
    pub fn message(&self, language: Language) -> String {
        match &self.0 {
            Cause::Unreadable { path, error } => {
                language.settings_unreadable(&path.display(), &language.cause(error))
            }
            Cause::TooLarge { path } => language.settings_too_large(&path.display()),
            Cause::Malformed { source, reason } => {
                language.settings_malformed(&source.name(language), reason)
            }
            Cause::UnknownKey { key, value, hint, source } => language.settings_unknown(
                &key.escape_debug(),
                value,
                &source.name(language),
                &hint.text(language),
            ),
            Cause::Refused { key, value, refusal, allowed, source } => {
                let source = source.name(language);
                match why(refusal, language) {
                    Some(why) => language.settings_refused_why(key, value, &source, &why, &allowed(language)),
                    None => language.settings_refused(key, value, &source, &allowed(language)),
                }
            }
            Cause::NotAPair { key } => language.settings_not_a_pair(&key.escape_debug()),
            Cause::NotUnicode { variable } => language.settings_not_unicode(&variable.escape_debug()),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
    }
}

impl Error for Mistake {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Cause::Unreadable { error, .. } => Some(error),
            Cause::Refused { refusal, .. } => match &**refusal {
                Refusal::Signals(wrong) => wrong.first().map(|(error, _)| error as _),
                _ => None,
            },
            _ => None,
        }
    }
}

/// Why a value is refused, where what is allowed does not say it.
fn why(refusal: &Refusal, language: Language) -> Option<String> {
    match refusal {
        Refusal::NotAllowed => None,
        Refusal::UnclosedQuote => Some(language.settings_unclosed_quote().to_owned()),
        Refusal::Signals(wrong) => {
            let wrong = wrong.iter().map(|(error, meant)| of_signal(error, *meant, language));
            Some(wrong.collect::<Vec<_>>().join(language.semicolon()))
        }
        Refusal::NoNativeSignal => Some(language.settings_no_native_signal().to_owned()),
        Refusal::Needs(key) => Some(language.settings_needs(key)),
        Refusal::Excludes(key) => Some(language.settings_excludes(key)),
        Refusal::UnixSocket(key) => Some(language.settings_unix_socket(key)),
        Refusal::SameFile(key) => Some(language.settings_same_file(key)),
    }
}

fn of_signal(error: &SignalNameError, meant: Option<&str>, language: Language) -> String {
    match (error, meant) {
        (SignalNameError::Unknown { given }, Some(meant)) => {
            language.settings_misspelled_signal(&redact::quoted(given), meant)
        }
        (SignalNameError::Unknown { given }, None) => {
            language.settings_unknown_signal(&redact::quoted(given))
        }
        (SignalNameError::Uncatchable { given }, _) => language.settings_uncatchable_signal(given),
        (SignalNameError::Fault { given }, _) => language.settings_fault_signal(given),
    }
}

impl Hint {
    fn text(&self, language: Language) -> String {
        match self {
            Self::Section(keys) => language.settings_is_section(keys),
            Self::Meant(key) => language.settings_meant(key),
            Self::Keys(keys) => language.settings_keys(keys),
            Self::Sections(sections) => language.settings_sections(sections),
        }
    }
}

impl Source {
    /// The source as messages name it.
    pub fn name(&self, language: Language) -> String {
        match self {
            Self::Default => language.settings_default().to_owned(),
            Self::File { path, line } => language.settings_line(&path.display(), *line),
            Self::Set => "--set".to_owned(),
            Self::Variable(name) => language.settings_variable(&name.escape_debug()),
        }
    }
}

impl UnusedVariable {
    /// The warning in one line.
    pub fn message(&self, language: Language) -> String {
        let name = self.name.escape_debug();
        match &self.meant {
            Some(meant) => language.settings_unused_variable_meant(&name, meant),
            None => language.settings_unused_variable(&name),
        }
    }
}
