//! The part of `/status` that the commands and the progress bar show.

use std::time::Duration;

use graceful_exit::{Status, report::Request};
use serde::Deserialize;

/// A status. Fields that an older application does not tell are empty.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct View {
    pub(crate) phase: String,
    #[serde(default)]
    pub(crate) reason: Option<String>,
    #[serde(default)]
    pub(crate) verdict: Option<String>,
    #[serde(default)]
    pub(crate) deadline_left_ms: Option<u64>,
    #[serde(default)]
    pub(crate) timeout_ms: u64,
    #[serde(default)]
    pub(crate) servers: Vec<Server>,
    #[serde(default)]
    pub(crate) callbacks: Vec<Member>,
    #[serde(default)]
    pub(crate) resources: Vec<Member>,
    #[serde(default)]
    pub(crate) workers: Vec<Member>,
    #[serde(default)]
    pub(crate) checkpoints: Vec<Member>,
    #[serde(default)]
    pub(crate) phases: Vec<Phase>,
    #[serde(default)]
    pub(crate) outcome: Option<String>,
    #[serde(default)]
    pub(crate) exit_code: Option<u8>,
    #[serde(default)]
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) pid: Option<u32>,
    #[serde(default)]
    pub(crate) started_at: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) in_flight: u64,
    #[serde(default)]
    pub(crate) completed: u64,
    #[serde(default)]
    pub(crate) rejected: u64,
    #[serde(default)]
    pub(crate) oldest: Vec<Request>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) error: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) bound_ms: u64,
    #[serde(default)]
    pub(crate) start_ms: Option<u64>,
    #[serde(default)]
    pub(crate) duration_ms: Option<u64>,
}

impl View {
    /// The status of this process.
    pub(crate) fn of(status: &Status) -> Option<Self> {
        serde_json::from_value(serde_json::to_value(status).ok()?).ok()
    }

    /// The status after so much more time, if nothing else has changed.
    pub(crate) fn later(&self, by: Duration) -> Self {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        let mut view = self.clone();
        view.deadline_left_ms = view.deadline_left_ms.map(|left| left.saturating_sub(by));
        for request in view.servers.iter_mut().flat_map(|server| &mut server.oldest) {
            request.age = request.age.saturating_add(Duration::from_millis(by));
        }
        view
    }

    /// True before the exit has begun.
    pub(crate) fn is_running(&self) -> bool {
        self.phase == "running"
    }
}
