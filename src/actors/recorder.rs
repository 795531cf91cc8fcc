//! What has happened so far: kept by the supervisor, and made into a report at the end.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::{
    sequence::{
        Abandoned, CallbackReport, EndedBy, ExitCodes, Kind, Outcome, PerTask, Phase, PhaseReport, Plan,
        Report, ServerReport, TaskId, TaskStatus,
    },
    server::Handle,
};

/// The exit so far.
#[derive(Debug)]
pub(super) struct Recorder {
    pub(super) started: Option<Started>,
    pub(super) reason: Option<String>,
    pub(super) phases: Vec<PhaseRun>,
    tasks: PerTask<TaskRun>,
    servers: Vec<ServerRun>,
    pub(super) ended: Option<(Outcome, u8)>,
}

/// When the exit was first asked for, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Started {
    wall: SystemTime,
    at: Instant,
}

impl Started {
    pub(super) fn elapsed(self) -> Duration {
        self.at.elapsed()
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct PhaseRun {
    pub(super) phase: usize,
    pub(super) start: Duration,
    pub(super) end: Option<(Duration, EndedBy)>,
}

#[derive(Clone, Debug)]
struct TaskRun {
    fate: TaskStatus,
    asked: Option<Duration>,
    ended: Option<Duration>,
    error: Option<String>,
}

/// A server, and its counts when the exit was asked for.
#[derive(Debug)]
pub(super) struct ServerRun {
    pub(super) server: Handle,
    completed: u64,
    rejected: u64,
    pub(super) abandoned: Option<Vec<Abandoned>>,
}

impl Recorder {
    pub(super) fn new(plan: &Plan, servers: &[Handle]) -> Self {
        let task = TaskRun { fate: TaskStatus::NotStarted, asked: None, ended: None, error: None };
        let server = |server: &Handle| ServerRun {
            server: server.clone(),
            completed: 0,
            rejected: 0,
            abandoned: None,
        };
        Self {
            started: None,
            reason: None,
            phases: Vec::new(),
            tasks: plan.per_task(&task),
            servers: servers.iter().map(server).collect(),
            ended: None,
        }
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Handle> {
        self.servers.iter().map(|run| &run.server)
    }

    pub(super) fn server_runs(&self) -> &[ServerRun] {
        &self.servers
    }

    /// The exit begins: all times and counts run from here.
    pub(super) fn begin(&mut self) {
        self.started = Some(Started { wall: SystemTime::now(), at: Instant::now() });
        for run in &mut self.servers {
            run.completed = run.server.drain().gate.completed();
            run.rejected = run.server.drain().gate.rejected();
        }
    }

    pub(super) fn enter(&mut self, phase: usize) {
        let start = self.elapsed();
        self.phases.push(PhaseRun { phase, start, end: None });
    }

    pub(super) fn leave(&mut self, by: EndedBy) {
        let end = self.elapsed();
        if let Some(run) = self.phases.last_mut() {
            run.end = Some((end, by));
        }
    }

    pub(super) fn asked(&mut self, id: TaskId) {
        let now = self.elapsed();
        let run = &mut self.tasks[id];
        run.fate = TaskStatus::Running;
        run.asked = Some(now);
    }

    pub(super) fn ended(&mut self, id: TaskId, fate: TaskStatus, error: Option<String>) {
        let now = self.elapsed();
        let run = &mut self.tasks[id];
        run.fate = fate;
        run.ended = Some(now);
        run.error = error;
    }

    /// What is lost with a task that was not done.
    pub(super) fn lost(&mut self, id: TaskId, lost: &str) {
        let run = &mut self.tasks[id];
        run.error = Some(match &run.error {
            Some(error) => format!("{error}; {lost}"),
            None => lost.to_owned(),
        });
    }

    /// Names the requests of a server that are cut off; the first time counts.
    pub(super) fn abandon(&mut self, name: &str) -> &[Abandoned] {
        let Some(run) = self.servers.iter_mut().find(|run| **run.server.name() == *name) else { return &[] };
        let named = || {
            let requests = run.server.drain().connections.in_flight().into_iter();
            requests
                .map(|request| Abandoned { method: request.method, path: request.path, age: request.age })
                .collect()
        };
        run.abandoned.get_or_insert_with(named)
    }

    /// The report of an exit that is over. Fates are the machine's; what it cut off at the end is known only to it.
    pub(super) fn report(
        &mut self,
        plan: &Plan,
        statuses: &PerTask<TaskStatus>,
        outcome: Outcome,
        codes: ExitCodes,
    ) -> Report {
        let duration = self.elapsed();
        for (id, &fate) in statuses.iter() {
            let run = &mut self.tasks[id];
            run.fate = fate;
            run.ended = run.ended.or(run.asked.map(|_| duration));
        }
        let exit_code = codes.of(outcome);
        self.ended = Some((outcome, exit_code));
        Report {
            outcome,
            reason: self.reason.clone().unwrap_or_default(),
            exit_code,
            started_at: self.started.map_or_else(SystemTime::now, |started| started.wall),
            duration,
            phases: self.phases.iter().map(|run| run.report(plan.phases(), duration)).collect(),
            servers: self.servers.iter().map(ServerRun::report).collect(),
            checkpoints: self.members(plan, Kind::Checkpoint),
            callbacks: self.members(plan, Kind::Callback),
            resources: self.members(plan, Kind::Resource),
            workers: self.members(plan, Kind::Worker),
        }
    }

    /// The members of a kind that has one task each, in the order of registration.
    pub(super) fn members(&self, plan: &Plan, kind: Kind) -> Vec<CallbackReport> {
        let now = self.elapsed();
        let tasks = self.tasks.iter().filter(|&(id, _)| plan.member_of(id).kind == kind);
        let mut found: Vec<_> = tasks.collect();
        found.sort_by_key(|&(id, _)| plan.task(id).member);
        let report = |(id, run): (TaskId, &TaskRun)| CallbackReport {
            name: plan.member_of(id).name.clone(),
            fate: run.fate,
            duration: run
                .asked
                .map_or(Duration::ZERO, |asked| run.ended.unwrap_or(now).saturating_sub(asked)),
            error: run.error.clone(),
        };
        found.into_iter().map(report).collect()
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.started.map_or(Duration::ZERO, Started::elapsed)
    }
}

impl PhaseRun {
    fn report(&self, phases: &[Phase], now: Duration) -> PhaseReport {
        let (end, ended_by) = self.end.unwrap_or((now, EndedBy::Deadline));
        PhaseReport {
            kind: phases[self.phase].kind,
            start: self.start,
            duration: end.saturating_sub(self.start),
            ended_by,
        }
    }
}

impl ServerRun {
    fn report(&self) -> ServerReport {
        let gate = &self.server.drain().gate;
        ServerReport {
            name: self.server.name().to_string(),
            in_flight_at_start: gate.in_flight_at_reject(),
            completed: gate.completed().saturating_sub(self.completed),
            rejected: gate.rejected().saturating_sub(self.rejected),
            abandoned: self.abandoned.clone().unwrap_or_default(),
        }
    }
}
