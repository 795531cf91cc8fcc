//! What a line of the log looks like.

use std::fmt::{Display, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::kv::{Error, Key, Value, VisitSource};
use log::{Level, Record};

use super::options::Format;
use crate::locale::{escaped, escaped_json};
use crate::os::journal;

/// Tells the time of a line. The zone is read once: logging does not wait for its file.
#[derive(Clone)]
pub(super) struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub(super) fn local() -> Self {
        Self { zone: TimeZone::system() }
    }
}

/// What is added to a line of text on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoration {
    Plain,
    /// The color of its level.
    Color,
    /// Its priority, for journald.
    Priority,
}

impl Decoration {
    /// What stands before and after a line of this level.
    pub(super) fn around(self, format: Format, level: Level) -> (&'static str, &'static str) {
        const OFF: &str = "\u{1b}[0m";
        match (format, self, level) {
            // On a terminal an ordinary line has the terminal's own color.
            (Format::Json, ..)
            | (Format::Text, Self::Plain, _)
            | (Format::Text, Self::Color, Level::Info) => ("", ""),
            (Format::Text, Self::Priority, level) => (journal::priority(level), ""),
            (Format::Text, Self::Color, Level::Error) => ("\u{1b}[31m", OFF),
            (Format::Text, Self::Color, Level::Warn) => ("\u{1b}[33m", OFF),
            (Format::Text, Self::Color, Level::Debug | Level::Trace) => ("\u{1b}[2m", OFF),
        }
    }
}

/// A line as it is written, without its end.
pub(super) fn format(clock: &Clock, format: Format, record: &Record<'_>) -> String {
    let at = Timestamp::now();
    let mut message = String::new();
    // Writing to a string fails only where the message's own `Display` does; what there is of it is kept.
    let _ = write!(message, "{}", record.args());
    match format {
        Format::Text => {
            let mut line = at.to_zoned(clock.zone.clone()).strftime("%Y/%m/%d %H:%M:%S ").to_string();
            line.push_str(&escaped_but_tabs(&message));
            line
        }
        Format::Json => {
            let mut line = String::from("{");
            let mut fields = Fields(&mut line);
            fields.push("time", &format!("{at:.3}"));
            fields.push("level", record.level().as_str().to_ascii_lowercase().as_str());
            fields.push("target", record.target());
            fields.push("message", message.as_str());
            // The visitor returns no error.
            let _ = record.key_values().visit(&mut fields);
            line.push('}');
            escaped_json(line)
        }
    }
}

/// Makes the lines that the log itself has to say on one of its outputs.
#[derive(Clone)]
pub(super) struct OwnLines {
    pub(super) clock: Clock,
    pub(super) format: Format,
    pub(super) decoration: Decoration,
}

impl OwnLines {
    pub(super) fn line(&self, event: &str, message: &dyn Display) -> String {
        let (level, target, fields) = (Level::Warn, module_path!(), [("event", event)]);
        let args = format_args!("{message}");
        let mut record = Record::builder();
        record.level(level).target(target).key_values(&fields);
        let (on, off) = self.decoration.around(self.format, level);
        format!("{on}{}{off}", format(&self.clock, self.format, &record.args(args).build()))
    }
}

/// A line that is written past the log, at a time that is not known: it has none.
pub(super) fn unlogged(
    how: Format,
    decoration: Decoration,
    level: Level,
    event: &str,
    message: &str,
) -> String {
    match how {
        Format::Text => {
            let (on, off) = decoration.around(how, level);
            format!("{on}{}{off}", escaped_but_tabs(message))
        }
        Format::Json => {
            let mut line = String::from("{");
            let mut fields = Fields(&mut line);
            fields.push("level", level.as_str().to_ascii_lowercase().as_str());
            fields.push("target", env!("CARGO_CRATE_NAME"));
            fields.push("message", message);
            fields.push("event", event);
            line.push('}');
            escaped_json(line)
        }
    }
}

/// A message that can neither forge a second line nor steer the terminal. Tabs are harmless, and stay.
fn escaped_but_tabs(message: &str) -> String {
    let parts: Vec<_> = message.split('\t').map(escaped).collect();
    parts.join("\t")
}

/// The members of a JSON object, as they are written.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn push(&mut self, name: &str, value: &(impl serde::Serialize + ?Sized)) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        // A field without a value is left out, and so is one that cannot be serialized.
        if let Ok(value) = serde_json::to_string(value)
            && value != "null"
        {
            let _ = write!(self.0, "{comma}{}:{value}", serde_json::Value::from(name));
        }
    }
}

impl<'kvs> VisitSource<'kvs> for Fields<'_> {
    fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), Error> {
        // A member stands in an object once.
        if !["time", "level", "target", "message"].contains(&key.as_str()) {
            self.push(key.as_str(), &value);
        }
        Ok(())
    }
}
