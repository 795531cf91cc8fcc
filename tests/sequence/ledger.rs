//! An observer of the machine that sees only its input events and its effects.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use graceful_exit::sequence::{
    Effect, EndedBy, Event, MemberId, Outcome, Phase, PhaseKind, Plan, State, Step, TaskId, TaskStatus, Timer,
};

use super::{meaning::Meaning, promise::Promise};

/// The history of one exit, derived from events and effects, independent of the machine's own state.
///
/// [`Ledger::observe`] checks each step against every [`Promise`] and records those that it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    pub(super) broken: BTreeSet<Promise>,
    pub(super) exits: Vec<Outcome>,
    /// Armed, not fired, and of a phase that is not over.
    pub(super) live: BTreeSet<Timer>,
    /// The status of each task whose phase has begun.
    pub(super) statuses: BTreeMap<TaskId, TaskStatus>,
    pub(super) begun: bool,
    pub(super) first_signal: Option<Duration>,
    pub(super) terminal_is_gone: bool,
    /// A process has sent a SIGHUP.
    pub(super) has_sighup_of_process: bool,
    pub(super) dead: BTreeSet<MemberId>,
    pub(super) phase: Option<usize>,
    pub(super) next_phase: usize,
}

/// How many tasks of a phase were asked, or found to be unreachable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Started {
    None,
    Some,
    All,
}

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            broken: BTreeSet::new(),
            exits: Vec::new(),
            live: BTreeSet::new(),
            statuses: BTreeMap::new(),
            begun: false,
            first_signal: None,
            terminal_is_gone: false,
            has_sighup_of_process: false,
            dead: BTreeSet::new(),
            phase: None,
            next_phase: 0,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        !self.exits.is_empty()
    }

    pub(super) fn first_signal(&self) -> Option<Duration> {
        self.first_signal
    }

    /// The tasks that have been started and not ended, in their order.
    pub(super) fn waiting(&self) -> Vec<TaskId> {
        self.statuses
            .iter()
            .filter(|&(_, &status)| status == TaskStatus::Running)
            .map(|(&task, _)| task)
            .collect()
    }

    pub(super) fn observe(&mut self, plan: &Plan, before: &State, event: Event, step: &Step) {
        let meaning = self.meaning(plan, event);
        self.check_exact_effects(plan, meaning, event, before, step);
        let due = self.due(plan, event);
        let delay_over = self.phase.is_some_and(|phase| {
            let delay = plan.phases()[phase].delay;
            !delay.is_zero()
                && meaning == Meaning::Progress
                && event == Event::Timer(Timer::Task { phase, after: delay })
        });
        self.record(plan, meaning, event);

        let mut timed_out = Vec::new();
        let mut entered = None;
        for effect in &step.effects {
            self.check(Promise::NothingAfterTheExit, self.exits.is_empty());
            match *effect {
                Effect::Begin => {
                    self.check(Promise::RepeatedRequestChangesNothing, !self.begun);
                    self.begun = true;
                    self.mark_unreachable(plan, checkpoints_of(plan));
                }
                Effect::Arm { timer, after } => self.arm(plan, timer, after),
                Effect::Enter { phase } => {
                    self.enter(plan, phase);
                    entered = Some(phase);
                }
                Effect::RunTask(task) => self.ask(plan, task),
                Effect::TimeOut(task) => {
                    self.statuses.insert(task, TaskStatus::TimedOut);
                    timed_out.push(task);
                    self.release_callbacks(plan);
                }
                Effect::CutOff { task, by } => {
                    let expected = match meaning {
                        Meaning::Force => Some(EndedBy::Signal),
                        Meaning::Deadline => Some(EndedBy::Deadline),
                        _ => None,
                    };
                    self.check(Promise::SuddenEndNamesThePending, Some(by) == expected);
                    self.statuses.insert(task, TaskStatus::CutOff);
                }
                Effect::Leave { phase, by } => {
                    let expected = match meaning {
                        Meaning::Force => EndedBy::Signal,
                        Meaning::Deadline => EndedBy::Deadline,
                        _ if entered.is_none() && !timed_out.is_empty() => EndedBy::Timeout,
                        _ => EndedBy::Done,
                    };
                    self.check(Promise::EndedByIsTrue, by == expected);
                    let may_leave = delay_over && entered.is_none();
                    self.leave(plan, phase, by, may_leave);
                }
                Effect::Exit(outcome) => self.exit(plan, meaning, outcome),
            }
        }
        self.check(Promise::TimeoutsAreKept, timed_out == due);
        self.check_at_rest(plan, &step.state);
    }

    /// Tasks of members that are gone end as they would be asked.
    pub(super) fn mark_unreachable(&mut self, plan: &Plan, tasks: impl Iterator<Item = TaskId>) {
        for task in tasks {
            if self.dead.contains(&plan.task(task).member) {
                self.statuses.insert(task, TaskStatus::Unreachable);
            }
        }
    }

    pub(super) fn will_be_asked(&self, plan: &Plan, id: TaskId, event: Event) -> bool {
        let member = plan.task(id).member;
        !self.dead.contains(&member) && event != Event::MemberFailed { member }
    }

    /// Callbacks that waited for a checkpoint are asked when the last one is over.
    pub(super) fn release_callbacks(&mut self, plan: &Plan) {
        if let Some(phase) = self.phase
            && plan.phases()[phase].kind == PhaseKind::Callbacks
            && !self.has_checkpoint_running()
            && tasks_of(plan, phase).all(|task| !self.statuses.contains_key(&task))
        {
            self.mark_unreachable(plan, tasks_of(plan, phase));
        }
    }

    pub(super) fn started(&self, plan: &Plan, phase: usize) -> Started {
        let known = tasks_of(plan, phase).filter(|task| self.statuses.contains_key(task)).count();
        match known {
            all if all == plan.phases()[phase].tasks.len() => Started::All,
            0 => Started::None,
            _ => Started::Some,
        }
    }

    pub(super) fn has_checkpoint_running(&self) -> bool {
        self.waiting().into_iter().any(TaskId::is_checkpoint)
    }

    pub(super) fn waits_for_checkpoints(&self, plan: &Plan, phase: usize) -> bool {
        plan.phases()[phase].kind == PhaseKind::Callbacks && self.has_checkpoint_running()
    }

    /// Checks what must hold between two events.
    fn check_at_rest(&mut self, plan: &Plan, state: &State) {
        let waiting = self.waiting();
        if let Some(phase) = self.phase {
            let expected = if self.waits_for_checkpoints(plan, phase) { Started::None } else { Started::All };
            let started = self.started(plan, phase);
            let empty = plan.phases()[phase].tasks.is_empty();
            self.check(Promise::EachTaskStartsOnce, started == expected || empty);
            let delay = plan.phases()[phase].delay;
            let mut needed: BTreeSet<Timer> = waiting.iter().map(|&task| Timer::of(plan, task)).collect();
            needed.extend((!delay.is_zero()).then_some(Timer::Task { phase, after: delay }));
            // A phase without a pending task or timer would never end.
            self.check(Promise::EveryWaitIsTimed, !needed.is_empty());
            // Only the callbacks may wait for nothing but checkpoints.
            let own = needed.iter().any(|timer| matches!(timer, Timer::Task { .. }));
            self.check(
                Promise::CheckpointsDelayOnlyTheCallbacks,
                own || self.waits_for_checkpoints(plan, phase),
            );
            needed.insert(Timer::Deadline);
            self.check(Promise::EveryWaitIsTimed, needed.is_subset(&self.live));
        }
        self.live.retain(|&timer| {
            !matches!(timer, Timer::Checkpoint { .. })
                || waiting.iter().any(|&task| Timer::of(plan, task) == timer)
        });
        self.check(Promise::ExitsOnce, self.phase.is_some() || self.is_over() || !self.begun);

        let statuses = state
            .statuses()
            .iter()
            .all(|(task, status)| status == self.statuses.get(&task).unwrap_or(&TaskStatus::NotStarted));
        let agree = statuses
            && state.pending().eq(waiting.iter().copied())
            && state.statuses().iter().all(|(task, _)| state.is_waited_for(task) == waiting.contains(&task))
            && state.phase() == self.phase
            && state.is_serving() != self.begun
            && state.is_over() == self.is_over();
        self.check(Promise::StateIsTrue, agree);
    }

    pub(super) fn check(&mut self, promise: Promise, kept: bool) {
        if !kept {
            self.broken.insert(promise);
        }
    }
}

