//! What a user's own actors are asked at the exit, and [`JobContext`], which comes with it.

use std::time::Duration;

use actix::prelude::*;
use tokio_util::sync::CancellationToken;

use super::job_error::JobError;

/// To a user's own actor: save what must not be lost, and answer when it is saved.
///
/// Sent at the first request to stop, whatever phase comes first, and bounded by `shutdown.checkpoint_timeout` from
/// then on. It runs beside the ready delay and the drain, and delays no phase but the callbacks: none of them begins
/// while a checkpoint runs. Requests are still served meanwhile: their handlers have to save what they change after the
/// checkpoint.
///
/// What a checkpoint has saved is safe however the exit ends: by a second signal, by the deadline, or by a `SIGKILL` of a
/// platform that does not wait.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct Checkpoint(pub JobContext);

/// To a user's own actor: run your callback. All callbacks run side by side, after the servers have closed.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct RunCallback(pub JobContext);

/// To a user's own actor: release your resource. Resources go one after another, the last registered first,
/// after all callbacks.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct ReleaseResource(pub JobContext);

/// To a user's own background worker: take no more work, and answer when the last job is done. Sent when the
/// servers begin to reject requests, and waited for beside them, within `shutdown.drain_timeout`.
///
/// # More than HTTP
///
/// A queue's consumer, a scheduler or a poller, which takes up work by itself, joins the drain as a member of its own,
/// registered with [`Job::worker`](super::Job::worker). It is asked once, by this message:
///
/// | it answers | and the report says |
/// |---|---|
/// | `Ok(())`, once its last job is done | `done` |
/// | `Err(…)`, because work was left unfinished | `failed`, with the error; the exit is incomplete |
/// | not at all within its timeout | `timed_out`; [`JobContext::cancelled`] is cancelled at that moment |
/// | not at all, because its actor has stopped | `unreachable` or `panicked` |
///
/// The drain lasts until the servers' requests *and* every worker are done, each within its own timeout
/// ([`Job::timeout`](super::Job::timeout)), so no work is under way when a callback flushes or a resource closes.
/// With `shutdown.ready_delay` the worker goes on until that is over: it is asked when requests begin to be rejected.
///
/// ```
/// use actix::prelude::*;
/// use graceful_exit::{JobError, FinishWork, GracefulExit, Job};
///
/// /// Does one thing each second.
/// struct Scheduler {
///     next: Option<SpawnHandle>,
/// }
///
/// impl Actor for Scheduler {
///     type Context = Context<Self>;
///
///     fn started(&mut self, ctx: &mut Self::Context) {
///         self.next = Some(ctx.run_interval(std::time::Duration::from_secs(1), |_, _| println!("tick")));
///     }
/// }
///
/// impl Handler<FinishWork> for Scheduler {
///     type Result = Result<(), JobError>;
///
///     fn handle(&mut self, _: FinishWork, ctx: &mut Self::Context) -> Self::Result {
///         // A tick is done within its message, so none is under way here.
///         self.next.take().map(|next| ctx.cancel_future(next));
///         Ok(())
///     }
/// }
///
/// # actix::System::new().block_on(async {
/// let scheduler = Scheduler { next: None }.start();
/// let exit = GracefulExit::builder().job(Job::worker("scheduler", scheduler.recipient()));
/// # drop(exit);
/// # });
/// ```
///
/// A handler that has to wait for its last job returns a future: `examples/background_worker.rs`. A job must not block
/// the actor's thread for longer than the timeout, because the message would not be handled in time. The message does
/// not say which jobs to finish: where the queue delivers unfinished jobs again, the shortest exits finish none.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct FinishWork(pub JobContext);

/// What a job is told when it is asked: how long it has, and when its answer is no longer waited for.
#[derive(Clone, Debug)]
pub struct JobContext {
    timeout: Duration,
    cancelled: CancellationToken,
}

impl JobContext {
    /// A context with this timeout, for tests of a job. An exit makes its own.
    #[must_use]
    pub fn new(timeout: Duration, cancelled: CancellationToken) -> Self {
        Self { timeout, cancelled }
    }

    /// How long the answer is waited for, from the moment of asking.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Resolves when the answer is no longer waited for: the timeout is over, or the exit is. Work that goes on after
    /// that can end with the process at any instant.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// The token behind [`JobContext::cancelled`], to pass on to code that takes one.
    #[must_use]
    pub fn cancellation_token(&self) -> &CancellationToken {
        &self.cancelled
    }
}

macro_rules! from_context {
    ($($message:ident),*) => {
        $(impl From<JobContext> for $message {
            fn from(context: JobContext) -> Self {
                Self(context)
            }
        })*
    };
}

from_context!(Checkpoint, RunCallback, ReleaseResource, FinishWork);
