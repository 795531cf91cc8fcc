//! An observer of the machine that sees only its input events and its effects.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use graceful_exit::sequence::{
    Effect, EndedBy, Event, Kind, MemberId, Outcome, Phase, PhaseKind, Plan, Signal, SignalKind, State, Step,
    TaskId, TaskStatus, Timer,
};

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
    begun: bool,
    first_signal: Option<Duration>,
    terminal_is_gone: bool,
    /// A process has sent a SIGHUP.
    hung_up: bool,
    dead: BTreeSet<MemberId>,
    phase: Option<usize>,
    next_phase: usize,
}

/// The promises that users of the machine rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Promise {
    ExitsOnce,
    NothingAfterTheExit,
    PhasesFollowThePlan,
    EachTaskStartsOnce,
    NoTaskForAFailedServer,
    EveryWaitIsTimed,
    BoundsAreKept,
    StaleTimerChangesNothing,
    SecondSignalOnlyForces,
    RepeatedRequestChangesNothing,
    DeadlineNamesThePending,
    LateAnswerChangesNothing,
    EndedByIsTrue,
    OutcomeIsTrue,
    StateIsTrue,
    CheckpointsAreAskedAtOnce,
    CheckpointsDelayOnlyTheCallbacks,
    NoCallbackBesideACheckpoint,
}

/// What an event means, given the history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// It must have no effect, by this promise.
    Nothing(Promise),
    /// The first signal of an exit that was not started by one: recorded only.
    Remembered,
    Begin,
    /// A result, a server's failure or a task's timeout.
    Progress,
    Deadline,
    Force,
}

