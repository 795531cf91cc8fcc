//! Property tests: random paths through large plans, and the structure of every plan.

use std::{collections::BTreeSet, time::Duration};

use graceful_exit::sequence::{
    Effect, Event, Kind, Member, MemberId, Outcome, PhaseKind, Plan, PlanError, Signal, SignalKind, State,
    Task, TaskId, TaskResult, Timeouts, Timer,
};
use proptest::{
    prelude::*,
    sample::{Index, select},
    strategy::ValueTree,
    test_runner::TestRunner,
};

use super::ledger::{Ledger, ends_by_its_timeouts};

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_holds_on_every_path((plan, choices) in (any_plan(), any_path())) {
        let (state, ledger, path) = walk(&plan, &choices);
        prop_assert!(ledger.broken.is_empty(), "{:?} after {path:#?}", ledger.broken);
        let idle_or_ends = state.is_serving() || state.is_over() || ends_by_its_timeouts(&plan, &state, &ledger);
        prop_assert!(idle_or_ends, "the timeouts alone do not end it after {path:#?}");
    }

    #[test]
    fn an_exit_is_clean_if_every_task_finishes_in_any_order(
        (plan, order) in (any_plan(), prop::collection::vec(any::<Index>(), 1..50)),
    ) {
        let mut order = order.iter().cycle();
        let mut step = State::new(&plan).step(&plan, Event::Stop);
        for _ in 0..=plan.phases().len() + plan.members().len() * 2 {
            let pending: Vec<TaskId> = step.state.pending().collect();
            let event = match (order.next(), step.state.phase()) {
                (Some(index), _) if !pending.is_empty() => {
                    Event::TaskFinished { task: *index.get(&pending), result: TaskResult::Done }
                }
                (_, Some(phase)) => Event::Timer(Timer::Task { phase, after: plan.phases()[phase].delay }),
                (_, None) => break,
            };
            step = step.state.step(&plan, event);
        }
        prop_assert_eq!(step.effects.last(), Some(&Effect::Exit(Outcome::Clean)));
    }

    #[test]
    fn a_plan_has_the_tasks_of_every_member_in_order((timeouts, members) in (any_timeouts(), any_members())) {
        let plan = Plan::new(timeouts, members.clone());
        prop_assert!(plan.is_ok());
        let Ok(plan) = plan else { return Ok(()) };

        let saves = (0..members.len()).filter(|&id| members[id].kind == Kind::Checkpoint);
        let timeout = |id: usize| members[id].timeout.unwrap_or(timeouts.checkpoint_timeout);
        let checkpoints: Vec<_> =
            saves.map(|id| Task { member: MemberId(id), timeout: timeout(id) }).collect();
        prop_assert_eq!(plan.checkpoints(), &checkpoints[..]);

        let drained = [Kind::ServerFirst, Kind::ServerLast, Kind::BackgroundWorker];
        let with_members: [(_, _, &[_]); 5] = [
            (PhaseKind::Drain, timeouts.drain_timeout, &drained),
            (PhaseKind::CloseServers, timeouts.stop_timeout, &[Kind::ServerFirst]),
            (PhaseKind::Callbacks, timeouts.callback_timeout, &[Kind::Callback]),
            (PhaseKind::Release, timeouts.release_timeout, &[Kind::Resource]),
            (PhaseKind::CloseLast, timeouts.stop_timeout, &[Kind::ServerLast]),
        ];
        let mut expected = Vec::new();
        for &kind in PhaseKind::ALL {
            // A phase that is not here is a delay, of the length of the setting of its name.
            let Some((_, timeout, takes_part)) = with_members.iter().find(|(with, ..)| *with == kind) else {
                prop_assert_eq!(kind.setting(), format!("shutdown.{}", kind.name()));
                let length = kind.timeout(&timeouts);
                expected.extend((!length.is_zero()).then(|| (kind, length, Vec::new())));
                continue;
            };
            let ids = (0..members.len()).filter(|&id| takes_part.contains(&members[id].kind));
            let tasks: Vec<_> = ids.map(|id| (id, members[id].timeout.unwrap_or(*timeout))).collect();
            if kind == PhaseKind::Release {
                expected.extend(tasks.into_iter().rev().map(|task| (kind, Duration::ZERO, vec![task])));
            } else if !tasks.is_empty() || (kind == PhaseKind::Callbacks && !checkpoints.is_empty()) {
                expected.push((kind, Duration::ZERO, tasks));
            }
        }

        let tasks = |phase: &graceful_exit::sequence::Phase| -> Vec<_> {
            phase.tasks.iter().map(|task| (task.member.0, task.timeout)).collect()
        };
        let found: Vec<_> = plan.phases().iter().map(|of| (of.kind, of.delay, tasks(of))).collect();
        prop_assert_eq!(found, expected.clone());

        let longest = |(_, hold, tasks): &(_, Duration, Vec<(usize, Duration)>)| {
            tasks.iter().map(|&(_, bound)| bound).fold(*hold, Duration::max)
        };
        // The callbacks begin when everything before them and the slowest checkpoint is over.
        let (before, from): (Vec<_>, Vec<_>) = expected.iter().partition(|(kind, ..)| *kind < PhaseKind::Callbacks);
        let slowest = checkpoints.iter().map(|task| task.timeout).max().unwrap_or_default();
        let before = before.into_iter().map(longest).sum::<Duration>().max(slowest);
        let worst_case = before + from.into_iter().map(longest).sum::<Duration>();
        prop_assert_eq!(plan.worst_case(), worst_case);
        prop_assert_eq!(plan.overrun() + timeouts.timeout, worst_case.max(timeouts.timeout));
    }
}

