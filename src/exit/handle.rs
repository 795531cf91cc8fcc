//! [`ExitHandle`], and what the builder, the supervisor and every handle share.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use actix::prelude::*;
use tokio::sync::watch as channel;
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{Monitor, ShutdownSupervisor, Status, StopRequested},
    sequence::Report,
};

/// A hold on the exit from anywhere in the program. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ExitHandle {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    /// Cancelled when rejecting begins.
    pub(super) streams: CancellationToken,
    pub(super) monitor: OnceLock<Arc<Monitor>>,
    /// The first to ask for the exit.
    pub(super) requested: channel::Sender<Option<String>>,
    supervisor: Mutex<Supervisor>,
    /// The exit code, once nothing can change it any more.
    pub(super) settled: OnceLock<u8>,
    pub(super) finished: channel::Sender<Option<Report>>,
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
            monitor: OnceLock::new(),
            requested: channel::Sender::new(None),
            supervisor: Mutex::new(Supervisor::NotYet(None)),
            settled: OnceLock::new(),
            finished: channel::Sender::new(None),
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
        let mut supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner);
        if let Supervisor::NotYet(Some(reason)) = &*supervisor {
            address.do_send(StopRequested { reason: reason.clone() });
        }
        *supervisor = Supervisor::Here(address);
    }
}

impl From<&ExitHandle> for ExitHandle {
    fn from(handle: &ExitHandle) -> Self {
        handle.clone()
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
            && self.shared.monitor.get().is_some_and(|monitor| monitor.is_ready())
    }

    /// How things stand; nothing before [`GracefulExit::run`](crate::GracefulExit::run) has bound its servers.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        self.shared.monitor.get().map(|monitor| monitor.status())
    }

    /// [`Status::phase`] alone: for whoever looks often. `running` before [`GracefulExit::run`](crate::GracefulExit::run), too.
    #[must_use]
    pub fn phase(&self) -> &'static str {
        self.shared.monitor.get().map_or("running", |monitor| monitor.phase())
    }

    /// Told at each change of [`ExitHandle::status`] but the counts of requests.
    #[must_use]
    pub fn changes(&self) -> Option<channel::Receiver<u64>> {
        self.shared.monitor.get().map(|monitor| monitor.changes())
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
