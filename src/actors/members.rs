//! [`Members`]: the actors of an exit's members, and what the supervisor sends them.

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use actix::prelude::*;

use super::{
    callback::CallbackActor,
    config::MemberSpec,
    http_server::HttpServerActor,
    job::Statement,
    messages::{Cancel, EnterLameDuck, RunTask, ServerFailed},
};
use crate::sequence::{MemberId, TaskId, Timeouts};

/// The members, in the plan's order.
pub(super) struct Members(Vec<Member>);

struct Member {
    label: String,
    unsaved: Option<Statement>,
    kept: Option<Statement>,
    address: Address,
}

enum Address {
    Server(Addr<HttpServerActor>),
    Job(Addr<CallbackActor>),
}

impl Members {
    /// Starts their actors on the calling thread. `label` is the log's word for a member that has none of its own.
    ///
    /// # Errors
    /// When the thread's runtime cannot watch a server's socket.
    pub(super) fn start(
        specs: Vec<MemberSpec>,
        timeouts: Timeouts,
        failed: &Recipient<ServerFailed>,
        label: impl Fn(MemberId) -> String,
    ) -> io::Result<Self> {
        let start = |(index, spec)| {
            let id = MemberId(index);
            Ok(match spec {
                MemberSpec::Server(server) => {
                    let actor = HttpServerActor::new(*server, timeouts, id, failed.clone())?;
                    Member {
                        label: label(id),
                        unsaved: None,
                        kept: None,
                        address: Address::Server(actor.start()),
                    }
                }
                MemberSpec::Job(job) => Member {
                    label: job.label.clone().unwrap_or_else(|| label(id)),
                    unsaved: job.unsaved.clone(),
                    kept: job.kept.clone(),
                    address: Address::Job(job.start()),
                },
            })
        };
        specs.into_iter().enumerate().map(start).collect::<io::Result<_>>().map(Self)
    }

    /// The log's word for a member.
    pub(super) fn label(&self, member: MemberId) -> &str {
        &self.0[member.0].label
    }

    /// Asks a member to do its part; false if its actor has stopped.
    pub(super) fn ask(&self, member: MemberId, task: RunTask) -> bool {
        match &self.0[member.0].address {
            Address::Server(server) => server.try_send(task).is_ok(),
            Address::Job(job) => job.try_send(task).is_ok(),
        }
    }

    /// Tells a member that it is no longer waited for. Telling again changes nothing.
    pub(super) fn cancel(&self, member: MemberId, id: TaskId) {
        match &self.0[member.0].address {
            Address::Server(server) => server.do_send(Cancel { id }),
            Address::Job(job) => job.do_send(Cancel { id }),
        }
    }

    /// Tells the servers that the exit has begun.
    pub(super) fn enter_lame_duck(&self) {
        for member in &self.0 {
            if let Address::Server(server) = &member.address {
                server.do_send(EnterLameDuck);
            }
        }
    }

    /// What is lost with a member that was not done.
    pub(super) fn unsaved(&self, member: MemberId) -> Option<String> {
        said(self.0[member.0].unsaved.as_ref())
    }

    /// What a member that was not done has left for the next start.
    pub(super) fn kept(&self, member: MemberId) -> Option<String> {
        said(self.0[member.0].kept.as_ref())
    }
}

/// A panic of the job's closure does not end the exit.
fn said(statement: Option<&Statement>) -> Option<String> {
    let statement = statement?;
    catch_unwind(AssertUnwindSafe(|| statement())).unwrap_or(None)
}
