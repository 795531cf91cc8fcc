//! An exit to test: its members, its clock, its log and its report.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    future::{Future, pending},
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use actix::prelude::*;
use futures_core::future::LocalBoxFuture;
use log::Log;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{
        Checkpoint, FinishWork, Heartbeat, Hooks, Job, JobContext, JobError, MemberSpec, Monitor,
        ReleaseResource, RunCallback, ServerFailed, ShutdownSupervisor, SignalReceived, StopRequested,
        SupervisorConfig,
    },
    drain::Drain,
    locale::Language,
    report::{MemberReport, Report},
    sequence::{
        ExitCodes, Kind, Member, MemberId, PhaseKind, Plan, Signal, SignalKind, TaskStatus, Timeouts,
    },
    server::{Handle, StartedServer},
};

pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What an exit is made of. No member hangs unless a test says so.
pub(super) struct Rig {
    pub(super) timeouts: Timeouts,
    pub(super) progress_interval: Duration,
    pub(super) heartbeat: Option<Heartbeat>,
    pub(super) streams: CancellationToken,
    servers: Vec<(Handle, Kind)>,
    jobs: Vec<Job>,
}

/// A running exit.
pub(super) struct Exit {
    supervisor: Addr<ShutdownSupervisor>,
    pub(super) monitor: Arc<Monitor>,
    clock: Instant,
    report: oneshot::Receiver<Report>,
}

impl Rig {
    /// With the default timeouts and without members. A test that pauses the clock does so before.
    pub(super) fn new() -> Self {
        Self {
            timeouts: Timeouts::default(),
            progress_interval: Duration::ZERO,
            servers: Vec::new(),
            jobs: Vec::new(),
            heartbeat: None,
            streams: CancellationToken::new(),
        }
    }

    /// A server without workers: it closes at once, and drains when the returned handle's gate is empty.
    pub(super) fn server(&mut self, name: &str, kind: Kind) -> Handle {
        let handle = Handle::new(name.into(), Drain::new(1));
        self.servers.push((handle.clone(), kind));
        handle
    }

    /// Gives each phase that only takes time this length.
    pub(super) fn delay_for(&mut self, length: Duration) {
        for phase in PhaseKind::delays() {
            *phase.timeout_mut(&mut self.timeouts) = length;
        }
    }

    pub(super) fn job(&mut self, job: Job) {
        self.jobs.push(job);
    }

    /// A callback that is done after `takes`.
    pub(super) fn callback(&mut self, name: &str, takes: Duration) {
        self.job(Job::callback(name, member(move |_| done_after(takes)).recipient()));
    }

    /// Starts all actors on the test's own thread.
    pub(super) fn start(self) -> Exit {
        let servers = self.servers.iter().map(|(handle, kind)| Member::new(*kind, handle.name().as_ref()));
        let members = servers.chain(self.jobs.iter().map(Job::member)).collect();
        let plan = Arc::new(Plan::new(self.timeouts, members).expect("a plan"));
        let handles: Vec<_> = self.servers.into_iter().map(|(handle, _)| handle).collect();
        let monitor = Arc::new(Monitor::new(Arc::clone(&plan), &handles, None));
        let (sender, report) = oneshot::channel();
        let mut sender = Some(sender);
        let hooks = Hooks {
            heartbeat: self.heartbeat,
            language: Language::En,
            codes: ExitCodes { forced: 101, timed_out: 102, incomplete: 103 },
            log_summary: false,
            progress_interval: self.progress_interval,
            streams: self.streams,
            on_begin: Box::new(|| ()),
            system: System::current(),
            on_system_stop: Box::new(|| Duration::from_secs(5)),
            on_exit: Box::new(move |report| {
                let sender = sender.take().expect("an exit ends once");
                sender.send(report).expect("the test waits for it");
            }),
        };
        let start = |job: Job| job.into_start(&Arc::default()).expect("its thread starts");
        let jobs = self.jobs.into_iter().map(|job| MemberSpec::Job(Box::new(start(job))));
        let members = handles.into_iter().map(StartedServer::without_workers);
        let members = members.map(|server| MemberSpec::Server(Box::new(server))).chain(jobs).collect();
        let setup = SupervisorConfig { plan, monitor: Arc::clone(&monitor), members, hooks };
        let supervisor = ShutdownSupervisor::start_here(setup).expect("it has no socket to watch");
        Exit { supervisor, monitor, clock: Instant::now(), report }
    }

    /// Starts, stops, and waits for the report.
    pub(super) async fn run(self) -> Report {
        let exit = self.start();
        exit.stop();
        exit.report().await
    }
}

impl Exit {
    pub(super) fn stop(&self) {
        self.supervisor.do_send(StopRequested { reason: "asked".to_owned() });
    }

    /// A signal at this instant of the test's clock.
    pub(super) fn signal(&self, name: &str) {
        let signal = Signal::new(self.clock.elapsed(), SignalKind::Other);
        self.supervisor.do_send(SignalReceived { name: name.to_owned(), signal });
    }

    pub(super) fn died(&self, member: usize) {
        self.supervisor.do_send(ServerFailed { member: MemberId(member) });
    }

    /// Waits until `phase` has begun.
    pub(super) async fn reach(&self, phase: PhaseKind) {
        let mut changes = self.monitor.changes();
        while self.monitor.status().phase != phase.name() {
            changes.changed().await.expect("the monitor is there");
        }
    }

