//! An observer of the machine that sees only its input events and its effects.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use graceful_exit::sequence::{
    Effect, EndedBy, Event, MemberId, Outcome, Phase, Plan, State, Step, TaskId, TaskResult, TaskStatus,
    Timer,
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

impl Ledger {
    pub(super) fn new() -> Self {
        Self {
            broken: BTreeSet::new(),
            exits: Vec::new(),
            live: BTreeSet::new(),
            statuses: BTreeMap::new(),
            begun: false,
            first_signal: None,
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
            .filter(|&(_, &fate)| fate == TaskStatus::Running)
            .map(|(&task, _)| task)
            .collect()
    }

    pub(super) fn observe(&mut self, plan: &Plan, before: &State, event: Event, step: &Step) {
        let meaning = self.meaning(plan, event);
        self.hold_exact_effects(plan, meaning, before, step);
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
                }
                Effect::Arm { timer, after } => self.arm(plan, entered, timer, after),
                Effect::Enter { phase } => {
                    self.enter(plan, phase);
                    entered = Some(phase);
                }
                Effect::RunTask(task) => self.ask(plan, task),
                Effect::TimeOut(task) => {
                    self.statuses.insert(task, TaskStatus::TimedOut);
                    timed_out.push(task);
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
            Event::Signal { at } => match self.first_signal {
                None if self.begun => Meaning::Remembered,
                None => Meaning::Begin,
                Some(first) if at <= first + plan.timeouts().coalesce => {
                    Meaning::Nothing(Promise::SecondSignalOnlyForces)
                }
                Some(_) => Meaning::Force,
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
            Event::MemberFailed { .. } | Event::Timer(Timer::Task { .. }) => Meaning::Progress,
        }
    }

    /// Compares the effects one by one where the promises determine them.
    fn hold_exact_effects(&mut self, plan: &Plan, meaning: Meaning, before: &State, step: &Step) {
        let effects = step.effects.as_slice();
        match meaning {
            Meaning::Nothing(promise) => self.hold(promise, effects.is_empty() && step.state == *before),
            Meaning::Remembered => self.hold(Promise::SecondSignalOnlyForces, effects.is_empty()),
            Meaning::Begin => {
                let deadline = Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout };
                self.hold(Promise::EveryWaitIsTimed, effects.starts_with(&[Effect::Begin, deadline]));
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
        let Event::Timer(timer @ Timer::Task { .. }) = event else { return Vec::new() };
        if self.is_over() || !self.live.contains(&timer) {
            return Vec::new();
        }
        self.waiting().into_iter().filter(|&task| bound_of(plan, task) == timer).collect()
    }

    fn record(&mut self, plan: &Plan, meaning: Meaning, event: Event) {
        if let Meaning::Nothing(_) = meaning {
            return;
        }
        match event {
            Event::Signal { at } => self.first_signal = self.first_signal.or(Some(at)),
            Event::Stop => {}
            Event::TaskFinished { task, result } => {
                self.statuses.insert(task, TaskStatus::Finished(result));
            }
            Event::MemberFailed { member } => {
                self.dead.insert(member);
                for task in self.waiting() {
                    if member_of(plan, task) == member {
                        self.statuses.insert(task, TaskStatus::Finished(TaskResult::Unreachable));
                    }
                }
            }
            Event::Timer(timer) => {
                self.live.remove(&timer);
            }
        }
    }

    fn arm(&mut self, plan: &Plan, entered: Option<usize>, timer: Timer, after: Duration) {
        let right = match timer {
            Timer::Deadline => after == plan.timeouts().timeout && self.next_phase == 0,
            Timer::Task { phase, after: bound } => {
                after == bound && entered == Some(phase) && self.phase == Some(phase)
            }
        };
        let new = self.live.insert(timer);
        self.hold(Promise::EveryWaitIsTimed, right && new);
    }

    fn enter(&mut self, plan: &Plan, phase: usize) {
        self.hold(Promise::EveryWaitIsTimed, self.live.contains(&Timer::Deadline));
        self.hold(Promise::PhasesFollowThePlan, self.phase.is_none() && phase == self.next_phase);
        self.phase = Some(phase);
        for task in tasks_of(plan, phase) {
            if self.dead.contains(&member_of(plan, task)) {
                self.statuses.insert(task, TaskStatus::Finished(TaskResult::Unreachable));
            }
        }
    }

    fn ask(&mut self, plan: &Plan, task: TaskId) {
        self.hold(Promise::PhasesFollowThePlan, self.phase == Some(task.phase));
        self.hold(Promise::NoTaskForAFailedServer, !self.dead.contains(&member_of(plan, task)));
        self.hold(Promise::EveryWaitIsTimed, self.live.contains(&bound_of(plan, task)));
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
                self.statuses.extend(waiting.into_iter().map(|task| (task, TaskStatus::CutOff)))
            }
            EndedBy::Deadline => self.hold(Promise::DeadlineNamesThePending, waiting.is_empty()),
            EndedBy::Done | EndedBy::Timeout => {
                let held = plan.phases()[phase].delay.is_zero() || hold_over;
                self.hold(Promise::PhasesFollowThePlan, waiting.is_empty() && held);
            }
        }
        let known = tasks_of(plan, phase).all(|task| self.statuses.contains_key(&task));
        self.hold(Promise::EachTaskStartsOnce, known);
        self.live.retain(|timer| *timer == Timer::Deadline);
        self.phase = None;
        self.next_phase = phase + 1;
    }

