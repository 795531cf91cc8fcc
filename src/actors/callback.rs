//! [`CallbackActor`]: runs one job for the supervisor.

use actix::prelude::*;
use actix_rt::ArbiterHandle;
use futures_core::future::LocalBoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    job_error::JobError,
    job_messages::JobContext,
    messages::{Cancel, RunTask, TaskFinished},
};
use crate::sequence::{TaskId, TaskResult};

/// Asks the actor that does the job, and resolves to how it ended and with what error.
pub(super) type Run =
    Box<dyn FnMut(JobContext) -> LocalBoxFuture<'static, (TaskResult, Option<String>)> + Send>;

/// Runs one job for the supervisor: asks the actor that does it, and tells the supervisor how it ended. It lives beside
/// the supervisor, costs no thread, and is never blocked by the job.
pub struct CallbackActor {
    run: Run,
    running: Option<(TaskId, CancellationToken, SpawnHandle)>,
}

impl CallbackActor {
    pub(super) fn new(run: Run) -> Self {
        Self { run, running: None }
    }
}

impl Actor for CallbackActor {
    type Context = Context<Self>;
}

impl Handler<RunTask> for CallbackActor {
    type Result = ();

    fn handle(&mut self, ask: RunTask, ctx: &mut Self::Context) {
        let cancelled = CancellationToken::new();
        let work = (self.run)(JobContext::new(ask.timeout, cancelled.clone()));
        let handle = ctx.spawn(work.into_actor(self).map(move |(result, error), actor, _| {
            actor.running = None;
            ask.reply.do_send(TaskFinished { id: ask.id, result, error });
        }));
        self.running = Some((ask.id, cancelled, handle));
    }
}

impl Handler<Cancel> for CallbackActor {
    type Result = ();

    fn handle(&mut self, cancel: Cancel, ctx: &mut Self::Context) {
        let running = self.running.take_if(|(id, ..)| *id == cancel.id);
        if let Some((_, cancelled, handle)) = running {
            cancelled.cancel();
            ctx.cancel_future(handle);
        }
    }
}

/// The actor that does a job.
pub(super) struct JobActor<M: Message<Result = Result<(), JobError>> + Send> {
    pub(super) recipient: Recipient<M>,
    /// Its own event loop, where it was started for this job alone.
    pub(super) arbiter: Option<ArbiterHandle>,
}

impl<M> JobActor<M>
where
    M: Message<Result = Result<(), JobError>> + From<JobContext> + Send + 'static,
{
    /// Sends the message of a job, and waits for the answer.
    pub(super) async fn ask(self, context: JobContext) -> (TaskResult, Option<String>) {
        if !self.recipient.connected() {
            return (TaskResult::Unreachable, None);
        }
        match self.recipient.send(M::from(context)).await {
            Ok(Ok(())) => (TaskResult::Done, None),
            Ok(Err(error)) if error.is_panic() => (TaskResult::Panicked, Some(error.to_string())),
            Ok(Err(error)) => (TaskResult::Failed, Some(error.to_string())),
            // A panic ends the actor, and leaves its event loop as it is.
            Err(_) if self.arbiter.as_ref().is_some_and(is_stopped) => {
                (TaskResult::Unreachable, Some(STOPPED.to_owned()))
            }
            // The actor ran when it was asked, and has stopped without an answer.
            Err(_) => (TaskResult::Panicked, Some("its actor ended without an answer".to_owned())),
        }
    }
}

// Not derived: the message need not be `Clone`.
impl<M: Message<Result = Result<(), JobError>> + Send> Clone for JobActor<M> {
    fn clone(&self) -> Self {
        Self { recipient: self.recipient.clone(), arbiter: self.arbiter.clone() }
    }
}

/// The error of a job whose event loop was stopped: by `System::stop()`, or by its own code.
const STOPPED: &str = "its event loop was stopped, as System::stop() does, before it answered";

/// An event loop that was stopped takes no work, from before its actors end.
fn is_stopped(arbiter: &ArbiterHandle) -> bool {
    !arbiter.spawn_fn(|| ())
}
