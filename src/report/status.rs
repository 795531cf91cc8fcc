//! [`Status`]: how an exit stands at one instant, as `/status` shows it.

use std::time::SystemTime;

use serde::Serialize;

use super::{
    model::{MemberReport, Request},
    names::{millis_of, rfc3339},
    previous::PreviousExit,
};
use crate::sequence::{EndedBy, Outcome, PhaseKind, TaskStatus};

/// How an exit stands, or that none has begun.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// `running`, a phase's name, or `exited`.
    pub phase: &'static str,
    /// What started the exit.
    pub reason: Option<String>,
    /// How it ended and why, in one sentence, once it has.
    pub verdict: Option<String>,
    /// How much of the overall deadline is left, in milliseconds.
    pub deadline_left_ms: Option<u64>,
    /// The whole overall deadline, in milliseconds.
    pub timeout_ms: u64,
    /// The servers, in the order of registration.
    pub servers: Vec<ServerStatus>,
    /// The callbacks, in the order of registration.
    pub callbacks: Vec<MemberStatus>,
    /// The resources, in the order of registration.
    pub resources: Vec<MemberStatus>,
    /// The background workers, in the order of registration.
    pub workers: Vec<MemberStatus>,
    /// The checkpoints, in the order of registration.
    pub checkpoints: Vec<MemberStatus>,
    /// The phases of the plan, as they went so far.
    pub phases: Vec<PhaseStatus>,
    /// How it ended, once it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The process's exit code, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// The version of this library.
    pub version: &'static str,
    /// The process.
    pub pid: u32,
    /// When the program began to serve.
    #[serde(with = "rfc3339")]
    pub started_at: SystemTime,
    /// How the run before this one ended, where a report is kept.
    pub previous_exit: Option<PreviousExit>,
}

/// One server. Counts run from its start.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Its name.
    pub name: String,
    /// Requests in flight.
    pub in_flight: u64,
    /// Requests answered to their last byte.
    pub completed: u64,
    /// Requests that came too late.
    pub rejected: u64,
    /// Requests that were cut off.
    pub abandoned: u64,
    /// The oldest requests in flight, at most five.
    pub oldest: Vec<Request>,
    /// Requests that were cut off, by name, at most five.
    pub cut_off: Vec<Request>,
}

/// A checkpoint, callback, resource or background worker.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Where it stands, or how it ended.
    pub state: TaskStatus,
    /// How long it has been waited for, once it was asked, in milliseconds.
    pub duration_ms: Option<u64>,
    /// What it failed with, or what is lost because it did not finish.
    pub error: Option<String>,
}

/// A phase of the plan.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PhaseStatus {
    /// Which phase.
    #[serde(rename = "name")]
    pub kind: PhaseKind,
    /// The longest that it can take, in milliseconds.
    pub bound_ms: u64,
    /// When it began, in milliseconds from the first request to stop.
    pub start_ms: Option<u64>,
    /// How long it took, once it is over.
    pub duration_ms: Option<u64>,
    /// What ended it.
    pub ended_by: Option<EndedBy>,
}

impl From<MemberReport> for MemberStatus {
    fn from(report: MemberReport) -> Self {
        let asked = report.status != TaskStatus::NotStarted;
        Self {
            name: report.name,
            state: report.status,
            duration_ms: asked.then(|| millis_of(report.duration)),
            error: report.error,
        }
    }
}
