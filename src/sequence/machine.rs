//! The machine: [`State`], [`Event`], [`Effect`], [`Timer`], and the one function between them.

use std::{collections::BTreeSet, time::Duration};

use super::{MemberId, Outcome, Phase, Plan, TaskId};

/// Where an exit stands. Nothing but [`State::step`] changes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// When the first signal came; any later one that is not coalesced with it forces the exit.
    first_signal: Option<Duration>,
    /// Members that are gone: they are not asked again.
    dead: BTreeSet<MemberId>,
    /// What became of each task, by phase; what a later phase will ask is `NotStarted`.
    statuses: Vec<Vec<TaskStatus>>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Serving,
    /// In `phase`, waiting for `pending` (or, where it has no tasks, for its hold to be over).
    Exiting {
        phase: usize,
        pending: BTreeSet<usize>,
    },
    Finished,
}

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// A signal came, so long after an instant that the shell chose once and for all.
    Signal {
        /// Its time; what counts is the distance between two of them.
        at: Duration,
    },
    /// The program asked for the exit. Asking again changes nothing.
    Stop,
    /// A task's answer. One that comes too late changes nothing.
    TaskFinished {
        /// Whose.
        task: TaskId,
        /// What became of it.
        result: TaskResult,
    },
    /// A member is gone, and with it all that it was asked. While nothing is stopping, it starts the exit.
    MemberFailed {
        /// Who.
        member: MemberId,
    },
    /// A timer that was armed ran out. One of an earlier phase changes nothing.
    Timer(Timer),
}

/// How a task can end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskResult {
    /// All is well.
    Done,
    /// It answered with an error.
    Failed,
    /// It panicked.
    Panicked,
    /// It could not be asked: its mailbox is closed.
    Unreachable,
}

/// A timer. It carries the phase that armed it, so a stale one is known by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Timer {
    /// The overall deadline.
    Deadline,
    /// The bound of all those tasks of a phase that have this one; or the phase's hold.
    Task {
        /// Index into [`Plan::phases`].
        phase: usize,
        /// The bound.
        after: Duration,
    },
}

/// Something to carry out, in the order given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The exit starts: not ready from here on.
    Begin,
    /// Come back with [`Event::Timer`] after so long.
    Arm {
        /// What to come back with.
        timer: Timer,
        /// When.
        after: Duration,
    },
    /// A phase starts.
    Enter {
        /// Index into [`Plan::phases`].
        phase: usize,
    },
    /// Ask a member to do its part.
    RunTask(TaskId),
    /// Stop waiting for a task, and tell it so: its own bound is over.
    TimeOut(TaskId),
    /// Stop waiting for a task, and tell it so: the deadline has passed.
    CutOff(TaskId),
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

/// What ended a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EndedBy {
    /// Nothing was left to wait for.
    Done,
    /// The bound of the last one waited for.
    Timeout,
    /// The overall deadline.
    Deadline,
    /// A second signal.
    Signal,
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TaskStatus {
    /// Its phase has not come; in an exit that is over, it never did.
    NotStarted,
    /// It was asked and is waited for.
    Running,
    /// It ended by itself.
    Finished(TaskResult),
    /// Its own bound ran out.
    TimedOut,
    /// The deadline or a second signal came first.
    CutOff,
}

/// What [`State::step`] answers: the state that follows, and what to carry out.
#[must_use = "the effects are the machine's only way to do anything"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state that follows.
    pub state: State,
    /// What to carry out, in this order.
    pub effects: Vec<Effect>,
}

