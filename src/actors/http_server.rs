//! [`HttpServerActor`]: one server. It accepts its connections, toggles rejection, reports the drain's end, and closes.

use std::{collections::HashMap, rc::Rc, time::Duration};

use actix::prelude::*;

use super::messages::{Cancel, EnterLameDuck, RunTask, ServerFailed, TaskFinished};
use crate::{
    sequence::{MemberId, PhaseKind, TaskId, TaskResult, Timeouts},
    server::{Lifecycle, RunningServer, StartedServer},
};

/// One server. It never touches a request: it accepts connections, sets the gate, and waits.
pub struct HttpServerActor {
    server: Rc<RunningServer>,
    timeouts: Timeouts,
    member: MemberId,
    supervisor: Recipient<ServerFailed>,
    /// What it is waiting for on behalf of the supervisor.
    running: HashMap<TaskId, SpawnHandle>,
}

/// How much later a closed server is disposed of. That wakes every worker, which would compete for the processors with
/// what the exit waits for next; and a client in the middle of a handshake has time to end it.
const DISPOSE_DELAY: Duration = Duration::from_millis(5);

impl HttpServerActor {
    /// # Errors
    /// When the runtime of this thread cannot watch its sockets.
    pub(crate) fn new(
        server: StartedServer,
        timeouts: Timeouts,
        member: MemberId,
        supervisor: Recipient<ServerFailed>,
    ) -> std::io::Result<Self> {
        let server = RunningServer::new(server, timeouts)?;
        Ok(Self { server, timeouts, member, supervisor, running: HashMap::new() })
    }
}

impl Actor for HttpServerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.spawn(Rc::clone(&self.server).accept().into_actor(self));
        let mut changes = self.server.handle().changes();
        let failed = async move { changes.wait_for(|state| *state == Lifecycle::Failed).await.is_ok() };
        ctx.spawn(failed.into_actor(self).map(|failed, actor, ctx| {
            if failed {
                actor.supervisor.do_send(ServerFailed { member: actor.member });
                actor.take_down(ctx);
            }
        }));
    }
}

impl HttpServerActor {
    /// What is left of a server that has failed takes no more requests, answers those in flight, and closes. The rest
    /// of the exit does not wait for this.
    fn take_down(&self, ctx: &mut Context<Self>) {
        let (server, timeouts) = (Rc::clone(&self.server), self.timeouts);
        server.reject(timeouts.drain_timeout);
        let work = async move {
            server.drained(timeouts.drain_timeout).await;
            server.close(timeouts.stop_timeout).await;
            server.handle().dispose();
        };
        ctx.spawn(work.into_actor(self));
    }
}

impl Handler<EnterLameDuck> for HttpServerActor {
    type Result = ();

    fn handle(&mut self, _: EnterLameDuck, _: &mut Self::Context) {
        self.server.enter_lame_duck();
    }
}

impl Handler<RunTask> for HttpServerActor {
    type Result = ();

    fn handle(&mut self, task: RunTask, ctx: &mut Self::Context) {
        let server = Rc::clone(&self.server);
        let (id, closes) = (task.id, task.phase != Some(PhaseKind::Drain));
        if !closes {
            server.reject(task.timeout);
        }
        let work = async move {
            if closes {
                server.close(task.timeout).await;
            } else {
                server.drained(task.timeout).await;
            }
            // Requests that ended with their worker were not answered.
            let lost = !closes && server.handle().drain().connections.has_cut_off();
            if lost { TaskResult::Unreachable } else { TaskResult::Done }
        };
        let handle = ctx.spawn(work.into_actor(self).map(move |result, actor, ctx| {
            actor.running.remove(&id);
            task.reply.do_send(TaskFinished { id, result, error: None });
            if closes {
                ctx.run_later(DISPOSE_DELAY, |actor, _| actor.server.handle().dispose());
            }
        }));
        self.running.insert(id, handle);
    }
}

impl Handler<Cancel> for HttpServerActor {
    type Result = ();

    fn handle(&mut self, cancel: Cancel, ctx: &mut Self::Context) {
        if let Some(handle) = self.running.remove(&cancel.id) {
            ctx.cancel_future(handle);
            if self.server.handle().lifecycle() >= Lifecycle::Closing {
                self.server.handle().dispose();
            }
        }
    }
}
