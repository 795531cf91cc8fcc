//! Durations as a person reads them, in every language.

use std::time::Duration;

/// A duration as a person reads it: `120ms`, `5.0s`, `2m05s`.
#[must_use]
pub fn rounded(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{}ms", duration.as_millis())
    } else if duration < Duration::from_secs(120) {
        // By the whole milliseconds that a report has, so that it reads the same from memory and from its file.
        let whole = Duration::new(duration.as_secs(), duration.subsec_millis() * 1_000_000);
        format!("{:.1}s", whole.as_secs_f64())
    } else {
        format!("{}m{:02}s", duration.as_secs() / 60, duration.as_secs() % 60)
    }
}
