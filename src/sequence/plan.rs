//! [`Plan`]: what an exit goes through, in order.

use std::{collections::BTreeSet, error::Error, fmt, time::Duration};

use super::{
    member::{Kind, Member, MemberId},
    phase::{Phase, PhaseKind},
    task::{PerTask, Task, TaskId},
    timeouts::Timeouts,
};

/// What an exit goes through, in order. Built once, before anything is served, and never changed.
///
/// A phase's tasks run side by side; phases follow one another. Resources, which must go one after another, are one
/// phase each. Checkpoints belong to no phase: they run from the first request to stop on, beside whatever phase
/// comes, and the callbacks wait for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    timeouts: Timeouts,
    members: Vec<Member>,
    checkpoints: Vec<Task>,
    phases: Vec<Phase>,
}

impl Plan {
    /// Makes the plan for these members.
    ///
    /// Timeouts that add up to more than the deadline make a plan all the same: see [`Plan::overrun`].
    ///
    /// # Errors
    /// When the deadline is zero, a member's name is empty or taken by another of its kind, or a server has a
    /// timeout of its own.
    pub fn new(timeouts: Timeouts, members: Vec<Member>) -> Result<Self, PlanError> {
        if timeouts.timeout.is_zero() {
            return Err(PlanError::NoTime);
        }
        let mut names = BTreeSet::new();
        for member in &members {
            if member.name.is_empty() {
                return Err(PlanError::NoName { kind: member.kind });
            }
            if !names.insert((member.kind.noun(), member.name.as_str())) {
                return Err(PlanError::SameName { kind: member.kind, name: member.name.clone() });
            }
            if member.timeout.is_some() && member.kind.is_server() {
                return Err(PlanError::ServerTimeout { name: member.name.clone() });
            }
        }
        let checkpoints = tasks(&members, timeouts.checkpoint_timeout, &[Kind::Checkpoint]);
        let phases = phases(&timeouts, &members);
        Ok(Self { timeouts, members, checkpoints, phases })
    }

    /// The timeouts it was built with.
    #[must_use]
    pub fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// All members, in the order of registration.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// What is asked at the first request to stop, in the order of registration.
    #[must_use]
    pub fn checkpoints(&self) -> &[Task] {
        &self.checkpoints
    }

    /// True if there is a callback. Callbacks save for good what checkpoints save early.
    #[must_use]
    pub fn has_callbacks(&self) -> bool {
        self.members.iter().any(|member| member.kind == Kind::Callback)
    }

    /// The phases in their order. Each has a task or a delay, but for the callbacks where they wait for checkpoints.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// The task of this id.
    ///
    /// # Panics
    /// With an id that is not of this plan.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Task {
        match id {
            TaskId::Checkpoint(task) => self.checkpoints[task],
            TaskId::InPhase { phase, task } => self.phases[phase].tasks[task],
        }
    }

    /// The kind of the phase that a task belongs to; `None` for a checkpoint.
    ///
    /// # Panics
    /// With an id that is not of this plan.
    #[must_use]
    pub fn phase_of(&self, id: TaskId) -> Option<PhaseKind> {
        match id {
            TaskId::Checkpoint(_) => None,
            TaskId::InPhase { phase, .. } => Some(self.phases[phase].kind),
        }
    }

    /// The member that a task asks.
    ///
    /// # Panics
    /// With an id that is not of this plan.
    #[must_use]
    pub fn member_of(&self, id: TaskId) -> &Member {
        &self.members[self.task(id).member.0]
    }

    /// Returns true for a task that waits for a server's requests: the report lists each request by name.
    ///
    /// # Panics
    /// With an id that is not of this plan.
    #[must_use]
    pub fn drains_a_server(&self, id: TaskId) -> bool {
        self.member_of(id).kind.is_server() && self.phase_of(id) == Some(PhaseKind::Drain)
    }

    /// The same value for each task.
    #[must_use]
    pub fn per_task<T: Clone>(&self, value: &T) -> PerTask<T> {
        PerTask {
            checkpoints: vec![value.clone(); self.checkpoints.len()],
            phases: self.phases.iter().map(|phase| vec![value.clone(); phase.tasks.len()]).collect(),
        }
    }

    /// How long an exit takes when every phase and every checkpoint uses its whole timeout.
    #[must_use]
    pub fn worst_case(&self) -> Duration {
        let checkpoints = self.checkpoints.iter().map(|task| task.timeout).max().unwrap_or_default();
        self.phases.iter().fold(Duration::ZERO, |so_far, phase| {
            let begin = if phase.kind.waits_for_checkpoints() { so_far.max(checkpoints) } else { so_far };
            begin.saturating_add(phase.timeout())
        })
    }

    /// By how much [`Plan::worst_case`] exceeds the deadline; zero when it fits.
    #[must_use]
    pub fn overrun(&self) -> Duration {
        self.worst_case().saturating_sub(self.timeouts.timeout)
    }
}

fn phases(timeouts: &Timeouts, members: &[Member]) -> Vec<Phase> {
    let has_checkpoints = members.iter().any(|member| member.kind == Kind::Checkpoint);
    let mut phases = Vec::new();
    for &kind in PhaseKind::ALL {
        let timeout = kind.timeout(timeouts);
        let tasks = tasks(members, timeout, kind.members());
        if kind.is_one_by_one() {
            let alone = |task| Phase { kind, tasks: vec![task], delay: Duration::ZERO };
            phases.extend(tasks.into_iter().rev().map(alone));
            continue;
        }
        let delay = if kind.is_delay() { timeout } else { Duration::ZERO };
        let waits = has_checkpoints && kind.waits_for_checkpoints();
        if waits || !tasks.is_empty() || !delay.is_zero() {
            phases.push(Phase { kind, tasks, delay });
        }
    }
    phases
}

fn tasks(members: &[Member], timeout: Duration, kinds: &[Kind]) -> Vec<Task> {
    let taking_part = members.iter().enumerate().filter(|(_, member)| kinds.contains(&member.kind));
    let task = |(id, member): (usize, &Member)| Task {
        member: MemberId(id),
        timeout: member.timeout.unwrap_or(timeout),
    };
    taking_part.map(task).collect()
}

/// Why members and timeouts make no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// The deadline is zero: the exit would be forced before it began.
    NoTime,
    /// A member has an empty name, and a report could not name it.
    NoName {
        /// The member's kind.
        kind: Kind,
    },
    /// Two members of one kind share a name, and a report could not tell them apart.
    SameName {
        /// Their kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A server has a timeout of its own: it could be meant for the drain or for the close.
    ServerTimeout {
        /// The server's name.
        name: String,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTime => f.write_str("the overall deadline is zero; give the exit some time"),
            Self::NoName { kind } => write!(f, "a {} has an empty name; reports go by names", kind.noun()),
            Self::SameName { kind, name } => {
                write!(f, "two of the {}s are called `{name}`; reports go by names", kind.noun())
            }
            Self::ServerTimeout { name } => {
                write!(
                    f,
                    "server `{name}` has a timeout of its own; servers share the plan's drain and stop timeouts"
                )
            }
        }
    }
}

impl Error for PlanError {}
