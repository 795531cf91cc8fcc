//! [`ShutdownSupervisor`]: messages in, events to the machine, effects out.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{
    CallbackActor, HttpServerActor, JobStart, Monitor, Unsaved,
    heartbeat::Heartbeat,
    messages::{Cancel, EnterLameDuck, RunTask, ServerFailed, SignalReceived, StopRequested, TaskFinished},
    timers::Timers,
};
use crate::{
    locale::Language,
    sequence::{
        Effect, Event, ExitCodes, Outcome, PhaseKind, Plan, Report, Signal, State, TaskId, TaskResult,
        TaskStatus, Timer,
    },
    server::StartedServer,
};

/// Orchestrates the exit. Everything that it decides is decided by the [machine](crate::sequence); it keeps no
/// state of its own but what carrying that out takes, never waits, and never blocks its thread.
pub struct ShutdownSupervisor {
    pub(super) plan: Arc<Plan>,
    pub(super) state: State,
    pub(super) monitor: Arc<Monitor>,
    members: Vec<Member>,
    timers: Timers,
    /// The first signal's time, from which the machine's are counted.
    epoch: Option<Instant>,
    released: bool,
    pub(super) hooks: Hooks,
}

/// What the supervisor is made of.
pub(crate) struct SupervisorConfig {
    pub(crate) plan: Arc<Plan>,
    pub(crate) monitor: Arc<Monitor>,
    /// In the plan's order: what each member is.
    pub(crate) members: Vec<MemberSpec>,
    pub(crate) hooks: Hooks,
}

/// A member that has not been started.
pub(crate) enum MemberSpec {
    Server(Box<StartedServer>),
    Job(Box<JobStart>),
}

/// What the supervisor tells the world.
pub(crate) struct Hooks {
    pub(crate) language: Language,
    pub(crate) codes: ExitCodes,
    /// Whether the log names what is abandoned and lost, beyond the transcript's lines.
    pub(crate) details: bool,
    /// How often waiting is reported; zero is never.
    pub(crate) progress_interval: Duration,
    /// Cancelled when rejecting begins, for the streams.
    pub(crate) streams: CancellationToken,
    /// Called when the exit begins.
    pub(crate) on_begin: Box<dyn FnMut() + Send>,
    /// Who hears how things stand.
    pub(crate) watch: Option<Heartbeat>,
    /// Called when a server has failed. If that is because the program has stopped its `System`: how long the exit may
    /// take.
    pub(crate) system_stopped: Box<dyn FnMut() -> Option<Duration> + Send>,
    /// Called at the end, with the report. Nothing follows.
    pub(crate) on_exit: Box<dyn FnMut(Report) + Send>,
}

/// A member, as the supervisor knows it.
struct Member {
    label: String,
    unsaved: Option<Unsaved>,
    address: Address,
}

enum Address {
    Server(Addr<HttpServerActor>),
    Job(Addr<CallbackActor>),
}

impl ShutdownSupervisor {
    /// Starts it and its members on the calling thread.
    ///
    /// # Errors
    /// When the thread's runtime cannot watch a server's socket.
    pub(crate) fn start_here(setup: SupervisorConfig) -> std::io::Result<Addr<Self>> {
        let context = Context::new();
        let address = context.address();
        let mut members = Vec::new();
        for (index, recruit) in setup.members.into_iter().enumerate() {
            let spec = &setup.plan.members()[index];
            let label = setup.hooks.language.label(spec.kind, &spec.name);
            members.push(match recruit {
                MemberSpec::Server(server) => {
                    let id = crate::sequence::MemberId(index);
                    let died = address.clone().recipient();
                    let actor =
                        HttpServerActor::new(*server, setup.plan.timeouts().keep_alive_grace, id, died)?;
                    Member { label, unsaved: None, address: Address::Server(actor.start()) }
                }
                MemberSpec::Job(parts) => {
                    let label = parts.label.clone().unwrap_or(label);
                    let unsaved = parts.unsaved.clone();
                    Member { label, unsaved, address: Address::Job(parts.start()) }
                }
            });
        }
        let supervisor = Self {
            state: State::new(&setup.plan),
            plan: setup.plan,
            monitor: setup.monitor,
            members,
            timers: Timers::default(),
            epoch: None,
            released: false,
            hooks: setup.hooks,
        };
        Ok(context.run(supervisor))
    }