impl State {
    /// Serving, with nothing asked yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let statuses = plan.phases().iter().map(|phase| vec![TaskStatus::NotStarted; phase.tasks.len()]);
        Self {
            first_signal: None,
            dead: BTreeSet::new(),
            statuses: statuses.collect(),
            stage: Stage::Serving,
        }
    }

    /// What follows from an event. Total: every event is allowed in every state; once the exit is over, none
    /// changes anything. An answer costs the
    /// logarithm of the tasks waited for, so that ten thousand callbacks cost in proportion to their number.
    pub fn step(mut self, plan: &Plan, event: Event) -> Step {
        let effects = self.apply(plan, event);
        Step { state: self, effects }
    }

    /// [`State::step`], in place.
    #[must_use = "the effects are the machine's only way to do anything"]
    pub fn apply(&mut self, plan: &Plan, event: Event) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.is_over() {
            return effects;
        }
        match event {
            Event::Signal { at } => self.signal(plan, at, &mut effects),
            Event::Stop => self.begin(plan, &mut effects),
            Event::TaskFinished { task, result } => self.ended(plan, task, result, &mut effects),
            Event::MemberFailed { member } => self.died(plan, member, &mut effects),
            Event::Timer(Timer::Deadline) => {
                self.end(EndedBy::Deadline, Outcome::TimedOut, &mut effects);
            }
            Event::Timer(Timer::Task { phase, after }) => self.bound(plan, phase, after, &mut effects),
        }
        effects
    }

    /// The phase that it is in, as an index into [`Plan::phases`].
    #[must_use]
    pub fn phase(&self) -> Option<usize> {
        match self.stage {
            Stage::Exiting { phase, .. } => Some(phase),
            Stage::Serving | Stage::Finished => None,
        }
    }

    /// Whether nothing has asked for the exit yet.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// Whether the exit is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// What became of each task, by phase.
    #[must_use]
    pub fn statuses(&self) -> &[Vec<TaskStatus>] {
        &self.statuses
    }

    /// The tasks that are waited for, in their order.
    pub fn pending(&self) -> impl Iterator<Item = TaskId> + '_ {
        let (phase, pending) = match &self.stage {
            Stage::Exiting { phase, pending } => (*phase, Some(pending)),
            Stage::Serving | Stage::Finished => (0, None),
        };
        pending.into_iter().flatten().map(move |&task| TaskId { phase, task })
    }

    /// Whether a task's answer is waited for.
    #[must_use]
    pub fn is_waited_for(&self, id: TaskId) -> bool {
        matches!(&self.stage, Stage::Exiting { phase, pending } if *phase == id.phase && pending.contains(&id.task))
    }

    fn signal(&mut self, plan: &Plan, at: Duration, effects: &mut Vec<Effect>) {
        let Some(first) = self.first_signal else {
            self.first_signal = Some(at);
            return self.begin(plan, effects);
        };
        if at.saturating_sub(first) > plan.timeouts().coalesce {
            self.end(EndedBy::Signal, Outcome::Forced, effects);
        }
    }

    fn begin(&mut self, plan: &Plan, effects: &mut Vec<Effect>) {
        if self.stage != Stage::Serving {
            return;
        }
        effects.push(Effect::Begin);
        effects.push(Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout });
        self.enter(plan, 0, effects);
    }

    /// Enters `phase`, or the next one after it that has anything to wait for.
    fn enter(&mut self, plan: &Plan, mut phase: usize, effects: &mut Vec<Effect>) {
        while let Some(next) = plan.phases().get(phase) {
            effects.push(Effect::Enter { phase });
            let pending = self.ask(phase, next, effects);
            if !pending.is_empty() || !next.delay.is_zero() {
                self.stage = Stage::Exiting { phase, pending };
                return;
            }
            effects.push(Effect::Leave { phase, by: EndedBy::Done });
            phase += 1;
        }
        self.stage = Stage::Finished;
        effects.push(Effect::Exit(self.outcome()));
    }

    fn ask(&mut self, phase: usize, next: &Phase, effects: &mut Vec<Effect>) -> BTreeSet<usize> {
        let mut bounds = BTreeSet::new();
        let mut pending = BTreeSet::new();
        if !next.delay.is_zero() {
            bounds.insert(next.delay);
        }
        for (task, asked) in next.tasks.iter().enumerate() {
            if self.dead.contains(&asked.member) {
                self.statuses[phase][task] = TaskStatus::Finished(TaskResult::Unreachable);
            } else {
                self.statuses[phase][task] = TaskStatus::Running;
                pending.insert(task);
                bounds.insert(asked.timeout);
            }
        }
        // Armed before anybody is asked: whoever hangs in being asked is already bounded.
        effects.extend(
            bounds.into_iter().map(|after| Effect::Arm { timer: Timer::Task { phase, after }, after }),
        );
        effects.extend(pending.iter().map(|&task| Effect::RunTask(TaskId { phase, task })));
        pending
    }

    fn ended(&mut self, plan: &Plan, id: TaskId, result: TaskResult, effects: &mut Vec<Effect>) {
        let Stage::Exiting { phase, pending } = &mut self.stage else { return };
        if id.phase != *phase || !pending.remove(&id.task) {
            return;
        }
        self.statuses[id.phase][id.task] = TaskStatus::Finished(result);
        self.leave_if_over(plan, EndedBy::Done, effects);
    }

    fn died(&mut self, plan: &Plan, member: MemberId, effects: &mut Vec<Effect>) {
        self.dead.insert(member);
        match &mut self.stage {
            Stage::Serving => self.begin(plan, effects),
            Stage::Exiting { phase, pending } => {
                let phase = *phase;
                let tasks = &plan.phases()[phase].tasks;
                let gone: Vec<usize> =
                    pending.iter().copied().filter(|&task| tasks[task].member == member).collect();
                for task in gone {
                    self.ended(plan, TaskId { phase, task }, TaskResult::Unreachable, effects);
                }
            }
            Stage::Finished => {}
        }
    }

    fn bound(&mut self, plan: &Plan, of: usize, after: Duration, effects: &mut Vec<Effect>) {
        let Stage::Exiting { phase, pending } = &mut self.stage else { return };
        if of != *phase {
            return;
        }
        let asked = &plan.phases()[of];
        if !asked.delay.is_zero() && asked.delay == after {
            return self.leave(plan, EndedBy::Done, effects);
        }
        let late: Vec<usize> =
            pending.iter().copied().filter(|&task| asked.tasks[task].timeout == after).collect();
        for &task in &late {
            pending.remove(&task);
            self.statuses[of][task] = TaskStatus::TimedOut;
            effects.push(Effect::TimeOut(TaskId { phase: of, task }));
        }
        if !late.is_empty() {
            self.leave_if_over(plan, EndedBy::Timeout, effects);
        }
    }

    fn leave_if_over(&mut self, plan: &Plan, by: EndedBy, effects: &mut Vec<Effect>) {
        if matches!(&self.stage, Stage::Exiting { pending, .. } if pending.is_empty()) {
            self.leave(plan, by, effects);
        }
    }

    fn leave(&mut self, plan: &Plan, by: EndedBy, effects: &mut Vec<Effect>) {
        if let Stage::Exiting { phase, .. } = self.stage {
            effects.push(Effect::Leave { phase, by });
            self.enter(plan, phase + 1, effects);
        }
    }

    /// Ends at once. The deadline names everybody whom it cuts off; a second signal only ends.
    fn end(&mut self, by: EndedBy, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Stage::Exiting { phase, pending } = &mut self.stage else { return };
        let phase = *phase;
        for task in std::mem::take(pending) {
            self.statuses[phase][task] = TaskStatus::CutOff;
            if by == EndedBy::Deadline {
                effects.push(Effect::CutOff(TaskId { phase, task }));
            }
        }
        self.stage = Stage::Finished;
        effects.push(Effect::Leave { phase, by });
        effects.push(Effect::Exit(outcome));
    }

    fn outcome(&self) -> Outcome {
        let clean =
            self.statuses.iter().flatten().all(|&fate| fate == TaskStatus::Finished(TaskResult::Done));
        if clean { Outcome::Clean } else { Outcome::Incomplete }
    }
}