/// How many tasks of a phase were asked, or found to be unreachable.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Started {
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
            hung_up: false,
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
        self.hold_exact_effects(plan, meaning, event, before, step);
        let due = self.due(plan, event);
        let hold_over = self.phase.is_some_and(|phase| {
            let hold = plan.phases()[phase].delay;
            !hold.is_zero()
                && meaning == Meaning::Progress
                && event == Event::Timer(Timer::Task { phase, after: hold })
        });
        self.record(plan, meaning, event);

        let mut timed_out = Vec::new();
        let mut entered = None;
        for effect in &step.effects {
            self.hold(Promise::NothingAfterTheExit, self.exits.is_empty());
            match *effect {
                Effect::Begin => {
                    self.hold(Promise::RepeatedRequestChangesNothing, !self.begun);
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
                Effect::CutOff(task) => {
                    self.hold(Promise::DeadlineNamesThePending, meaning == Meaning::Deadline);
                    self.statuses.insert(task, TaskStatus::CutOff);
                }
                Effect::Leave { phase, by } => {
                    let expected = match meaning {
                        Meaning::Force => EndedBy::Signal,
                        Meaning::Deadline => EndedBy::Deadline,
                        _ if entered.is_none() && !timed_out.is_empty() => EndedBy::Timeout,
                        _ => EndedBy::Done,
                    };
                    self.hold(Promise::EndedByIsTrue, by == expected);
                    let may_leave = hold_over && entered.is_none();
                    self.leave(plan, phase, by, may_leave);
                }
                Effect::Exit(outcome) => self.exit(plan, meaning, outcome),
            }
        }
        self.hold(Promise::BoundsAreKept, timed_out == due);
        self.hold_at_rest(plan, &step.state);
    }

    fn meaning(&self, plan: &Plan, event: Event) -> Meaning {
        if self.is_over() {
            return Meaning::Nothing(Promise::NothingAfterTheExit);
        }
        match event {
            Event::Signal(Signal { at, kind }) => match self.first_signal {
                None if self.begun => Meaning::Remembered,
                None => Meaning::Begin,
                Some(first) => {
                    let by_kernel = kind == SignalKind::TerminalGone;
                    let by_process = kind == SignalKind::HangUp;
                    let is_same_hang_up = self.terminal_is_gone && by_process
                        || (self.terminal_is_gone || self.hung_up) && by_kernel;
                    let is_news = !self.terminal_is_gone && (by_kernel || by_process && !self.hung_up);
                    if !is_same_hang_up && at > first + plan.timeouts().coalesce {
                        Meaning::Force
                    } else if is_news {
                        // The first SIGHUP of each sender is remembered, and changes nothing else.
                        Meaning::Remembered
                    } else {
                        Meaning::Nothing(Promise::SecondSignalOnlyForces)
                    }
                }
            },
            Event::Stop | Event::MemberFailed { .. } if !self.begun => Meaning::Begin,
            Event::Stop => Meaning::Nothing(Promise::RepeatedRequestChangesNothing),
            Event::TaskFinished { task, .. } if self.waiting().contains(&task) => Meaning::Progress,
            Event::TaskFinished { .. } => Meaning::Nothing(Promise::LateAnswerChangesNothing),
            Event::MemberFailed { member } if self.dead.contains(&member) => {
                Meaning::Nothing(Promise::RepeatedRequestChangesNothing)
            }
            Event::Timer(timer) if !self.live.contains(&timer) => {
                Meaning::Nothing(Promise::StaleTimerChangesNothing)
            }
            Event::Timer(Timer::Deadline) => Meaning::Deadline,
            Event::MemberFailed { .. } | Event::Timer(Timer::Checkpoint { .. } | Timer::Task { .. }) => {
                Meaning::Progress
            }
        }
    }

    /// Compares the effects one by one where the promises determine them.
    fn hold_exact_effects(
        &mut self,
        plan: &Plan,
        meaning: Meaning,
        event: Event,
        before: &State,
        step: &Step,
    ) {
        let effects = step.effects.as_slice();
        match meaning {
            Meaning::Nothing(promise) => self.hold(promise, effects.is_empty() && step.state == *before),
            Meaning::Remembered => self.hold(Promise::SecondSignalOnlyForces, effects.is_empty()),
            Meaning::Begin => {
                let deadline = Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout };
                self.hold(Promise::EveryWaitIsTimed, effects.starts_with(&[Effect::Begin, deadline]));
                let before_phases = effects.split(|effect| matches!(effect, Effect::Enter { .. })).next();
                let asked: Vec<_> = before_phases.into_iter().flatten().filter_map(asked).collect();
                let expected: Vec<_> =
                    checkpoints_of(plan).filter(|&id| self.will_be_asked(plan, id, event)).collect();
                self.hold(Promise::CheckpointsAreAskedAtOnce, asked == expected);
            }
            Meaning::Progress => {}
            Meaning::Deadline => {
                let mut expected: Vec<_> = self.waiting().into_iter().map(Effect::CutOff).collect();
                expected.extend(self.phase.map(|phase| Effect::Leave { phase, by: EndedBy::Deadline }));
                expected.push(Effect::Exit(Outcome::TimedOut));
                self.hold(Promise::DeadlineNamesThePending, effects == expected);
            }
            Meaning::Force => {
                let leave = self.phase.map(|phase| Effect::Leave { phase, by: EndedBy::Signal });
                let expected: Vec<_> = leave.into_iter().chain([Effect::Exit(Outcome::Forced)]).collect();
                self.hold(Promise::SecondSignalOnlyForces, effects == expected);
            }
        }
    }

    /// The tasks whose timeout this event is.
    fn due(&self, plan: &Plan, event: Event) -> Vec<TaskId> {
        let Event::Timer(timer @ (Timer::Checkpoint { .. } | Timer::Task { .. })) = event else {
            return Vec::new();
        };
        if self.is_over() || !self.live.contains(&timer) {
            return Vec::new();
        }
        self.waiting().into_iter().filter(|&task| Timer::of(plan, task) == timer).collect()
    }

    fn record(&mut self, plan: &Plan, meaning: Meaning, event: Event) {
        if let Meaning::Nothing(_) = meaning {
            return;
        }
        match event {
            Event::Signal(Signal { at, kind }) => {
                self.first_signal = self.first_signal.or(Some(at));
                self.terminal_is_gone |= kind == SignalKind::TerminalGone;
                self.hung_up |= kind == SignalKind::HangUp;
            }
            Event::Stop => {}
            Event::TaskFinished { task, result } => {
                self.statuses.insert(task, result.into());
            }
            Event::MemberFailed { member } => {
                self.dead.insert(member);
                for task in self.waiting() {
                    if plan.task(task).member == member {
                        self.statuses.insert(task, TaskStatus::Unreachable);
                    }
                }
            }
            Event::Timer(timer) => {
                self.live.remove(&timer);
            }
        }
        self.release_callbacks(plan);
    }

    /// Tasks of members that are gone end as they would be asked.
    fn mark_unreachable(&mut self, plan: &Plan, tasks: impl Iterator<Item = TaskId>) {
        for task in tasks {
            if self.dead.contains(&plan.task(task).member) {
                self.statuses.insert(task, TaskStatus::Unreachable);
            }
        }
    }

    fn will_be_asked(&self, plan: &Plan, id: TaskId, event: Event) -> bool {
        let member = plan.task(id).member;
        !self.dead.contains(&member) && event != Event::MemberFailed { member }
    }

    /// Callbacks that waited for a checkpoint are asked when the last one is over.
    fn release_callbacks(&mut self, plan: &Plan) {
        if let Some(phase) = self.phase
            && plan.phases()[phase].kind == PhaseKind::Callbacks
            && !self.has_checkpoint_running()
            && tasks_of(plan, phase).all(|task| !self.statuses.contains_key(&task))
        {
            self.mark_unreachable(plan, tasks_of(plan, phase));
        }
    }

    fn started(&self, plan: &Plan, phase: usize) -> Started {
        let known = tasks_of(plan, phase).filter(|task| self.statuses.contains_key(task)).count();
        match known {
            all if all == plan.phases()[phase].tasks.len() => Started::All,
            0 => Started::None,
            _ => Started::Some,
        }
    }

    fn has_checkpoint_running(&self) -> bool {
        self.waiting().into_iter().any(TaskId::is_checkpoint)
    }

    fn is_held(&self, plan: &Plan, phase: usize) -> bool {
        plan.phases()[phase].kind == PhaseKind::Callbacks && self.has_checkpoint_running()
    }

    fn arm(&mut self, plan: &Plan, timer: Timer, after: Duration) {
        let right = match timer {
            Timer::Deadline => after == plan.timeouts().timeout && self.next_phase == 0,
            Timer::Checkpoint { after: timeout } => {
                after == timeout && self.begun && self.next_phase == 0 && self.phase.is_none()
            }
            Timer::Task { phase, after: timeout } => {
                let none_asked = self.waiting().into_iter().all(TaskId::is_checkpoint);
                after == timeout && self.phase == Some(phase) && none_asked
            }
        };
        let new = self.live.insert(timer);
        self.hold(Promise::EveryWaitIsTimed, right && new);
    }

    fn enter(&mut self, plan: &Plan, phase: usize) {
        self.hold(Promise::EveryWaitIsTimed, self.live.contains(&Timer::Deadline));
        self.hold(Promise::PhasesFollowThePlan, self.phase.is_none() && phase == self.next_phase);
        self.phase = Some(phase);
        if !self.is_held(plan, phase) {
            self.mark_unreachable(plan, tasks_of(plan, phase));
        }
    }

    fn ask(&mut self, plan: &Plan, task: TaskId) {
        let in_its_phase = match task {
            TaskId::Checkpoint(_) => self.begun && self.phase.is_none() && self.next_phase == 0,
            TaskId::InPhase { phase, .. } => self.phase == Some(phase),
        };
        self.hold(Promise::PhasesFollowThePlan, in_its_phase);
        let is_callback = plan.member_of(task).kind == Kind::Callback;
        self.hold(Promise::NoCallbackBesideACheckpoint, !is_callback || !self.has_checkpoint_running());
        self.hold(Promise::NoTaskForAFailedServer, !self.dead.contains(&plan.task(task).member));
        self.hold(Promise::EveryWaitIsTimed, self.live.contains(&Timer::of(plan, task)));
        // In the order of the plan.
        self.hold(Promise::PhasesFollowThePlan, self.waiting().iter().all(|&asked| asked < task));
        let before = self.statuses.insert(task, TaskStatus::Running);
        self.hold(Promise::EachTaskStartsOnce, before.is_none());
    }

    fn leave(&mut self, plan: &Plan, phase: usize, by: EndedBy, hold_over: bool) {
        self.hold(Promise::PhasesFollowThePlan, self.phase == Some(phase));
        let waiting = self.waiting();
        match by {
            EndedBy::Signal => {
                self.statuses.extend(waiting.into_iter().map(|task| (task, TaskStatus::CutOff)));
            }
            EndedBy::Deadline => self.hold(Promise::DeadlineNamesThePending, waiting.is_empty()),
            EndedBy::Done | EndedBy::Timeout => {
                let held = plan.phases()[phase].delay.is_zero() || hold_over;
                let none = waiting.into_iter().all(TaskId::is_checkpoint) && !self.is_held(plan, phase);
                self.hold(Promise::PhasesFollowThePlan, none && held);
            }
        }
        // A sudden end may come while the callbacks are held, and then none of them is asked.
        let sudden = matches!(by, EndedBy::Signal | EndedBy::Deadline);
        let started = self.started(plan, phase);
        self.hold(
            Promise::EachTaskStartsOnce,
            started == Started::All || (sudden && started == Started::None),
        );
        self.live.retain(|timer| !matches!(timer, Timer::Task { .. }));
        self.phase = None;
        self.next_phase = phase + 1;
    }

    fn exit(&mut self, plan: &Plan, meaning: Meaning, outcome: Outcome) {
        let to_the_end = self.next_phase == plan.phases().len();
        let in_phases = plan.phases().iter().map(|phase| phase.tasks.len()).sum::<usize>();
        let all = in_phases + plan.checkpoints().len();
        let done = self.statuses.values().filter(|&&status| status == TaskStatus::Done).count();
        let right = match meaning {
            Meaning::Deadline => outcome == Outcome::TimedOut,
            Meaning::Force => outcome == Outcome::Forced,
            _ if done == all => outcome == Outcome::Clean,
            _ => outcome == Outcome::Incomplete,
        };
        self.hold(Promise::OutcomeIsTrue, right);
        if matches!(outcome, Outcome::Clean | Outcome::Incomplete) {
            self.hold(Promise::PhasesFollowThePlan, to_the_end && self.waiting().is_empty());
        }
        self.exits.push(outcome);
        self.hold(Promise::ExitsOnce, self.phase.is_none() && self.exits.len() == 1);
    }

    /// Checks what must hold between two events.
    fn hold_at_rest(&mut self, plan: &Plan, state: &State) {
        let waiting = self.waiting();
        if let Some(phase) = self.phase {
            let expected = if self.is_held(plan, phase) { Started::None } else { Started::All };
            let started = self.started(plan, phase);
            let empty = plan.phases()[phase].tasks.is_empty();
            self.hold(Promise::EachTaskStartsOnce, started == expected || empty);
            let hold = plan.phases()[phase].delay;
            let mut needed: BTreeSet<Timer> = waiting.iter().map(|&task| Timer::of(plan, task)).collect();
            needed.extend((!hold.is_zero()).then_some(Timer::Task { phase, after: hold }));
            // A phase without a pending task or timer would never end.
            self.hold(Promise::EveryWaitIsTimed, !needed.is_empty());
            // Only the callbacks may wait for nothing but checkpoints.
            let own = needed.iter().any(|timer| matches!(timer, Timer::Task { .. }));
            self.hold(Promise::CheckpointsDelayOnlyTheCallbacks, own || self.is_held(plan, phase));
            needed.insert(Timer::Deadline);
            self.hold(Promise::EveryWaitIsTimed, needed.is_subset(&self.live));
        }
        self.live.retain(|&timer| {
            !matches!(timer, Timer::Checkpoint { .. })
                || waiting.iter().any(|&task| Timer::of(plan, task) == timer)
        });
        self.hold(Promise::ExitsOnce, self.phase.is_some() || self.is_over() || !self.begun);

        let statuses = state
            .statuses()
            .iter()
            .all(|(task, status)| status == self.statuses.get(&task).unwrap_or(&TaskStatus::NotStarted));
        let agree = statuses
            && state.pending().eq(waiting)
            && state.phase() == self.phase
            && state.is_serving() != self.begun
            && state.is_over() == self.is_over();
        self.hold(Promise::StateIsTrue, agree);
    }

    fn hold(&mut self, promise: Promise, kept: bool) {
        if !kept {
            self.broken.insert(promise);
        }
    }
}

