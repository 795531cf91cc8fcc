use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Why settings are refused. Its `Display` is one line that names the key, the value, what is allowed and the
/// [`Source`]. Values of secret keys are left out.
#[derive(Debug)]
#[non_exhaustive]
pub enum SettingsError {
    /// A settings file cannot be read.
    Unreadable {
        /// The file as it was named.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// A settings file is not TOML.
    Malformed {
        /// The file and line.
        source: Source,
        /// What is wrong with it.
        reason: String,
    },
    /// No setting has this key.
    UnknownKey {
        /// The key as it was given.
        key: String,
        /// Its value, as far as it may be shown.
        value: String,
        /// What was probably meant, or what there is.
        allowed: String,
        /// Where the key stands.
        source: Source,
    },
    /// A setting has a value of a wrong type, or one that is out of range.
    Refused {
        /// The key.
        key: &'static str,
        /// The value, as far as it may be shown.
        value: String,
        /// What is wrong with it, where what is allowed does not say so.
        why: Option<String>,
        /// What the key takes.
        allowed: String,
        /// Where the value stands.
        source: Source,
    },
    /// A `KEY=VALUE` pair without `=`.
    NotAPair {
        /// The beginning of the argument, which is its key.
        key: String,
    },
    /// An environment variable of ours whose name or value is not Unicode.
    NotUnicode {
        /// The variable's name.
        variable: String,
    },
    /// The built-in defaults lack a key, which a test of this crate rules out.
    Incomplete {
        /// The key.
        key: &'static str,
    },
}

/// Where a setting was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The built-in `config/default.toml`.
    BuiltIn,
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

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { path, error } => {
                write!(f, "the settings file {} cannot be read: {error}", path.display())
            }
            Self::Malformed { source, reason } => write!(f, "{source}: not TOML: {reason}"),
            Self::UnknownKey { key, value, allowed, source } => {
                write!(f, "{} = {value} ({source}): unknown key; {allowed}", key.escape_debug())
            }
            Self::Refused { key, value, why, allowed, source } => {
                let (colon, why) = why.as_deref().map_or(("", ""), |why| (": ", why));
                write!(f, "{key} = {value} ({source}): refused{colon}{why}; allowed: {allowed}")
            }
            Self::NotAPair { key } => {
                write!(
                    f,
                    "--set {}: no `=`; allowed: KEY=VALUE, such as shutdown.timeout=8s",
                    key.escape_debug()
                )
            }
            Self::NotUnicode { variable } => {
                write!(f, "the variable {}: not Unicode; allowed: text in UTF-8", variable.escape_debug())
            }
            Self::Incomplete { key } => write!(f, "{key}: missing in the built-in defaults"),
        }
    }
}

impl Error for SettingsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable { error, .. } => Some(error),
            Self::Malformed { .. }
            | Self::UnknownKey { .. }
            | Self::Refused { .. }
            | Self::NotAPair { .. }
            | Self::NotUnicode { .. }
            | Self::Incomplete { .. } => None,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in defaults"),
            Self::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Self::Set => f.write_str("--set"),
            Self::Variable(name) => write!(f, "the variable {}", name.escape_debug()),
        }
    }
}
