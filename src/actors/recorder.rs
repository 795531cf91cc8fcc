//! [`Recorder`]: the machine, and with it all that has happened so far; made into a status and, at the end, a report.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use super::server_run::ServerRun;
use crate::{
    locale::Language,
    report::{
        MemberReport, MemberStatus, PhaseReport, PhaseStatus, PreviousExit, Report, Request, Status,
        millis_of, verdict,
    },
    sequence::{
        Effect, EndedBy, Event, ExitCodes, Kind, Outcome, PerTask, PhaseKind, Plan, State, TaskId, TaskStatus,
    },
    server::Handle,
};

/// The exit so far. Where each task stands is the machine's; this adds times, errors and counts.
#[derive(Debug)]
pub(super) struct Recorder {
    plan: Arc<Plan>,
    state: State,
    /// When the program began to serve.
    up_since: SystemTime,
    previous: Option<PreviousExit>,
    started: Option<Started>,
    /// Its duration, once it is over.
    over: Option<Duration>,
    reason: Option<String>,
    phases: Vec<PhaseRun>,
    tasks: PerTask<TaskRun>,
    servers: Vec<ServerRun>,
    report: Option<Report>,
}

/// The first request to stop, on both clocks.
#[derive(Clone, Copy, Debug)]
struct Started {
    wall: SystemTime,
    at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct PhaseRun {
    phase: usize,
    start: Duration,
    end: Option<(Duration, EndedBy)>,
}

#[derive(Clone, Debug, Default)]
struct TaskRun {
    asked: Option<Duration>,
    ended: Option<Duration>,
    error: Option<String>,
}

impl Recorder {
    pub(super) fn new(plan: Arc<Plan>, servers: &[Handle], previous: Option<PreviousExit>) -> Self {
        Self {
            state: State::new(&plan),
            up_since: SystemTime::now(),
            previous,
            started: None,
            over: None,
            reason: None,
            phases: Vec::new(),
            tasks: plan.per_task(&TaskRun::default()),
            servers: servers.iter().map(ServerRun::new).collect(),
            report: None,
            plan,
        }
    }

    /// Takes an event through the machine and notes what follows, which is still to be carried out. `detail` is the
    /// reason of a request to stop, or the error of a task's answer. A task that is not waited for any more has none.
    pub(super) fn step(&mut self, event: Event, detail: Option<String>) -> Vec<Effect> {
        // One time for all of it: a phase begins when the one before it ends.
        let now = self.elapsed();
        match event {
            Event::TaskFinished { task, .. } => {
                self.tasks[task].ended = Some(now);
                self.tasks[task].error = detail;
            }
            // The first reason is the exit's.
            Event::Signal(_) | Event::Stop | Event::MemberFailed { .. } => {
                self.reason = self.reason.take().or(detail);
            }
            Event::Timer(_) => {}
        }
        let effects = self.state.apply(&self.plan, event);
        if let Event::MemberFailed { .. } = event {
            self.end_tasks_that_are_over(now);
        }
        for &effect in &effects {
            self.note(effect, now);
        }
        effects
    }

    fn note(&mut self, effect: Effect, now: Duration) {
        match effect {
            Effect::Begin => self.begin(),
            Effect::Arm { .. } => {}
            Effect::Enter { phase } => {
                self.phases.push(PhaseRun { phase, start: now, end: None });
                if self.plan.phases()[phase].kind == PhaseKind::Drain {
                    // In the same step, so that a status that says `drain` is true of every server.
                    self.servers.iter_mut().for_each(ServerRun::reject_requests);
                }
            }
            Effect::Leave { by, .. } => {
                if let Some(run) = self.phases.last_mut() {
                    run.end = Some((now, by));
                }
            }
            Effect::RunTask(task) => self.tasks[task].asked = Some(now),
            Effect::TimeOut(task) | Effect::CutOff { task, .. } => self.tasks[task].ended = Some(now),
            Effect::Exit(_) => {
                self.over = Some(now);
                self.end_tasks_that_are_over(now);
            }
        }
    }

    /// The exit begins: all times and counts run from here.
    fn begin(&mut self) {
        self.started = Some(Started { wall: SystemTime::now(), at: Instant::now() });
        self.servers.iter_mut().for_each(ServerRun::begin);
    }

    fn end_tasks_that_are_over(&mut self, now: Duration) {
        for (task, &status) in self.state.statuses().iter() {
            let run = &mut self.tasks[task];
            if status != TaskStatus::Running && run.asked.is_some() {
                run.ended.get_or_insert(now);
            }
        }
    }

    /// Notes what is lost or kept with a task that was not done.
    pub(super) fn add_error(&mut self, task: TaskId, more: &str) {
        let run = &mut self.tasks[task];
        run.error = Some(match &run.error {
            Some(error) => format!("{error}; {more}"),
            None => more.to_owned(),
        });
    }

    /// Names the requests of a server that are cut off; `None` if they were named before.
    pub(super) fn abandon(&mut self, name: &str) -> Option<&[Request]> {
        self.servers.iter_mut().find(|run| **run.server.name() == *name)?.abandon()
    }

