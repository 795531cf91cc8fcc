//! Every message between the supervisor and its members.

use std::{
    error::Error,
    fmt,
    time::{Duration, Instant},
};

use actix::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::sequence::{MemberId, PhaseKind, SignalKind, TaskId, TaskResult};

/// To the supervisor: a signal came. The first starts the exit, any later one that is not coalesced with it
/// forces it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct SignalReceived {
    /// Its name, as in `SIGTERM`.
    pub name: String,
    /// When it came.
    pub at: Instant,
    /// Whether it is a hang-up, and who sent that.
    pub kind: SignalKind,
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
    /// The phase; `None` for a checkpoint, which belongs to none.
    pub phase: Option<PhaseKind>,
    /// How long the answer is waited for.
    pub timeout: Duration,
    /// Where the answer goes.
    pub reply: Recipient<TaskFinished>,
}

/// To a member: its answer is not waited for any more.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel {
    /// Which task.
    pub id: TaskId,
}

/// To a user's own actor: save what must not be lost, and answer when it is saved.
///
/// Sent at the first request to stop, whatever phase comes first, and bounded by `shutdown.checkpoint_timeout` from then
/// on. It runs beside the ready delay and the drain, and delays no phase but the callbacks: none of them begins while a
/// checkpoint runs. Requests are still served meanwhile, so what they change after the checkpoint is theirs to save.
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
/// A job that takes its time is answered for later, by a future: `examples/background_worker.rs`. The worker must not
/// block its actor's thread for longer than its bound: the message would not reach it before. What it is *not* told is
/// which jobs are worth finishing; a queue that hands out unfinished jobs again makes the shortest exits.
#[derive(Clone, Debug, Message)]
#[rtype(result = "Result<(), JobError>")]
pub struct FinishWork(pub JobContext);

/// What comes with a request to do something at the exit: how much time there is, and when it is over.
#[derive(Clone, Debug)]
pub struct JobContext {
    timeout: Duration,
    cancelled: CancellationToken,
}

impl JobContext {
    /// For a job with so much time. Exits make their own; this is for tests of a job.
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
    /// that may be cut off at any instant.
    pub async fn cancelled(&self) {
        self.cancelled.cancelled().await;
    }

    /// The token behind [`JobContext::cancelled`], to pass on to code that takes one.
    #[must_use]
    pub fn cancellation_token(&self) -> &CancellationToken {
        &self.cancelled
    }
}

/// Why a job did not do its work: the text for the log and the report.
///
/// Made by `?` from everything that goes into a `Box<dyn Error + Send + Sync>`: any error, such a box itself,
/// `anyhow::Error`, `&str` and `String`. The text has the whole chain of causes.
///
/// ```
/// use graceful_exit::JobError;
///
/// fn save(count: &str) -> Result<(), JobError> {
///     count.parse::<u32>()?;
///     Err("disk full")?
/// }
/// assert_eq!(save("many").unwrap_err().to_string(), "invalid digit found in string");
/// assert_eq!(save("7").unwrap_err().to_string(), "disk full");
/// ```
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

// `JobError` is no `Error` itself: then it would go into the box too, and this would overlap with `From<T> for T`.
impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for JobError {
    fn from(error: E) -> Self {
        let error = error.into();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Outer(std::io::Error);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("the cache cannot be flushed")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_job_error_is_made_from_whatever_goes_into_a_box_and_keeps_the_causes() {
        let outer = || Outer(std::io::Error::other("disk full"));
        let text = |result: Result<(), JobError>| result.map_err(|error| error.to_string());
        let whole = Err("the cache cannot be flushed: disk full".to_owned());
        assert_eq!(text((|| Err(outer())?)()), whole);
        assert_eq!(text((|| Err(Box::<dyn Error + Send + Sync>::from(outer()))?)()), whole);
        assert_eq!(text((|| Err(anyhow::Error::from(outer()))?)()), whole);
        assert_eq!(text((|| Err("no time")?)()), Err("no time".to_owned()));
        assert_eq!(text((|| Err(String::from("no time"))?)()), Err("no time".to_owned()));
    }
}