/// Shows that the random search is not vacuous: it reaches every outcome, with plans of more than ten members.
#[test]
fn random_paths_reach_every_outcome() {
    let mut runner = TestRunner::deterministic();
    let mut outcomes = BTreeSet::new();
    for _ in 0..1_000 {
        let Ok(tree) = (any_plan(), any_path()).new_tree(&mut runner) else {
            panic!("no plan or path was generated")
        };
        let (plan, choices) = tree.current();
        let (_, ledger, _) = walk(&plan, &choices);
        outcomes.extend(ledger.exits.into_iter().filter(|_| plan.members().len() > 10));
    }
    assert_eq!(
        outcomes,
        BTreeSet::from([Outcome::Clean, Outcome::Incomplete, Outcome::TimedOut, Outcome::Forced])
    );
}

#[test]
fn a_plan_without_members_exits_clean_at_once() {
    let Ok(plan) = Plan::new(Timeouts::default(), Vec::new()) else { panic!("no plan") };
    let step = State::new(&plan).step(&plan, Event::Stop);
    let deadline = Effect::Arm { timer: Timer::Deadline, after: plan.timeouts().timeout };
    assert_eq!(step.effects, [Effect::Begin, deadline, Effect::Exit(Outcome::Clean)]);
}

#[test]
fn an_invalid_plan_is_an_error() {
    let refused = |members: Vec<Member>| Plan::new(Timeouts::default(), members).err();

    let timeouts = Timeouts::default().timeout(Duration::ZERO);
    assert_eq!(Plan::new(timeouts, Vec::new()), Err(PlanError::NoTime));
    assert_eq!(
        refused(vec![Member::new(Kind::BackgroundWorker, "")]),
        Some(PlanError::NoName { kind: Kind::BackgroundWorker })
    );
    assert_eq!(
        refused(vec![Member::new(Kind::ServerFirst, "a"), Member::new(Kind::ServerLast, "a")]),
        Some(PlanError::SameName { kind: Kind::ServerLast, name: "a".into() })
    );
    assert_eq!(refused(vec![Member::new(Kind::ServerFirst, "a"), Member::new(Kind::Callback, "a")]), None);
    let server = Member::new(Kind::ServerLast, "a").with_timeout(Some(Duration::from_secs(1)));
    assert_eq!(refused(vec![server]), Some(PlanError::ServerTimeout { name: "a".into() }));

    let same = PlanError::SameName { kind: Kind::Callback, name: "flush".into() }.to_string();
    assert!(same.starts_with("two of the callbacks are called `flush`"), "{same}");
    let none = PlanError::NoName { kind: Kind::Resource }.to_string();
    assert!(none.starts_with("a resource has an empty name"), "{none}");
    let timeout = PlanError::ServerTimeout { name: "public".into() }.to_string();
    assert!(timeout.starts_with("server `public` has a timeout of its own"), "{timeout}");
}

/// The next event, in a form that is valid in any state and that proptest can shrink.
#[derive(Clone, Copy, Debug)]
enum Choice {
    /// A pending task answers.
    Answer(Index, TaskResult),
    /// Any task answers, started or not, of this plan or not.
    StrayAnswer(TaskId, TaskResult),
    /// A timer of the current phase fires.
    Bound(Index),
    /// Any timer fires, armed or not.
    StrayTimer(Timer),
    Signal(Signal),
    Stop,
    Death(Index),
}

/// Applies one choice after another. Returns the last state, the ledger and the events.
fn walk(plan: &Plan, choices: &[Choice]) -> (State, Ledger, Vec<Event>) {
    let (mut state, mut ledger, mut path) = (State::new(plan), Ledger::new(), Vec::new());
    for &choice in choices {
        let event = event(plan, &ledger, choice);
        let before = state.clone();
        let step = state.step(plan, event);
        ledger.observe(plan, &before, event, &step);
        state = step.state;
        path.push(event);
    }
    (state, ledger, path)
}

