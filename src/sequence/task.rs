//! Tasks: what one member does in one phase, or as a checkpoint.

use std::{
    ops::{Index, IndexMut},
    time::Duration,
};

use super::member::MemberId;

/// What one member does in one phase, or as a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Task {
    /// The member that is asked.
    pub member: MemberId,
    /// How long the answer is waited for.
    pub timeout: Duration,
}

/// Identifies a task of a plan. Checkpoints sort before the tasks of phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskId {
    /// Index into [`Plan::checkpoints`](super::Plan::checkpoints).
    Checkpoint(usize),
    /// A task of a phase.
    InPhase {
        /// Index into [`Plan::phases`](super::Plan::phases).
        phase: usize,
        /// Index into [`Phase::tasks`](super::Phase::tasks).
        task: usize,
    },
}

impl TaskId {
    /// True for a checkpoint.
    #[must_use]
    pub const fn is_checkpoint(self) -> bool {
        match self {
            Self::Checkpoint(_) => true,
            Self::InPhase { .. } => false,
        }
    }
}

/// One value for each task of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PerTask<T> {
    pub(super) checkpoints: Vec<T>,
    pub(super) phases: Vec<Vec<T>>,
}

impl<T> PerTask<T> {
    /// Each task with its value, in the order of [`TaskId`].
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &T)> {
        let checkpoints = self.checkpoints.iter().enumerate();
        let phases = self.phases.iter().enumerate().flat_map(|(phase, tasks)| {
            let id = move |(task, value)| (TaskId::InPhase { phase, task }, value);
            tasks.iter().enumerate().map(id)
        });
        checkpoints.map(|(task, value)| (TaskId::Checkpoint(task), value)).chain(phases)
    }
}

/// # Panics
/// With an id that is not of this plan.
impl<T> Index<TaskId> for PerTask<T> {
    type Output = T;

    fn index(&self, id: TaskId) -> &T {
        match id {
            TaskId::Checkpoint(task) => &self.checkpoints[task],
            TaskId::InPhase { phase, task } => &self.phases[phase][task],
        }
    }
}

/// # Panics
/// With an id that is not of this plan.
impl<T> IndexMut<TaskId> for PerTask<T> {
    fn index_mut(&mut self, id: TaskId) -> &mut T {
        match id {
            TaskId::Checkpoint(task) => &mut self.checkpoints[task],
            TaskId::InPhase { phase, task } => &mut self.phases[phase][task],
        }
    }
}
