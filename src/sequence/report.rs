//! What an exit came to, member by member.

use std::time::{Duration, SystemTime};

use super::{EndedBy, Outcome, PhaseKind, TaskStatus};

/// What an exit came to. The process ends with [`Report::exit_code`].
#[must_use = "a report carries the exit code; end the process with it"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// What started it: a signal's name, `server NAME failed`, or what the program gave.
    pub reason: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// The first request to stop, from which all times and counts run.
    pub started_at: SystemTime,
    /// From the first request to stop to the end.
    pub duration: Duration,
    /// The phases that began, in their order.
    pub phases: Vec<PhaseReport>,
    /// The servers, in the order of registration.
    pub servers: Vec<ServerReport>,
    /// The checkpoints, in the order of registration.
    pub checkpoints: Vec<CallbackReport>,
    /// The callbacks, in the order of registration.
    pub callbacks: Vec<CallbackReport>,
    /// The resources, in the order of registration.
    pub resources: Vec<CallbackReport>,
    /// The background workers, in the order of registration.
    pub workers: Vec<CallbackReport>,
}

/// One phase, as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseReport {
    /// Which.
    pub kind: PhaseKind,
    /// When it began, from the first request to stop.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
    /// What ended it.
    pub ended_by: EndedBy,
}

/// One server's requests. Counts run from the first request to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerReport {
    /// Its name.
    pub name: String,
    /// How many requests were in flight when rejecting began.
    pub in_flight_at_start: u64,
    /// How many were answered in full.
    pub completed: u64,
    /// How many came too late.
    pub rejected: u64,
    /// Those that were cut off.
    pub abandoned: Vec<Abandoned>,
}

/// A request that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// How long it had been running.
    pub age: Duration,
}

/// One callback, resource or background worker, as it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackReport {
    /// Its name.
    pub name: String,
    /// What became of it.
    pub fate: TaskStatus,
    /// How long it was waited for; zero if it was never asked.
    pub duration: Duration,
    /// What it failed with, or what is lost because it did not finish.
    pub error: Option<String>,
}
