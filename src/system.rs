//! The builder: wires everything, starts it, and returns the report.

use std::{
    error::Error,
    fmt, io,
    path::PathBuf,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio::sync::{oneshot, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{
        Board, CallbackError, Errand, Hooks, Job, Recruit, ReleaseResource, RunCallback, Setup,
        ShutdownSupervisor, SignalReceived, Status, StopRequested, Watch,
    },
    drain::Rejection,
    os::{
        exit::{self, Cause, Guard, Lines},
        signals::{self, Caught, InstallError, SignalName, Signals},
    },
    report_file::ReportFile,
    sequence::{Bounds, ExitCodes, Kind, Member, Plan, PlanError, Report},
    server::{BindError, Opened, Server, Stop},
    summary,
    words::Language,
};

#[cfg(all(unix, feature = "systemd"))]
use crate::os::systemd::Systemd;

/// How much later than the deadline the guard ends a process that did not end by itself.
const GUARD_AFTER_DEADLINE: Duration = Duration::from_millis(250);
/// The same after a second signal.
const GUARD_AFTER_SECOND_SIGNAL: Duration = Duration::from_millis(100);
/// The same once the exit is over, and nothing is left but to end the process.
const GUARD_AFTER_THE_END: Duration = Duration::from_millis(250);
/// How long those who look at the exit are waited for, to be told how it ended.
const LAST_WORD: Duration = Duration::from_millis(50);
/// How often it is seen whether they have been.
const LAST_WORD_LOOK: Duration = Duration::from_millis(1);
/// How long the log's last lines are waited for.
const LOG_FLUSH: Duration = Duration::from_millis(50);

/// A whole graceful exit around actix-web servers: the builder.
#[must_use = "nothing is served until it runs"]
pub struct GracefulExit {
    bounds: Bounds,
    linger: Duration,
    progress_interval: Duration,
    codes: ExitCodes,
    language: Language,
    details: bool,
    rejection: Option<Rejection>,
    report_path: Option<PathBuf>,
    signals: Vec<SignalName>,
    ends_process: bool,
    servers: Vec<Server>,
    jobs: Vec<Job>,
    flush_log: Box<dyn FnMut(Duration) + Send>,
    shared: Arc<Shared>,
    #[cfg(all(unix, feature = "systemd"))]
    systemd: Option<Systemd>,
    armed: Option<Armed>,
}

/// What catches signals and what ends the process when nothing else does.
struct Armed {
    /// None where the process goes on after the exit.
    guard: Option<Guard>,
    /// None where no signal is to be caught.
    signals: Option<Signals>,
}

impl GracefulExit {
    /// With the defaults of `config/default.toml`.
    pub fn builder() -> Self {
        Self {
            bounds: Bounds::default(),
            linger: Duration::from_millis(50),
            progress_interval: Duration::from_secs(1),
            codes: ExitCodes::default(),
            language: Language::default(),
            details: true,
            rejection: None,
            report_path: None,
            signals: SignalName::DEFAULT.to_vec(),
            ends_process: true,
            servers: Vec::new(),
            jobs: Vec::new(),
            flush_log: Box::new(|_| ()),
            shared: Arc::default(),
            #[cfg(all(unix, feature = "systemd"))]
            systemd: None,
            armed: None,
        }
    }

    /// How long each part may take.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// How long a closing server keeps a connection open that was opened or used within the last second: a
    /// request may be on its way. It ends early when each of them has had its last answer. 50 ms by default.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = linger;
        self
    }

    /// How often the log says what is waited for: each second by default, never with zero.
    pub fn progress_interval(mut self, interval: Duration) -> Self {
        self.progress_interval = interval;
        self
    }

    /// The exit code of each outcome but the clean one, whose code is 0.
    pub fn exit_codes(mut self, codes: ExitCodes) -> Self {
        self.codes = codes;
        self
    }

    /// The language of the log's lines and of the default rejection: English by default.
    pub fn language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// Whether the log also names each request that is cut off, and ends with a summary: it does by default.
    pub fn details(mut self, details: bool) -> Self {
        self.details = details;
        self
    }

    /// The answer to a request that comes too late: by default a 503 with a line of text.
    pub fn rejection(mut self, rejection: Rejection) -> Self {
        self.rejection = Some(rejection);
        self
    }

    /// Where the report is written at the end, as JSON: nowhere by default.
    pub fn report_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.report_path = Some(path.into());
        self
    }

    /// The signals that start the exit, and force it: by default [`SignalName::DEFAULT`]. With none, the exit
    /// starts by [`ExitHandle::stop`] alone. Handlers are the process's: only one builder in it can have signals.
    pub fn signals(mut self, signals: Vec<SignalName>) -> Self {
        self.signals = signals;
        self
    }

    /// Whether the process ends with the exit, as it does by default. A process that goes on, such as a test of
    /// an application, says no: no guard ends it then, and the actix `System` is not stopped. Threads that were
    /// started for the exit stay until the process ends.
    pub fn ends_process(mut self, ends: bool) -> Self {
        self.ends_process = ends;
        self
    }

    /// Called when the last line has been logged, with the time that it may take, so that the log's lines are out
    /// before the process ends.
    pub fn flush_log(mut self, flush: impl FnMut(Duration) + Send + 'static) -> Self {
        self.flush_log = Box::new(flush);
        self
    }

    /// Tells systemd when everything is up, how the exit goes, and that the supervisor lives; see
    /// [`Systemd::from_environment`].
    #[cfg(all(unix, feature = "systemd"))]
    pub fn systemd(mut self, systemd: Systemd) -> Self {
        self.systemd = Some(systemd);
        self
    }

    /// Adds a server.
    pub fn server(mut self, server: Server) -> Self {
        self.servers.push(server);
        self
    }

    /// Adds a job; the following four are short for it.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Adds a callback: an actor of yours that handles [`RunCallback`].
    pub fn callback(self, name: impl Into<String>, actor: Recipient<RunCallback>) -> Self {
        self.job(Job::callback(name, actor))
    }

    /// Adds a callback that is a future; it gets a thread of its own.
    pub fn callback_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(Errand) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), CallbackError>> + 'static,
    {
        self.job(Job::callback_fn(name, work))
    }

    /// Adds a resource: an actor of yours that handles [`ReleaseResource`].
    pub fn resource(self, name: impl Into<String>, actor: Recipient<ReleaseResource>) -> Self {
        self.job(Job::resource(name, actor))
    }

    /// Adds a resource that is released by a future; it gets a thread of its own.
    pub fn resource_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(Errand) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), CallbackError>> + 'static,
    {
        self.job(Job::resource_fn(name, work))
    }

    /// The exit's handle, for handlers and other code: clone it into them.
    pub fn handle(&self) -> ExitHandle {
        ExitHandle { shared: Arc::clone(&self.shared) }
    }

    /// Starts the guard and catches the signals; [`GracefulExit::run`] does this first if it was not done before.
    ///
    /// A program with work to do before it can serve, such as opening a database, calls it before that work, and
    /// before it starts threads: a signal during that work is kept then, and [`ExitHandle::requested`] tells.
    ///
    /// # Errors
    /// When the guard's thread cannot be started, or a signal cannot be caught.
    pub fn arm(&mut self) -> Result<(), StartError> {
        if self.armed.is_some() {
            return Ok(());
        }
        let lines = Lines {
            deadline: self.language.guard_deadline().into(),
            forced: self.language.guard_forced().into(),
        };
        let guard = self.ends_process.then(|| Guard::start(lines)).transpose().map_err(StartError::Guard)?;
        let mut signals = None;
        if !self.signals.is_empty() {
            let on_signal = self.on_signal(guard.clone());
            signals = Some(Signals::install(&self.signals, on_signal).map_err(StartError::Signals)?);
        }
        self.armed = Some(Armed { guard, signals });
        Ok(())
    }

    /// What happens at a signal on the signals' own thread, whatever hangs elsewhere.
    fn on_signal(&self, guard: Option<Guard>) -> impl FnMut(Caught) + Send + use<> {
        let (bounds, codes, shared) = (self.bounds, self.codes, Arc::clone(&self.shared));
        let mut first = None;
        move |caught| {
            let first = *first.get_or_insert(caught.at);
            if first == caught.at {
                let after = bounds.deadline.saturating_add(GUARD_AFTER_DEADLINE);
                arm(guard.as_ref(), Cause::Deadline, after, codes.timed_out);
            } else if caught.at.saturating_duration_since(first) > bounds.coalesce {
                // Once the outcome is settled, and may have been told, a signal can only hasten the end.
                let (cause, code) = match shared.settled.get() {
                    Some(&code) => (Cause::Finished, code),
                    None => (Cause::Forced, codes.forced),
                };
                arm(guard.as_ref(), cause, GUARD_AFTER_SECOND_SIGNAL, code);
            }
            shared.request(caught.name.as_str());
        }
    }

    /// Binds, serves, and resolves when the exit is over; then call [`Report::exit`].
    ///
    /// Everything is bound before anything is served. A signal that comes meanwhile starts the exit as soon as
    /// everything is up.
    ///
    /// # Errors
    /// When it cannot be started: what was begun has been taken back then.
    pub async fn run(mut self) -> Result<Report, StartError> {
        self.arm()?;
        let mut finished = self.shared.finished.subscribe();
        let started = self.start().await;
        started?;
        let report = finished.wait_for(Option::is_some).await;
        match report.ok().and_then(|report| report.clone()) {
            Some(report) => Ok(report),
            // The sender lives in `shared`, which this future holds.
            None => Err(StartError::Supervisor),
        }
    }

    async fn start(self) -> Result<(), StartError> {
        let Some(Armed { guard, signals }) = self.armed else { return Err(StartError::Supervisor) };
        let plan = Arc::new(plan(&self.bounds, &self.servers, &self.jobs).map_err(StartError::Plan)?);
        let opened = self.servers.into_iter().map(Server::open).collect::<Result<Vec<_>, _>>();
        let opened = opened.map_err(StartError::Bind)?;
        let handles: Vec<_> = opened.iter().map(|server| server.handle.clone()).collect();
        let board = Arc::new(Board::new(Arc::clone(&plan), &handles));
        let _ = self.shared.board.set(Arc::clone(&board));

        let (language, summary) = (self.language, self.details);
        if !plan.overrun().is_zero() {
            log::warn!("{}", language.overrun(plan.worst_case(), self.bounds.deadline));
        }
        if let Some((names, wait)) = signals::cut_short(&self.signals, self.bounds.deadline) {
            log::warn!("{}", language.cut_short(&names, wait, self.bounds.deadline));
        }
        let servers = handles.iter().cloned().map(Recruit::Server);
        let jobs = self.jobs.into_iter().map(|job| Recruit::Job(Box::new(job.into_parts())));
        let hooks = Hooks {
            language,
            codes: self.codes,
            details: self.details,
            progress_interval: self.progress_interval,
            streams: self.shared.streams.clone(),
            #[cfg(all(unix, feature = "systemd"))]
            watch: self.systemd.clone().map(watch),
            #[cfg(not(all(unix, feature = "systemd")))]
            watch: None::<Watch>,
            on_begin: Box::new(at_begin(guard.clone(), self.bounds.deadline, self.codes.timed_out)),
            on_exit: Box::new(at_exit(
                guard,
                self.report_path,
                summary,
                self.flush_log,
                language,
                &self.shared,
            )),
        };
        let members = servers.chain(jobs).collect();
        let supervisor = supervise(Setup { plan, board, members, linger: self.linger, hooks }).await?;

        let rejection = self
            .rejection
            .unwrap_or_else(|| Rejection { body: language.rejection().into(), ..Rejection::default() });
        let listening: Vec<_> =
            opened.iter().map(|server| (server.handle.name().clone(), server.addresses.clone())).collect();
        if let Err(error) = serve(opened, &rejection).await {
            for handle in &handles {
                handle.close(Duration::ZERO).await;
            }
            return Err(error);
        }
        for (name, addresses) in listening {
            for address in addresses {
                log::info!("{}", language.listening(&name, &address));
            }
        }
        log::info!("{}", language.started());
        #[cfg(all(unix, feature = "systemd"))]
        if let Some(systemd) = &self.systemd {
            systemd.ready(language.started());
        }
        self.shared.hand_over(supervisor.clone());
        if let Some(signals) = signals {
            signals.deliver_to(move |caught| {
                supervisor.do_send(SignalReceived { name: caught.name.as_str().to_owned(), at: caught.at });
            });
        }
        Ok(())
    }
}

