//! [`GracefulExit`]: what takes part in the exit, and how long each part may take.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use super::{
    armed::Armed,
    handle::{ExitHandle, Shared},
    start_guard::StartGuard,
};
use crate::{
    actors::Job,
    drain::Rejection,
    locale::Language,
    os::signals::SignalName,
    sequence::{ExitCodes, Timeouts, for_each_timeout},
    server::Server,
};

#[cfg(all(unix, feature = "systemd"))]
use crate::os::systemd::Systemd;

/// A graceful exit around actix-web servers: the builder. [`GracefulExit::run`] serves until the exit is over.
#[must_use = "nothing is served until it runs"]
pub struct GracefulExit {
    pub(super) timeouts: Timeouts,
    pub(super) progress_interval: Duration,
    pub(super) codes: ExitCodes,
    pub(super) language: Language,
    pub(super) log_summary: bool,
    pub(super) rejection: Option<Rejection>,
    pub(super) report_path: Option<PathBuf>,
    pub(super) report_keep: u32,
    pub(super) signals: Vec<SignalName>,
    pub(super) on_finish: OnFinish,
    /// Every server listens on a port that is free, in place of the one that it asks for.
    pub(super) free_ports: bool,
    pub(super) servers: Vec<Server>,
    pub(super) jobs: Vec<Job>,
    pub(super) flush_log: Box<dyn FnMut(Duration) + Send>,
    pub(super) hard_stop_line: HardStopLine,
    pub(super) shared: Arc<Shared>,
    #[cfg(all(unix, feature = "systemd"))]
    pub(super) systemd: Option<Systemd>,
    pub(super) start_guard: Option<StartGuard>,
    pub(super) armed: Option<Armed>,
}

/// Makes a line of its event and its sentence.
type HardStopLine = Box<dyn Fn(&str, &str) -> String + Send>;

/// What happens when the exit is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnFinish {
    /// The process goes on.
    Continue,
    /// [`GracefulExit::run`] resolves; the process is to end soon, and the hard stop sees to it.
    Return,
    /// The process ends.
    Exit,
}

