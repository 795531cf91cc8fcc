//! Model checking: every reachable state of small plans, under every order of events.

use std::time::Duration;

use graceful_exit::sequence::{
    Event, Kind, Member, MemberId, Outcome, Plan, Signal, SignalKind, State, TaskId, TaskResult, Timeouts,
    Timer,
};
use stateright::{Checker, Model, Property};

use super::{
    ledger::{Ledger, ends_by_its_timeouts},
    promise::Promise,
};

const FIRST_SIGNAL: Duration = Duration::from_secs(7);
const JUST_LATER: Duration = Duration::from_nanos(1);

/// The machine in an environment that may send any event at any time: timers that were never armed, results of tasks
/// that were not started, repeated failures of one server.
struct AnyOrder {
    plan: Plan,
    /// The kinds of signals that come.
    signals: &'static [SignalKind],
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Seen {
    machine: State,
    ledger: Ledger,
}

impl Model for AnyOrder {
    type State = Seen;
    type Action = Event;

    fn init_states(&self) -> Vec<Seen> {
        vec![Seen { machine: State::new(&self.plan), ledger: Ledger::new() }]
    }

    fn actions(&self, seen: &Seen, events: &mut Vec<Event>) {
        if !seen.ledger.broken.is_empty() {
            return; // A path that broke a promise is not followed: it might be infinite.
        }
        let coalesce = self.plan.timeouts().coalesce;
        let mut signal = |at| {
            events.extend(self.signals.iter().map(|&kind| Event::Signal(Signal::new(at, kind))));
        };
        signal(FIRST_SIGNAL);
        if seen.ledger.first_signal().is_some() {
            // The time of the first signal does not distinguish paths.
            [FIRST_SIGNAL + coalesce, FIRST_SIGNAL + coalesce + JUST_LATER].into_iter().for_each(signal);
        }
        events.extend([Event::Stop, Event::Timer(Timer::Deadline)]);
        events.extend((0..self.plan.members().len()).map(|id| Event::MemberFailed { member: MemberId(id) }));
        let results = [TaskResult::Done, TaskResult::Failed, TaskResult::Panicked, TaskResult::Unreachable];
        let answers = |task| results.map(|result| Event::TaskFinished { task, result });
        events.push(Event::Timer(Timer::Checkpoint { after: JUST_LATER }));
        events.extend(answers(TaskId::Checkpoint(self.plan.checkpoints().len())));
        for (task, asked) in self.plan.checkpoints().iter().enumerate() {
            events.push(Event::Timer(Timer::Checkpoint { after: asked.timeout }));
            events.extend(answers(TaskId::Checkpoint(task)));
        }
        for (phase, of) in self.plan.phases().iter().enumerate() {
            let bound = |after| Event::Timer(Timer::Task { phase, after });
            events.extend((!of.delay.is_zero()).then(|| bound(of.delay)));
            // A timeout that no task of the phase has, and the result of a task that is not in the phase.
            events.push(bound(JUST_LATER));
            let task = TaskId::InPhase { phase, task: of.tasks.len() };
            events.push(Event::TaskFinished { task, result: TaskResult::Done });
            for (task, asked) in of.tasks.iter().enumerate() {
                let task = TaskId::InPhase { phase, task };
                events.push(bound(asked.timeout));
                events.extend(answers(task));
            }
        }
    }