    fn exit(&mut self, plan: &Plan, meaning: Meaning, outcome: Outcome) {
        let to_the_end = self.next_phase == plan.phases().len();
        let all = plan.phases().iter().map(|phase| phase.tasks.len()).sum::<usize>();
        let done =
            self.statuses.values().filter(|&&fate| fate == TaskStatus::Finished(TaskResult::Done)).count();
        let right = match meaning {
            Meaning::Deadline => outcome == Outcome::TimedOut,
            Meaning::Force => outcome == Outcome::Forced,
            _ if done == all => outcome == Outcome::Clean,
            _ => outcome == Outcome::Incomplete,
        };
        self.hold(Promise::OutcomeIsTrue, right);
        if matches!(outcome, Outcome::Clean | Outcome::Incomplete) {
            self.hold(Promise::PhasesFollowThePlan, to_the_end);
        }
        self.exits.push(outcome);
        self.hold(Promise::ExitsOnce, self.phase.is_none() && self.exits.len() == 1);
    }

    /// Checks what must hold between two events.
    fn hold_at_rest(&mut self, plan: &Plan, state: &State) {
        let waiting = self.waiting();
        if let Some(phase) = self.phase {
            let known = tasks_of(plan, phase).all(|task| self.statuses.contains_key(&task));
            self.hold(Promise::EachTaskStartsOnce, known);
            let hold = plan.phases()[phase].delay;
            let mut needed: BTreeSet<Timer> = waiting.iter().map(|&task| bound_of(plan, task)).collect();
            needed.extend((!hold.is_zero()).then_some(Timer::Task { phase, after: hold }));
            // A phase without a pending task or timer would never end.
            self.hold(Promise::EveryWaitIsTimed, !needed.is_empty());
            needed.insert(Timer::Deadline);
            self.hold(Promise::EveryWaitIsTimed, needed.is_subset(&self.live));
        }
        self.hold(Promise::ExitsOnce, self.phase.is_some() || self.is_over() || !self.begun);

        let statuses =
            state.statuses().iter().zip(plan.phases()).enumerate().all(|(phase, (statuses, of))| {
                let expected = (0..of.tasks.len()).map(|task| self.statuses.get(&TaskId { phase, task }));
                statuses.iter().eq(expected.map(|fate| fate.unwrap_or(&TaskStatus::NotStarted)))
            });
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
    let timers: usize = plan.phases().iter().map(|Phase { tasks, .. }| tasks.len() + 1).sum();
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
    (0..plan.phases()[phase].tasks.len()).map(move |task| TaskId { phase, task })
}

fn member_of(plan: &Plan, id: TaskId) -> MemberId {
    plan.phases()[id.phase].tasks[id.task].member
}

fn bound_of(plan: &Plan, id: TaskId) -> Timer {
    Timer::Task { phase: id.phase, after: plan.phases()[id.phase].tasks[id.task].timeout }
}
