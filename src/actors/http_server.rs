//! [`HttpServerActor`]: toggles rejection, reports the drain's end, closes its server.

use std::{collections::HashMap, time::Duration};

use actix::prelude::*;

use super::messages::{Cancel, EnterLameDuck, RunTask, ServerFailed, TaskFinished};
use crate::{
    sequence::{MemberId, PhaseKind, TaskId, TaskResult},
    server::Handle,
};

/// Speaks for one server. It never touches a request: it sets the gate, and waits.
#[derive(Debug)]
pub struct HttpServerActor {
    server: Handle,
    keep_alive_grace: Duration,
    member: MemberId,
    supervisor: Recipient<ServerFailed>,
    /// What it is waiting for on behalf of the supervisor.
    running: HashMap<TaskId, SpawnHandle>,
    closing: bool,
}

/// A closed server is put away so much later. That wakes every worker, and whoever the exit waits for next would have
/// to share the processors with them; and whoever is in the middle of a handshake has time to end it.
const BREATH: Duration = Duration::from_millis(5);

impl HttpServerActor {
    pub(crate) fn new(
        server: Handle,
        keep_alive_grace: Duration,
        member: MemberId,
        supervisor: Recipient<ServerFailed>,
    ) -> Self {
        Self { server, keep_alive_grace, member, supervisor, running: HashMap::new(), closing: false }
    }
}

impl Actor for HttpServerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let server = self.server.clone();
        let failed = async move { server.failed().await }.into_actor(self).map(|(), actor, ctx| {
            if !actor.closing {
                actor.supervisor.do_send(ServerFailed { member: actor.member });
                actor.take_down(ctx);
            }
        });
        ctx.spawn(failed);
    }
}

impl HttpServerActor {
    /// What is left of a server that has failed takes no more requests, answers those in flight, and closes.
    /// Nobody waits for it: it does so beside the rest of the exit.
    fn take_down(&self, ctx: &mut Context<Self>) {
        let (server, keep_alive_grace) = (self.server.clone(), self.keep_alive_grace);
        if !server.drain().gate.is_rejecting() {
            server.reject();
        }
        let work = async move {
            server.drain().gate.drained().await;
            server.close(keep_alive_grace).await;
            server.put_away();
        };
        ctx.spawn(work.into_actor(self));
    }
}

impl Handler<EnterLameDuck> for HttpServerActor {
    type Result = ();

    fn handle(&mut self, _: EnterLameDuck, _: &mut Self::Context) {
        self.server.drain().gate.close_connections();
    }
}

impl Handler<RunTask> for HttpServerActor {
    type Result = ();

    fn handle(&mut self, ask: RunTask, ctx: &mut Self::Context) {
        let server = self.server.clone();
        let (id, closes) = (ask.id, ask.phase != Some(PhaseKind::Drain));
        // The bound includes the keep_alive_grace, which is waited out twice at most: the rest is left for closing.
        let keep_alive_grace = self.keep_alive_grace.min(ask.timeout / 3);
        if closes {
            self.closing = true;
        } else {
            server.reject();
        }
        let work = async move {
            if closes {
                server.close(keep_alive_grace).await;
            } else {
                server.drain().gate.drained().await;
            }
        };
        let handle = ctx.spawn(work.into_actor(self).map(move |(), actor, ctx| {
            actor.running.remove(&id);
            ask.reply.do_send(TaskFinished { id, result: TaskResult::Done, error: None });
            if closes {
                ctx.run_later(BREATH, |actor, _| actor.server.put_away());
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
            if self.closing {
                self.server.put_away();
            }
        }
    }
}
