//! What goes into the machine and what comes out of it: [`Event`], [`Effect`], [`Timer`].

use std::time::Duration;

use super::{
    member::MemberId,
    outcome::{EndedBy, Outcome, TaskResult},
    plan::Plan,
    signal::Signal,
    task::TaskId,
};

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A signal came.
    Signal(Signal),
    /// The program asked for the exit. Asking again changes nothing.
    Stop,
    /// A task's answer. One that comes too late changes nothing.
    TaskFinished {
        /// The task.
        task: TaskId,
        /// How it ended.
        result: TaskResult,
    },
    /// A member has stopped: it answers none of its tasks any more. Before the exit, this starts it.
    MemberFailed {
        /// The member.
        member: MemberId,
    },
    /// A timer has run out. One of an earlier phase changes nothing.
    Timer(Timer),
}

/// A timer. It carries what it was armed for, so the machine recognises one that is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// The overall deadline.
    Deadline,
    /// The timeout of checkpoints; those with equal timeouts share one timer.
    Checkpoint {
        /// The timeout.
        after: Duration,
    },
    /// The timeout of a phase's tasks, of which those with equal timeouts share one timer; or the
    /// phase's delay.
    Task {
        /// Index into [`Plan::phases`].
        phase: usize,
        /// The timeout.
        after: Duration,
    },
}

/// Something to carry out, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The exit starts: the service is not ready from now on.
    Begin,
    /// Deliver [`Event::Timer`] after this time.
    Arm {
        /// The timer to deliver.
        timer: Timer,
        /// The time until then.
        after: Duration,
    },
    /// A phase starts.
    Enter {
        /// Index into [`Plan::phases`].
        phase: usize,
    },
    /// Ask a member to do its part.
    RunTask(TaskId),
    /// Stop waiting for a task, and tell it so: its own timeout is over.
    TimeOut(TaskId),
    /// Stop waiting for a task, and tell it so: the exit ends before its time.
    CutOff {
        /// The task.
        task: TaskId,
        /// The deadline, or a second signal.
        by: EndedBy,
    },
    /// A phase is over.
    Leave {
        /// Index into [`Plan::phases`].
        phase: usize,
        /// What ended it.
        by: EndedBy,
    },
    /// End the process. Nothing follows.
    Exit(Outcome),
}

impl Timer {
    /// The timer of a task's timeout. All tasks of a phase with the same timeout share one.
    #[must_use]
    pub fn of(plan: &Plan, id: TaskId) -> Self {
        let after = plan.task(id).timeout;
        match id {
            TaskId::Checkpoint(_) => Self::Checkpoint { after },
            TaskId::InPhase { phase, .. } => Self::Task { phase, after },
        }
    }

    /// How long after being armed it runs out.
    #[must_use]
    pub fn after(self, plan: &Plan) -> Duration {
        match self {
            Self::Deadline => plan.timeouts().timeout,
            Self::Checkpoint { after } | Self::Task { after, .. } => after,
        }
    }
}
