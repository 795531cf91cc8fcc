//! Binds the servers, starts their workers and the supervisor, and connects them.

use std::{path::PathBuf, sync::Arc};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    GracefulExit, StartError,
    armed::{Armed, signal},
    arming::{at_begin, at_system_stop},
    finish::Finish,
    handle::RunState,
    thread::ExitThread,
};
use crate::{
    actors::{
        Heartbeat, Hooks, Job, MemberSpec, Monitor, ShutdownSupervisor, SignalReceived, SupervisorConfig,
        SystemStopped,
    },
    drain::Rejection,
    locale::Language,
    os::{
        arbiters::{Arbiters, is_stopped},
        signals::{self, SignalName},
    },
    report::{PreviousExit, ReportFile, millis_of},
    sequence::{Kind, Member, Plan, PlanError, Timeouts},
    server::{Address, BoundServer, Server, StartedServer, Stop},
};

#[cfg(all(unix, feature = "systemd"))]
use crate::os::systemd::Systemd;

impl GracefulExit {
    /// Binds and starts everything on the calling thread, which belongs to `system`; the supervisor on `thread`.
    pub(super) async fn start(self, thread: ExitThread, system: System) -> Result<(), StartError> {
        let Some(Armed { hard_stop, signals }) = self.armed else { return Err(StartError::Supervisor) };
        let plan = Arc::new(plan(&self.timeouts, &self.servers, &self.jobs).map_err(StartError::Plan)?);
        let (report_file, previous) = report_file(self.report_path, self.report_keep, self.language)?;
        let free_ports = self.free_ports;
        let servers = self.servers.into_iter();
        let servers = servers.map(|server| if free_ports { server.use_free_ports() } else { server });
        let opened =
            servers.map(BoundServer::bind).collect::<Result<Vec<_>, _>>().map_err(StartError::Bind)?;
        let handles: Vec<_> = opened.iter().map(|server| server.handle.clone()).collect();
        let urls: Vec<_> =
            opened.iter().map(|server| (server.handle.name().clone(), server.urls())).collect();
        let _ = self.shared.addresses.set(opened.iter().map(addresses).collect()); // an exit starts once
        let monitor = Arc::new(Monitor::new(Arc::clone(&plan), &handles, previous.clone()));
        let _ = self.shared.monitor.set(Arc::clone(&monitor)); // as above

        let language = self.language;
        log_previous(previous.as_ref(), language);
        warn_of_timeouts(&plan, &self.signals, language);
        let arbiters = Arc::new(Arbiters::default());
        let rejection = self
            .rejection
            .unwrap_or_else(|| Rejection { body: language.rejection().into(), ..Rejection::default() });
        let servers = match serve(opened, &arbiters, &rejection).await {
            Ok(servers) => servers,
            Err(error) => {
                arbiters.stop();
                return Err(error);
            }
        };
        let servers = servers.into_iter().map(|server| MemberSpec::Server(Box::new(server)));
        let jobs = self.jobs.into_iter().map(|job| Ok(MemberSpec::Job(Box::new(job.into_start(&arbiters)?))));
        let members = servers.map(Ok).chain(jobs).collect::<std::io::Result<_>>();
        let members = members.map_err(StartError::Thread)?;
        arbiters.start_one().map_err(StartError::Thread)?;
        let (settled, report) = oneshot::channel();
        let mut settled = Some((settled, Arc::clone(&self.shared)));
        let hooks = Hooks {
            language,
            codes: self.codes,
            log_summary: self.log_summary,
            progress_interval: self.progress_interval,
            streams: self.shared.streams.clone(),
            #[cfg(all(unix, feature = "systemd"))]
            heartbeat: self.systemd.clone().map(heartbeat),
            #[cfg(not(all(unix, feature = "systemd")))]
            heartbeat: None::<Heartbeat>,
            on_begin: Box::new(at_begin(hard_stop.clone(), self.timeouts.timeout, self.codes.timed_out)),
            system: system.clone(),
            on_system_stop: Box::new(at_system_stop(hard_stop.clone(), self.codes.timed_out)),
            on_exit: Box::new(move |report| {
                if let Some((settled, shared)) = settled.take() {
                    let _ = shared.settled.set(report.exit_code); // an exit ends once
                    let _ = settled.send(report); // the process is about to end
                }
            }),
        };
        let supervisor = supervise(&thread, SupervisorConfig { plan, monitor, members, hooks }).await?;
        for (name, urls) in &urls {
            for url in urls {
                log::info!(
                    event = "server_listening", server:% = name, url = url.as_str();
                    "{}", language.listening(name, url)
                );
            }
        }
        log::info!(event = "service_ready"; "{}", language.started());
        #[cfg(all(unix, feature = "systemd"))]
        if let Some(systemd) = &self.systemd {
            systemd.ready(language.started());
        }
        self.shared.run.send_replace(RunState::Serving);
        self.shared.hand_over(supervisor.clone());
        let stopped = system_stopped(system.clone(), Arc::clone(&arbiters), supervisor.clone().recipient());
        thread.system().arbiter().spawn(stopped);
        if let Some(signals) = &signals {
            let shared = Arc::clone(&self.shared);
            signals.deliver_to(move |caught| {
                // The sender's command was looked up while it was there.
                let reason = shared.requested.borrow().clone();
                let name = reason.unwrap_or_else(|| caught.name.to_string());
                supervisor.do_send(SignalReceived { name, signal: signal(caught) });
            });
        }
        let finish = Finish {
            armed: Armed { hard_stop, signals },
            codes: self.codes,
            timeout: self.timeouts.timeout,
            report_file,
            flush_log: self.flush_log,
            language,
            at_end: self.on_finish,
            shared: self.shared,
            system,
            arbiters,
        };
        thread.end_with(move || finish.carry_out(report));
        Ok(())
    }
}