/// Fires only the phases' own timers. Returns true if they alone end the exit.
pub(super) fn ends_by_its_timeouts(plan: &Plan, state: &State, ledger: &Ledger) -> bool {
    let (mut state, mut ledger) = (state.clone(), ledger.clone());
    let of_phases: usize = plan.phases().iter().map(|Phase { tasks, .. }| tasks.len() + 1).sum();
    let timers = of_phases + plan.checkpoints().len();
    for _ in 0..=timers {
        let mut timers_left = ledger.live.iter().filter(|&&timer| timer != Timer::Deadline);
        let Some(&timer) = timers_left.next().filter(|_| !ledger.is_over()) else { break };
        let before = state.clone();
        let step = state.step(plan, Event::Timer(timer));
        ledger.observe(plan, &before, Event::Timer(timer), &step);
        state = step.state;
    }
    ledger.is_over() && ledger.broken.is_empty()
}

pub(super) fn tasks_of(plan: &Plan, phase: usize) -> impl Iterator<Item = TaskId> {
    (0..plan.phases()[phase].tasks.len()).map(move |task| TaskId::InPhase { phase, task })
}

pub(super) fn checkpoints_of(plan: &Plan) -> impl Iterator<Item = TaskId> + use<> {
    (0..plan.checkpoints().len()).map(TaskId::Checkpoint)
}
