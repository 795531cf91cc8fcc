//! What `/status` and each event hold: the exit's status, and lines of the program's own.

use std::{fmt, sync::Arc};

use serde::Serialize;

use crate::{exit::ExitHandle, locale::escaped_json, report::Status};

/// Where the status comes from. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct StatusSource {
    exit: ExitHandle,
    lines: Arc<[LineSource]>,
}

/// A line of the program's own.
#[derive(Clone)]
pub(super) struct LineSource {
    label: String,
    text: Arc<dyn Fn() -> String + Send + Sync>,
}

/// The status at one instant.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) status: Status,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    lines: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    label: String,
    text: String,
}

impl LineSource {
    pub(super) fn new(label: String, text: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { label, text: Arc::new(text) }
    }
}

impl StatusSource {
    pub(super) fn new(exit: ExitHandle, lines: &[LineSource]) -> Self {
        Self { exit, lines: lines.into() }
    }

    /// The status; `None` before the servers are bound.
    pub(super) fn take(&self) -> Option<Answer> {
        let status = self.exit.status()?;
        let line = |line: &LineSource| Line { label: line.label.clone(), text: (line.text)() };
        Some(Answer { status, lines: self.lines.iter().map(line).collect() })
    }
}

impl Answer {
    /// As JSON, with invisible characters escaped. `None` if it cannot be serialized.
    pub(super) fn to_json(&self) -> Option<String> {
        serde_json::to_string(self).ok().map(escaped_json)
    }
}

impl fmt::Debug for LineSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineSource").field("label", &self.label).finish_non_exhaustive()
    }
}