impl fmt::Debug for GracefulExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GracefulExit");
        debug.field("bounds", &self.bounds).field("servers", &self.servers).field("jobs", &self.jobs);
        debug.finish_non_exhaustive()
    }
}

fn plan(bounds: &Bounds, servers: &[Server], jobs: &[Job]) -> Result<Plan, PlanError> {
    let servers = servers.iter().map(|server| Member {
        kind: match server.closes() {
            Stop::First => Kind::ServerFirst,
            Stop::Last => Kind::ServerLast,
        },
        name: server.name().to_owned(),
        bound: None,
    });
    Plan::new(*bounds, servers.chain(jobs.iter().map(Job::member)).collect())
}

/// Starts the supervisor on an arbiter of its own.
async fn supervise(setup: Setup) -> Result<Addr<ShutdownSupervisor>, StartError> {
    let arbiter = Arbiter::try_new().map_err(StartError::Thread)?;
    let (started, start) = oneshot::channel();
    arbiter.spawn_fn(move || {
        // The receiver is gone only if the program has given up starting.
        let _ = started.send(ShutdownSupervisor::start_here(setup));
    });
    start.await.map_err(|_| StartError::Supervisor)?.map_err(StartError::Thread)
}

async fn serve(opened: Vec<Opened>, rejection: &Rejection) -> Result<(), StartError> {
    for server in opened {
        let name = server.handle.name().clone();
        let served = server.serve(rejection.clone()).await;
        served.map_err(|source| StartError::Serve { server: name.to_string(), source })?;
    }
    Ok(())
}

