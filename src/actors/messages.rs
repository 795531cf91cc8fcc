//! Every message between the supervisor and its members.

use std::{
    fmt,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::sequence::{MemberId, PhaseKind, TaskId, TaskResult};

/// To the supervisor: a signal came. The first starts the exit, any later one that is not coalesced with it
/// forces it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct SignalReceived {
    /// Its name, as in `SIGTERM`.
    pub name: String,
    /// When it came.
    pub at: Instant,
}

/// To the supervisor: the program asks for the exit. Asking again changes nothing.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct StopRequested {
    /// Why; the report's `reason`.
    pub reason: String,
}

/// To the supervisor: a member is gone, and with it all that it was asked.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct ServerFailed {
    /// Who.
    pub member: MemberId,
}

/// To the supervisor: a task has ended.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct TaskFinished {
    /// Which.
    pub id: TaskId,
    /// How.
    pub result: TaskResult,
    /// What it failed with.
    pub error: Option<String>,
}

/// To a server: the exit has started. It serves on, and says `Connection: close` on each answer.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct EnterLameDuck;

/// To a member: do your part in this phase, and answer with [`TaskFinished`].
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct RunTask {
    /// What to answer with.
    pub id: TaskId,
    /// The phase.
    pub phase: PhaseKind,
    /// How long the answer is waited for.
    pub bound: Duration,
    /// Whom to answer.
    pub reply: Recipient<TaskFinished>,
}

/// To a member: its answer is not waited for any more.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel {
    /// Which task.
    pub id: TaskId,
}

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
/// A queue's consumer, a scheduler, a poller: whatever takes up work by itself joins the drain as a member of its own,
/// registered with [`Job::worker`](super::Job::worker). It is asked once, by this message, and its answer is the other
/// half of the pair:
///
/// | it answers | and the report says |
/// |---|---|
/// | `Ok(())`, once its last job is done | `done` |
/// | `Err(…)`, because work was left unfinished | `failed`, with the error; the exit is incomplete |
/// | not at all within its bound | `timed_out`; [`JobContext::cancelled`] is cancelled at that moment |
/// | not at all, because its actor has stopped | `unreachable` or `panicked` |
///
/// The drain lasts until the servers' requests *and* every worker are done, each within its own bound
/// ([`Job::timeout`](super::Job::timeout)), so a callback that flushes and a resource that closes find nobody at work.
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
/// A job that takes its time is answered for later, by a future: `examples/background_worker.rs`. The worker must not
/// block its actor's thread for longer than its bound: the message would not reach it before. What it is *not* told is
/// which jobs are worth finishing; a queue that hands out unfinished jobs again makes the shortest exits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct FinishWork(pub JobContext);

/// What comes with a request to do something at the exit.
#[derive(Clone, Debug)]
pub struct JobContext {
    bound: Duration,
    cancelled: CancellationToken,
}

impl JobContext {
    /// With so much time.
    #[must_use]
    pub fn new(bound: Duration, cancelled: CancellationToken) -> Self {
        Self { bound, cancelled }
    }

    /// How long the answer is waited for, from the moment of asking.
    #[must_use]
    pub fn bound(&self) -> Duration {
        self.bound
    }

    /// Cancelled when the answer is not waited for any more: the bound is over, or the exit is. Work that
    /// goes on after that may be cut off at any instant.
    #[must_use]
    pub fn cancelled(&self) -> &CancellationToken {
        &self.cancelled
    }
}

/// Why a callback did not do its work. Made from any error by `?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobError {
    message: String,
    panicked: bool,
}

impl JobError {
    /// With a message for the log and the report.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), panicked: false }
    }

    pub(super) fn panicked(payload: &(dyn std::any::Any + Send)) -> Self {
        let message = payload.downcast_ref::<&str>().map(|message| (*message).to_owned());
        let message = message.or_else(|| payload.downcast_ref::<String>().cloned());
        Self { message: message.unwrap_or_else(|| "no message".to_owned()), panicked: true }
    }

    pub(super) fn is_panic(&self) -> bool {
        self.panicked
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Any error, with the chain of its sources.
impl<E: std::error::Error> From<E> for JobError {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            let cause_message = cause.to_string();
            if !message.ends_with(&cause_message) {
                message.push_str(": ");
                message.push_str(&cause_message);
            }
            source = cause.source();
        }
        Self::new(message)
    }
}
