//! Where the exit can be looked at, from any thread, whatever hangs: [`Monitor`].

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::Serialize;
use tokio::sync::watch;

use super::recorder::{Recorder, ServerRun};
use crate::{
    sequence::{CallbackReport, Kind, Plan, TaskStatus},
    server::Handle,
};

/// What the supervisor writes and everybody may read.
#[derive(Debug)]
pub struct Monitor {
    plan: Arc<Plan>,
    record: Mutex<Recorder>,
    changed: watch::Sender<u64>,
}

/// How an exit stands, or that none has begun.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// `running`, a phase's name, or `exited`.
    pub phase: &'static str,
    /// What started the exit.
    pub reason: Option<String>,
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
    pub outcome: Option<&'static str>,
    /// The process's exit code, once it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
}

/// One server. Counts run from its start.
#[derive(Clone, Debug, Serialize)]
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
    pub oldest: Vec<Oldest>,
    /// Requests that were cut off, by name, at most five.
    pub cut_off: Vec<Oldest>,
}

/// A request in flight.
#[derive(Clone, Debug, Serialize)]
pub struct Oldest {
    /// Its method.
    pub method: String,
    /// Its path, without the query.
    pub path: String,
    /// How long it has been running, in milliseconds.
    pub age_ms: u64,
}

/// A callback, a resource or a background worker.
#[derive(Clone, Debug, Serialize)]
pub struct MemberStatus {
    /// Its name.
    pub name: String,
    /// Its state: a name of [`crate::sequence::TaskStatus`].
    pub state: &'static str,
    /// How long it has been waited for, once it was asked, in milliseconds.
    pub duration_ms: Option<u64>,
}

/// A phase of the plan.
#[derive(Clone, Debug, Serialize)]
pub struct PhaseStatus {
    /// Its name.
    pub name: &'static str,
    /// The longest that it can take, in milliseconds.
    pub bound_ms: u64,
    /// When it began, in milliseconds from the first request to stop.
    pub start_ms: Option<u64>,
    /// How long it took, once it is over.
    pub duration_ms: Option<u64>,
    /// What ended it.
    pub ended_by: Option<&'static str>,
}

impl Monitor {
    pub(crate) fn new(plan: Arc<Plan>, servers: &[Handle]) -> Self {
        let record = Mutex::new(Recorder::new(&plan, servers));
        Self { plan, record, changed: watch::Sender::new(0) }
    }

    /// How things stand at this instant.
    #[must_use]
    pub fn status(&self) -> Status {
        let record = self.lock();
        let deadline_left = record
            .started
            .map(|started| millis(self.plan.timeouts().timeout.saturating_sub(started.elapsed())));
        let members = |kind| record.members(&self.plan, kind).into_iter().map(MemberStatus::from).collect();
        Status {
            phase: self.phase_of(&record),
            reason: record.reason.clone(),
            deadline_left_ms: deadline_left,
            timeout_ms: millis(self.plan.timeouts().timeout),
            servers: record.server_runs().iter().map(ServerStatus::of).collect(),
            callbacks: members(Kind::Callback),
            resources: members(Kind::Resource),
            workers: members(Kind::Worker),
            checkpoints: members(Kind::Checkpoint),
            phases: self.phases(&record),
            outcome: record.ended.map(|(outcome, _)| outcome.name()),
            exit_code: record.ended.map(|(_, code)| code),
        }
    }

    /// What [`Status::phase`] says, without the cost of the rest.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.phase_of(&self.lock())
    }

    /// Whether nothing has asked for the exit yet.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.lock().started.is_none()
    }

    /// Told at each change; the counts of requests in flight are not among them.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// How many connections outlive their servers: they are to be told how the exit ended.
    pub(crate) fn outliving(&self) -> usize {
        self.lock().servers().map(|server| server.pinned()).sum()
    }

    /// Whether every server [is empty](Handle::is_empty).
    pub(crate) fn servers_are_empty(&self) -> bool {
        self.lock().servers().all(Handle::is_empty)
    }

    /// Puts every server away, however far it has come.
    pub(crate) fn put_servers_away(&self) {
        self.lock().servers().for_each(Handle::dispose);
    }

    /// Changes the record, and tells whoever looks.
    pub(super) fn write<R>(&self, change: impl FnOnce(&mut Recorder) -> R) -> R {
        let result = change(&mut self.lock());
        self.changed.send_modify(|version| *version += 1);
        result
    }

    pub(super) fn read<R>(&self, look: impl FnOnce(&Recorder) -> R) -> R {
        look(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Recorder> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn phase_of(&self, record: &Recorder) -> &'static str {
        match (record.ended, record.phases.last()) {
            (Some(_), _) => "exited",
            (None, Some(run)) => self.plan.phases()[run.phase].kind.name(),
            (None, None) => "running",
        }
    }

    fn phases(&self, record: &Recorder) -> Vec<PhaseStatus> {
        let status = |(index, phase): (usize, &crate::sequence::Phase)| {
            let run = record.phases.iter().find(|run| run.phase == index);
            let end = run.and_then(|run| run.end.map(|(end, by)| (end.saturating_sub(run.start), by)));
            PhaseStatus {
                name: phase.kind.name(),
                bound_ms: millis(phase.timeout()),
                start_ms: run.map(|run| millis(run.start)),
                duration_ms: end.map(|(duration, _)| millis(duration)),
                ended_by: end.map(|(_, by)| by.name()),
            }
        };
        self.plan.phases().iter().enumerate().map(status).collect()
    }
}

impl ServerStatus {
    fn of(run: &ServerRun) -> Self {
        let server = &run.server;
        let abandoned = run.abandoned.as_deref().unwrap_or_default();
        let gate = &server.drain().gate;
        let oldest = server.drain().connections.in_flight().into_iter().take(5);
        Self {
            name: server.name().to_string(),
            in_flight: gate.in_flight(),
            completed: gate.completed(),
            rejected: gate.rejected(),
            abandoned: abandoned.len() as u64,
            oldest: oldest
                .map(|request| Oldest {
                    method: request.method,
                    path: request.path,
                    age_ms: millis(request.age),
                })
                .collect(),
            cut_off: abandoned
                .iter()
                .take(5)
                .map(|request| Oldest {
                    method: request.method.clone(),
                    path: request.path.clone(),
                    age_ms: millis(request.age),
                })
                .collect(),
        }
    }
}

impl From<CallbackReport> for MemberStatus {
    fn from(report: CallbackReport) -> Self {
        let asked = report.fate != TaskStatus::NotStarted;
        Self {
            name: report.name,
            state: report.fate.name(),
            duration_ms: asked.then(|| millis(report.duration)),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
