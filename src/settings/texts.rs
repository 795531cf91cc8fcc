//! Settings that are text: a sentence, a path, the token, the store's address.

use std::path::PathBuf;

use serde_json::Value as Shown;
use toml::de::DeValue;

use super::kind::{Kind, Refusal, text};
use super::redact;
use crate::locale::Language;

/// Any text; `""` is none.
pub(super) struct Text;

impl Kind for Text {
    type Value = Option<String>;

    fn read(&self, value: &DeValue<'_>) -> Result<Option<String>, Refusal> {
        text(value).map(or_none).ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &Option<String>) -> Shown {
        value.clone().unwrap_or_default().into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_text().to_owned()
    }
}

/// A file. Paths that no system can open are refused before anything is started.
pub(super) struct File;

impl Kind for File {
    type Value = PathBuf;

    fn read(&self, value: &DeValue<'_>) -> Result<PathBuf, Refusal> {
        path(value).filter(|path| !path.as_os_str().is_empty()).ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &PathBuf) -> Shown {
        value.to_string_lossy().into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_path().to_owned()
    }
}

/// A file; `""` is none.
pub(super) struct OptionalFile;

impl Kind for OptionalFile {
    type Value = Option<PathBuf>;

    fn read(&self, value: &DeValue<'_>) -> Result<Option<PathBuf>, Refusal> {
        path(value)
            .map(|path| Some(path).filter(|path| !path.as_os_str().is_empty()))
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &Option<PathBuf>) -> Shown {
        value.as_deref().unwrap_or("".as_ref()).to_string_lossy().into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_optional_path().to_owned()
    }
}

/// The admin server's bearer token: what a header can carry unchanged; `""` is none.
pub(super) struct Token;

impl Token {
    /// A shorter one could be guessed.
    pub(super) const LEAST: usize = 16;

    /// True if `token` is long enough and a header can carry it unchanged.
    pub(super) fn fits(token: &str) -> bool {
        token.len() >= Self::LEAST && token.bytes().all(|byte| byte.is_ascii_graphic())
    }
}

impl Kind for Token {
    type Value = Option<String>;

    fn is_secret(&self) -> bool {
        true
    }

    fn read(&self, value: &DeValue<'_>) -> Result<Option<String>, Refusal> {
        text(value)
            .filter(|token| token.is_empty() || Self::fits(token))
            .map(or_none)
            .ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &Option<String>) -> Shown {
        value.as_ref().map_or("", |_| redact::HIDDEN).into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_token(Self::LEAST)
    }
}

/// The store's address. It may hold a password.
pub(super) struct Store;

impl Kind for Store {
    type Value = String;

    fn read(&self, value: &DeValue<'_>) -> Result<String, Refusal> {
        let is_store =
            |text: &&str| ["sqlite:", "postgres:", "postgresql:"].iter().any(|known| text.starts_with(known));
        text(value).filter(is_store).map(str::to_owned).ok_or(Refusal::NotAllowed)
    }

    fn show(&self, value: &String) -> Shown {
        redact::address_without_secrets(value).into()
    }

    fn allowed(&self, language: Language) -> String {
        language.settings_store().to_owned()
    }
}

fn or_none(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

/// The path, which may be empty. `None` if no system can open it.
fn path(value: &DeValue<'_>) -> Option<PathBuf> {
    text(value).filter(|text| !text.contains('\0')).map(PathBuf::from)
}
