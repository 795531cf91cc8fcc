//! [`SupervisorConfig`]: what the supervisor starts with.

use std::{sync::Arc, time::Duration};

use actix::System;
use tokio_util::sync::CancellationToken;

use super::{heartbeat::Heartbeat, job::JobStart, monitor::Monitor};
use crate::{
    locale::Language,
    report::Report,
    sequence::{ExitCodes, Plan},
    server::StartedServer,
};

/// What the supervisor starts with.
pub(crate) struct SupervisorConfig {
    pub(crate) plan: Arc<Plan>,
    pub(crate) monitor: Arc<Monitor>,
    /// In the plan's order: what each member is.
    pub(crate) members: Vec<MemberSpec>,
    pub(crate) hooks: Hooks,
}

/// A member that has not been started.
pub(crate) enum MemberSpec {
    Server(Box<StartedServer>),
    Job(Box<JobStart>),
}

/// What the supervisor tells the rest of the program.
pub(crate) struct Hooks {
    pub(crate) language: Language,
    pub(crate) codes: ExitCodes,
    /// True if the log ends with a summary.
    pub(crate) log_summary: bool,
    /// How often waiting is reported; zero is never.
    pub(crate) progress_interval: Duration,
    /// Cancelled when rejecting begins, for the streams.
    pub(crate) streams: CancellationToken,
    /// Called when the exit begins.
    pub(crate) on_begin: Box<dyn FnMut() + Send>,
    /// Reports to a service manager.
    pub(crate) heartbeat: Option<Heartbeat>,
    /// The `System` of the program, which it may stop.
    pub(crate) system: System,
    /// Called when the program has stopped its `System`. Returns how long the exit may take.
    pub(crate) on_system_stop: Box<dyn FnMut() -> Duration + Send>,
    /// Called with the report when the outcome is settled. Must not block; the report's file is written later.
    pub(crate) on_exit: Box<dyn FnMut(Report) + Send>,
}
