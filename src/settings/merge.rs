//! One layer over the other: what each value sets, where it comes from, and what is wrong with it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::error::{Cause, Hint, Mistake, Source};
use super::keys::{self, Key};
use super::kind::{Refusal, text};
use super::model::Settings;
use super::redact;
use super::suggest::suggest;

/// The layers so far, one over the other.
#[derive(Default)]
pub(super) struct Merge {
    pub(super) settings: Settings,
    pub(super) sources: BTreeMap<&'static str, Source>,
    pub(super) mistakes: Vec<Mistake>,
}

impl Merge {
    pub(super) fn wrong(&mut self, cause: Cause) {
        self.mistakes.push(Mistake(cause));
    }

    /// Lays a TOML document.
    pub(super) fn file(&mut self, path: &Path, text: &str) {
        let source = |span: Range<usize>| Source::File { path: path.into(), line: line_of(text, span.start) };
        match DeTable::parse(text) {
            Ok(table) => self.table("", table.get_ref(), &source),
            Err(error) => self.wrong(Cause::Malformed {
                source: source(error.span().unwrap_or_default()),
                // Not the error's own `Display`: that quotes the line, which may hold the token.
                reason: error.message().replace(['\n', '\r'], " "),
            }),
        }
    }

    fn table(&mut self, section: &str, table: &DeTable<'_>, source: &dyn Fn(Range<usize>) -> Source) {
        for (name, value) in table {
            let dot = if section.is_empty() { "" } else { "." };
            let key = format!("{section}{dot}{}", name.get_ref());
            self.value(&key, value.get_ref(), source, name.span());
        }
    }

    /// Lays a value from the environment or the command line.
    pub(super) fn text(&mut self, key: &str, given: &str, source: &Source) {
        let parsed = DeValue::parse(given);
        let as_it_stands = || DeValue::String(given.into());
        let value = match keys::find(key) {
            Some(known) if (known.takes_text)() => {
                let is_quoted = given.starts_with(['"', '\'']);
                match parsed {
                    Ok(value) if is_quoted || is_taken_unquoted(known, value.get_ref()) => value.into_inner(),
                    Err(_) if is_quoted => {
                        return self.wrong(Cause::Refused {
                            key: known.name,
                            value: shown(known.name, &as_it_stands()),
                            refusal: Box::new(Refusal::UnclosedQuote),
                            allowed: |language| language.settings_quoted().to_owned(),
                            source: source.clone(),
                        });
                    }
                    Ok(_) | Err(_) => as_it_stands(),
                }
            }
            // What is not TOML is text, which the key's own check then refuses by name.
            Some(_) | None => parsed.map_or_else(|_| as_it_stands(), toml::Spanned::into_inner),
        };
        self.value(key, &value, &|_| source.clone(), 0..0);
    }

    /// Lays one value, or all that a section holds.
    fn value(
        &mut self,
        key: &str,
        value: &DeValue<'_>,
        source: &dyn Fn(Range<usize>) -> Source,
        span: Range<usize>,
    ) {
        if let Some(known) = keys::find(key) {
            match (known.set)(&mut self.settings, value) {
                Ok(()) => drop(self.sources.insert(known.name, source(span))),
                Err(refusal) => self.wrong(Cause::Refused {
                    key: known.name,
                    value: shown(known.name, value),
                    refusal: Box::new(refusal),
                    allowed: known.allowed,
                    source: source(span),
                }),
            }
            return;
        }
        // Known keys have four parts at most; a fifth tells nothing.
        let is_unknown_section = |table: &DeTable<'_>| !table.is_empty() && key.matches('.').count() < 3;
        match value.as_table() {
            Some(table) if keys::of_section(key).next().is_some() || is_unknown_section(table) => {
                self.table(key, table, source);
            }
            Some(_) | None => self.wrong(unknown(key, value, source(span))),
        }
    }
}

/// True if a key that takes text takes this number or list as well: `workers=4`, but not a duration of `4`.
fn is_taken_unquoted(key: &Key, value: &DeValue<'_>) -> bool {
    (value.is_integer() || value.is_array()) && (key.set)(&mut Settings::default(), value).is_ok()
}

/// A key that does not exist.
fn unknown(key: &str, value: &DeValue<'_>, source: Source) -> Cause {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let names = |section| keys::of_section(section).collect::<Vec<_>>().join(", ");
    let meant = suggest(key, keys::names());
    // A misspelled secret is one too.
    let shown = shown(meant.filter(|meant| is_secret(meant)).unwrap_or(key), value);
    let hint = if keys::of_section(key).next().is_some() {
        Hint::Section(names(key))
    } else if let Some(meant) = meant {
        Hint::Meant(meant)
    } else if keys::of_section(section).next().is_some() {
        Hint::Keys(names(section))
    } else {
        let mut sections: Vec<&str> = keys::names().filter_map(|name| name.split('.').next()).collect();
        sections.dedup();
        Hint::Sections(sections.join(", "))
    };
    Cause::UnknownKey { key: key.chars().take(80).collect(), value: shown, hint, source }
}

/// A value for a message: text in quotes, the rest as TOML has it, secrets not at all.
fn shown(key: &str, value: &DeValue<'_>) -> String {
    if is_secret(key) {
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
    match text(value) {
        Some(text) => redact::quoted(text),
        None if value.is_array() => "[…]".to_owned(),
        None => shown("", value),
    }
}

fn is_secret(key: &str) -> bool {
    keys::find(key).map_or_else(|| redact::sounds_secret(key), |known| (known.is_secret)())
}

fn shortened(number: &dyn ToString) -> String {
    number.to_string().chars().take(40).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
