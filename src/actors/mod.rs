//! The actors that carry out what the [machine](crate::sequence) decides, and bring it what happens.
//!
//! All of them live on one arbiter of their own and never block it. A user's callback runs where its own actor
//! lives; a [`CallbackActor`] here asks it and waits for it.

mod callback;
mod config;
mod failures;
mod future;
mod heartbeat;
mod http_server;
mod job;
mod job_error;
mod job_messages;
mod members;
mod messages;
mod monitor;
mod narrator;
mod progress;
mod recorder;
mod server_run;
mod supervisor;
#[cfg(test)]
mod tests;
mod timers;

pub use callback::CallbackActor;
pub(crate) use config::{Hooks, MemberSpec, SupervisorConfig};
pub(crate) use heartbeat::Heartbeat;
pub use http_server::HttpServerActor;
pub use job::Job;
pub use job_error::JobError;
pub use job_messages::{Checkpoint, FinishWork, JobContext, ReleaseResource, RunCallback};
pub use messages::{
    Cancel, EnterLameDuck, RunTask, ServerFailed, SignalReceived, StopRequested, SystemStopped, TaskFinished,
};
pub use monitor::Monitor;
pub use narrator::EVENTS;
pub use supervisor::ShutdownSupervisor;
