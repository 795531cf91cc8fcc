//! Every message between the supervisor and its members; those to a user's own actors are in `job_messages`.

use std::time::Duration;

use crate::sequence::{MemberId, PhaseKind, Signal, TaskId, TaskResult};
use actix::prelude::*;

/// To the supervisor: a signal came. The first starts the exit, any later one that is not coalesced with it
/// forces it.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct SignalReceived {
    /// Its name, as in `SIGTERM`.
    pub name: String,
    /// When it came, and its kind.
    pub signal: Signal,
}

/// To the supervisor: the program asks for the exit. Asking again changes nothing.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct StopRequested {
    /// Why; the report's `reason`.
    pub reason: String,
}

/// To the supervisor: a server has failed; none of its tasks will be answered.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct ServerFailed {
    /// The member.
    pub member: MemberId,
}

/// To the supervisor: the program has stopped its `System`.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct SystemStopped;

/// To the supervisor: a task has ended.
#[derive(Clone, Debug, Message)]
#[rtype(result = "()")]
pub struct TaskFinished {
    /// The task.
    pub id: TaskId,
    /// How it ended.
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
    /// The task.
    pub id: TaskId,
}
