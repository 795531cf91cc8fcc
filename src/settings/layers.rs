use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::error::{SettingsError, Source};
use super::redact;
use super::schema::{self, Value};
use super::suggest::suggest;

/// What is laid over the built-in defaults, from the weakest to the strongest.
///
/// Not `Debug`: the environment and the pairs may hold the token.
#[derive(Clone, Default)]
pub struct Layers {
    /// Settings files; later ones win.
    pub files: Vec<PathBuf>,
    /// Environment variables, as [`std::env::vars_os`] gives them. Those that do not begin with
    /// `GRACEFUL_EXIT__` are somebody else's and passed over.
    pub environment: Vec<(OsString, OsString)>,
    /// `KEY=VALUE` pairs; later ones win.
    pub set: Vec<String>,
}

/// Every setting that was given, decoded; a later layer replaces an earlier one.
pub(super) type Values = BTreeMap<&'static str, Value>;

const BUILT_IN: &str = include_str!("../../config/default.toml");
const PREFIX: &str = "GRACEFUL_EXIT__";

/// No settings file is that large; `-c /dev/zero` would not end.
const LARGEST_FILE: u64 = 1 << 20;

impl Layers {
    /// All layers, one over the other.
    pub(super) fn merge(&self) -> Result<Values, SettingsError> {
        let mut values = Values::new();
        lay_file(&mut values, BUILT_IN, None)?;
        for path in &self.files {
            let text = read(path).map_err(|error| SettingsError::Unreadable { path: path.clone(), error })?;
            lay_file(&mut values, &text, Some(path))?;
        }
        for (key, text, source) in ours(&self.environment)? {
            lay_text(&mut values, &key, &text, &source)?;
        }
        for pair in &self.set {
            let (key, text) =
                pair.split_once('=').ok_or_else(|| SettingsError::NotAPair { key: key_part(pair) })?;
            lay_text(&mut values, key, text, &Source::Set)?;
        }
        Ok(values)
    }
}

/// Lays a TOML document; without a path it is the built-in one.
fn lay_file(values: &mut Values, text: &str, path: Option<&Path>) -> Result<(), SettingsError> {
    let source = |span: Range<usize>| match path {
        None => Source::BuiltIn,
        Some(path) => Source::File { path: path.into(), line: line_of(text, span.start) },
    };
    let table = DeTable::parse(text).map_err(|error| SettingsError::Malformed {
        source: source(error.span().unwrap_or_default()),
        // Not the error's own `Display`: that quotes the line, which may hold the token.
        reason: error.message().replace(['\n', '\r'], " "),
    })?;
    lay_table(values, "", table.get_ref(), &source)
}

/// Lays a value from the environment or the command line.
fn lay_text(values: &mut Values, key: &str, text: &str, source: &Source) -> Result<(), SettingsError> {
    let parsed = DeValue::parse(text);
    let value = match schema::find(key) {
        Some(known) if known.kind.takes_text() => {
            let is_quoted = text.starts_with(['"', '\'']);
            let as_it_stands = || DeValue::String(text.into());
            match parsed {
                Ok(value) if is_quoted || value.get_ref().is_integer() && accepts(known, value.get_ref()) => {
                    value.into_inner()
                }
                Err(_) if is_quoted => {
                    return Err(SettingsError::Refused {
                        key: known.name,
                        value: shown(key, &as_it_stands()),
                        why: Some(
                            "the quote that it begins with is not closed, or something follows".to_owned(),
                        ),
                        allowed: "TOML text in quotes, or text that begins without one".to_owned(),
                        source: source.clone(),
                    });
                }
                Ok(_) | Err(_) => as_it_stands(),
            }
        }
        // What is not TOML is text, which the key's own check then refuses by name.
        Some(_) | None => parsed.map_or_else(|_| DeValue::String(text.into()), toml::Spanned::into_inner),
    };
    lay(values, key, &value, &|_| source.clone(), 0..0)
}

/// Whether a key that takes text takes this number as well: `workers=4`, but not a duration of `4`.
fn accepts(key: &schema::Key, value: &DeValue<'_>) -> bool {
    key.kind.decode(value).is_ok()
}

fn lay_table(
    values: &mut Values,
    section: &str,
    table: &DeTable<'_>,
    source: &dyn Fn(Range<usize>) -> Source,
) -> Result<(), SettingsError> {
    for (name, value) in table {
        let dot = if section.is_empty() { "" } else { "." };
        let key = format!("{section}{dot}{}", name.get_ref());
        lay(values, &key, value.get_ref(), source, name.span())?;
    }
    Ok(())
}

