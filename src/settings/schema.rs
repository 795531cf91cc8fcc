use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use log::LevelFilter;
use toml::de::DeValue;

use super::choice::{self, ColorChoice, LanguageChoice, LogFormat, StopOrder};
use super::model::Workers;
use super::signals;
use crate::os::signals::SignalName;

/// One setting: its name and what it takes.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

/// What a setting takes.
pub(super) enum Kind {
    /// Text that passes a check; the words say what does.
    Text { allowed: &'static str, fits: fn(&str) -> bool },
    /// One of a few words.
    Choice(fn() -> Vec<&'static str>),
    /// A duration between two bounds; `or_zero` lets `0s` through below the lower one.
    Duration { or_zero: bool, least: Duration, most: Duration },
    /// A whole number between two bounds.
    Integer { least: i64, most: i64 },
    /// `true` or `false`.
    Flag,
    /// `"cores"`, or a number of threads.
    Workers,
    /// Names of signals.
    Signals,
}

/// A setting's value, decoded and within its bounds.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    Duration(Duration),
    Integer(i64),
    Flag(bool),
    Workers(Workers),
    Names(Vec<SignalName>),
}

/// Why a value is not taken: what is wrong, where that is not plain from what is allowed, and what is allowed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: Option<String>,
    pub(super) allowed: String,
}

/// The most threads that a server may be given.
const MOST_WORKERS: i64 = 512;

/// Longer waits are a mistake in the unit, and timers that far away overflow on some platforms.
const DAY: Duration = Duration::from_hours(24);

/// Timeouts for what may be left out by `0s`.
const ANY: Kind = Kind::Duration { or_zero: true, least: Duration::ZERO, most: DAY };
/// Timeouts for what must have some time.
const SOME: Kind = Kind::Duration { or_zero: false, least: Duration::from_millis(1), most: DAY };
/// Timeouts for what repeats: `0s` is never, and less than 10 ms would be a busy loop.
const REPEATED: Kind = Kind::Duration { or_zero: true, least: Duration::from_millis(10), most: DAY };
const EXIT_CODE: Kind = Kind::Integer { least: 1, most: 255 };
const ADDRESS: Kind = Kind::Text {
    allowed: "an address with a port, such as \"127.0.0.1:8080\", \"[::1]:8080\" or \"localhost:8080\"",
    fits: is_address,
};
const PATH_OR_NONE: Kind = Kind::Text { allowed: "a path, or \"\" for none", fits: is_path_or_none };

/// Every key, in the order of `config/default.toml`.
pub(super) const KEYS: &[Key] = &[
    Key { name: "shutdown.signals", kind: Kind::Signals },
    Key { name: "shutdown.coalesce", kind: up_to(Duration::from_secs(10)) },
    Key { name: "shutdown.ready_delay", kind: ANY },
    Key { name: "shutdown.drain_timeout", kind: ANY },
    Key { name: "shutdown.keep_alive_grace", kind: up_to(Duration::from_mins(1)) },
    Key { name: "shutdown.stop_timeout", kind: ANY },
    Key { name: "shutdown.callback_timeout", kind: SOME },
    Key { name: "shutdown.release_timeout", kind: SOME },
    Key { name: "shutdown.timeout", kind: SOME },
    Key { name: "shutdown.progress_interval", kind: REPEATED },
    Key { name: "reject.status", kind: Kind::Integer { least: 400, most: 599 } },
    Key { name: "reject.body", kind: Kind::Text { allowed: "text", fits: |_| true } },
    Key { name: "reject.retry_after", kind: ANY },
    Key { name: "servers.admin.bind", kind: ADDRESS },
    Key { name: "servers.admin.workers", kind: Kind::Workers },
    Key { name: "servers.admin.stop", kind: Kind::Choice(choice::words::<StopOrder>) },
    Key { name: "servers.business.bind", kind: ADDRESS },
    Key { name: "servers.business.workers", kind: Kind::Workers },
    Key { name: "servers.business.stop", kind: Kind::Choice(choice::words::<StopOrder>) },
    Key {
        name: "admin.token",
        kind: Kind::Text {
            allowed: "visible ASCII characters without spaces, or \"\" for none",
            fits: is_token,
        },
    },
    Key { name: "log.language", kind: Kind::Choice(choice::words::<LanguageChoice>) },
    Key { name: "log.level", kind: Kind::Choice(choice::words::<LevelFilter>) },
    Key { name: "log.file", kind: PATH_OR_NONE },
    Key { name: "log.color", kind: Kind::Choice(choice::words::<ColorChoice>) },
    Key { name: "log.format", kind: Kind::Choice(choice::words::<LogFormat>) },
    Key { name: "log.summary", kind: Kind::Flag },
    Key { name: "report.path", kind: PATH_OR_NONE },
    Key { name: "exit_codes.forced", kind: EXIT_CODE },
    Key { name: "exit_codes.timed_out", kind: EXIT_CODE },
    Key { name: "exit_codes.incomplete", kind: EXIT_CODE },
    Key {
        name: "cache.store",
        kind: Kind::Text {
            allowed: "an address that begins with \"sqlite:\", \"postgres:\" or \"postgresql:\"",
            fits: is_store,
        },
    },
    Key { name: "cache.flush_interval", kind: REPEATED },
    Key { name: "cache.spool", kind: Kind::Text { allowed: "a path", fits: is_path } },
    Key { name: "demo.flush_delay", kind: ANY },
    Key { name: "demo.release_delay", kind: ANY },
    Key { name: "demo.chaos", kind: Kind::Flag },
];

