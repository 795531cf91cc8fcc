//! Reports as JSON text, and back.

use std::{
    error::Error,
    fmt,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::model::{MemberReport, Report};
use crate::{
    locale::{Language, escaped, escaped_json},
    sequence::TaskStatus,
};

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

    /// The report in at most `limit` bytes: as compact text where that is enough, and otherwise shorter in steps, the
    /// outcome, the reason and the verdict last.
    pub(super) fn to_json_within(&self, limit: usize) -> String {
        let text = self.to_json();
        if text.len() <= limit {
            return text;
        }
        let steps = [(usize::MAX, usize::MAX), (10, 300), (3, 150), (0, 150)];
        let texts = steps.map(|(entries, characters)| {
            let mut text = safe_json(&self.shortened(entries, characters), serde_json::to_string);
            text.push('\n');
            text
        });
        texts.into_iter().find(|text| text.len() <= limit).unwrap_or_default()
    }

    /// At most so many entries of each list, those first that did not go well, and so many characters of each text.
    fn shortened(&self, entries: usize, characters: usize) -> Self {
        let cut = |text: &str| text.chars().take(characters).collect::<String>();
        let jobs = |jobs: &[MemberReport]| {
            let mut jobs: Vec<_> = jobs.to_vec();
            jobs.sort_by_key(|job| job.status == TaskStatus::Done);
            jobs.truncate(entries);
            for job in &mut jobs {
                job.name = cut(&job.name);
                job.error = job.error.as_deref().map(cut);
            }
            jobs
        };
        let mut servers: Vec<_> = self.servers.iter().take(entries).cloned().collect();
        for server in &mut servers {
            server.abandoned.truncate(entries);
        }
        Self {
            reason: cut(&self.reason),
            verdict: cut(&self.verdict),
            phases: self.phases.iter().take(entries).cloned().collect(),
            servers,
            checkpoints: jobs(&self.checkpoints),
            callbacks: jobs(&self.callbacks),
            resources: jobs(&self.resources),
            workers: jobs(&self.workers),
            ..self.clone()
        }
    }

    /// Reads the report in a file; at most 8 MiB are read.
    ///
    /// # Errors
    /// When the file cannot be read, is larger, or is not a report.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let file = std::fs::File::open(path).map_err(|error| ReadError::new(path, Cause::Io(error)))?;
        Self::read_from(file, path)
    }

    /// Reads a report; at most 8 MiB are read. `name` is its name in errors.
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

/// JSON text in which characters that could mislead a reader are escaped.
fn safe_json<T: Serialize>(value: &T, text: impl Fn(&T) -> serde_json::Result<String>) -> String {
    text(value).map(escaped_json).unwrap_or_default()
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

    /// The error in one line.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        let path = self.path.to_string_lossy();
        let path = escaped(&path);
        match &self.cause {
            Cause::Io(error) => format!("{path}{}{error}", language.colon()),
            Cause::TooLarge => language.no_report(&path, &language.report_too_large()),
            Cause::NotAReport(error) => language.no_report(&path, error),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message(Language::En))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cut_off: usize) -> Report {
        let request = r#"{"method":"GET","path":"/a/path/of/some/length","age_ms":5000}"#;
        let text = format!(
            r#"{{"outcome":"incomplete","reason":"SIGTERM","verdict":"Incomplete: {cut_off} requests were cut off",
            "exit_code":3,"started_at":"2026-03-01T03:00:00.000Z","duration_ms":12,"phases":[],
            "servers":[{{"name":"business","in_flight_at_start":{cut_off},"completed":0,"rejected":0,"abandoned":[{}]}}],
            "checkpoints":[],"resources":[],
            "callbacks":[{{"name":"quick","outcome":"done","duration_ms":1,"error":null}},
            {{"name":"flush-cache","outcome":"failed","duration_ms":1,"error":"{}"}}]}}"#,
            vec![request; cut_off].join(","),
            "the disk is full ".repeat(cut_off)
        );
        serde_json::from_str(&text).expect("a report")
    }

    #[test]
    fn a_list_without_entries_is_written_and_one_that_is_missing_is_read() {
        let mut report = report(0);
        report.callbacks.clear();
        let text = report.to_json();
        for list in ["checkpoints", "callbacks", "resources", "workers", "phases"] {
            assert!(text.contains(&format!("\"{list}\": []")), "{list}: {text}");
        }
        let older = text.replace(",\n  \"workers\": []", "");
        assert_ne!(older, text);
        assert_eq!(serde_json::from_str::<Report>(&older).expect("a report"), report);
    }

    #[test]
    fn a_report_is_shortened_to_a_limit_and_is_still_one() {
        let short = report(1);
        assert_eq!(short.to_json_within(4096), short.to_json(), "what fits stays as it is");
        for cut_off in [40, 200, 20_000] {
            let whole = report(cut_off);
            let text = whole.to_json_within(4096);
            assert!(text.len() <= 4096, "{} bytes", text.len());
            let read: Report = serde_json::from_str(&text).expect("a report");
            assert_eq!((read.outcome, read.verdict), (whole.outcome, whole.verdict));
            assert!(read.callbacks.iter().any(|job| job.status == TaskStatus::Failed), "what failed is kept");
        }
    }
}
