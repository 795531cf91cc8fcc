//! Reports as JSON text, and back.

use std::{
    error::Error,
    fmt::{self, Write},
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::model::Report;
use crate::locale::{escaped, is_misleading};

/// The longest text that is read as a report.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

impl Report {
    /// The report as JSON text that ends with a line feed. Characters that could mislead a reader are escaped.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut text = safe_json(self, serde_json::to_string_pretty);
        text.push('\n');
        text
    }

    /// Reads the report in a file; at most 8 MiB are read.
    ///
    /// # Errors
    /// When the file cannot be read, is larger, or is not a report.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let file = std::fs::File::open(path).map_err(|error| ReadError::new(path, Cause::Io(error)))?;
        Self::read_from(file, path)
    }

    /// Reads a report; at most 8 MiB are read. `name` is what an error calls it.
    ///
    /// # Errors
    /// When it cannot be read, is larger, or is not a report.
    pub fn read_from(source: impl Read, name: &Path) -> Result<Self, ReadError> {
        let mut text = Vec::new();
        let read = source.take(MAX_BYTES + 1).read_to_end(&mut text);
        read.map_err(|error| ReadError::new(name, Cause::Io(error)))?;
        if text.len() as u64 > MAX_BYTES {
            return Err(ReadError::new(name, Cause::TooLarge));
        }
        serde_json::from_slice(&text).map_err(|error| ReadError::new(name, Cause::NotAReport(error)))
    }
}

/// JSON text in which characters that could mislead a reader are escaped. They stand in strings alone, so an escape
/// means the same.
fn safe_json<T: Serialize>(value: &T, text: impl Fn(&T) -> serde_json::Result<String>) -> String {
    let Ok(text) = text(value) else { return String::new() };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_misleading(c) {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                // Writing to a string does not fail.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// A file cannot be read as a report. The message is one line.
#[derive(Debug)]
pub struct ReadError {
    path: PathBuf,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Io(io::Error),
    TooLarge,
    NotAReport(serde_json::Error),
}

impl ReadError {
    fn new(path: &Path, cause: Cause) -> Self {
        Self { path: path.to_owned(), cause }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string_lossy();
        let path = escaped(&path);
        match &self.cause {
            Cause::Io(error) => write!(f, "{path}: {error}"),
            Cause::TooLarge => write!(f, "{path}: this is not a report: it is larger than 8 MiB"),
            Cause::NotAReport(error) => write!(f, "{path}: this is not a report: {error}"),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Io(error) => Some(error),
            Cause::TooLarge => None,
            Cause::NotAReport(error) => Some(error),
        }
    }
}
