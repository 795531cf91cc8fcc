//! `graceful-exit config`: what is set and where it comes from, and what is wrong with it.

use std::{fmt::Write, process::ExitCode};

use clap::ValueEnum;
use graceful_exit::{
    Language,
    locale::{escaped, escaped_json, is_misleading},
    settings::{DEFAULTS, Entry, Layers, Loaded, SettingsError, Source, UnusedVariable},
};
use serde_json::{Map, Value, json};

use crate::{
    locale::say,
    output::{exit_code, fail, print, warn},
};

/// How `config show` prints: as a settings file with the source of each value as a comment, or as an object of
/// `{"key": {"value": …, "source": …}}`.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Format {
    Toml,
    Json,
}

/// Prints every key with its value and its source.
pub(crate) fn show(layers: &Layers, format: Format) -> ExitCode {
    match layers.load() {
        Ok(loaded) => {
            warn_of(&loaded.unused, loaded.settings.log.language());
            print(&match format {
                Format::Toml => as_toml(&loaded),
                Format::Json => as_json(&loaded),
            })
        }
        Err(error) => refuse(&error),
    }
}

/// Prints everything that is wrong.
pub(crate) fn check(layers: &Layers) -> ExitCode {
    match layers.load() {
        Ok(loaded) => {
            let language = loaded.settings.log.language();
            warn_of(&loaded.unused, language);
            print(&say!(language,
                en: "the settings are right\n",
                zh: "设置正确\n",
                zh_hant: "設定正確\n",
            ))
        }
        Err(error) => refuse(&error),
    }
}

/// Prints what is wrong, and the variables that may be the reason.
pub(crate) fn refuse(error: &SettingsError) -> ExitCode {
    warn_of(&error.unused, error.language);
    fail(exit_code::USAGE, error)
}

/// Warns of variables that set nothing.
pub(crate) fn warn_of(unused: &[UnusedVariable], language: Language) {
    for unused in unused {
        let message = unused.message(language);
        warn(&say!(language, en: "warning: {message}", zh: "警告：{message}", zh_hant: "警告：{message}"));
    }
}

/// Prints `config/default.toml`.
pub(crate) fn default() -> ExitCode {
    print(DEFAULTS)
}

fn as_toml(loaded: &Loaded) -> String {
    let language = loaded.settings.log.language();
    let mut text = String::new();
    let mut section = "";
    let entries: Vec<_> = loaded.entries().map(|entry| (line(&entry), entry)).collect();
    let width = entries.iter().map(|((_, line), _)| line.chars().count()).filter(|width| *width <= 60).max();
    for ((of, line), entry) in &entries {
        if *of != section {
            section = of;
            let gap = if text.is_empty() { "" } else { "\n" };
            let _ = writeln!(text, "{gap}[{section}]");
        }
        // The same word as in JSON, in every language.
        let source = match &entry.source {
            Source::Default => "default".to_owned(),
            source => escaped(&source.name(language)).into_owned(),
        };
        let _ = writeln!(text, "{line:<width$} # {source}", width = width.unwrap_or_default());
    }
    text
}

/// The section of an entry, and its line.
fn line(entry: &Entry) -> (&'static str, String) {
    let (section, name) = entry.key.rsplit_once('.').unwrap_or_default();
    // TOML has no section twice: what is nested deeper has a name with a dot.
    let (section, name) = match section.strip_suffix(".tls") {
        Some(server) => (server, &entry.key[server.len() + 1..]),
        None => (section, name),
    };
    (section, format!("{name} = {}", escaped_toml(&entry.value.to_string())))
}

/// A JSON value as TOML, where what a reader cannot see is escaped: TOML takes no DEL as it is, and no surrogates.
fn escaped_toml(json: &str) -> String {
    let mut toml = String::with_capacity(json.len());
    for c in json.chars() {
        let _ = match u32::from(c) {
            _ if !is_misleading(c) => write!(toml, "{c}"),
            code @ ..=0xffff => write!(toml, "\\u{code:04x}"),
            code => write!(toml, "\\U{code:08x}"),
        };
    }
    toml
}

fn as_json(loaded: &Loaded) -> String {
    let entry = |Entry { key, value, source }: Entry| {
        let source = match source {
            Source::Default => json!("default"),
            // A path need not be Unicode, which JSON is.
            Source::File { path, line } => json!({ "file": path.to_string_lossy(), "line": line }),
            Source::Set => json!("--set"),
            Source::Variable(name) => json!({ "variable": name }),
        };
        (key.to_owned(), json!({ "value": value, "source": source }))
    };
    let entries: Map<String, Value> = loaded.entries().map(entry).collect();
    escaped_json(format!("{:#}\n", Value::from(entries)))
}
