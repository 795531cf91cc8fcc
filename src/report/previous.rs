//! [`PreviousExit`]: how the run before this one ended.

use std::time::SystemTime;

use serde::{Serialize, Serializer};

use super::{model::Report, names::millis_of};

/// How the run before this one ended, by the report that it left; or that it was killed and left none.
///
/// A run that has begun to serve leaves a marker beside its report, named like it with `.running` at the end, and takes
/// it away when the report is written. A marker that no living process holds is one of a run that was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PreviousExit {
    /// The name of an [`Outcome`](crate::sequence::Outcome), or `killed`.
    pub outcome: &'static str,
    /// What started the exit; `None` if the run was killed.
    pub reason: Option<String>,
    /// How it ended and why, in one sentence; `None` if the run was killed.
    pub verdict: Option<String>,
    /// The process's exit code; `None` if the run was killed.
    pub exit_code: Option<u8>,
    /// From the first request to stop to the end, in milliseconds; `None` if the run was killed.
    pub duration_ms: Option<u64>,
    /// Requests that were cut off; `None` if the run was killed.
    pub requests_abandoned: Option<u64>,
    /// The first request to stop; `None` if the run was killed.
    #[serde(serialize_with = "time")]
    pub started_at: Option<SystemTime>,
}

impl PreviousExit {
    /// The outcome of a run that left no report.
    pub const KILLED: &str = "killed";

    /// True if the run left no report.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.outcome == Self::KILLED
    }

    pub(super) fn killed() -> Self {
        Self {
            outcome: Self::KILLED,
            reason: None,
            verdict: None,
            exit_code: None,
            duration_ms: None,
            requests_abandoned: None,
            started_at: None,
        }
    }
}

impl From<Report> for PreviousExit {
    fn from(report: Report) -> Self {
        let abandoned = report.servers.iter().map(|server| server.abandoned.len() as u64).sum();
        Self {
            outcome: report.outcome.name(),
            reason: Some(report.reason),
            verdict: Some(report.verdict).filter(|verdict| !verdict.is_empty()),
            exit_code: Some(report.exit_code),
            duration_ms: Some(millis_of(report.duration)),
            requests_abandoned: Some(abandoned),
            started_at: Some(report.started_at),
        }
    }
}

#[expect(clippy::ref_option, reason = "serde passes the field")]
fn time<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(&humantime::format_rfc3339_millis(*time)),
        None => serializer.serialize_none(),
    }
}