/// The setting of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The keys of a section, such as `servers.admin`; none if there is no such section.
pub(super) fn keys_of(section: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter()
        .map(|key| key.name)
        .filter(move |name| name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}

impl Kind {
    /// Whether a value from the environment or the command line is taken as it stands.
    pub(super) fn takes_text(&self) -> bool {
        match self {
            Self::Text { .. } | Self::Choice(_) | Self::Duration { .. } | Self::Workers => true,
            Self::Integer { .. } | Self::Flag | Self::Signals => false,
        }
    }

    /// The value, if it is within its bounds.
    pub(super) fn decode(&self, value: &DeValue<'_>) -> Result<Value, Refusal> {
        let refused = || Refusal { why: None, allowed: self.allowed() };
        match self {
            Self::Text { fits, .. } => value
                .as_str()
                .filter(|text| fits(text))
                .map(|text| Value::Text(text.to_owned()))
                .ok_or_else(refused),
            Self::Choice(words) => value
                .as_str()
                .filter(|text| words().contains(text))
                .map(|text| Value::Text(text.to_owned()))
                .ok_or_else(refused),
            Self::Duration { or_zero, least, most } => value
                .as_str()
                .and_then(|text| humantime::parse_duration(text.trim()).ok())
                .filter(|time| (time.is_zero() && *or_zero) || (least..=most).contains(&time))
                .map(Value::Duration)
                .ok_or_else(refused),
            Self::Integer { least, most } => {
                integer(value).filter(|n| (least..=most).contains(&n)).map(Value::Integer).ok_or_else(refused)
            }
            Self::Flag => value.as_bool().map(Value::Flag).ok_or_else(refused),
            Self::Workers if value.as_str() == Some("cores") => Ok(Value::Workers(Workers::Cores)),
            Self::Workers => integer(value)
                .filter(|n| *n <= MOST_WORKERS)
                .and_then(|n| NonZeroUsize::new(usize::try_from(n).ok()?))
                .map(|n| Value::Workers(Workers::Count(n)))
                .ok_or_else(refused),
            Self::Signals => {
                let list = value.as_array().ok_or_else(refused)?;
                let names: Vec<&str> = list
                    .iter()
                    .map(|name| name.get_ref().as_str().ok_or_else(refused))
                    .collect::<Result<_, _>>()?;
                signals::read(names)
                    .map(Value::Names)
                    .map_err(|why| Refusal { why: Some(why), allowed: self.allowed() })
            }
        }
    }

    /// What the setting takes, for messages.
    fn allowed(&self) -> String {
        match self {
            Self::Text { allowed, .. } => (*allowed).to_owned(),
            Self::Choice(words) => {
                words().iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ")
            }
            Self::Duration { or_zero, least, most } => {
                let zero = if *or_zero && !least.is_zero() { "\"0s\" for never, or " } else { "" };
                format!(
                    "{zero}a duration from {} to {}, such as \"300ms\", \"5s\" or \"1m\"",
                    short(*least),
                    short(*most)
                )
            }
            Self::Integer { least, most } => format!("a whole number from {least} to {most}"),
            Self::Flag => "true or false".to_owned(),
            Self::Workers => format!("\"cores\", or a whole number from 1 to {MOST_WORKERS}"),
            Self::Signals => signals::allowed(),
        }
    }
}

const fn up_to(most: Duration) -> Kind {
    Kind::Duration { or_zero: true, least: Duration::ZERO, most }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let integer = value.as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

/// A bound as people write it.
fn short(time: Duration) -> String {
    match time.as_millis() {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

/// `IP:port` or `host:port`; whether the host exists is found out by binding.
fn is_address(text: &str) -> bool {
    let is_host = |host: &str| {
        !host.is_empty()
            && host.len() <= 253
            && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
            // A host of digits alone is an IP address that is not one: 256.0.0.1.
            && host.chars().any(|c| c.is_ascii_alphabetic())
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && is_port(port))
}

/// What a header can carry unchanged.
fn is_token(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic())
}

fn is_store(text: &str) -> bool {
    ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| text.starts_with(scheme))
}

/// Paths that no system can open are refused before anything is started.
fn is_path_or_none(text: &str) -> bool {
    !text.contains('\0')
}

fn is_path(text: &str) -> bool {
    !text.is_empty() && is_path_or_none(text)
}
