//! [`ShutdownSupervisor`]: messages in, events to the machine, effects out.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use actix::prelude::*;

use super::{
    config::{Hooks, SupervisorConfig},
    heartbeat::ExitProgress,
    members::Members,
    messages::{RunTask, SignalReceived, StopRequested, TaskFinished},
    monitor::Monitor,
    narrator::{Named, Narrator},
    progress::{Waiting, progress},
    timers::Timers,
};
use crate::sequence::{
    Effect, EndedBy, Event, MemberId, Outcome, PhaseKind, Plan, TaskId, TaskResult, TaskStatus, Timer,
};

/// Orchestrates the exit. Everything that it decides is decided by the [machine](crate::sequence), which the monitor
/// holds; it keeps no state of its own but what carrying that out takes, never waits, and never blocks its thread.
pub struct ShutdownSupervisor {
    pub(super) plan: Arc<Plan>,
    pub(super) monitor: Arc<Monitor>,
    members: Members,
    timers: Timers<Self>,
    pub(super) narrator: Narrator,
    pub(super) hooks: Hooks,
}

impl ShutdownSupervisor {
    /// Starts it and its members on the calling thread.
    ///
    /// # Errors
    /// When the thread's runtime cannot watch a server's socket.
    pub(crate) fn start_here(setup: SupervisorConfig) -> std::io::Result<Addr<Self>> {
        let context = Context::new();
        let failed = context.address().recipient();
        let (plan, language) = (Arc::clone(&setup.plan), setup.hooks.language);
        let label = |id: MemberId| language.label(plan.members()[id.0].kind, &plan.members()[id.0].name);
        let members = Members::start(setup.members, *plan.timeouts(), &failed, label)?;
        let supervisor = Self {
            plan: setup.plan,
            monitor: setup.monitor,
            members,
            timers: Timers::new(Self::timers_due),
            narrator: Narrator::new(setup.hooks.language, setup.hooks.log_summary),
            hooks: setup.hooks,
        };
        Ok(context.run(supervisor))
    }

    /// Takes an event through the machine, and carries out what it says. `detail` is the reason of a request to stop, or
    /// the error of a task's answer.
    pub(super) fn step(&mut self, event: Event, detail: Option<String>, ctx: &mut Context<Self>) {
        let mut events = VecDeque::from([(event, detail)]);
        while let Some((event, detail)) = events.pop_front() {
            for effect in self.monitor.write(|recorder| recorder.step(event, detail)) {
                if let Some(follows) = self.carry_out(effect, ctx) {
                    events.push_back((follows, None));
                }
            }
        }
    }