    /// Takes an event through the machine, and carries out what it says.
    fn step(&mut self, event: Event, ctx: &mut Context<Self>) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for effect in self.state.apply(&self.plan, event) {
                if let Some(follows) = self.carry_out(effect, ctx) {
                    events.push_back(follows);
                }
            }
        }
    }

    /// Carries out an effect; what it answers is an event that follows from it at once.
    fn carry_out(&mut self, effect: Effect, ctx: &mut Context<Self>) -> Option<Event> {
        match effect {
            Effect::Begin => self.begin(ctx),
            Effect::Arm { timer, after } => self.timers.arm(timer, after, ctx),
            Effect::Enter { phase } => self.enter(phase),
            Effect::RunTask(id) => return self.ask(id, ctx),
            Effect::TimeOut(id) => self.cancel(id, TaskStatus::TimedOut),
            Effect::CutOff(id) => self.cancel(id, TaskStatus::CutOff),
            Effect::Leave { by, .. } => self.monitor.write(|record| record.leave(by)),
            Effect::Exit(outcome) => self.exit(outcome),
        }
        None
    }

    fn begin(&mut self, ctx: &mut Context<Self>) {
        (self.hooks.on_begin)();
        self.monitor.write(super::recorder::Recorder::begin);
        log::info!("{}", self.hooks.language.begun());
        for member in &self.members {
            if let Address::Server(server) = &member.address {
                server.do_send(EnterLameDuck);
            }
        }
        if !self.hooks.progress_interval.is_zero() {
            ctx.run_interval(self.hooks.progress_interval, |supervisor, _| supervisor.report_progress());
        }
    }

    fn enter(&mut self, index: usize) {
        let phase = &self.plan.phases()[index];
        self.monitor.write(|record| record.enter(index));
        if phase.kind == PhaseKind::Drain {
            self.hooks.streams.cancel();
        }
        // Resources are a phase each, and one line for all.
        if phase.kind != PhaseKind::Release || !std::mem::replace(&mut self.released, true) {
            log::info!("{}", self.hooks.language.phase(phase.kind, phase.delay));
        }
        self.tell_watch();
    }

    fn ask(&mut self, id: TaskId, ctx: &mut Context<Self>) -> Option<Event> {
        let (task, phase) = (self.plan.task(id), self.plan.phase_of(id));
        let ask = RunTask { id, phase, timeout: task.timeout, reply: ctx.address().recipient() };
        self.monitor.write(|record| record.asked(id));
        if phase.is_some_and(PhaseKind::closes_servers) {
            log::info!("{}", self.hooks.language.closing(&self.plan.member_of(id).name));
        }
        let asked = match &self.members[task.member.0].address {
            Address::Server(server) => server.try_send(ask).is_ok(),
            Address::Job(job) => job.try_send(ask).is_ok(),
        };
        (!asked).then_some(Event::TaskFinished { task: id, result: TaskResult::Unreachable })
    }

    /// Tells a member that it is not waited for any more, and says so.
    fn cancel(&mut self, id: TaskId, fate: TaskStatus) {
        self.tell(id);
        if self.is_draining_server(id) {
            self.abandon(&self.plan.member_of(id).name);
        } else {
            log::warn!("{}", self.hooks.language.timed_out(&self.member(id).label));
        }
        self.monitor.write(|record| record.ended(id, fate, None));
    }

    /// Tells a member that it is not waited for any more. Telling again changes nothing.
    fn tell(&self, id: TaskId) {
        match &self.member(id).address {
            Address::Server(server) => server.do_send(Cancel { id }),
            Address::Job(job) => job.do_send(Cancel { id }),
        }
    }

    fn abandon(&self, server: &str) {
        let language = self.hooks.language;
        self.monitor.write(|record| {
            let abandoned = record.abandon(server);
            if self.hooks.details {
                for request in abandoned.iter().take(NAMED) {
                    let line = language.abandoned(server, &request.method, &request.path, request.age);
                    log::warn!("{line}");
                }
            }
        });
    }

    fn exit(&mut self, outcome: Outcome) {
        let language = self.hooks.language;
        self.finalize_unfinished();
        match outcome {
            Outcome::Clean => log::info!("{}", language.clean()),
            Outcome::Incomplete => log::warn!("{}", language.incomplete()),
            Outcome::TimedOut => log::error!("{}", language.deadline()),
            Outcome::Forced => log::error!("{}", language.forced()),
        }
        let report = self
            .monitor
            .write(|record| record.report(&self.plan, self.state.statuses(), outcome, self.hooks.codes));
        (self.hooks.on_exit)(report);
    }

    /// Names what was cut off by a sudden end, and what is lost with whoever did not do its part.
    fn finalize_unfinished(&self) {
        for (id, &fate) in self.state.statuses().iter() {
            if fate == TaskStatus::Done {
                continue;
            }
            if fate == TaskStatus::CutOff {
                self.tell(id);
            }
            // A server that failed was not waited for: what it still has in flight is cut off, too.
            let was_asked = matches!(fate, TaskStatus::CutOff | TaskStatus::Unreachable);
            if was_asked && self.is_draining_server(id) {
                self.abandon(&self.plan.member_of(id).name);
            }
            let member = self.member(id);
            if let Some(lost) = member.unsaved.as_ref().and_then(lost) {
                log::error!("{}", self.hooks.language.lost(&member.label, &lost));
                self.monitor.write(|record| record.lost(id, &lost));
            }
        }
    }

    fn ended(&mut self, ended: TaskFinished, ctx: &mut Context<Self>) {
        // Too late: its fate is sealed, and so is what the report says of it.
        if !self.state.is_waited_for(ended.id) {
            return;
        }
        let member = self.member(ended.id);
        let language = self.hooks.language;
        let error = ended.error.clone().unwrap_or_default();
        match ended.result {
            TaskResult::Done if self.plan.phase_of(ended.id).is_some_and(PhaseKind::closes_servers) => {
                log::info!("{}", language.closed(&self.plan.member_of(ended.id).name));
            }
            TaskResult::Done => {}
            TaskResult::Failed => log::error!("{}", language.failed(&member.label, &error)),
            TaskResult::Panicked => log::error!("{}", language.panicked(&member.label, &error)),
            TaskResult::Unreachable => log::error!("{}", language.unreachable(&member.label)),
        }
        self.monitor.write(|record| record.ended(ended.id, ended.result.into(), ended.error));
        self.step(Event::TaskFinished { task: ended.id, result: ended.result }, ctx);
    }

    /// Every timer that is due, in order; then the next one runs.
    pub(super) fn timers_due(&mut self, ctx: &mut Context<Self>) {
        self.timers.ran_out();
        while let Some(timer) = self.timers.next_due() {
            self.step(Event::Timer(timer), ctx);
        }
        self.timers.run(ctx);
    }

    fn report_progress(&self) {
        for line in self.progress() {
            log::info!("{line}");
        }
    }

    /// Who is waited for, and for how long still: the requests in a line, the others in another.
    pub(super) fn progress(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let pending: Vec<_> = self.state.pending().collect();
        let left = |timer| self.timers.left(timer).unwrap_or_default();
        let longest = pending.iter().map(|&id| left(Timer::of(&self.plan, id))).max();
        let Some(longest) = longest else { return lines };
        let left = longest.min(left(Timer::Deadline));
        let language = self.hooks.language;
        let (servers, others): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|&id| self.is_draining_server(id));
        if !servers.is_empty() {
            let (count, oldest) = self.monitor.read(|record| {
                let count = record.servers().map(|server| server.drain().gate.in_flight()).sum();
                let all = record.servers().flat_map(|server| server.drain().connections.in_flight());
                (count, all.max_by_key(|request| request.age))
            });
            let oldest = oldest.as_ref().map(|it| (it.method.as_str(), it.path.as_str(), it.age));
            lines.push(language.progress_requests(count, oldest, left));
        }
        if !others.is_empty() {
            let label = |&id: &TaskId| self.member(id).label.clone();
            let named: Vec<_> = others.iter().take(NAMED).map(label).collect();
            let more = others.len() - named.len();
            lines.push(language.progress_members(&named, more, left));
        }
        lines
    }

    fn member(&self, id: TaskId) -> &Member {
        &self.members[self.plan.task(id).member.0]
    }

    /// Whether it is a server's requests that are waited for, each of which has a name of its own.
    fn is_draining_server(&self, id: TaskId) -> bool {
        self.plan.member_of(id).kind.is_server() && self.plan.phase_of(id) == Some(PhaseKind::Drain)
    }
}

