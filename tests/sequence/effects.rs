//! Whether each effect keeps the promises.

use std::time::Duration;

use graceful_exit::sequence::{
    Effect, EndedBy, Event, Kind, Outcome, Plan, State, Step, TaskId, TaskStatus, Timer,
};

use super::{
    ledger::{Ledger, Started, checkpoints_of, tasks_of},
    meaning::Meaning,
    promise::Promise,
};

impl Ledger {
    /// Compares the effects one by one where the promises determine them.
    pub(super) fn check_exact_effects(
        &mut self,
        plan: &Plan,
        meaning: Meaning,
        event: Event,
        before: &State,
        step: &Step,
    ) {
        let effects = step.effects.as_slice();
        match meaning {
            Meaning::Nothing(promise) => self.check(promise, effects.is_empty() && step.state == *before),
            Meaning::Remembered => self.check(Promise::SecondSignalOnlyForces, effects.is_empty()),
            Meaning::Begin => {
                let deadline = Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout };
                self.check(Promise::EveryWaitIsTimed, effects.starts_with(&[Effect::Begin, deadline]));
                let before_phases = effects.split(|effect| matches!(effect, Effect::Enter { .. })).next();
                let asked: Vec<_> = before_phases.into_iter().flatten().filter_map(asked).collect();
                let expected: Vec<_> =
                    checkpoints_of(plan).filter(|&id| self.will_be_asked(plan, id, event)).collect();
                self.check(Promise::CheckpointsAreAskedAtOnce, asked == expected);
            }
            Meaning::Progress => {}
            Meaning::Deadline => {
                let expected = self.sudden_end(EndedBy::Deadline, Outcome::TimedOut);
                self.check(Promise::SuddenEndNamesThePending, effects == expected);
            }
            Meaning::Force => {
                let expected = self.sudden_end(EndedBy::Signal, Outcome::Forced);
                self.check(Promise::SecondSignalOnlyForces, effects == expected);
            }
        }
    }

    /// What ends an exit at once.
    fn sudden_end(&self, by: EndedBy, outcome: Outcome) -> Vec<Effect> {
        let cut_off = self.waiting().into_iter().map(|task| Effect::CutOff { task, by });
        let leave = self.phase.map(|phase| Effect::Leave { phase, by });
        cut_off.chain(leave).chain([Effect::Exit(outcome)]).collect()
    }

    pub(super) fn arm(&mut self, plan: &Plan, timer: Timer, after: Duration) {
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
        self.check(Promise::EveryWaitIsTimed, right && new);
    }

    pub(super) fn enter(&mut self, plan: &Plan, phase: usize) {
        self.check(Promise::EveryWaitIsTimed, self.live.contains(&Timer::Deadline));
        self.check(Promise::PhasesFollowThePlan, self.phase.is_none() && phase == self.next_phase);
        self.phase = Some(phase);
        if !self.waits_for_checkpoints(plan, phase) {
            self.mark_unreachable(plan, tasks_of(plan, phase));
        }
    }

    pub(super) fn ask(&mut self, plan: &Plan, task: TaskId) {
        let in_its_phase = match task {
            TaskId::Checkpoint(_) => self.begun && self.phase.is_none() && self.next_phase == 0,
            TaskId::InPhase { phase, .. } => self.phase == Some(phase),
        };
        self.check(Promise::PhasesFollowThePlan, in_its_phase);
        let is_callback = plan.member_of(task).kind == Kind::Callback;
        self.check(Promise::NoCallbackBesideACheckpoint, !is_callback || !self.has_checkpoint_running());
        self.check(Promise::NoTaskForAFailedServer, !self.dead.contains(&plan.task(task).member));
        self.check(Promise::EveryWaitIsTimed, self.live.contains(&Timer::of(plan, task)));
        // In the order of the plan.
        self.check(Promise::PhasesFollowThePlan, self.waiting().iter().all(|&asked| asked < task));
        let before = self.statuses.insert(task, TaskStatus::Running);
        self.check(Promise::EachTaskStartsOnce, before.is_none());
    }

    pub(super) fn leave(&mut self, plan: &Plan, phase: usize, by: EndedBy, delay_over: bool) {
        self.check(Promise::PhasesFollowThePlan, self.phase == Some(phase));
        let waiting = self.waiting();
        match by {
            EndedBy::Signal | EndedBy::Deadline => {
                self.check(Promise::SuddenEndNamesThePending, waiting.is_empty());
            }
            EndedBy::Done | EndedBy::Timeout => {
                let delayed = plan.phases()[phase].delay.is_zero() || delay_over;
                let none = waiting.into_iter().all(TaskId::is_checkpoint)
                    && !self.waits_for_checkpoints(plan, phase);
                self.check(Promise::PhasesFollowThePlan, none && delayed);
            }
        }
        // A sudden end may come while the callbacks wait for checkpoints, and then none of them is asked.
        let sudden = matches!(by, EndedBy::Signal | EndedBy::Deadline);
        let started = self.started(plan, phase);
        self.check(
            Promise::EachTaskStartsOnce,
            started == Started::All || (sudden && started == Started::None),
        );
        self.live.retain(|timer| !matches!(timer, Timer::Task { .. }));
        self.phase = None;
        self.next_phase = phase + 1;
    }

    pub(super) fn exit(&mut self, plan: &Plan, meaning: Meaning, outcome: Outcome) {
        let to_the_end = self.next_phase == plan.phases().len();
        let in_phases = plan.phases().iter().map(|phase| phase.tasks.len()).sum::<usize>();
        let has_callbacks = plan.members().iter().any(|member| member.kind == Kind::Callback);
        // Callbacks make up for the checkpoints.
        let counts = |id: TaskId| !(has_callbacks && id.is_checkpoint());
        let all = in_phases + if has_callbacks { 0 } else { plan.checkpoints().len() };
        let is_done = |(&id, &status): (&TaskId, &TaskStatus)| status == TaskStatus::Done && counts(id);
        let done = self.statuses.iter().filter(|&it| is_done(it)).count();
        let right = match meaning {
            Meaning::Deadline => outcome == Outcome::TimedOut,
            Meaning::Force => outcome == Outcome::Forced,
            _ if done == all => outcome == Outcome::Clean,
            _ => outcome == Outcome::Incomplete,
        };
        self.check(Promise::OutcomeIsTrue, right);
        if matches!(outcome, Outcome::Clean | Outcome::Incomplete) {
            self.check(Promise::PhasesFollowThePlan, to_the_end && self.waiting().is_empty());
        }
        self.exits.push(outcome);
        self.check(Promise::ExitsOnce, self.phase.is_none() && self.exits.len() == 1);
    }
}

/// The task that an effect asks for.
fn asked(effect: &Effect) -> Option<TaskId> {
    match effect {
        Effect::RunTask(task) => Some(*task),
        _ => None,
    }
}
