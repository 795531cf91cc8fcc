//! The one list of keys: each is spelled once, as the field that it sets, beside what it takes.

use log::LevelFilter;
use serde_json::Value as Shown;
use toml::de::DeValue;

use super::address::Addresses;
use super::kind::{Choice, Flag, Kind, Refusal};
use super::model::Settings;
use super::numbers::{Integer, Mode, Size, Span, Workers};
use super::signals::Signals;
use super::texts::{File, OptionalFile, Store, Text, Token};
use crate::locale::Language;
use crate::logging::{Color, Format};
use crate::sequence::for_each_timeout;
use crate::server::Stop;

/// One setting.
pub(super) struct Key {
    /// Its name, such as `servers.admin.bind`.
    pub(super) name: &'static str,
    /// True if a value from the environment or the command line is text unless it is quoted.
    pub(super) takes_text: fn() -> bool,
    /// True if its value is never shown.
    pub(super) is_secret: fn() -> bool,
    /// Reads a value and sets the field; the field keeps its value if that is refused.
    pub(super) set: fn(&mut Settings, &DeValue<'_>) -> Result<(), Refusal>,
    /// The field's value as the settings file would have it; secrets are hidden.
    pub(super) show: fn(&Settings) -> Shown,
    /// What the key takes, for messages.
    pub(super) allowed: fn(Language) -> String,
}

/// A key whose name is the path of its field.
macro_rules! key {
    ($first:ident $(. $rest:ident)*, $kind:expr) => {
        key!(@ concat!(stringify!($first) $(, ".", stringify!($rest))*), [$first $(. $rest)*], $kind)
    };
    (@ $name:expr, [$($field:tt)+], $kind:expr) => {
        Key {
            name: $name,
            takes_text: || $kind.takes_text(),
            is_secret: || $kind.is_secret(),
            set: |settings, value| {
                settings.$($field)+ = $kind.read(value)?;
                Ok(())
            },
            show: |settings| $kind.show(&settings.$($field)+),
            allowed: |language| $kind.allowed(language),
        }
    };
}

/// The keys of the [`Timeouts`](crate::sequence::Timeouts).
macro_rules! timeouts {
    ($($(#[doc = $doc:literal])+ $field:ident = $default:literal, from $least:literal $(to $most:literal)?;)+) => {
        [$(key!(
            @ concat!("shutdown.", stringify!($field)),
            [shutdown.timeouts.$field],
            Span::at_least_millis($least)$(.at_most_millis($most))?
        ),)+]
    };
}

/// The keys of a server.
macro_rules! server {
    ($name:ident) => {
        [
            key!(servers.$name.bind, Addresses),
            key!(servers.$name.unix_mode, Mode),
            key!(servers.$name.workers, Workers),
            key!(servers.$name.stop, STOP),
            key!(servers.$name.tls.certificate, OptionalFile),
            key!(servers.$name.tls.key, OptionalFile),
            key!(servers.$name.h2c, Flag),
            key!(servers.$name.client_request_timeout, Span::ANY),
            key!(servers.$name.client_disconnect_timeout, Span::ANY),
            key!(servers.$name.tls_handshake_timeout, Span::SOME),
            key!(servers.$name.keep_alive, Span::ANY),
            key!(servers.$name.max_connections, Integer { least: 1, most: 1_000_000 }),
            key!(servers.$name.half_closed, Flag),
        ]
    };
}

/// Every key, in the order of `config/default.toml`.
static SECTIONS: &[&[Key]] = &[
    &[key!(shutdown.signals, Signals)],
    &for_each_timeout!(timeouts),
    &[key!(shutdown.progress_interval, Span::REPEATED)],
    &[
        key!(reject.status, Integer { least: 400, most: 599 }),
        key!(reject.body, Text),
        key!(reject.retry_after, Span::ANY),
    ],
    &server!(admin),
    &server!(business),
    &[
        key!(admin.token, Token),
        key!(admin.token_file, OptionalFile),
        key!(admin.token_for_reads, Flag),
        key!(admin.max_streams, Integer { least: 1, most: 65_535 }),
    ],
    &[
        key!(log.language, LANGUAGE),
        key!(log.level, LEVEL),
        key!(log.file, OptionalFile),
        key!(log.color, COLOR),
        key!(log.format, FORMAT),
        key!(log.summary, Flag),
    ],
    &[key!(report.path, OptionalFile), key!(report.keep, Integer { least: 0, most: 1000 })],
    &[
        key!(exit_codes.forced, Integer { least: 1, most: 255 }),
        key!(exit_codes.timed_out, Integer { least: 1, most: 255 }),
        key!(exit_codes.incomplete, Integer { least: 1, most: 255 }),
    ],
    &[
        key!(cache.store, Store),
        key!(cache.flush_interval, Span::REPEATED),
        key!(cache.spool, File),
        key!(cache.checkpoint, Flag),
        key!(cache.max_dirty, Integer { least: 1, most: 100_000_000 }),
        key!(cache.max_dirty_bytes, Size),
    ],
    &[key!(demo.flush_delay, Span::ANY), key!(demo.release_delay, Span::ANY), key!(demo.chaos, Flag)],
];

const STOP: Choice<Stop> = Choice(&[("first", Stop::First), ("last", Stop::Last)]);

const LANGUAGE: Choice<Option<Language>> = Choice(&[
    ("auto", None),
    ("en", Some(Language::En)),
    ("zh", Some(Language::Zh)),
    ("zh-Hant", Some(Language::ZhHant)),
]);

const LEVEL: Choice<LevelFilter> = Choice(&[
    ("off", LevelFilter::Off),
    ("error", LevelFilter::Error),
    ("warn", LevelFilter::Warn),
    ("info", LevelFilter::Info),
    ("debug", LevelFilter::Debug),
    ("trace", LevelFilter::Trace),
]);

const COLOR: Choice<Color> =
    Choice(&[("auto", Color::Auto), ("always", Color::Always), ("never", Color::Never)]);

const FORMAT: Choice<Format> = Choice(&[("text", Format::Text), ("json", Format::Json)]);

/// Every key, in the order of `config/default.toml`.
pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().copied().flatten()
}

/// Every key's name.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|key| key.name)
}

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    all().find(|key| key.name == name)
}

/// The keys of a section, such as `servers.admin`; none if there is no such section.
pub(super) fn of_section(section: &str) -> impl Iterator<Item = &'static str> {
    names().filter(move |name| name.strip_prefix(section).is_some_and(|rest| rest.starts_with('.')))
}
