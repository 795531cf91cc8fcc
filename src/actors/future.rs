//! [`FutureActor`]: a job that is a future.

use std::{
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex},
};

use actix::prelude::*;
use futures_util::FutureExt;

use super::{
    job_error::JobError,
    job_messages::{JobContext, RunCallback},
};
use crate::sync::lock;

/// Runs a future, once.
pub(super) struct FutureActor<F> {
    pub(super) work: Arc<Mutex<Option<F>>>,
}

impl<F: 'static> Actor for FutureActor<F> {
    type Context = Context<Self>;
}

impl<F, Fut> Handler<RunCallback> for FutureActor<F>
where
    F: FnOnce(JobContext) -> Fut + 'static,
    Fut: Future<Output = Result<(), JobError>> + 'static,
{
    type Result = ResponseFuture<Result<(), JobError>>;

    fn handle(&mut self, RunCallback(context): RunCallback, _: &mut Self::Context) -> Self::Result {
        let Some(work) = lock(&self.work).take() else {
            return Box::pin(async { Err(JobError::new("it was asked a second time")) });
        };
        let work = AssertUnwindSafe(async move { work(context).await });
        Box::pin(
            work.catch_unwind()
                .map(|result| result.unwrap_or_else(|payload| Err(JobError::panicked(payload.as_ref())))),
        )
    }
}
