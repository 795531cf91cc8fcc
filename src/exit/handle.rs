//! [`ExitHandle`], and the state that the builder, the supervisor and every handle share.

use std::sync::{Arc, Mutex, OnceLock};

use actix::prelude::*;
use tokio::sync::{Notify, watch as channel};
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{Monitor, ShutdownSupervisor, StopRequested},
    report::{Report, Status},
    server::Address,
    sync::lock,
};

/// Starts and watches the exit from anywhere in the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExitHandle {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Cancelled when rejecting begins.
    pub(super) streams: CancellationToken,
    pub(super) monitor: OnceLock<Arc<Monitor>>,
    /// Each server's name and addresses, once all are bound.
    pub(super) addresses: OnceLock<Vec<(String, Vec<Address>)>>,
    /// The first reason for which the exit was requested.
    pub(super) requested: channel::Sender<Option<String>>,
    supervisor: Mutex<Supervisor>,
    /// The exit code, once nothing can change it.
    pub(super) settled: OnceLock<u8>,
    pub(super) run: channel::Sender<RunState>,
    /// Notified when [`GracefulExit::run`](crate::GracefulExit::run) has resolved.
    pub(super) returned: Notify,
}

/// The progress of [`GracefulExit::run`](crate::GracefulExit::run).
#[derive(Debug)]
pub(super) enum RunState {
    /// It binds and starts its servers, or has not been called.
    Starting,
    /// Every server accepts connections.
    Serving,
    /// The exit is over; without a report, if it never began because the start failed.
    Over(Option<Box<Report>>),
}

/// Where requests from code go.
#[derive(Debug)]
enum Supervisor {
    /// There is no supervisor yet; the request is kept for it.
    NotYet(Option<String>),
    Here(Addr<ShutdownSupervisor>),
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            streams: CancellationToken::new(),
            monitor: OnceLock::new(),
            addresses: OnceLock::new(),
            requested: channel::Sender::new(None),
            supervisor: Mutex::new(Supervisor::NotYet(None)),
            settled: OnceLock::new(),
            run: channel::Sender::new(RunState::Starting),
            returned: Notify::new(),
        }
    }
}

impl Shared {
    pub(super) fn request(&self, reason: &str) {
        self.requested.send_if_modified(|requested| {
            let first = requested.is_none();
            requested.get_or_insert_with(|| reason.to_owned());
            first
        });
    }

    pub(super) fn hand_over(&self, address: Addr<ShutdownSupervisor>) {
        let mut supervisor = lock(&self.supervisor);
        if let Supervisor::NotYet(Some(reason)) = &*supervisor {
            address.do_send(StopRequested { reason: reason.clone() });
        }
        *supervisor = Supervisor::Here(address);
    }

    /// Resolves when the exit is over; to nothing, if it never began.
    pub(super) async fn over(&self) -> Option<Report> {
        let mut run = self.run.subscribe();
        let over = run.wait_for(|state| matches!(state, RunState::Over(_))).await;
        match over.as_deref() {
            Ok(RunState::Over(report)) => report.as_deref().cloned(),
            _ => None,
        }
    }
}

impl ExitHandle {
    /// Starts the exit. The log and the report name the `reason`. A further call changes nothing. This does not count
    /// as a signal: the first signal after it does not force the exit.
    pub fn stop(&self, reason: impl Into<String>) {
        let reason = reason.into();
        self.shared.request(&reason);
        let mut supervisor = lock(&self.shared.supervisor);
        match &mut *supervisor {
            Supervisor::NotYet(kept) => {
                kept.get_or_insert(reason);
            }
            Supervisor::Here(address) => address.do_send(StopRequested { reason }),
        }
    }

    /// A token that is cancelled when requests begin to be rejected. An endless answer, such as an event stream, waits
    /// for it and ends.
    #[must_use]
    pub fn streams(&self) -> CancellationToken {
        self.shared.streams.clone()
    }

    /// Resolves to true when every server accepts connections; to false when that will not happen any more, because
    /// the start has failed or the exit is over.
    ///
    /// ```
    /// # use actix_web::{App, web};
    /// # use graceful_exit::{GracefulExit, Server};
    /// # #[actix_web::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let server = Server::new("web", || App::new().route("/", web::get().to(|| async { "hello\n" })));
    /// let exit = GracefulExit::for_tests().server(server.bind("127.0.0.1:8080"));
    /// let handle = exit.handle();
    /// let run = actix_web::rt::spawn(exit.run());
    /// assert!(handle.ready().await);
    /// println!("http://{}/", handle.addrs("web")[0]);
    /// handle.stop("done");
    /// assert_eq!(run.await??.exit_code, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ready(&self) -> bool {
        let mut run = self.shared.run.subscribe();
        let state = run.wait_for(|state| !matches!(state, RunState::Starting)).await;
        matches!(state.as_deref(), Ok(RunState::Serving))
    }

    /// The addresses that the server `name` listens on, in the order of binding. For port 0 it is the port in use.
    /// Empty if no server has this name, and until all servers are bound.
    #[must_use]
    pub fn addrs(&self, server: &str) -> Vec<Address> {
        let all = self.shared.addresses.get().into_iter().flatten();
        all.filter(|(name, _)| name == server).flat_map(|(_, addresses)| addresses.clone()).collect()
    }

    /// Returns true if every server accepts connections, and nothing has requested the exit.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.shared.requested.borrow().is_none()
            && matches!(*self.shared.run.borrow(), RunState::Serving)
            && self.shared.monitor.get().is_some_and(|monitor| monitor.is_ready())
    }

    /// The state of the exit; `None` before [`GracefulExit::run`](crate::GracefulExit::run) has bound its servers.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.shared.monitor.get().map(|monitor| monitor.status())
    }

    /// [`Status::phase`] alone: cheap enough to poll. It is `running` even before
    /// [`GracefulExit::run`](crate::GracefulExit::run).
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.shared.monitor.get().map_or("running", |monitor| monitor.phase())
    }

    /// Changes its value at each change of [`ExitHandle::status`], except for the counts of requests.
    #[must_use]
    pub fn changes(&self) -> Option<channel::Receiver<u64>> {
        self.shared.monitor.get().map(|monitor| monitor.changes())
    }

    /// Resolves to the reason as soon as anything requests the exit. For work before serving, which can be given up
    /// then.
    pub async fn requested(&self) -> String {
        let mut requested = self.shared.requested.subscribe();
        let reason = requested.wait_for(Option::is_some).await;
        reason.ok().and_then(|reason| reason.clone()).unwrap_or_default()
    }

    /// Resolves to the report when the exit is over. If the start failed, there was no exit, and this never resolves.
    pub async fn report(&self) -> Report {
        match self.shared.over().await {
            Some(report) => report,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequence::{Plan, Timeouts};

    #[test]
    fn it_is_ready_while_every_server_accepts_and_nothing_has_requested_the_exit() {
        let handle = ExitHandle { shared: Arc::default() };
        assert!(!handle.is_ready());
        handle.shared.run.send_replace(RunState::Serving);
        assert!(!handle.is_ready(), "nothing is monitored");
        let plan = Plan::new(Timeouts::default(), Vec::new()).expect("it may be empty");
        let monitor = Monitor::new(Arc::new(plan), &[], None);
        handle.shared.monitor.set(Arc::new(monitor)).expect("it is set once");
        assert!(handle.is_ready());
        handle.shared.run.send_replace(RunState::Over(None));
        assert!(!handle.is_ready());
        handle.shared.run.send_replace(RunState::Serving);
        handle.stop("done");
        assert!(!handle.is_ready(), "the supervisor has not heard of it yet");
    }
}