/// Tells the supervisor that the program has stopped its `System`: before now, or when that ends an arbiter.
async fn system_stopped(system: System, arbiters: Arc<Arbiters>, supervisor: Recipient<SystemStopped>) {
    let mut changes = arbiters.changes();
    while !is_stopped(&system).await {
        if changes.changed().await.is_err() {
            return;
        }
    }
    supervisor.do_send(SystemStopped);
}

/// Warns where the phases, or the system, leave less time than the deadline.
fn warn_of_timeouts(plan: &Plan, signals: &[SignalName], language: Language) {
    let timeout = plan.timeouts().timeout;
    if !plan.overrun().is_zero() {
        log::warn!(
            event = "phases_overrun", worst_case_ms = millis_of(plan.worst_case()), timeout_ms = millis_of(timeout);
            "{}", language.overrun(plan.worst_case(), timeout)
        );
    }
    if let Some((names, wait)) = signals::cut_short(signals, timeout) {
        log::warn!(
            event = "signals_cut_short", wait_ms = millis_of(wait), timeout_ms = millis_of(timeout);
            "{}", language.cut_short(&names, wait, timeout)
        );
    }
}

/// Logs how the run before ended.
fn log_previous(previous: Option<&PreviousExit>, language: Language) {
    match previous {
        Some(previous) if previous.was_killed() => {
            log::warn!(event = "previous_exit", outcome = "killed"; "{}", language.previous_run_killed());
        }
        Some(PreviousExit { verdict: Some(verdict), .. }) => {
            log::info!(
                event = "previous_exit", verdict = verdict.as_str();
                "{}", language.previous_exit(verdict)
            );
        }
        Some(_) | None => {}
    }
}

/// Checks that the report can be written, and reads how the previous run ended.
fn report_file(
    path: Option<PathBuf>,
    keep: u32,
    language: Language,
) -> Result<(Option<ReportFile>, Option<PreviousExit>), StartError> {
    let Some(path) = path else { return Ok((None, None)) };
    let (file, previous) =
        ReportFile::open(&path, keep).map_err(|source| StartError::Report { path: path.clone(), source })?;
    let previous = previous.unwrap_or_else(|error| {
        let (path, error) = (path.display().to_string(), error.message(language));
        log::warn!(
            event = "previous_report_unreadable", path = path.as_str(), error = error.as_str();
            "{}", language.previous_report_unreadable(&error)
        );
        None
    });
    Ok((Some(file), previous))
}

fn plan(timeouts: &Timeouts, servers: &[Server], jobs: &[Job]) -> Result<Plan, PlanError> {
    let servers = servers.iter().map(|server| {
        let kind = match server.closes() {
            Stop::First => Kind::ServerFirst,
            Stop::Last => Kind::ServerLast,
        };
        Member::new(kind, server.name())
    });
    Plan::new(*timeouts, servers.chain(jobs.iter().map(Job::member)).collect())
}

fn addresses(server: &BoundServer) -> (String, Vec<Address>) {
    (server.handle.name().to_string(), server.addresses.clone())
}

/// Starts the supervisor on the exit's own thread.
async fn supervise(
    thread: &ExitThread,
    config: SupervisorConfig,
) -> Result<Addr<ShutdownSupervisor>, StartError> {
    let (started, start) = oneshot::channel();
    thread.system().arbiter().spawn_fn(move || {
        // The receiver is gone only if the program has given up starting.
        let _ = started.send(ShutdownSupervisor::start_here(config));
    });
    start.await.map_err(|_| StartError::Supervisor)?.map_err(StartError::Thread)
}

/// Starts every server's workers.
async fn serve(
    bound: Vec<BoundServer>,
    arbiters: &Arbiters,
    rejection: &Rejection,
) -> Result<Vec<StartedServer>, StartError> {
    let mut started = Vec::new();
    for server in bound {
        let name = server.handle.name().clone();
        let server = server.start(arbiters, rejection.clone()).await;
        started.push(server.map_err(|source| StartError::Serve { server: name.to_string(), source })?);
    }
    Ok(started)
}

/// The watchdog hears the supervisor's own heartbeat.
#[cfg(all(unix, feature = "systemd"))]
fn heartbeat(mut systemd: Systemd) -> Heartbeat {
    let every = systemd.heartbeat();
    Heartbeat {
        every,
        tell: Box::new(move |progress| systemd.alive(&progress.status, progress.deadline_left)),
    }
}