    fn next_state(&self, seen: &Seen, event: Event) -> Option<Seen> {
        let step = seen.machine.clone().step(&self.plan, event);
        let mut ledger = seen.ledger.clone();
        ledger.observe(&self.plan, &seen.machine, event, &step);
        Some(Seen { machine: step.state, ledger })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // The most specific first: breaking one of them often breaks some of those below it.
        vec![
            Property::always("a stale timer changes nothing", |_, seen: &Seen| {
                seen.keeps(Promise::StaleTimerChangesNothing)
            }),
            Property::always("a late answer changes nothing", |_, seen: &Seen| {
                seen.keeps(Promise::LateAnswerChangesNothing)
            }),
            Property::always("a second signal only forces the exit", |_, seen: &Seen| {
                seen.keeps(Promise::SecondSignalOnlyForces)
            }),
            Property::always("a repeated request to stop or failure changes nothing", |_, seen: &Seen| {
                seen.keeps(Promise::RepeatedRequestChangesNothing)
            }),
            Property::always("the deadline and a second signal name every pending task", |_, seen: &Seen| {
                seen.keeps(Promise::SuddenEndNamesThePending)
            }),
            Property::always("a failed server is given no task", |_, seen: &Seen| {
                seen.keeps(Promise::NoTaskForAFailedServer)
            }),
            Property::always("exactly the tasks whose timeout is over are timed out", |_, seen: &Seen| {
                seen.keeps(Promise::TimeoutsAreKept)
            }),
            Property::always("the cause of a phase's end is correct", |_, seen: &Seen| {
                seen.keeps(Promise::EndedByIsTrue)
            }),
            Property::always("the outcome is correct", |_, seen: &Seen| seen.keeps(Promise::OutcomeIsTrue)),
            Property::always("exits exactly once", |_, seen: &Seen| seen.keeps(Promise::ExitsOnce)),
            Property::always("nothing after the exit", |_, seen: &Seen| {
                seen.keeps(Promise::NothingAfterTheExit)
            }),
            Property::always("every task of a running member is started, once", |_, seen: &Seen| {
                seen.keeps(Promise::EachTaskStartsOnce)
            }),
            Property::always("phases follow the plan", |_, seen: &Seen| {
                seen.keeps(Promise::PhasesFollowThePlan)
            }),
            Property::always("every wait has a live timer", |_, seen: &Seen| {
                seen.keeps(Promise::EveryWaitIsTimed)
            }),
            Property::always("timeouts alone end the exit", |model: &Self, seen: &Seen| {
                seen.machine.is_serving()
                    || seen.machine.is_over()
                    || ends_by_its_timeouts(&model.plan, &seen.machine, &seen.ledger)
            }),
            Property::always("the state agrees with the events", |_, seen: &Seen| {
                seen.keeps(Promise::StateIsTrue)
            }),
            Property::always("a checkpoint is asked at once", |_, seen: &Seen| {
                seen.keeps(Promise::CheckpointsAreAskedAtOnce)
            }),
            Property::always("a checkpoint delays no phase but the callbacks", |_, seen: &Seen| {
                seen.keeps(Promise::CheckpointsDelayOnlyTheCallbacks)
            }),
            Property::always("no callback begins while a checkpoint runs", |_, seen: &Seen| {
                seen.keeps(Promise::NoCallbackBesideACheckpoint)
            }),
            // These show that the properties above are not vacuous.
            Property::sometimes("some path ends clean", |_, seen: &Seen| seen.ended(Outcome::Clean)),
            Property::sometimes("some path ends incomplete", |_, seen: &Seen| {
                seen.ended(Outcome::Incomplete)
            }),
            Property::sometimes("some path ends timed out", |_, seen: &Seen| seen.ended(Outcome::TimedOut)),
            Property::sometimes("some path ends forced", |_, seen: &Seen| seen.ended(Outcome::Forced)),
        ]
    }
}

impl Seen {
    fn keeps(&self, promise: Promise) -> bool {
        !self.ledger.broken.contains(&promise)
    }

