//! The machine: [`State`], and the one function from an [`Event`] to the [`Effect`]s that follow.

use std::{collections::BTreeSet, time::Duration};

use super::{
    event::{Effect, Event, Timer},
    member::MemberId,
    outcome::{EndedBy, Outcome, TaskResult, TaskStatus},
    plan::Plan,
    signal::{Meaning, Signal, SignalRule},
    task::{PerTask, TaskId},
};

/// The state of an exit. Only [`State::step`] changes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    signals: SignalRule,
    /// Members that have stopped. They are asked nothing more.
    dead: BTreeSet<MemberId>,
    statuses: PerTask<TaskStatus>,
    /// The tasks that are waited for: checkpoints, and those of the phase.
    pending: BTreeSet<TaskId>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Stage {
    Serving,
    /// In the phase of this index, until none of its tasks is pending; or, where it has none, until its delay is
    /// over. A phase that waits for checkpoints asks its tasks once no checkpoint is pending.
    InPhase(usize),
    Finished,
}

/// The result of [`State::step`]: the next state, and the effects to carry out.
#[must_use = "the effects are the machine's only way to do anything"]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The state that follows.
    pub state: State,
    /// What to carry out, in this order.
    pub effects: Vec<Effect>,
}

impl State {
    /// The initial state: serving, no task asked.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            signals: SignalRule::new(plan.timeouts()),
            dead: BTreeSet::new(),
            statuses: plan.per_task(&TaskStatus::NotStarted),
            pending: BTreeSet::new(),
            stage: Stage::Serving,
        }
    }

    /// Takes an event. Total: every event is allowed in every state; once the exit is over, none changes anything. A
    /// task's answer takes time logarithmic in the number of pending tasks, so that ten thousand callbacks stay cheap.
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
            Event::Signal(signal) => self.signal(plan, signal, &mut effects),
            Event::Stop => self.begin(plan, &mut effects),
            Event::TaskFinished { task, result } => self.finished(plan, task, result, &mut effects),
            Event::MemberFailed { member } => self.failed(plan, member, &mut effects),
            Event::Timer(timer) => self.ran_out(plan, timer, &mut effects),
        }
        effects
    }

    /// The phase that it is in, as an index into [`Plan::phases`].
    #[must_use]
    pub fn phase(&self) -> Option<usize> {
        match self.stage {
            Stage::InPhase(phase) => Some(phase),
            Stage::Serving | Stage::Finished => None,
        }
    }

    /// True until something asks for the exit.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.stage == Stage::Serving
    }

    /// True once the exit is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Where each task stands, or how it ended.
    #[must_use]
    pub fn statuses(&self) -> &PerTask<TaskStatus> {
        &self.statuses
    }

    /// The tasks that are waited for, checkpoints first.
    pub fn pending(&self) -> impl Iterator<Item = TaskId> + '_ {
        self.pending.iter().copied()
    }

    /// True while a task's answer is waited for.
    #[must_use]
    pub fn is_waited_for(&self, id: TaskId) -> bool {
        self.pending.contains(&id)
    }

    fn signal(&mut self, plan: &Plan, signal: Signal, effects: &mut Vec<Effect>) {
        match self.signals.receive(signal) {
            Meaning::First => self.begin(plan, effects),
            Meaning::Repeated => {}
            Meaning::Second => self.end(EndedBy::Signal, Outcome::Forced, effects),
        }
    }

    fn begin(&mut self, plan: &Plan, effects: &mut Vec<Effect>) {
        if self.stage != Stage::Serving {
            return;
        }
        effects.push(Effect::Begin);
        effects.push(Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout });
        let checkpoints = (0..plan.checkpoints().len()).map(TaskId::Checkpoint);
        self.ask(plan, checkpoints, BTreeSet::new(), effects);
        self.enter(plan, 0, effects);
    }

    /// Enters `phase`, or the next one after it that has anything to wait for.
    fn enter(&mut self, plan: &Plan, mut phase: usize, effects: &mut Vec<Effect>) {
        while phase < plan.phases().len() {
            effects.push(Effect::Enter { phase });
            self.stage = Stage::InPhase(phase);
            self.ask_phase(plan, phase, effects);
            if self.is_waiting(plan, phase) {
                return;
            }
            effects.push(Effect::Leave { phase, by: EndedBy::Done });
            phase += 1;
        }
        self.stage = Stage::Finished;
        effects.push(Effect::Exit(self.outcome(plan)));
    }

    /// Asks the tasks of a phase that has just begun; where it waits for checkpoints, only once none is pending.
    fn ask_phase(&mut self, plan: &Plan, phase: usize, effects: &mut Vec<Effect>) {
        if self.waits_for_checkpoints(plan, phase) {
            return;
        }
        let of = &plan.phases()[phase];
        let mut timers = BTreeSet::new();
        if !of.delay.is_zero() {
            timers.insert(Timer::Task { phase, after: of.delay });
        }
        self.ask(plan, (0..of.tasks.len()).map(|task| TaskId::InPhase { phase, task }), timers, effects);
    }

    /// Arms the timers of `tasks`, then asks each task whose member has not failed.
    fn ask(
        &mut self,
        plan: &Plan,
        tasks: impl Iterator<Item = TaskId>,
        mut timers: BTreeSet<Timer>,
        effects: &mut Vec<Effect>,
    ) {
        let (gone, alive): (Vec<_>, Vec<_>) =
            tasks.partition(|&id| self.dead.contains(&plan.task(id).member));
        for id in gone {
            self.statuses[id] = TaskStatus::Unreachable;
        }
        // Armed before any task is asked: a member that hangs in being asked has a timeout already.
        timers.extend(alive.iter().map(|&id| Timer::of(plan, id)));
        effects.extend(timers.into_iter().map(|timer| Effect::Arm { timer, after: timer.after(plan) }));
        for id in alive {
            self.statuses[id] = TaskStatus::Running;
            self.pending.insert(id);
            effects.push(Effect::RunTask(id));
        }
    }

    fn finished(&mut self, plan: &Plan, id: TaskId, result: TaskResult, effects: &mut Vec<Effect>) {
        if self.pending.remove(&id) {
            self.statuses[id] = result.into();
            self.go_on(plan, EndedBy::Done, effects);
        }
    }

    fn failed(&mut self, plan: &Plan, member: MemberId, effects: &mut Vec<Effect>) {
        self.dead.insert(member);
        if self.is_serving() {
            return self.begin(plan, effects);
        }
        let gone: Vec<_> = self.pending().filter(|&id| plan.task(id).member == member).collect();
        for id in gone {
            self.finished(plan, id, TaskResult::Unreachable, effects);
        }
    }

    fn ran_out(&mut self, plan: &Plan, timer: Timer, effects: &mut Vec<Effect>) {
        match timer {
            Timer::Deadline => return self.end(EndedBy::Deadline, Outcome::TimedOut, effects),
            Timer::Task { phase, after } if self.is_delay(plan, phase, after) => {
                return self.leave(plan, phase, EndedBy::Done, effects);
            }
            Timer::Checkpoint { .. } | Timer::Task { .. } => {}
        }
        let late: Vec<_> = self.pending().filter(|&id| Timer::of(plan, id) == timer).collect();
        for &id in &late {
            self.pending.remove(&id);
            self.statuses[id] = TaskStatus::TimedOut;
            effects.push(Effect::TimeOut(id));
        }
        if !late.is_empty() {
            self.go_on(plan, EndedBy::Timeout, effects);
        }
    }

    /// True if it is the delay of the phase that the exit is in.
    fn is_delay(&self, plan: &Plan, phase: usize, after: Duration) -> bool {
        self.stage == Stage::InPhase(phase) && !after.is_zero() && plan.phases()[phase].delay == after
    }

    /// A task is over: asks the tasks that waited for it, and leaves the phase if nothing is pending any more.
    fn go_on(&mut self, plan: &Plan, by: EndedBy, effects: &mut Vec<Effect>) {
        let Stage::InPhase(phase) = self.stage else { return };
        if self.statuses.phases[phase].first() == Some(&TaskStatus::NotStarted) {
            self.ask_phase(plan, phase, effects);
        }
        if !self.is_waiting(plan, phase) {
            self.leave(plan, phase, by, effects);
        }
    }

    fn leave(&mut self, plan: &Plan, phase: usize, by: EndedBy, effects: &mut Vec<Effect>) {
        effects.push(Effect::Leave { phase, by });
        self.enter(plan, phase + 1, effects);
    }

    /// Ends the exit at once, and cuts off what is waited for.
    fn end(&mut self, by: EndedBy, outcome: Outcome, effects: &mut Vec<Effect>) {
        let Stage::InPhase(phase) = self.stage else { return };
        for task in std::mem::take(&mut self.pending) {
            self.statuses[task] = TaskStatus::CutOff;
            effects.push(Effect::CutOff { task, by });
        }
        self.stage = Stage::Finished;
        effects.push(Effect::Leave { phase, by });
        effects.push(Effect::Exit(outcome));
    }

    /// True if `phase`, which has begun, still waits for something. The tasks of phases sort after the checkpoints, so
    /// the last pending task is one of a phase if there is any.
    fn is_waiting(&self, plan: &Plan, phase: usize) -> bool {
        let has_tasks = self.pending.last().is_some_and(|id| !id.is_checkpoint());
        has_tasks || !plan.phases()[phase].delay.is_zero() || self.waits_for_checkpoints(plan, phase)
    }

    fn waits_for_checkpoints(&self, plan: &Plan, phase: usize) -> bool {
        let has_checkpoints = self.pending.first().is_some_and(|id| id.is_checkpoint());
        has_checkpoints && plan.phases()[phase].kind.waits_for_checkpoints()
    }

    /// The outcome of a sequence that ran to its end. What a checkpoint did not save, the callbacks have.
    fn outcome(&self, plan: &Plan) -> Outcome {
        let makes_up = plan.has_callbacks();
        let clean = self
            .statuses
            .iter()
            .all(|(id, &status)| status == TaskStatus::Done || (makes_up && id.is_checkpoint()));
        if clean { Outcome::Clean } else { Outcome::Incomplete }
    }
}