fn arm(guard: Option<&Guard>, cause: Cause, after: Duration, code: u8) {
    if let Some(guard) = guard {
        guard.arm(cause, after, code);
    }
}

/// The supervisor's own heartbeat is what the watchdog hears.
#[cfg(all(unix, feature = "systemd"))]
fn watch(mut systemd: Systemd) -> Watch {
    let every = systemd.heartbeat();
    Watch { every, tell: Box::new(move |standing| systemd.alive(&standing.status, standing.deadline_left)) }
}

fn at_begin(guard: Option<Guard>, deadline: Duration, code: u8) -> impl FnMut() + Send {
    move || arm(guard.as_ref(), Cause::Deadline, deadline.saturating_add(GUARD_AFTER_DEADLINE), code)
}

fn at_exit(
    guard: Option<Guard>,
    report_path: Option<PathBuf>,
    summary: bool,
    mut flush_log: Box<dyn FnMut(Duration) + Send>,
    language: Language,
    shared: &Arc<Shared>,
) -> impl FnMut(Report) + Send + use<> {
    let shared = Arc::clone(shared);
    move |report| {
        // Whoever set it before said the same: an exit ends once.
        let _ = shared.settled.set(report.exit_code);
        let file = ReportFile::from(&report);
        if summary {
            for line in summary::lines(&file, language) {
                log::info!("{line}");
            }
        }
        if let Some(path) = &report_path
            && let Err(error) = file.write(path)
        {
            log::error!("{}", language.report_failed(&path.display(), &error));
        }
        shared.last_word();
        // Before the log's flush: that is the user's code, and the exit is what it is by now.
        arm(guard.as_ref(), Cause::Finished, GUARD_AFTER_THE_END, report.exit_code);
        flush_log(LOG_FLUSH);
        let code = i32::from(report.exit_code);
        shared.finished.send_replace(Some(report));
        if guard.is_some()
            && let Some(system) = System::try_current()
        {
            system.stop_with_code(code);
        }
    }
}

