//! [`Report`]: what an exit came to, member by member.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::names::{millis, millis_of, rfc3339};
use crate::sequence::{EndedBy, Outcome, PhaseKind, TaskStatus};

/// What an exit came to. The process ends with [`Report::exit_code`].
///
/// In JSON, durations and ages are whole milliseconds, under names that end in `_ms`.
#[must_use = "a report carries the exit code; end the process with it"]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What started it: a signal's name, `server NAME failed`, or what the program gave.
    pub reason: String,
    /// How it ended and why, in one sentence. Empty in a report of an older version.
    #[serde(default)]
    pub verdict: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// The first request to stop, from which all times and counts run.
    #[serde(with = "rfc3339")]
    pub started_at: SystemTime,
    /// From the first request to stop to the end.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// The phases that began, in their order.
    pub phases: Vec<PhaseReport>,
    /// The servers, in the order of registration.
    pub servers: Vec<ServerReport>,
    /// The checkpoints, in the order of registration.
    #[serde(default)]
    pub checkpoints: Vec<MemberReport>,
    /// The callbacks, in the order of registration.
    pub callbacks: Vec<MemberReport>,
    /// The resources, in the order of registration.
    pub resources: Vec<MemberReport>,
    /// The background workers, in the order of registration.
    #[serde(default)]
    pub workers: Vec<MemberReport>,
}

/// One phase, as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PhaseReport {
    /// Which phase.
    #[serde(rename = "name")]
    pub kind: PhaseKind,
    /// When it began, from the first request to stop.
    #[serde(rename = "start_ms", with = "millis")]
    pub start: Duration,
    /// How long it took.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// What ended it.
    pub ended_by: EndedBy,
}

/// One server's requests. Counts run from the first request to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ServerReport {
    /// Its name.
    pub name: String,
    /// How many requests were in flight when rejecting began, open streams included; or when the exit ended, if that was
    /// earlier.
    pub in_flight_at_start: u64,
    /// How many were answered in full.
    pub completed: u64,
    /// How many came too late.
    pub rejected: u64,
    /// Those that were cut off.
    pub abandoned: Vec<Request>,
}

/// A request that is in flight, or that was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// How long it has been, or had been, running.
    #[serde(rename = "age_ms", with = "millis")]
    pub age: Duration,
}

/// One checkpoint, callback, resource or background worker, as it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemberReport {
    /// Its name.
    pub name: String,
    /// How it ended.
    #[serde(rename = "outcome")]
    pub status: TaskStatus,
    /// How long it was waited for; zero if it was never asked.
    #[serde(rename = "duration_ms", with = "millis")]
    pub duration: Duration,
    /// What it failed with, or what is lost because it did not finish.
    pub error: Option<String>,
}

impl Request {
    /// A request of this age, in whole milliseconds.
    #[must_use]
    pub fn new(method: impl Into<String>, path: impl Into<String>, age: Duration) -> Self {
        let age = Duration::from_millis(millis_of(age));
        Self { method: method.into(), path: path.into(), age }
    }

    /// What it is called in sentences, as in `GET /slow`; requests of the same name are counted as one.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl Report {
    /// The jobs by kind, in the order in which an exit comes to them.
    pub(crate) fn jobs(&self) -> [(crate::sequence::Kind, &[MemberReport]); 4] {
        use crate::sequence::Kind;
        [
            (Kind::Checkpoint, &self.checkpoints),
            (Kind::BackgroundWorker, &self.workers),
            (Kind::Callback, &self.callbacks),
            (Kind::Resource, &self.resources),
        ]
    }
}
