//! The layers that are merged over the defaults, and where they come from.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::error::{Cause, SettingsError, Source, UnusedVariable};
use super::keys;
use super::merge::Merge;
use super::model::Settings;
use super::variables;

/// The layers that are merged over the defaults, from the weakest to the strongest.
///
/// Not `Debug`: the environment and the pairs may hold the token.
#[derive(Clone, Default)]
pub struct Layers {
    /// Settings files; later ones win.
    pub files: Vec<PathBuf>,
    /// Environment variables, as [`std::env::vars_os`] gives them. Those that do not begin with `GRACEFUL_EXIT_` are
    /// passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// `KEY=VALUE` pairs; later ones win.
    pub set: Vec<String>,
}

/// Settings, and where each of them comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// The files that were read, in their order.
    pub files: Vec<PathBuf>,
    /// Environment variables that were probably meant to set something, and do not.
    pub unused: Vec<UnusedVariable>,
    sources: BTreeMap<&'static str, Source>,
}

/// One setting: its key, its value and where that comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Its name, such as `servers.admin.bind`.
    pub key: &'static str,
    /// Its value, as a settings file would have it. What may be secret in it is hidden. Its `Display` is TOML as well
    /// as JSON.
    pub value: serde_json::Value,
    /// Where it was given.
    pub source: Source,
}

impl Settings {
    /// Merges the layers over the defaults. Reads the named files, and nothing else.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]: everything that is wrong, and where it stands.
    pub fn load(layers: &Layers) -> Result<Self, SettingsError> {
        layers.load().map(|loaded| loaded.settings)
    }
}

impl Layers {
    /// Merges the layers over the defaults. Reads the named files, and nothing else.
    ///
    /// # Errors
    ///
    /// [`SettingsError`]: everything that is wrong, and where it stands.
    pub fn load(&self) -> Result<Loaded, SettingsError> {
        let mut merge = Merge::default();
        for path in &self.files {
            match read(path) {
                Ok(text) => merge.file(path, &text),
                Err(cause) => merge.wrong(cause),
            }
        }
        let (variables, unused) = variables::of(&self.environment);
        for variable in variables {
            match variable {
                Ok((key, text, source)) => merge.text(&key, &text, &source),
                Err(cause) => merge.wrong(cause),
            }
        }
        for pair in &self.set {
            match pair.split_once('=') {
                Some((key, text)) => merge.text(key, text, &Source::Set),
                None => merge.wrong(Cause::NotAPair { key: key_part(pair) }),
            }
        }
        merge.check_pairs();
        let Merge { settings, sources, mistakes } = merge;
        if mistakes.is_empty() {
            Ok(Loaded { settings, files: self.files.clone(), unused, sources })
        } else {
            Err(SettingsError { mistakes, unused, language: settings.log.language() })
        }
    }
}

impl Loaded {
    /// Every setting, in the order of `config/default.toml`.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        keys::all().map(|key| Entry {
            key: key.name,
            value: (key.show)(&self.settings),
            source: self.sources.get(key.name).cloned().unwrap_or(Source::Default),
        })
    }
}

/// The key of a pair without `=`, for messages: what follows it may be a secret.
fn key_part(pair: &str) -> String {
    pair.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).take(80).collect()
}

/// The largest settings file that is read, so that `-c /dev/zero` ends.
const LARGEST_FILE: u64 = 1 << 20;

fn read(path: &Path) -> Result<String, Cause> {
    let read = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    match read() {
        Ok(text) if text.len() as u64 > LARGEST_FILE => Err(Cause::TooLarge { path: path.to_owned() }),
        Ok(text) => Ok(text),
        Err(error) => Err(Cause::Unreadable { path: path.to_owned(), error }),
    }
}
