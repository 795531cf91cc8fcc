//! What ends a service without a request to stop: a server that failed, and a `System` that the program has stopped.

use std::time::Duration;

use actix::prelude::*;
use tokio::time::timeout;

use super::{
    messages::{ServerFailed, SystemStopped},
    supervisor::ShutdownSupervisor,
};
use crate::{
    os::arbiters,
    sequence::{Event, Timer},
};

/// The reason of an exit that the program started by stopping its `System`.
const SYSTEM_STOP: &str = "System::stop()";
/// How long a busy thread of the `System` may take to tell that it was stopped, before the failure of a server is taken
/// for its own.
const SYSTEM_STOP_WAIT: Duration = Duration::from_millis(100);

impl Handler<ServerFailed> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, failed: ServerFailed, ctx: &mut Self::Context) {
        let name = &self.plan.members()[failed.member.0].name;
        self.narrator.server_failed(name);
        let reason = format!("server {name} failed");
        let system = self.hooks.system.clone();
        let stopped = async move { timeout(SYSTEM_STOP_WAIT, arbiters::is_stopped(&system)).await };
        ctx.spawn(stopped.into_actor(self).map(move |stopped, supervisor, ctx| {
            let reason = if stopped == Ok(true) { SYSTEM_STOP.to_owned() } else { reason };
            supervisor.step(Event::MemberFailed { member: failed.member }, Some(reason), ctx);
        }));
    }
}

impl Handler<SystemStopped> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, _: SystemStopped, ctx: &mut Self::Context) {
        if self.monitor.read(|recorder| recorder.state().is_over()) {
            return;
        }
        let left = (self.hooks.on_system_stop)();
        ctx.run_later(left, |supervisor, ctx| {
            supervisor.step(Event::Timer(Timer::Deadline), None, ctx);
        });
        self.step(Event::Stop, Some(SYSTEM_STOP.to_owned()), ctx);
    }
}