/// Lays one value, or all that a section holds.
fn lay(
    values: &mut Values,
    key: &str,
    value: &DeValue<'_>,
    source: &dyn Fn(Range<usize>) -> Source,
    span: Range<usize>,
) -> Result<(), SettingsError> {
    if let Some(known) = schema::find(key) {
        let decoded = known.kind.decode(value).map_err(|refusal| SettingsError::Refused {
            key: known.name,
            value: shown(key, value),
            why: refusal.why,
            allowed: refusal.allowed,
            source: source(span),
        })?;
        values.insert(known.name, decoded);
        return Ok(());
    }
    match value.as_table() {
        Some(table) if schema::keys_of(key).next().is_some() => lay_table(values, key, table, source),
        Some(_) | None => Err(unknown(key, value, source(span))),
    }
}

/// A key that nobody knows, named by its first leaf where a whole section is unknown.
fn unknown(key: &str, value: &DeValue<'_>, source: Source) -> SettingsError {
    let mut key = key.to_owned();
    let mut value = value;
    // Known keys have three parts at most; a fourth tells nothing.
    for _ in 0..3 {
        let Some((name, inner)) = value.as_table().and_then(|table| table.iter().next()) else { break };
        key = format!("{key}.{}", name.get_ref());
        value = inner.get_ref();
    }
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let names = |section| schema::keys_of(section).collect::<Vec<_>>().join(", ");
    let meant = suggest(&key, schema::KEYS.iter().map(|key| key.name));
    // A misspelled secret is one too.
    let shown = shown(meant.filter(|meant| redact::is_secret(meant)).unwrap_or(&key), value);
    let allowed = if schema::keys_of(&key).next().is_some() {
        format!("it is a section; allowed: {}", names(&key))
    } else if let Some(meant) = meant {
        format!("did you mean {meant}?")
    } else if schema::keys_of(section).next().is_some() {
        format!("allowed: {}", names(section))
    } else {
        let mut sections: Vec<&str> =
            schema::KEYS.iter().filter_map(|key| key.name.split('.').next()).collect();
        sections.dedup();
        format!("allowed: keys of {}", sections.join(", "))
    };
    SettingsError::UnknownKey { value: shown, key: key.chars().take(80).collect(), allowed, source }
}

/// Our variables as keys: `GRACEFUL_EXIT__LOG__LEVEL` is `log.level`. In the order of their names, so that the
/// outcome does not depend on the order of the environment.
fn ours(environment: &[(OsString, OsString)]) -> Result<Vec<(String, String, Source)>, SettingsError> {
    let mut ours: Vec<&(OsString, OsString)> =
        environment.iter().filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX)).collect();
    ours.sort();
    ours.into_iter()
        .map(|(name, value)| {
            let unicode = |text: &OsStr| {
                text.to_str().map(str::to_owned).ok_or_else(|| SettingsError::NotUnicode {
                    variable: name.to_string_lossy().into_owned(),
                })
            };
            let (name, value) = (unicode(name)?, unicode(value)?);
            let key = name.strip_prefix(PREFIX).unwrap_or_default().replace("__", ".").to_lowercase();
            Ok((key, value, Source::Variable(name)))
        })
        .collect()
}

/// A value for a message: text in quotes, the rest as TOML has it, secrets not at all.
fn shown(key: &str, value: &DeValue<'_>) -> String {
    if redact::is_secret(key) {
        return redact::HIDDEN.to_owned();
    }
    match value {
        DeValue::String(text) => redact::quoted(text),
        DeValue::Integer(number) => shortened(number),
        DeValue::Float(number) => shortened(number),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(list) => {
            let rest = if list.len() > 20 { ", …" } else { "" };
            let list: Vec<String> = list.iter().take(20).map(|value| shown_inside(value.get_ref())).collect();
            format!("[{}{rest}]", list.join(", "))
        }
        DeValue::Table(_) => "{…}".to_owned(),
    }
}

/// A value inside a list; what is nested deeper tells nothing.
fn shown_inside(value: &DeValue<'_>) -> String {
    if value.is_array() { "[…]".to_owned() } else { shown("", value) }
}

fn shortened(number: &dyn ToString) -> String {
    number.to_string().chars().take(40).collect()
}

/// What of a pair without `=` is its key: the rest may be a secret.
fn key_part(pair: &str) -> String {
    pair.chars().take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')).take(80).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > LARGEST_FILE {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(text)
}
