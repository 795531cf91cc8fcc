//! What a line of the log looks like.

use std::fmt::{self, Display, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use log::Level;

use super::handle::Format;

/// Tells the time of a line. The zone is read once: who logs must not wait for its file.
#[derive(Clone)]
pub(super) struct Clock {
    zone: TimeZone,
}

impl Clock {
    pub(super) fn local() -> Self {
        Self { zone: TimeZone::system() }
    }
}

/// A line as it is written, without its end.
pub(super) fn format(
    clock: &Clock,
    format: Format,
    level: Level,
    target: &str,
    message: &dyn Display,
) -> String {
    let at = Timestamp::now();
    match format {
        Format::Text => {
            let mut line = at.to_zoned(clock.zone.clone()).strftime("%Y/%m/%d %H:%M:%S ").to_string();
            // Writing to a string fails only where the message's own `Display` does; what there is of it is kept.
            let _ = write!(Escaping(&mut line), "{message}");
            line
        }
        Format::Json => {
            let mut text = String::new();
            let _ = write!(text, "{message}");
            format!(
                r#"{{"time":"{at:.3}","level":"{}","target":{},"message":{}}}"#,
                level.as_str().to_ascii_lowercase(),
                json(target),
                json(&text),
            )
        }
    }
}

/// A line that the log itself has to say.
pub(super) fn own(clock: &Clock, how: Format, message: &str) -> String {
    format(clock, how, Level::Warn, module_path!(), &message)
}

/// What turns a level's color on and off. Lines of the ordinary level have the terminal's own.
pub(super) fn paint(level: Level) -> (&'static str, &'static str) {
    const OFF: &str = "\u{1b}[0m";
    match level {
        Level::Error => ("\u{1b}[31m", OFF),
        Level::Warn => ("\u{1b}[33m", OFF),
        Level::Info => ("", ""),
        Level::Debug | Level::Trace => ("\u{1b}[2m", OFF),
    }
}

/// Escapes control characters: a message cannot forge a second line or steer the terminal.
struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if c.is_control() && c != '\t' { self.0.extend(c.escape_default()) } else { self.0.push(c) }
        }
        Ok(())
    }
}

/// Text as a JSON string.
fn json(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