    pub(super) async fn report(self) -> Report {
        self.report.await.expect("the supervisor reports")
    }
}

/// Waits for that long, on the test's clock, and until all that is due by then is done.
pub(super) async fn pass(time: Duration) {
    tokio::time::sleep(time).await;
}

/// Finds a member's report by its name.
#[track_caller]
pub(super) fn of<'a>(reports: &'a [MemberReport], name: &str) -> &'a MemberReport {
    reports.iter().find(|report| report.name == name).expect("the report names it")
}

/// The name and the status of each.
pub(super) fn statuses(reports: &[MemberReport]) -> Vec<(&str, TaskStatus)> {
    reports.iter().map(|report| (report.name.as_str(), report.status)).collect()
}

pub(super) type Answer = LocalBoxFuture<'static, Result<(), JobError>>;

/// A user's actor: it does what the test says, on the test's thread.
pub(super) struct UserActor(Box<dyn FnMut(JobContext) -> Answer>);

impl UserActor {
    pub(super) fn new(work: impl FnMut(JobContext) -> Answer + 'static) -> Self {
        Self(Box::new(work))
    }
}

/// Starts a user's actor.
pub(super) fn member(work: impl FnMut(JobContext) -> Answer + 'static) -> Addr<UserActor> {
    UserActor::new(work).start()
}

/// An answer of a future's.
pub(super) fn answer(work: impl Future<Output = Result<(), JobError>> + 'static) -> Answer {
    Box::pin(work)
}

pub(super) fn done_after(takes: Duration) -> Answer {
    answer(async move {
        tokio::time::sleep(takes).await;
        Ok(())
    })
}

pub(super) fn never() -> Answer {
    answer(pending())
}

impl Actor for UserActor {
    type Context = Context<Self>;
}

impl Handler<RunCallback> for UserActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, RunCallback(context): RunCallback, _: &mut Self::Context) -> Self::Result {
        (self.0)(context)
    }
}

impl Handler<ReleaseResource> for UserActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, ReleaseResource(context): ReleaseResource, _: &mut Self::Context) -> Self::Result {
        (self.0)(context)
    }
}

impl Handler<Checkpoint> for UserActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, Checkpoint(context): Checkpoint, _: &mut Self::Context) -> Self::Result {
        (self.0)(context)
    }
}

impl Handler<FinishWork> for UserActor {
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, FinishWork(context): FinishWork, _: &mut Self::Context) -> Self::Result {
        (self.0)(context)
    }
}

/// What happened, in its order, with its time on the test's clock.
#[derive(Clone)]
pub(super) struct Diary(Arc<Mutex<Vec<(String, Duration)>>>, Instant);

impl Diary {
    pub(super) fn new() -> Self {
        Self(Arc::default(), Instant::now())
    }

    pub(super) fn note(&self, what: &str) {
        self.0.lock().expect("no panic").push((what.to_owned(), self.1.elapsed()));
    }

    pub(super) fn entries(&self) -> Vec<(String, Duration)> {
        self.0.lock().expect("no panic").clone()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.entries().into_iter().map(|(what, _)| what).collect()
    }
}

/// The log of the current thread, from here on.
pub(super) struct Lines(());

thread_local! {
    static LINES: RefCell<Vec<String>> = RefCell::default();
    static EVENTS: RefCell<Vec<BTreeMap<String, String>>> = RefCell::default();
}

impl Lines {
    pub(super) fn keep() -> Self {
        static INSTALLED: Once = Once::new();
        INSTALLED.call_once(|| {
            log::set_logger(&Keeper).expect("the only logger");
            log::set_max_level(log::LevelFilter::Info);
        });
        LINES.with_borrow_mut(Vec::clear);
        EVENTS.with_borrow_mut(Vec::clear);
        Self(())
    }

    #[expect(clippy::unused_self, reason = "there are lines only once they are kept")]
    pub(super) fn all(&self) -> Vec<String> {
        LINES.with_borrow(Clone::clone)
    }
}

impl Lines {
    /// The fields of each event, the message among them.
    #[expect(clippy::unused_self, reason = "as above")]
    pub(super) fn events(&self) -> Vec<BTreeMap<String, String>> {
        EVENTS.with_borrow(Clone::clone)
    }
}

struct Keeper;

/// Collects the fields of a record.
struct Fields(BTreeMap<String, String>);

impl<'kvs> log::kv::VisitSource<'kvs> for Fields {
    fn visit_pair(
        &mut self,
        key: log::kv::Key<'kvs>,
        value: log::kv::Value<'kvs>,
    ) -> Result<(), log::kv::Error> {
        self.0.insert(key.to_string(), value.to_string());
        Ok(())
    }
}

impl Log for Keeper {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        if record.target().starts_with("graceful_exit") {
            // What is for machines alone is no line.
            if record.target() != crate::actors::EVENTS {
                LINES.with_borrow_mut(|lines| lines.push(record.args().to_string()));
            }
            let mut fields = Fields(BTreeMap::new());
            record.key_values().visit(&mut fields).expect("it takes every field");
            if fields.0.contains_key("event") {
                fields.0.insert("message".to_owned(), record.args().to_string());
                EVENTS.with_borrow_mut(|events| events.push(fields.0));
            }
        }
    }

    fn flush(&self) {}
}