    /// Carries out an effect. Returns the event that follows from it at once, if any.
    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        match effect {
            Effect::Begin => self.begin(ctx),
            Effect::Arm { timer, after } => self.timers.arm(timer, after, ctx),
            Effect::Enter { phase } => self.enter(phase),
            Effect::RunTask(id) => return self.ask(id, ctx),
            Effect::TimeOut(id) => self.cancel(id, EndedBy::Timeout),
            Effect::CutOff { task, by } => self.cancel(task, by),
            Effect::Leave { phase, by } => {
                let took = self.monitor.read(|recorder| recorder.duration_of(phase));
                self.narrator.phase_ended(self.plan.phases()[phase].kind, took, by);
            }
            Effect::Exit(outcome) => self.exit(outcome),
        }
        None
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        (self.hooks.on_begin)();
        self.narrator.begun(&self.monitor.read(|recorder| recorder.reason().to_owned()));
        self.members.enter_lame_duck();
        if !self.hooks.progress_interval.is_zero() {
            ctx.run_interval(self.hooks.progress_interval, |supervisor, _| {
                let left = supervisor.left();
                for waiting in supervisor.progress(left) {
                    Narrator::waiting(supervisor.phase(), left, &waiting);
                }
            });
        }
    }

    fn enter(&mut self, index: usize) {
        let phase = &self.plan.phases()[index];
        if phase.kind == PhaseKind::Drain {
            // By now every server rejects requests, and has counted those in flight.
            self.hooks.streams.cancel();
        }
        self.narrator.phase_started(phase);
        self.beat();
    }

    fn ask(&mut self, id: TaskId, ctx: &mut Context<Self>) -> Option<Event> {
        let (task, phase) = (self.plan.task(id), self.plan.phase_of(id));
        let ask = RunTask { id, phase, timeout: task.timeout, reply: ctx.address().recipient() };
        if phase.is_some_and(PhaseKind::closes_servers) {
            self.narrator.server_closing(&self.plan.member_of(id).name);
        }
        let asked = self.members.ask(task.member, ask);
        (!asked).then_some(Event::TaskFinished { task: id, result: TaskResult::Unreachable })
    }

    /// Tells a member that it is no longer waited for, and logs it.
    fn cancel(&self, id: TaskId, by: EndedBy) {
        self.members.cancel(self.plan.task(id).member, id);
        if self.plan.drains_a_server(id) {
            self.abandon(&self.plan.member_of(id).name);
        }
        self.narrator.member_cancelled(self.named(id), self.plan.phase_of(id), by, self.took(id));
    }

    fn abandon(&self, server: &str) {
        self.monitor.write(|recorder| {
            if let Some(requests) = recorder.abandon(server) {
                self.narrator.requests_abandoned(server, requests);
            }
        });
    }

    /// How long a task was waited for.
    fn took(&self, id: TaskId) -> Duration {
        self.monitor.read(|recorder| recorder.duration(id))
    }

    fn exit(&mut self, outcome: Outcome) {
        self.finalize_unfinished();
        let (codes, language) = (self.hooks.codes, self.hooks.language);
        let report = self.monitor.write(|recorder| recorder.report(outcome, codes, language));
        self.narrator.ended(&report);
        self.beat();
        (self.hooks.on_exit)(report);
    }

    /// Names the requests that were cut off, and what is lost or kept with jobs that were not done.
    fn finalize_unfinished(&self) {
        let statuses = self.monitor.read(|recorder| recorder.state().statuses().clone());
        for (id, &status) in statuses.iter() {
            if status == TaskStatus::Done {
                continue;
            }
            // Also where a server has failed, or a sudden end comes before requests are waited for.
            if self.plan.drains_a_server(id) {
                self.abandon(&self.plan.member_of(id).name);
            }
            let member = self.plan.task(id).member;
            if let Some(lost) = self.members.unsaved(member) {
                self.narrator.lost(self.named(id), &lost);
                self.monitor.write(|recorder| recorder.add_error(id, &lost));
            }
            // The error of an answer says so itself.
            let has_said = status == TaskStatus::Failed;
            if let Some(kept) = self.members.kept(member).filter(|_| !has_said) {
                self.narrator.kept(self.named(id), &kept);
                self.monitor.write(|recorder| recorder.add_error(id, &kept));
            }
        }
    }

    fn finished(&mut self, finished: TaskFinished, ctx: &mut Context<Self>) {
        // Too late: how it ended is settled, and so is what the report says of it.
        if !self.monitor.read(|recorder| recorder.state().is_waited_for(finished.id)) {
            return;
        }
        let (id, error) = (finished.id, finished.error.as_deref());
        let phase = self.plan.phase_of(id);
        self.narrator.member_answered(self.named(id), phase, finished.result, self.took(id), error);
        self.step(Event::TaskFinished { task: finished.id, result: finished.result }, finished.error, ctx);
    }

    /// Every timer that is due, in order; then the next one runs.
    fn timers_due(&mut self, ctx: &mut Context<Self>) {
        self.timers.ran_out();
        while let Some(timer) = self.timers.next_due() {
            self.step(Event::Timer(timer), None, ctx);
        }
        self.timers.run(ctx);
    }

    /// For how long it is still waited.
    fn left(&self) -> Duration {
        let left = |timer| self.timers.left(timer).unwrap_or_default();
        let longest = self
            .monitor
            .read(|recorder| recorder.state().pending().map(|id| left(Timer::of(&self.plan, id))).max());
        longest.unwrap_or_default().min(left(Timer::Deadline))
    }

    /// What is waited for.
    fn progress(&self, left: Duration) -> Vec<Waiting<'_>> {
        self.monitor
            .read(|recorder| progress(&self.plan, recorder, self.hooks.language, left, |id| self.label(id)))
    }

    /// The phase that the exit is in.
    fn phase(&self) -> Option<PhaseKind> {
        let index = self.monitor.read(|recorder| recorder.state().phase());
        index.map(|index| self.plan.phases()[index].kind)
    }

    fn beat(&mut self) {
        let progress = self.hooks.heartbeat.is_some().then(|| self.exit_progress());
        if let Some((heartbeat, progress)) = self.hooks.heartbeat.as_mut().zip(progress) {
            (heartbeat.tell)(&progress);
        }
    }

    fn exit_progress(&self) -> ExitProgress {
        let language = self.hooks.language;
        let (phase, verdict, deadline_left) = self.monitor.read(|recorder| {
            (recorder.state().phase(), recorder.verdict().map(str::to_owned), recorder.deadline_left())
        });
        let status = match (verdict, phase.map(|index| &self.plan.phases()[index])) {
            (Some(verdict), _) => verdict,
            (None, Some(phase)) => {
                let phase = language.phase(phase.kind, phase.delay);
                let waiting = self.progress(self.left()).into_iter().map(|waiting| waiting.sentence);
                [phase].into_iter().chain(waiting).collect::<Vec<_>>().join("; ")
            }
            (None, None) => language.started().to_owned(),
        };
        ExitProgress { status, deadline_left }
    }

    fn label(&self, id: TaskId) -> &str {
        self.members.label(self.plan.task(id).member)
    }

    fn named(&self, id: TaskId) -> Named<'_> {
        let member = self.plan.member_of(id);
        Named { kind: member.kind, name: &member.name, label: self.label(id) }
    }
}

impl Actor for ShutdownSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(heartbeat) = &self.hooks.heartbeat {
            ctx.run_interval(heartbeat.every, |supervisor, _| supervisor.beat());
        }
    }
}

impl Handler<SignalReceived> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, signal: SignalReceived, ctx: &mut Self::Context) {
        self.step(Event::Signal(signal.signal), Some(signal.name), ctx);
    }
}

impl Handler<StopRequested> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, stop: StopRequested, ctx: &mut Self::Context) {
        self.step(Event::Stop, Some(stop.reason), ctx);
    }
}

impl Handler<TaskFinished> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, finished: TaskFinished, ctx: &mut Self::Context) {
        self.finished(finished, ctx);
    }
}
