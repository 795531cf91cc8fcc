//! The report as a file: one JSON object, written whole or not at all, and read back.

use std::{
    error::Error,
    fmt, fs, io, iter,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::sequence::{CallbackReport, EndedBy, Outcome, PhaseKind, Report, ServerReport, TaskStatus};

/// A report as it stands in a file. Durations and ages are in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportFile {
    /// `clean`, `incomplete`, `timed_out` or `forced`.
    pub outcome: String,
    /// What started the exit.
    pub reason: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// The first request to stop, in RFC 3339.
    pub started_at: String,
    /// From the first request to stop to the end.
    pub duration_ms: u64,
    /// The phases that began, in their order.
    pub phases: Vec<PhaseEntry>,
    /// The servers.
    pub servers: Vec<ServerEntry>,
    /// The checkpoints.
    #[serde(default)]
    pub checkpoints: Vec<JobEntry>,
    /// The callbacks.
    pub callbacks: Vec<JobEntry>,
    /// The resources.
    pub resources: Vec<JobEntry>,
    /// The background workers; left out where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workers: Vec<JobEntry>,
}

/// One phase.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhaseEntry {
    /// Its name.
    pub name: String,
    /// When it began, from the first request to stop.
    pub start_ms: u64,
    /// How long it took.
    pub duration_ms: u64,
    /// `done`, `timeout`, `deadline` or `signal`.
    pub ended_by: String,
}

/// One server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerEntry {
    /// Its name.
    pub name: String,
    /// Requests in flight when rejecting began.
    pub in_flight_at_start: u64,
    /// Requests answered in full, since the first request to stop.
    pub completed: u64,
    /// Requests that came too late.
    pub rejected: u64,
    /// Requests that were cut off.
    pub abandoned: Vec<AbandonedEntry>,
}

/// One request that was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbandonedEntry {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// How long it had been running.
    pub age_ms: u64,
}

/// One callback, resource or background worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobEntry {
    /// Its name.
    pub name: String,
    /// `done`, `failed`, `panicked`, `timed_out`, `unreachable`, `cut_off` or `not_started`.
    pub outcome: String,
    /// How long it was waited for.
    pub duration_ms: u64,
    /// What it failed with, or what is lost.
    pub error: Option<String>,
}

impl ReportFile {
    /// Writes it to `path`, in place of what was there; missing parent folders are made. A reader sees the whole
    /// file or none of it. It is not synced to the disk: what it tells of is over when the process is, not when
    /// the machine is.
    ///
    /// # Errors
    /// When it cannot be written; what was at `path` before is still there then.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        let mut name =
            path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?.to_owned();
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        name.push(format!(".{}.tmp", std::process::id()));
        let beside = path.with_file_name(name);
        let mut text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        text.push(b'\n');
        let written = fs::write(&beside, text).and_then(|()| fs::rename(&beside, path));
        written.inspect_err(|_| {
            // Nothing more can be done about it than about what went before.
            let _ = fs::remove_file(&beside);
        })
    }

    /// Reads one back.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a report.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let failed = |why: String| ReadError { path: path.to_owned(), why };
        let text = fs::read(path).map_err(|error| failed(error.to_string()))?;
        let report: Self = serde_json::from_slice(&text)
            .map_err(|error| failed(format!("this is not a report: {error}")))?;
        match report.foreign() {
            None => Ok(report),
            Some((key, word)) => {
                Err(failed(format!("this is not a report: `{key}` is `{}`", word.escape_debug())))
            }
        }
    }
}

impl ReportFile {
    /// A word that no report has, and where it stands.
    fn foreign(&self) -> Option<(&'static str, &str)> {
        let outcomes: Vec<_> = Outcome::ALL.iter().map(|outcome| outcome.name()).collect();
        let phases: Vec<_> = PhaseKind::ALL.iter().map(|kind| kind.name()).collect();
        let ends: Vec<_> = EndedBy::ALL.iter().map(|by| by.name()).collect();
        let over = TaskStatus::ALL.iter().filter(|status| **status != TaskStatus::Running);
        let statuses: Vec<_> = over.map(|status| status.name()).collect();

        let jobs = [&self.checkpoints, &self.workers, &self.callbacks, &self.resources].into_iter().flatten();
        let words = iter::once(("outcome", &self.outcome, &outcomes[..]))
            .chain(self.phases.iter().map(|phase| ("phases.name", &phase.name, &phases[..])))
            .chain(self.phases.iter().map(|phase| ("phases.ended_by", &phase.ended_by, &ends[..])))
            .chain(jobs.map(|job| ("outcome of a member", &job.outcome, &statuses[..])));
        let mut foreign = words.filter(|(_, word, known)| !known.contains(&word.as_str()));
        foreign.next().map(|(key, word, _)| (key, word.as_str()))
    }
}

impl From<&Report> for ReportFile {
    fn from(report: &Report) -> Self {
        let phases = report.phases.iter().map(|phase| PhaseEntry {
            name: phase.kind.name().to_owned(),
            start_ms: millis(phase.start),
            duration_ms: millis(phase.duration),
            ended_by: phase.ended_by.name().to_owned(),
        });
        let jobs = |reports: &[CallbackReport]| reports.iter().map(JobEntry::from).collect();
        Self {
            outcome: report.outcome.name().to_owned(),
            reason: report.reason.clone(),
            exit_code: report.exit_code,
            started_at: humantime::format_rfc3339_millis(report.started_at).to_string(),
            duration_ms: millis(report.duration),
            phases: phases.collect(),
            servers: report.servers.iter().map(ServerEntry::from).collect(),
            checkpoints: jobs(&report.checkpoints),
            callbacks: jobs(&report.callbacks),
            resources: jobs(&report.resources),
            workers: jobs(&report.workers),
        }
    }
}

impl From<&ServerReport> for ServerEntry {
    fn from(server: &ServerReport) -> Self {
        let abandoned = server.abandoned.iter().map(|request| AbandonedEntry {
            method: request.method.clone(),
            path: request.path.clone(),
            age_ms: millis(request.age),
        });
        Self {
            name: server.name.clone(),
            in_flight_at_start: server.in_flight_at_start,
            completed: server.completed,
            rejected: server.rejected,
            abandoned: abandoned.collect(),
        }
    }
}

impl From<&CallbackReport> for JobEntry {
    fn from(job: &CallbackReport) -> Self {
        Self {
            name: job.name.clone(),
            outcome: job.fate.name().to_owned(),
            duration_ms: millis(job.duration),
            error: job.error.clone(),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A file cannot be read as a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError {
    path: PathBuf,
    why: String,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.why)
    }
}

impl Error for ReadError {}