/// A hold on the exit from anywhere in the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExitHandle {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Cancelled when rejecting begins.
    streams: CancellationToken,
    board: OnceLock<Arc<Board>>,
    /// The first to ask for the exit.
    requested: channel::Sender<Option<String>>,
    supervisor: Mutex<Supervisor>,
    /// The exit code, once nothing can change it any more.
    settled: OnceLock<u8>,
    finished: channel::Sender<Option<Report>>,
}

/// Where requests from code go.
#[derive(Debug)]
enum Supervisor {
    /// Kept until it is there.
    NotYet(Option<String>),
    Here(Addr<ShutdownSupervisor>),
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            streams: CancellationToken::new(),
            board: OnceLock::new(),
            requested: channel::Sender::new(None),
            supervisor: Mutex::new(Supervisor::NotYet(None)),
            settled: OnceLock::new(),
            finished: channel::Sender::new(None),
        }
    }
}

impl Shared {
    fn request(&self, reason: &str) {
        self.requested.send_if_modified(|requested| {
            let first = requested.is_none();
            requested.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    /// Waits until whoever looks at the exit through a connection that outlives its server knows how it ended.
    fn last_word(&self) {
        let Some(board) = self.board.get() else { return };
        let begun = Instant::now();
        while board.outliving() > 0 && begun.elapsed() < LAST_WORD {
            thread::sleep(LAST_WORD_LOOK);
        }
    }

    fn hand_over(&self, address: Addr<ShutdownSupervisor>) {
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Supervisor::NotYet(Some(reason)) = &*supervisor {
            address.do_send(StopRequested { reason: reason.clone() });
        }
        *supervisor = Supervisor::Here(address);
    }
}

impl ExitHandle {
    /// Starts the exit, for this reason. Asking again changes nothing. It is no signal: the first signal after
    /// it does not force.
    pub fn stop(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.shared.request(&reason);
        let mut supervisor = self.shared.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *supervisor {
            Supervisor::NotYet(kept) => {
                kept.get_or_insert(reason);
            }
            Supervisor::Here(address) => address.do_send(StopRequested { reason }),
        }
    }

    /// A token that is cancelled when requests begin to be rejected: an answer without an end, such as an event
    /// stream, ends itself then.
    #[must_use]
    pub fn streams(&self) -> CancellationToken {
        self.shared.streams.clone()
    }

    /// Whether the program is serving, and nothing has asked for the exit.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.requested.borrow().is_none()
            && self.shared.board.get().is_some_and(|board| board.is_ready())
    }

    /// How things stand; nothing before [`GracefulExit::run`] has bound its servers.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.shared.board.get().map(|board| board.status())
    }

    /// [`Status::phase`] alone: for whoever looks often. `running` before [`GracefulExit::run`], too.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.shared.board.get().map_or("running", |board| board.phase())
    }

