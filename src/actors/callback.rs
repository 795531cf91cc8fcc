//! [`CallbackActor`], which runs one job within its bound, and [`Job`], what a user says of that job.

use std::{fmt, future::Future, io, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix::{dev::ToEnvelope, prelude::*};
use futures_core::future::LocalBoxFuture;
use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;

use super::protocol::{Ask, CallbackError, Cancel, Ended, Errand, FinishWork, ReleaseResource, RunCallback};
use crate::sequence::{Kind, Member, Over, TaskId};

/// Something to do at the exit: a callback, a resource to release, or a background worker to wait for.
///
/// Whoever does it is an actor: one that runs already, handed over as a [`Recipient`], or one that is started on
/// an arbiter of its own, where it may block its thread and delay nobody.
#[must_use = "it does nothing until it is registered"]
pub struct Job {
    kind: Kind,
    name: String,
    label: Option<String>,
    bound: Option<Duration>,
    at_risk: Option<AtRisk>,
    start: Box<dyn FnOnce() -> io::Result<Run> + Send>,
}

pub(crate) type AtRisk = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// Asks whoever does the job, and resolves to what became of it.
type Run = Box<dyn FnMut(Errand) -> LocalBoxFuture<'static, (Over, Option<String>)>>;

impl Job {
    /// A callback, run by an actor of the user's. All callbacks run side by side.
    pub fn callback(name: impl Into<String>, actor: Recipient<RunCallback>) -> Self {
        Self::asking(Kind::Callback, name.into(), move || Ok(actor))
    }

    /// A callback, run by an actor that is started on an arbiter of its own.
    pub fn callback_actor<A>(name: impl Into<String>, actor: impl FnOnce() -> A + Send + 'static) -> Self
    where
        A: Actor<Context = Context<A>> + Handler<RunCallback>,
    {
        Self::asking::<RunCallback>(Kind::Callback, name.into(), move || started_apart(actor))
    }

    /// A callback that is a future, run on an arbiter of its own.
    pub fn callback_fn<F, Fut>(name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(Errand) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), CallbackError>> + 'static,
    {
        Self::future(Kind::Callback, name.into(), work)
    }

    /// A resource, released by an actor of the user's, after all callbacks; the last registered goes first.
    pub fn resource(name: impl Into<String>, actor: Recipient<ReleaseResource>) -> Self {
        Self::asking(Kind::Resource, name.into(), move || Ok(actor))
    }

    /// A resource that is released by a future, on an arbiter of its own.
    pub fn resource_fn<F, Fut>(name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(Errand) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), CallbackError>> + 'static,
    {
        Self::future(Kind::Resource, name.into(), work)
    }

    /// A background worker, a queue's consumer for example: told to take no more work when the servers begin to
    /// reject, and waited for beside them.
    pub fn worker(name: impl Into<String>, actor: Recipient<FinishWork>) -> Self {
        Self::asking(Kind::Worker, name.into(), move || Ok(actor))
    }

    /// Its own bound, in place of the plan's for its kind.
    pub fn timeout(mut self, bound: Duration) -> Self {
        self.bound = Some(bound);
        self
    }

    /// What the log calls it: its name, unless it is said here. Reports and metrics go by the name.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// Asked for what is lost, if the exit ends without the job being done; `None` when nothing is. It is called
    /// on the supervisor's thread: look at a counter, and do not wait.
    pub fn at_risk(mut self, lost: impl Fn() -> Option<String> + Send + Sync + 'static) -> Self {
        self.at_risk = Some(Arc::new(lost));
        self
    }

    /// What the plan knows of it.
    pub(crate) fn member(&self) -> Member {
        Member { kind: self.kind, name: self.name.clone(), bound: self.bound }
    }

    pub(crate) fn into_parts(self) -> Parts {
        Parts { label: self.label, at_risk: self.at_risk, start: self.start }
    }

    fn asking<M>(
        kind: Kind,
        name: String,
        start: impl FnOnce() -> io::Result<Recipient<M>> + Send + 'static,
    ) -> Self
    where
        M: Message<Result = Result<(), CallbackError>> + From<Errand> + Send + 'static,
    {
        Self {
            kind,
            name,
            label: None,
            bound: None,
            at_risk: None,
            start: Box::new(move || {
                let actor = start()?;
                Ok(Box::new(move |errand| Box::pin(ask(actor.clone(), errand))))
            }),
        }
    }

    fn future<F, Fut>(kind: Kind, name: String, work: F) -> Self
    where
        F: FnOnce(Errand) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), CallbackError>> + 'static,
    {
        Self::asking::<RunCallback>(kind, name, move || {
            started_apart(move || FutureActor { work: Some(Box::new(work)) })
        })
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job").field("kind", &self.kind).field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the builder makes of a job.
pub(crate) struct Parts {
    pub(crate) label: Option<String>,
    pub(crate) at_risk: Option<AtRisk>,
    start: Box<dyn FnOnce() -> io::Result<Run> + Send>,
}

impl Parts {
    /// Starts the actor that does the job, where it is to be started, and the one that stands in for it.
    pub(crate) fn start(self) -> io::Result<Addr<CallbackActor>> {
        Ok(CallbackActor { run: (self.start)()?, running: None }.start())
    }
}

/// Stands in for whoever does a job: asks, and answers the supervisor. It lives beside the supervisor, costs no
/// thread, and is never blocked by the job.
pub struct CallbackActor {
    run: Run,
    running: Option<(TaskId, CancellationToken, SpawnHandle)>,
}

impl Actor for CallbackActor {
    type Context = Context<Self>;
}

impl Handler<Ask> for CallbackActor {
    type Result = ();

    fn handle(&mut self, ask: Ask, ctx: &mut Self::Context) {
        let cancelled = CancellationToken::new();
        let work = (self.run)(Errand::new(ask.bound, cancelled.clone()));
        let handle = ctx.spawn(work.into_actor(self).map(move |(over, error), actor, _| {
            actor.running = None;
            ask.reply.do_send(Ended { id: ask.id, over, error });
        }));
        self.running = Some((ask.id, cancelled, handle));
    }
}

impl Handler<Cancel> for CallbackActor {
    type Result = ();

    fn handle(&mut self, cancel: Cancel, ctx: &mut Self::Context) {
        if let Some((id, cancelled, handle)) = self.running.take()
            && id == cancel.id
        {
            cancelled.cancel();
            ctx.cancel_future(handle);
        }
    }
}

impl fmt::Debug for CallbackActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackActor").field("running", &self.running).finish_non_exhaustive()
    }
}

async fn ask<M>(actor: Recipient<M>, errand: Errand) -> (Over, Option<String>)
where
    M: Message<Result = Result<(), CallbackError>> + From<Errand> + Send + 'static,
{
    if !actor.connected() {
        return (Over::Unreachable, None);
    }
    match actor.send(M::from(errand)).await {
        Ok(Ok(())) => (Over::Done, None),
        Ok(Err(error)) if error.is_panic() => (Over::Panicked, Some(error.to_string())),
        Ok(Err(error)) => (Over::Failed, Some(error.to_string())),
        // It was there when it was asked, and is gone without an answer.
        Err(_) => (Over::Panicked, Some("its actor ended without an answer".to_owned())),
    }
}

fn started_apart<A, M>(actor: impl FnOnce() -> A + Send + 'static) -> io::Result<Recipient<M>>
where
    A: Actor<Context = Context<A>> + Handler<M>,
    A::Context: ToEnvelope<A, M>,
    M: Message<Result = Result<(), CallbackError>> + Send + 'static,
{
    let arbiter = Arbiter::try_new()?;
    Ok(A::start_in_arbiter(&arbiter.handle(), move |_| actor()).recipient())
}

/// Runs a future, once.
struct FutureActor<F> {
    work: Option<Box<F>>,
}

impl<F: 'static> Actor for FutureActor<F> {
    type Context = Context<Self>;
}

impl<F, Fut> Handler<RunCallback> for FutureActor<F>
where
    F: FnOnce(Errand) -> Fut + 'static,
    Fut: Future<Output = Result<(), CallbackError>> + 'static,
{
    type Result = ResponseFuture<Result<(), CallbackError>>;

    fn handle(&mut self, RunCallback(errand): RunCallback, _: &mut Self::Context) -> Self::Result {
        let Some(work) = self.work.take() else {
            return Box::pin(async { Err(CallbackError::new("it was asked a second time")) });
        };
        let work = AssertUnwindSafe(async move { work(errand).await });
        Box::pin(
            work.catch_unwind().map(|result| {
                result.unwrap_or_else(|payload| Err(CallbackError::panicked(payload.as_ref())))
            }),
        )
    }
}

macro_rules! from_errand {
    ($($message:ident),*) => {
        $(impl From<Errand> for $message {
            fn from(errand: Errand) -> Self {
                Self(errand)
            }
        })*
    };
}

from_errand!(RunCallback, ReleaseResource, FinishWork);