fn event(plan: &Plan, ledger: &Ledger, choice: Choice) -> Event {
    match choice {
        Choice::Answer(index, result) => {
            let waiting = ledger.waiting();
            if waiting.is_empty() {
                return Event::Stop;
            }
            Event::TaskFinished { task: *index.get(&waiting), result }
        }
        Choice::StrayAnswer(task, result) => Event::TaskFinished { task, result },
        Choice::Bound(index) => {
            let bounds: Vec<Timer> =
                ledger.live.iter().copied().filter(|&timer| timer != Timer::Deadline).collect();
            if bounds.is_empty() { Event::Stop } else { Event::Timer(*index.get(&bounds)) }
        }
        Choice::StrayTimer(timer) => Event::Timer(timer),
        Choice::Signal(signal) => Event::Signal(signal),
        Choice::Stop => Event::Stop,
        // One more than there are: the failure of a member that the plan does not have.
        Choice::Death(index) => {
            Event::MemberFailed { member: MemberId(index.index(plan.members().len() + 1)) }
        }
    }
}

fn any_path() -> impl Strategy<Value = Vec<Choice>> {
    // Some paths have no disturbing events, so that they end by themselves and sometimes clean.
    prop_oneof![
        prop::collection::vec(calm_choice(), 0..200),
        prop::collection::vec(prop_oneof![9 => calm_choice(), 1 => any_choice()], 0..200),
        prop::collection::vec(any_choice(), 0..60),
    ]
}

fn calm_choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        60 => any::<Index>().prop_map(|index| Choice::Answer(index, TaskResult::Done)),
        1 => any::<Index>().prop_map(Choice::Bound),
        1 => Just(Choice::Stop),
    ]
}

fn any_choice() -> impl Strategy<Value = Choice> {
    let task = (0..12_usize, 0..42_usize).prop_map(|(phase, task)| TaskId::InPhase { phase, task });
    let task = prop_oneof![6 => task, 1 => (0..8_usize).prop_map(TaskId::Checkpoint)];
    let bound = (0..12_usize, any_bound()).prop_map(|(phase, after)| Timer::Task { phase, after });
    let checkpoint = any_bound().prop_map(|after| Timer::Checkpoint { after });
    // Intervals below, above and equal to a coalescing time of `any_timeouts`.
    let kind =
        select(&[SignalKind::Other, SignalKind::Other, SignalKind::Sighup, SignalKind::TerminalGone][..]);
    let at = (0..=30_u64).prop_map(|tick| Duration::from_millis(1_000 + tick * 10));
    let signal = (at, kind).prop_map(|(at, kind)| Signal::new(at, kind));
    prop_oneof![
        4 => (any::<Index>(), any_over()).prop_map(|(index, result)| Choice::Answer(index, result)),
        2 => (task, any_over()).prop_map(|(task, result)| Choice::StrayAnswer(task, result)),
        4 => any::<Index>().prop_map(Choice::Bound),
        4 => prop_oneof![9 => bound, 2 => checkpoint, 1 => Just(Timer::Deadline)].prop_map(Choice::StrayTimer),
        1 => signal.prop_map(Choice::Signal),
        1 => Just(Choice::Stop),
        1 => any::<Index>().prop_map(Choice::Death),
    ]
}

fn any_over() -> impl Strategy<Value = TaskResult> {
    select(&[TaskResult::Done, TaskResult::Failed, TaskResult::Panicked, TaskResult::Unreachable][..])
}

fn any_plan() -> impl Strategy<Value = Plan> {
    (any_timeouts(), any_members())
        .prop_filter_map("a plan that makes sense", |(timeouts, members)| Plan::new(timeouts, members).ok())
}

fn any_timeouts() -> impl Strategy<Value = Timeouts> {
    let millis = |of: &'static [u64]| select(of).prop_map(Duration::from_millis);
    let of_phases = prop::collection::vec(any_bound(), PhaseKind::ALL.len());
    (millis(&[0, 50, 150]), any_bound(), of_phases, millis(&[1, 1_000, 25_000])).prop_map(
        |(coalesce, checkpoint, of_phases, deadline)| {
            let others = Timeouts::default().coalesce(coalesce).checkpoint_timeout(checkpoint);
            let mut timeouts = others.timeout(deadline);
            for (phase, timeout) in PhaseKind::ALL.iter().zip(of_phases) {
                *phase.timeout_mut(&mut timeouts) = timeout;
            }
            timeouts
        },
    )
}

fn any_members() -> impl Strategy<Value = Vec<Member>> {
    let kinds = [
        Kind::ServerFirst,
        Kind::ServerLast,
        Kind::BackgroundWorker,
        Kind::Checkpoint,
        Kind::Callback,
        Kind::Resource,
    ];
    let member = (select(kinds.to_vec()), prop::option::of(any_bound()));
    prop::collection::vec(member, 0..40).prop_map(|members| {
        let name = |(id, (kind, bound)): (usize, (Kind, Option<Duration>))| {
            let bound = bound.filter(|_| !kind.is_server());
            Member::new(kind, format!("m{id}")).with_timeout(bound)
        };
        members.into_iter().enumerate().map(name).collect()
    })
}

/// Few different values, so that they often coincide; zero is one.
fn any_bound() -> impl Strategy<Value = Duration> {
    select(&[0, 1_000, 2_000, 5_000][..]).prop_map(Duration::from_millis)
}