macro_rules! timeout_setters {
    ($($(#[doc = $doc:literal])+ $name:ident = $default:literal, from $least:literal $(to $most:literal)?;)+) => {
        /// The timeouts of the exit, each under its setting's name.
        impl GracefulExit {
            $($(#[doc = $doc])+
            pub fn $name(mut self, $name: Duration) -> Self {
                self.timeouts.$name = $name;
                self
            })+
        }
    };
}

for_each_timeout!(timeout_setters);

impl GracefulExit {
    /// With the defaults of `config/default.toml`.
    pub fn builder() -> Self {
        Self {
            timeouts: Timeouts::default(),
            progress_interval: Duration::from_secs(1),
            codes: ExitCodes::default(),
            language: Language::default(),
            log_summary: true,
            rejection: None,
            report_path: None,
            report_keep: 0,
            signals: SignalName::DEFAULT.to_vec(),
            on_finish: OnFinish::Return,
            free_ports: false,
            servers: Vec::new(),
            jobs: Vec::new(),
            flush_log: Box::new(|_| ()),
            hard_stop_line: Box::new(|_, sentence| sentence.to_owned()),
            shared: Arc::default(),
            #[cfg(all(unix, feature = "systemd"))]
            systemd: None,
            start_guard: None,
            armed: None,
        }
    }

    /// For tests of a service: no signal is caught, the process goes on after the exit, the log has no progress lines,
    /// and each server listens on a free port in place of the one that it asks for; [`ExitHandle::addrs`] tells
    /// which. Any number can run side by side, and nothing of one is left once its exit is over.
    ///
    /// ```
    /// use actix_web::{App, web};
    /// use graceful_exit::{GracefulExit, Outcome, Server};
    ///
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
    /// let exit = GracefulExit::for_tests().server(server.bind("127.0.0.1:8080"));
    /// let handle = exit.handle();
    /// let run = actix_web::rt::spawn(exit.run());
    /// assert!(handle.ready().await);
    /// // Requests go to `handle.addrs("web")[0]`.
    /// handle.stop("the test is over");
    /// assert_eq!(run.await??.outcome, Outcome::Clean);
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_tests() -> Self {
        let exit = Self::builder().signals(Vec::new()).ends_process(false).progress_interval(Duration::ZERO);
        Self { free_ports: true, ..exit }
    }

    /// All timeouts at once. Each has a setter of its own, too.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
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

    /// Whether the log names what was abandoned or failed, and ends with a summary: true by default. The events of a
    /// log for machines have that in any case.
    pub fn log_summary(mut self, summary: bool) -> Self {
        self.log_summary = summary;
        self
    }

    /// The answer to a request that comes after rejecting began: by default a 503 with a line of text.
    pub fn rejection(mut self, rejection: Rejection) -> Self {
        self.rejection = Some(rejection);
        self
    }

    /// Where the report is written at the end, as JSON: nowhere by default. Missing folders are made. A path that cannot be
    /// written is an error of [`run`](Self::run).
    ///
    /// A regular file is replaced whole or not at all. What cannot be replaced is written in place: a device, a pipe, a
    /// bind mount, a file in a folder without write permission.
    ///
    /// On Unix, files are created with the mode 0600 and folders with 0700. A report that replaces another one has its
    /// mode, and its group if this process may give it. A symbolic link is followed, unless another user has made it.
    pub fn report_to(mut self, path: impl Into<PathBuf>) -> Self {
        self.report_path = Some(path.into());
        self
    }

    /// How many earlier reports are kept beside it: `report.1.json` is the last one. None by default.
    pub fn report_keep(mut self, keep: u32) -> Self {
        self.report_keep = keep;
        self
    }

    /// The signals that start the exit, and force it: by default [`SignalName::DEFAULT`]. With none, the exit starts by
    /// [`ExitHandle::stop`] alone. Signal handlers belong to the process: only one exit at a time can catch signals in
    /// it.
    pub fn signals(mut self, signals: Vec<SignalName>) -> Self {
        self.signals = signals;
        self
    }

    /// Takes over the signals of a [`StartGuard`], which has caught them since the program began.
    pub fn start_guard(mut self, guard: StartGuard) -> Self {
        self.start_guard = Some(guard);
        self
    }

    /// Whether the process ends with the exit: true by default. With false, for example in a test of an application,
    /// the process goes on: there is no hard stop, the actix `System` is not stopped, and the exit's threads end before
    /// [`GracefulExit::run`] resolves, except for blocked ones.
    pub fn ends_process(mut self, ends: bool) -> Self {
        self.on_finish = if ends { OnFinish::Return } else { OnFinish::Continue };
        self
    }

    /// Ends the process from the exit's own thread at the end of the exit, as [`Report::exit`](crate::Report::exit)
    /// would. This saves the time to wake the task that awaits [`GracefulExit::run`], which never resolves then.
    ///
    /// If the start fails, `run` returns the error, and the process is to end soon with it: signals stay caught, one
    /// ends the process within half a second, with the exit code 0, and a second one at once.
    pub fn exits_at_once(mut self) -> Self {
        self.on_finish = OnFinish::Exit;
        self
    }

    /// Sets what is called after the exit's last log line, so that a logger can write out its lines before the process
    /// ends. The argument is the time that it may take.
    pub fn flush_log(mut self, flush: impl FnMut(Duration) + Send + 'static) -> Self {
        self.flush_log = Box::new(flush);
        self
    }

    /// Sets how the line looks that the hard stop writes to standard error, past the log, if it has to end the process.
    /// It is made when the exit is armed, of its event (`hard_stop_deadline`, `hard_stop_forced` or
    /// `hard_stop_after_run`) and its sentence; by default it is the sentence. What goes beyond 511 bytes is cut off.
    ///
    /// `logging::Logging::unlogged` gives it the form of the log's lines.
    pub fn hard_stop_line(mut self, line: impl Fn(&str, &str) -> String + Send + 'static) -> Self {
        self.hard_stop_line = Box::new(line);
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

    /// The exit's handle, for handlers and other code: clone it into them.
    pub fn handle(&self) -> ExitHandle {
        ExitHandle { shared: Arc::clone(&self.shared) }
    }
}

impl From<&ExitHandle> for ExitHandle {
    fn from(handle: &ExitHandle) -> Self {
        handle.clone()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_for_tests_takes_free_ports_and_no_other_does() {
        assert!(GracefulExit::for_tests().free_ports && !GracefulExit::builder().free_ports);
    }
}