/// How many are named in one go.
const NAMED: usize = 10;

/// What a job says is lost. One that panics instead does not take the exit along.
fn lost(unsaved: &Unsaved) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| unsaved())).unwrap_or(None)
}

impl Actor for ShutdownSupervisor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(watch) = &self.hooks.watch {
            ctx.run_interval(watch.every, |supervisor, _| supervisor.tell_watch());
        }
    }
}

impl Handler<SignalReceived> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, signal: SignalReceived, ctx: &mut Self::Context) {
        let epoch = *self.epoch.get_or_insert(signal.at);
        let reason = signal.name;
        self.asked_by(reason);
        let at = signal.at.saturating_duration_since(epoch);
        self.step(Event::Signal(Signal { at, kind: signal.kind }), ctx);
    }
}

impl Handler<StopRequested> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, stop: StopRequested, ctx: &mut Self::Context) {
        self.asked_by(stop.reason);
        self.step(Event::Stop, ctx);
    }
}

impl Handler<ServerFailed> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, failed: ServerFailed, ctx: &mut Self::Context) {
        let name = &self.plan.members()[failed.member.0].name;
        log::error!("{}", self.hooks.language.server_failed(name));
        // If the program has stopped its `System`, that ends the other threads within this time.
        ctx.run_later(SYSTEM_STOP_DELAY, move |supervisor, ctx| {
            if !supervisor.notice_system_stop(ctx) {
                let name = &supervisor.plan.members()[failed.member.0].name;
                supervisor.asked_by(format!("server {name} failed"));
                ctx.run_later(SYSTEM_STOP_RECHECK, |supervisor, ctx| {
                    supervisor.notice_system_stop(ctx);
                });
            }
            supervisor.step(Event::MemberFailed { member: failed.member }, ctx);
        });
    }
}