/// Fires only the phases' own timers. Returns true if they alone end the exit.
pub(super) fn ends_by_its_bounds(plan: &Plan, state: &State, ledger: &Ledger) -> bool {
    let (mut state, mut ledger) = (state.clone(), ledger.clone());
    let of_phases: usize = plan.phases().iter().map(|Phase { tasks, .. }| tasks.len() + 1).sum();
    let timers = of_phases + plan.checkpoints().len();
    for _ in 0..=timers {
        let mut bounds = ledger.live.iter().filter(|&&timer| timer != Timer::Deadline);
        let Some(&timer) = bounds.next().filter(|_| !ledger.is_over()) else { break };
        let before = state.clone();
        let step = state.step(plan, Event::Timer(timer));
        ledger.observe(plan, &before, Event::Timer(timer), &step);
        state = step.state;
    }
    ledger.is_over() && ledger.broken.is_empty()
}

fn tasks_of(plan: &Plan, phase: usize) -> impl Iterator<Item = TaskId> {
    (0..plan.phases()[phase].tasks.len()).map(move |task| TaskId::InPhase { phase, task })
}

fn checkpoints_of(plan: &Plan) -> impl Iterator<Item = TaskId> + use<> {
    (0..plan.checkpoints().len()).map(TaskId::Checkpoint)
}

/// The task that an effect asks for.
fn asked(effect: &Effect) -> Option<TaskId> {
    match effect {
        Effect::RunTask(task) => Some(*task),
        _ => None,
    }
}
