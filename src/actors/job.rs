//! [`Job`]: something to do at the exit.

use std::{
    fmt,
    future::Future,
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use actix::{dev::ToEnvelope, prelude::*};

use super::{
    callback::{CallbackActor, JobActor, Run},
    future::FutureActor,
    job_error::JobError,
    job_messages::{Checkpoint, FinishWork, JobContext, ReleaseResource, RunCallback},
};
use crate::{
    os::arbiters::Arbiters,
    sequence::{Kind, Member},
    sync::lock,
};

/// Something to do at the exit: a checkpoint, a callback, a resource to release, or a background worker to wait
/// for.
///
/// An actor does it: one that runs already, given by its [`Recipient`], or one that is started on an arbiter of its
/// own, whose thread it may block without delaying another job.
#[must_use = "it does nothing until it is registered"]
pub struct Job {
    kind: Kind,
    name: String,
    label: Option<String>,
    timeout: Option<Duration>,
    unsaved: Option<Statement>,
    kept: Option<Statement>,
    start: Start,
}

/// Starts the actor that does the job, where it gets an arbiter of its own.
type Start = Box<dyn FnOnce(&Arc<Arbiters>) -> io::Result<Run> + Send>;

/// Says something of a job that was not done.
pub(crate) type Statement = Arc<dyn Fn() -> Option<String> + Send + Sync>;

impl Job {
    /// A callback, run by the user's actor. All callbacks run side by side.
    pub fn callback(name: impl Into<String>, actor: Recipient<RunCallback>) -> Self {
        Self::asking(Kind::Callback, name.into(), move |_| Ok(JobActor { recipient: actor, arbiter: None }))
    }

    /// A callback, run by an actor that is started on an arbiter of its own.
    pub fn callback_actor<A>(name: impl Into<String>, actor: impl FnOnce() -> A + Send + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<RunCallback>,
    {
        Self::asking::<RunCallback>(Kind::Callback, name.into(), move |arbiters| {
            started_apart(arbiters, actor)
        })
    }

    /// A callback that is a future, run on an arbiter of its own.
    pub fn callback_fn<F, Fut>(name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        Self::future(Kind::Callback, name.into(), work)
    }

    /// A resource, released by the user's actor, after all callbacks; the last registered goes first.
    pub fn resource(name: impl Into<String>, actor: Recipient<ReleaseResource>) -> Self {
        Self::asking(Kind::Resource, name.into(), move |_| Ok(JobActor { recipient: actor, arbiter: None }))
    }

    /// A resource that is released by a future, on an arbiter of its own.
    pub fn resource_fn<F, Fut>(name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        Self::future(Kind::Resource, name.into(), work)
    }

    /// A checkpoint, saved by the user's actor: asked as soon as the exit begins, beside everything else. All
    /// checkpoints run side by side, and no callback begins while one runs.
    pub fn checkpoint(name: impl Into<String>, actor: Recipient<Checkpoint>) -> Self {
        Self::asking(Kind::Checkpoint, name.into(), move |_| Ok(JobActor { recipient: actor, arbiter: None }))
    }

    /// A checkpoint that is saved by a future, on an arbiter of its own.
    pub fn checkpoint_fn<F, Fut>(name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        Self::future(Kind::Checkpoint, name.into(), work)
    }

    /// A background worker, a queue's consumer for example: told to take no more work when the servers begin to
    /// reject, and waited for beside them.
    pub fn worker(name: impl Into<String>, actor: Recipient<FinishWork>) -> Self {
        Self::asking(Kind::BackgroundWorker, name.into(), move |_| {
            Ok(JobActor { recipient: actor, arbiter: None })
        })
    }

    /// Its own timeout, in place of the plan's for its kind.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Its name in the log; without one, its `name`. Reports and metrics always have the `name`.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Sets what says what is lost if the job is not done; `None` for nothing. It is called at the exit's end on the
    /// supervisor's thread: read a counter, and do not wait. The text goes into the job's error in the report, and into
    /// the log.
    pub fn unsaved(mut self, lost: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.unsaved = Some(Arc::new(lost));
        self
    }

    /// Sets what says what the job has left for the next start, and where, if it is not done; `None` for nothing. It is
    /// called like that of [`Job::unsaved`], but not if the job has answered with an error, which can say so itself.
    pub fn kept(mut self, kept: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.kept = Some(Arc::new(kept));
        self
    }

    /// What the plan knows of it.
    pub(crate) fn member(&self) -> Member {
        Member::new(self.kind, self.name.as_str()).with_timeout(self.timeout)
    }

    /// Starts the actor that does the job, where it gets an arbiter of its own: one of the calling thread's `System`.
    ///
    /// # Errors
    /// When the arbiter cannot be started.
    pub(crate) fn into_start(self, arbiters: &Arc<Arbiters>) -> io::Result<JobStart> {
        let run = (self.start)(arbiters)?;
        Ok(JobStart { label: self.label, unsaved: self.unsaved, kept: self.kept, run })
    }

    fn asking<M>(
        kind: Kind,
        name: String,
        start: impl FnOnce(&Arc<Arbiters>) -> io::Result<JobActor<M>> + Send + 'static,
    ) -> Self
    where
        M: Message<Result = Result<(), JobError>> + From<JobContext> + Send + 'static,
    {
        Self::new(kind, name, move |arbiters| {
            let actor = start(arbiters)?;
            Ok(Box::new(move |context| Box::pin(actor.clone().ask(context))))
        })
    }

    fn future<F, Fut>(kind: Kind, name: String, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        Self::new(kind, name, move |arbiters| {
            let work = Arc::new(Mutex::new(Some(work)));
            let start = {
                let (work, arbiters) = (Arc::clone(&work), Arc::clone(arbiters));
                move || {
                    let work = Arc::clone(&work);
                    started_apart::<_, RunCallback>(&arbiters, move || FutureActor { work })
                }
            };
            let actor = start()?;
            let start = Arc::new(start);
            Ok(Box::new(move |context| {
                let (actor, work, start) = (actor.clone(), Arc::clone(&work), Arc::clone(&start));
                Box::pin(async move {
                    let result = actor.ask(context.clone()).await;
                    // The program may have stopped its `System`, and the arbiter with it, before the work began.
                    let has_begun = lock(&work).is_none();
                    if has_begun {
                        return result;
                    }
                    match start() {
                        Ok(actor) => actor.ask(context).await,
                        Err(_) => result,
                    }
                })
            }))
        })
    }

    fn new(
        kind: Kind,
        name: String,
        start: impl FnOnce(&Arc<Arbiters>) -> io::Result<Run> + Send + 'static,
    ) -> Self {
        Self { kind, name, label: None, timeout: None, unsaved: None, kept: None, start: Box::new(start) }
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// A job whose own actor has been started: what the supervisor gets.
pub(crate) struct JobStart {
    pub(crate) label: Option<String>,
    pub(crate) unsaved: Option<Statement>,
    pub(crate) kept: Option<Statement>,
    run: Run,
}

impl JobStart {
    /// Starts the actor that runs the job for the supervisor, on the calling thread.
    pub(crate) fn start(self) -> Addr<CallbackActor> {
        CallbackActor::new(self.run).start()
    }
}

fn started_apart<A, M>(
    arbiters: &Arbiters,
    actor: impl FnOnce() -> A + Send + 'static,
) -> io::Result<JobActor<M>>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<(), JobError>> + Send + 'static,
{
    let arbiter = arbiters.start(|_| ())?;
    let recipient = A::start_in_arbiter(&arbiter, move |_| actor()).recipient();
    Ok(JobActor { recipient, arbiter: Some(arbiter) })
}