/// How long a stopped `System` may take to end its threads, before the failure of a server is taken for its own.
const SYSTEM_STOP_DELAY: Duration = Duration::from_millis(10);
/// When it is looked at once more, for a machine that is busy.
const SYSTEM_STOP_RECHECK: Duration = Duration::from_millis(100);

impl ShutdownSupervisor {
    /// Returns true if the program has stopped its `System`, and gives the exit the time that it has then.
    fn notice_system_stop(&mut self, ctx: &mut Context<Self>) -> bool {
        let left = (self.hooks.system_stopped)();
        if let Some(left) = left {
            self.asked_by("System::stop()".to_owned());
            ctx.run_later(left, |supervisor, ctx| supervisor.step(Event::Timer(Timer::Deadline), ctx));
        }
        left.is_some()
    }
}

impl Handler<TaskFinished> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, ended: TaskFinished, ctx: &mut Self::Context) {
        self.ended(ended, ctx);
    }
}

impl ShutdownSupervisor {
    /// The first to ask is the reason.
    fn asked_by(&self, reason: String) {
        if self.state.is_serving() {
            self.monitor.write(|record| record.reason.get_or_insert(reason).len());
        }
    }
}

impl std::fmt::Debug for ShutdownSupervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShutdownSupervisor").field("state", &self.state).finish_non_exhaustive()
    }
}