    fn ended(&self, outcome: Outcome) -> bool {
        self.ledger.exits == [outcome]
    }
}

/// Visits every reachable state, checks each against the promises, and returns their number.
fn explore(timeouts: Timeouts, members: &[(Kind, Option<u64>)]) -> usize {
    explore_with(&[SignalKind::Other], timeouts, members)
}

fn explore_with(
    signals: &'static [SignalKind],
    timeouts: Timeouts,
    members: &[(Kind, Option<u64>)],
) -> usize {
    let member = |(id, &(kind, seconds)): (usize, &(Kind, Option<u64>))| {
        Member::new(kind, format!("m{id}")).with_timeout(seconds.map(Duration::from_secs))
    };
    let plan = Plan::new(timeouts, members.iter().enumerate().map(member).collect());
    let Ok(plan) = plan else { panic!("no plan: {plan:?}") };
    let checker = AnyOrder { plan, signals }.checker().spawn_bfs().join();
    checker.assert_properties();
    checker.unique_state_count()
}

// Counted by hand: serving; waiting, with or without a first signal; and over. Without a first signal there are seven
// ends (four results of the callback, failure, timeout, deadline); with one, a second signal is the eighth.
// So 1 + 2 + 7 + 8.
#[test]
fn one_callback() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Callback, None)]), 18);
}

#[test]
fn one_server_and_one_callback() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::ServerFirst, None), (Kind::Callback, None)]), 911);
}

#[test]
fn two_servers_one_of_each_kind() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::ServerLast, None), (Kind::ServerFirst, None)]), 4_586);
}

#[test]
fn two_callbacks_with_different_bounds() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Callback, None), (Kind::Callback, Some(1))]), 306);
}

#[test]
fn two_callbacks_with_the_same_bound() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Callback, None), (Kind::Callback, None)]), 230);
}

#[test]
fn two_resources() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Resource, None), (Kind::Resource, Some(2))]), 181);
}

#[test]
fn a_ready_delay() {
    let timeouts = Timeouts::default().ready_delay(Duration::from_secs(2));
    assert_eq!(explore(timeouts, &[(Kind::ServerLast, None)]), 101);
}

#[test]
fn a_worker_beside_a_server() {
    assert_eq!(
        explore(Timeouts::default(), &[(Kind::BackgroundWorker, Some(4)), (Kind::ServerFirst, None)]),
        988
    );
}

#[test]
fn a_callback_then_a_resource_without_a_coalescing_time() {
    let timeouts = Timeouts::default().coalesce(Duration::ZERO);
    assert_eq!(explore(timeouts, &[(Kind::Resource, None), (Kind::Callback, None)]), 181);
}

#[test]
fn a_server_then_a_callback_then_a_resource() {
    let kinds = [Kind::ServerFirst, Kind::Callback, Kind::Resource];
    assert_eq!(explore(Timeouts::default(), &kinds.map(|kind| (kind, None))), 9_121);
}

// As many as two resources one after another: the callback is held until the checkpoint is over.
#[test]
fn one_checkpoint_and_one_callback() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Checkpoint, None), (Kind::Callback, None)]), 181);
}

#[test]
fn a_checkpoint_alone() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Checkpoint, None)]), 18);
}

#[test]
fn two_checkpoints_with_different_timeouts() {
    assert_eq!(explore(Timeouts::default(), &[(Kind::Checkpoint, None), (Kind::Checkpoint, Some(1))]), 274);
}

#[test]
fn a_checkpoint_beside_a_ready_delay() {
    let timeouts = Timeouts::default().ready_delay(Duration::from_secs(2));
    assert_eq!(explore(timeouts, &[(Kind::Checkpoint, None)]), 81);
}

#[test]
fn a_checkpoint_beside_a_server_then_a_callback() {
    let kinds = [Kind::ServerFirst, Kind::Checkpoint, Kind::Callback];
    assert_eq!(explore(Timeouts::default(), &kinds.map(|kind| (kind, None))), 9_661);
}

// As `one_callback`, and three times more each of the nine states that have a first signal: after a SIGHUP of a process,
// with the terminal gone, and after both.
#[test]
fn sighups_of_a_terminal_and_of_a_process() {
    let kinds = &[SignalKind::Other, SignalKind::Sighup, SignalKind::TerminalGone];
    assert_eq!(explore_with(kinds, Timeouts::default(), &[(Kind::Callback, None)]), 45);
}