    /// The report of an exit that is over.
    pub(super) fn report(&mut self, outcome: Outcome, codes: ExitCodes, language: Language) -> Report {
        let mut report = Report {
            outcome,
            reason: self.reason.clone().unwrap_or_default(),
            verdict: String::new(),
            exit_code: codes.of(outcome),
            started_at: self.started.map_or_else(SystemTime::now, |started| started.wall),
            duration: self.over.unwrap_or_else(|| self.elapsed()),
            phases: self.phases.iter().map(|run| self.phase_report(run)).collect(),
            servers: self.servers.iter().map(ServerRun::report).collect(),
            checkpoints: self.members(Kind::Checkpoint),
            callbacks: self.members(Kind::Callback),
            resources: self.members(Kind::Resource),
            workers: self.members(Kind::BackgroundWorker),
        };
        report.verdict = verdict(&report, language);
        self.report = Some(report.clone());
        report
    }

    /// The state of the exit at this instant.
    pub(super) fn status(&self) -> Status {
        let timeout = self.plan.timeouts().timeout;
        let members = |kind| self.members(kind).into_iter().map(MemberStatus::from).collect();
        let report = self.report.as_ref();
        Status {
            phase: self.phase(),
            reason: self.reason.clone(),
            verdict: report.map(|report| report.verdict.clone()),
            deadline_left_ms: self.deadline_left().map(millis_of),
            timeout_ms: millis_of(timeout),
            servers: self.servers.iter().map(ServerRun::status).collect(),
            callbacks: members(Kind::Callback),
            resources: members(Kind::Resource),
            workers: members(Kind::BackgroundWorker),
            checkpoints: members(Kind::Checkpoint),
            phases: (0..self.plan.phases().len()).map(|phase| self.phase_status(phase)).collect(),
            outcome: report.map(|report| report.outcome),
            exit_code: report.map(|report| report.exit_code),
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started_at: self.up_since,
            previous_exit: self.previous.clone(),
        }
    }

    /// `running`, the name of the phase, or `exited`.
    pub(super) fn phase(&self) -> &'static str {
        match (&self.report, self.phases.last()) {
            (Some(_), _) => "exited",
            (None, Some(run)) => self.plan.phases()[run.phase].kind.name(),
            (None, None) => "running",
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub(super) fn servers(&self) -> impl Iterator<Item = &Handle> {
        self.servers.iter().map(|run| &run.server)
    }

    /// The request that has been in flight longest, of all servers.
    pub(super) fn oldest_request(&self) -> Option<Request> {
        self.servers.iter().flat_map(|run| run.oldest(1)).max_by_key(|request| request.age)
    }

    /// What is left of the deadline, once the exit has begun.
    pub(super) fn deadline_left(&self) -> Option<Duration> {
        let timeout = self.plan.timeouts().timeout;
        self.started.map(|started| timeout.saturating_sub(started.at.elapsed()))
    }

    /// How long a task was waited for, or has been.
    pub(super) fn duration(&self, task: TaskId) -> Duration {
        let run = &self.tasks[task];
        run.asked.map_or(Duration::ZERO, |asked| run.ended.unwrap_or(self.elapsed()).saturating_sub(asked))
    }

    /// How long a phase that has begun has taken.
    pub(super) fn duration_of(&self, phase: usize) -> Duration {
        let run = self.phases.iter().rev().find(|run| run.phase == phase);
        run.map_or(Duration::ZERO, |run| {
            run.end.map_or(self.elapsed(), |(end, _)| end).saturating_sub(run.start)
        })
    }

    /// What started the exit.
    pub(super) fn reason(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }

    /// How the exit ended, once it has.
    pub(super) fn verdict(&self) -> Option<&str> {
        self.report.as_ref().map(|report| report.verdict.as_str())
    }

    /// In whole milliseconds, so that a report is the same in memory and in its file, and its phases have no gaps.
    fn elapsed(&self) -> Duration {
        let elapsed = self.started.map_or(Duration::ZERO, |started| started.at.elapsed());
        Duration::from_millis(millis_of(elapsed))
    }

    /// The members of a kind that has one task each, in the order of registration.
    fn members(&self, kind: Kind) -> Vec<MemberReport> {
        let mut tasks: Vec<_> = self
            .state
            .statuses()
            .iter()
            .filter(|&(task, _)| self.plan.member_of(task).kind == kind)
            .collect();
        tasks.sort_by_key(|&(task, _)| self.plan.task(task).member);
        let report = |(task, &status): (TaskId, &TaskStatus)| MemberReport {
            name: self.plan.member_of(task).name.clone(),
            status,
            duration: self.duration(task),
            error: self.tasks[task].error.clone(),
        };
        tasks.into_iter().map(report).collect()
    }

    fn phase_report(&self, run: &PhaseRun) -> PhaseReport {
        // Every phase is left before the exit is over.
        let (end, ended_by) = run.end.unwrap_or((self.elapsed(), EndedBy::Deadline));
        PhaseReport {
            kind: self.plan.phases()[run.phase].kind,
            start: run.start,
            duration: end.saturating_sub(run.start),
            ended_by,
        }
    }

    fn phase_status(&self, index: usize) -> PhaseStatus {
        let run = self.phases.iter().find(|run| run.phase == index);
        let end = run.and_then(|run| run.end.map(|(end, by)| (end.saturating_sub(run.start), by)));
        let phase = &self.plan.phases()[index];
        PhaseStatus {
            kind: phase.kind,
            bound_ms: millis_of(phase.timeout()),
            start_ms: run.map(|run| millis_of(run.start)),
            duration_ms: end.map(|(duration, _)| millis_of(duration)),
            ended_by: end.map(|(_, by)| by),
        }
    }
}
