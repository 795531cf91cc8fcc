//! A server that failed: by itself, or because the program has stopped its `System`.

use std::time::Duration;

use actix::prelude::*;

use super::{messages::ServerFailed, supervisor::ShutdownSupervisor};
use crate::sequence::{Event, Timer};

/// The reason of an exit that the program started by stopping its `System`.
const SYSTEM_STOP: &str = "System::stop()";
/// How long a stopped `System` may take to end its threads, before the failure of a server is taken for its own.
const SYSTEM_STOP_DELAY: Duration = Duration::from_millis(10);
/// When this is checked once more, for a busy machine.
const SYSTEM_STOP_RECHECK: Duration = Duration::from_millis(100);

impl Handler<ServerFailed> for ShutdownSupervisor {
    type Result = ();

    fn handle(&mut self, failed: ServerFailed, ctx: &mut Self::Context) {
        let name = &self.plan.members()[failed.member.0].name;
        self.narrator.server_failed(name);
        let reason = format!("server {name} failed");
        // If the program has stopped its `System`, that ends the other threads within this time.
        ctx.run_later(SYSTEM_STOP_DELAY, move |supervisor, ctx| {
            let reason = if supervisor.notice_system_stop(ctx) {
                SYSTEM_STOP.to_owned()
            } else {
                ctx.run_later(SYSTEM_STOP_RECHECK, |supervisor, ctx| {
                    supervisor.notice_system_stop(ctx);
                });
                reason
            };
            supervisor.step(Event::MemberFailed { member: failed.member }, Some(reason), ctx);
        });
    }
}

impl ShutdownSupervisor {
    /// Returns true if the program has stopped its `System`, and gives the exit the time that it has then.
    fn notice_system_stop(&mut self, ctx: &mut Context<Self>) -> bool {
        let left = (self.hooks.system_stopped)();
        if let Some(left) = left {
            ctx.run_later(left, |supervisor, ctx| {
                supervisor.step(Event::Timer(Timer::Deadline), None, ctx);
            });
        }
        left.is_some()
    }
}
