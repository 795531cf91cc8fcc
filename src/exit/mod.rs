//! The builder: wires everything, starts it, and returns the report.

mod error;
mod finish;
mod handle;
mod start;

use std::{fmt, future::Future, path::PathBuf, sync::Arc, time::Duration};

use actix::prelude::*;

use crate::{
    actors::{Checkpoint, Job, JobContext, JobError, ReleaseResource, RunCallback},
    drain::Rejection,
    locale::Language,
    os::{
        hard_stop::{HardStop, Messages},
        signals::{SignalName, Signals},
    },
    sequence::{ExitCodes, Report, Timeouts},
    server::Server,
};

#[cfg(all(unix, feature = "systemd"))]
use crate::os::systemd::Systemd;

pub use error::StartError;
pub use handle::ExitHandle;
use handle::Shared;

/// A whole graceful exit around actix-web servers: the builder.
#[must_use = "nothing is served until it runs"]
pub struct GracefulExit {
    timeouts: Timeouts,
    progress_interval: Duration,
    codes: ExitCodes,
    language: Language,
    details: bool,
    rejection: Option<Rejection>,
    report_path: Option<PathBuf>,
    signals: Vec<SignalName>,
    on_finish: OnFinish,
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
    guard: Option<HardStop>,
    /// None where no signal is to be caught.
    signals: Option<Signals>,
}

/// What happens when the exit is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFinish {
    /// The process goes on.
    Continue,
    /// [`GracefulExit::run`] resolves; the process is to end soon, and the guard sees to it.
    Return,
    /// The process ends.
    Exit,
}

impl GracefulExit {
    /// With the defaults of `config/default.toml`.
    pub fn builder() -> Self {
        Self {
            timeouts: Timeouts::default(),
            progress_interval: Duration::from_secs(1),
            codes: ExitCodes::default(),
            language: Language::default(),
            details: true,
            rejection: None,
            report_path: None,
            signals: SignalName::DEFAULT.to_vec(),
            on_finish: OnFinish::Return,
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
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// How long a closing server keeps a connection open that was opened or used within the last second: a
    /// request may be on its way. It ends early when each of them has had its last answer. 50 ms by default.
    pub fn keep_alive_grace(mut self, keep_alive_grace: Duration) -> Self {
        self.timeouts.keep_alive_grace = keep_alive_grace;
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
        self.on_finish = if ends { OnFinish::Return } else { OnFinish::Continue };
        self
    }

    /// Ends the process at the exit's end from the supervisor's own thread, as [`Report::exit`] would: sooner than that
    /// by the time which it takes to wake whoever awaits [`GracefulExit::run`]. That does not resolve then, and
    /// nothing after it runs.
    pub fn exits_at_once(mut self) -> Self {
        self.on_finish = OnFinish::Exit;
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

    /// Adds a job; the following six are short for it.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Adds a checkpoint: an actor of yours that handles [`Checkpoint`], asked as soon as the exit begins.
    pub fn checkpoint(self, name: impl Into<String>, actor: Recipient<Checkpoint>) -> Self {
        self.job(Job::checkpoint(name, actor))
    }

    /// Adds a checkpoint that is a future; it gets a thread of its own.
    pub fn checkpoint_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        self.job(Job::checkpoint_fn(name, work))
    }

    /// Adds a callback: an actor of yours that handles [`RunCallback`].
    pub fn callback(self, name: impl Into<String>, actor: Recipient<RunCallback>) -> Self {
        self.job(Job::callback(name, actor))
    }

    /// Adds a callback that is a future; it gets a thread of its own.
    pub fn callback_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
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
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
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
        let lines = Messages {
            deadline: self.language.hard_stop_deadline().into(),
            forced: self.language.hard_stop_forced().into(),
        };
        let ends = self.on_finish != OnFinish::Continue;
        let guard = ends.then(|| HardStop::start(lines)).transpose().map_err(StartError::HardStop)?;
        let mut signals = None;
        if !self.signals.is_empty() {
            let on_signal = self.on_signal(guard.clone());
            signals = Some(Signals::install(&self.signals, on_signal).map_err(StartError::Signals)?);
        }
        self.armed = Some(Armed { guard, signals });
        Ok(())
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
}

impl From<&GracefulExit> for ExitHandle {
    fn from(exit: &GracefulExit) -> Self {
        exit.handle()
    }
}

impl fmt::Debug for GracefulExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("GracefulExit");
        debug.field("timeouts", &self.timeouts).field("servers", &self.servers).field("jobs", &self.jobs);
        debug.finish_non_exhaustive()
    }
}