    /// Told at each change of [`ExitHandle::status`] but the counts of requests.
    #[must_use]
    pub fn changes(&self) -> Option<channel::Receiver<u64>> {
        self.shared.board.get().map(|board| board.changes())
    }

    /// Resolves to the reason as soon as anything asks for the exit: for work that is done before serving, and
    /// need not be done then.
    pub async fn requested(&self) -> String {
        let mut requested = self.shared.requested.subscribe();
        let reason = requested.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// Resolves to the report when the exit is over.
    pub async fn report(&self) -> Report {
        let mut finished = self.shared.finished.subscribe();
        let report = finished.wait_for(Option::is_some).await;
        match report.ok().and_then(|report| report.clone()) {
            Some(report) => report,
            None => std::future::pending().await,
        }
    }
}

impl Report {
    /// Ends the process with the exit code, without waiting for any runtime, thread or blocking task: whatever
    /// still hangs is left behind. If even that hangs, the guard ends the process 250 ms later, with the same code.
    pub fn exit(self) -> ! {
        exit::in_order(self.exit_code)
    }
}

/// Why it cannot be started.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The members and bounds make no plan.
    Plan(PlanError),
    /// A signal cannot be caught.
    Signals(InstallError),
    /// The exit guard's thread cannot be started.
    Guard(io::Error),
    /// A server cannot listen.
    Bind(BindError),
    /// A server's workers cannot be started.
    Serve {
        /// The server's name.
        server: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A thread for the supervisor or a callback cannot be started.
    Thread(io::Error),
    /// The supervisor ended while it was started.
    Supervisor,
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Signals(error) => error.fmt(f),
            Self::Guard(error) => write!(f, "the exit guard's thread cannot be started: {error}"),
            Self::Bind(error) => error.fmt(f),
            Self::Serve { server, source } => write!(f, "server {server} cannot be started: {source}"),
            Self::Thread(error) => write!(f, "a thread cannot be started: {error}"),
            Self::Supervisor => f.write_str("the supervisor ended while it was started"),
        }
    }
}

impl Error for StartError {}
