//! `graceful-exit config`: what is set and where it comes from, and what is wrong with it.

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
    process::ExitCode,
};

use clap::ValueEnum;
use graceful_exit::{
    Language,
    locale::{escaped, escaped_json, is_misleading},
    settings::{
        BindAddress, DEFAULTS, Entry, Layers, Loaded, Servers, Settings, SettingsError, Source,
        UnusedVariable,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    locale::say,
    output::{exit_code, fail, print, warn},
    servers::tls,
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

/// Prints everything that is wrong, with what would make every start fail (exit code 4): files that cannot be used, and
/// two servers on one address.
pub(crate) fn check(layers: &Layers) -> ExitCode {
    match layers.load() {
        Ok(loaded) => {
            let language = loaded.settings.log.language();
            warn_of(&loaded.unused, language);
            let obstacles = obstacles(&loaded.settings, language);
            if !obstacles.is_empty() {
                return fail(exit_code::USAGE, &obstacles.join("\n"));
            }
            print(&say!(language,
                en: "the settings are right\n",
                zh: "设置正确\n",
                zh_hant: "設定正確\n",
            ))
        }
        Err(error) => refuse(&error),
    }
}

/// What no start can get past with these settings, a line each.
fn obstacles(settings: &Settings, language: Language) -> Vec<String> {
    let Servers { admin, business } = &settings.servers;
    let mut obstacles = Vec::new();
    for (index, address) in admin.bind.iter().chain(&business.bind).enumerate() {
        if admin.bind.iter().chain(&business.bind).take(index).any(|earlier| overlaps(earlier, address)) {
            let key = if index < admin.bind.len() { "servers.admin.bind" } else { "servers.business.bind" };
            obstacles.push(say!(language,
                en: "{key} = \"{address}\": another server listens there, or the same one twice",
                zh: "{key} = \"{address}\"：另一个服务器也监听该地址，或同一服务器重复监听",
                zh_hant: "{key} = \"{address}\"：另一個伺服器也監聽該位址，或同一伺服器重複監聽",
            ));
        }
    }
    let certificates = [admin, business].map(|server| tls(server, language));
    obstacles.extend(certificates.into_iter().filter_map(|read| Some(read.err()?.message(language))));
    obstacles.extend(settings.admin.read_token().err().map(|error| error.message(language)));
    obstacles
}

/// True if only one of two sockets can listen.
fn overlaps(one: &BindAddress, other: &BindAddress) -> bool {
    let (BindAddress::Tcp(first), BindAddress::Tcp(second)) = (one, other) else { return one == other };
    match (first.parse::<SocketAddr>(), second.parse::<SocketAddr>()) {
        (Ok(first), Ok(second)) => {
            let ips = [first.ip(), second.ip()];
            let is_one_ip = ips[0] == ips[1]
                || (ips[0].is_ipv4() == ips[1].is_ipv4() && ips.iter().any(IpAddr::is_unspecified));
            first.port() != 0 && first.port() == second.port() && is_one_ip
        }
        _ => first == second && !first.ends_with(":0"),
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
