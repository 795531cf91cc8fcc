//! The wiring: what is bound, started and told of what, in that order.

use std::{sync::Arc, time::Duration};

use actix::prelude::*;
use tokio::sync::oneshot;

use super::{
    Armed, GracefulExit, StartError,
    finish::{at_begin, at_exit},
};
use crate::{
    actors::{
        Heartbeat, Hooks, Job, MemberSpec, Monitor, ShutdownSupervisor, SignalReceived, SupervisorConfig,
    },
    drain::Rejection,
    os::signals,
    sequence::{Kind, Member, Plan, PlanError, SignalKind, Timeouts},
    server::{Opened, Server, Stop},
};

#[cfg(all(unix, feature = "systemd"))]
use crate::os::systemd::Systemd;

impl GracefulExit {
    pub(super) async fn start(self) -> Result<(), StartError> {
        let Some(Armed { guard, signals }) = self.armed else { return Err(StartError::Supervisor) };
        let plan = Arc::new(plan(&self.timeouts, &self.servers, &self.jobs).map_err(StartError::Plan)?);
        let opened = self.servers.into_iter().map(Server::open).collect::<Result<Vec<_>, _>>();
        let opened = opened.map_err(StartError::Bind)?;
        let handles: Vec<_> = opened.iter().map(|server| server.handle.clone()).collect();
        let monitor = Arc::new(Monitor::new(Arc::clone(&plan), &handles));
        let _ = self.shared.monitor.set(Arc::clone(&monitor));

        let (language, summary) = (self.language, self.details);
        if !plan.overrun().is_zero() {
            log::warn!("{}", language.overrun(plan.worst_case(), self.timeouts.timeout));
        }
        if let Some((names, wait)) = signals::cut_short(&self.signals, self.timeouts.timeout) {
            log::warn!("{}", language.cut_short(&names, wait, self.timeouts.timeout));
        }
        let servers = handles.iter().cloned().map(MemberSpec::Server);
        let jobs = self.jobs.into_iter().map(|job| MemberSpec::Job(Box::new(job.into_start())));
        let hooks = Hooks {
            language,
            codes: self.codes,
            details: self.details,
            progress_interval: self.progress_interval,
            streams: self.shared.streams.clone(),
            #[cfg(all(unix, feature = "systemd"))]
            watch: self.systemd.clone().map(watch),
            #[cfg(not(all(unix, feature = "systemd")))]
            watch: None::<Heartbeat>,
            on_begin: Box::new(at_begin(guard.clone(), self.timeouts.timeout, self.codes.timed_out)),
            on_exit: Box::new(at_exit(
                guard,
                self.report_path,
                summary,
                self.flush_log,
                language,
                self.on_finish,
                &self.shared,
            )),
        };
        let members = servers.chain(jobs).collect();
        let supervisor = supervise(SupervisorConfig { plan, monitor, members, hooks }).await?;

        let rejection = self
            .rejection
            .unwrap_or_else(|| Rejection { body: language.rejection().into(), ..Rejection::default() });
        let listening: Vec<_> =
            opened.iter().map(|server| (server.handle.name().clone(), server.addresses.clone())).collect();
        if let Err(error) = serve(opened, &rejection).await {
            for handle in &handles {
                handle.close(Duration::ZERO).await;
                handle.put_away();
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
                supervisor.do_send(SignalReceived {
                    name: caught.name.as_str().to_owned(),
                    at: caught.at,
                    kind: SignalKind::Other,
                });
            });
        }
        Ok(())
    }
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

/// Starts the supervisor on an arbiter of its own.
async fn supervise(setup: SupervisorConfig) -> Result<Addr<ShutdownSupervisor>, StartError> {
    // It reads and writes nothing: a runtime that waits for timers alone is woken sooner, and has less to take apart.
    let timers_alone = || tokio::runtime::Builder::new_current_thread().enable_time().build();
    let arbiter = Arbiter::try_with_tokio_rt(timers_alone).map_err(StartError::Thread)?;
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
/// The supervisor's own heartbeat is what the watchdog hears.
#[cfg(all(unix, feature = "systemd"))]
fn watch(mut systemd: Systemd) -> Heartbeat {
    let every = systemd.heartbeat();
    Heartbeat {
        every,
        tell: Box::new(move |standing| systemd.alive(&standing.status, standing.deadline_left)),
    }
}
