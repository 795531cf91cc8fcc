//! How jobs are added to an exit: methods of [`GracefulExit`].

use std::future::Future;

use actix::prelude::*;

use super::builder::GracefulExit;
use crate::actors::{Checkpoint, Job, JobContext, JobError, ReleaseResource, RunCallback};

/// Its jobs.
impl GracefulExit {
    /// Adds a job. The methods below are short forms for the common kinds.
    pub fn job(mut self, job: Job) -> Self {
        self.jobs.push(job);
        self
    }

    /// Adds a checkpoint: an actor of yours that handles [`Checkpoint`], asked as soon as the exit begins.
    ///
    /// Callbacks save for good what it saves early: where there are any, one that fails is in the log and in the
    /// report, and the exit can be clean all the same.
    pub fn checkpoint(self, name: impl Into<String>, actor: Recipient<Checkpoint>) -> Self {
        self.job(Job::checkpoint(name, actor))
    }

    /// Adds a checkpoint that is a future; it gets a thread of its own.
    pub fn checkpoint_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        self.job(Job::checkpoint_fn(name, work))
    }

    /// Adds a callback: an actor of yours that handles [`RunCallback`].
    pub fn callback(self, name: impl Into<String>, actor: Recipient<RunCallback>) -> Self {
        self.job(Job::callback(name, actor))
    }

    /// Adds a callback that is a future; it gets a thread of its own.
    pub fn callback_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        self.job(Job::callback_fn(name, work))
    }

    /// Adds a resource: an actor of yours that handles [`ReleaseResource`].
    pub fn resource(self, name: impl Into<String>, actor: Recipient<ReleaseResource>) -> Self {
        self.job(Job::resource(name, actor))
    }

    /// Adds a resource that is released by a future; it gets a thread of its own.
    pub fn resource_fn<F, Fut>(self, name: impl Into<String>, work: F) -> Self
    where
        F: FnOnce(JobContext) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), JobError>> + 'static,
    {
        self.job(Job::resource_fn(name, work))
    }
}
