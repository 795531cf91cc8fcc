//! The state machine's whole space, with at most two requests of each kind: every state that a legal sequence of events
//! can reach, each checked against a plain count beside it.

use std::collections::{HashSet, VecDeque};

use super::*;

/// What a bystander would count: the machine has to agree with it in every state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts: the test reaches their combinations")]
struct Ledger {
    counted: u32,
    uncounted: u32,
    /// Counted and uncounted answers that were not flushed.
    unflushed: (u32, bool),
    polled: bool,
    last_answer: bool,
    waited: bool,
    input: bool,
    body: bool,
    had_body: bool,
    ahead: bool,
    handshake: bool,
}

const MOST: u32 = 2;

fn events(ledger: &Ledger) -> Vec<Event> {
    let mut events = vec![Event::Flushed, Event::Dropped, Event::Input, Event::BodyEnded];
    events.push(Event::ReadAhead(!ledger.ahead));
    events.push(if ledger.polled { Event::PollEnded } else { Event::PollStarted });
    if (ledger.counted, ledger.uncounted) == (0, 1) && !ledger.handshake {
        events.push(Event::Handshake);
    }
    for counted in [true, false] {
        let serving = if counted { ledger.counted } else { ledger.uncounted };
        if serving < MOST && ledger.unflushed.0 < MOST {
            events.extend([true, false].map(|body| Event::Begin { counted, body }));
        }
        if serving > 0 {
            events.extend([Event::Answered { counted }, Event::GivenUp { counted }]);
            events.extend([Event::Waited, Event::LastAnswer]);
        }
    }
    events
}

/// What the ledger says of an event: how many requests leave the gate, and whether they were answered.
fn account(ledger: &mut Ledger, event: Event) -> (u32, bool) {
    let serving = |ledger: &mut Ledger, counted: bool, change: i32| {
        let count = if counted { &mut ledger.counted } else { &mut ledger.uncounted };
        *count = count.checked_add_signed(change).expect("a legal sequence");
    };
    match event {
        Event::PollStarted => ledger.polled = true,
        Event::PollEnded => ledger.polled = false,
        Event::Input => ledger.input = true,
        Event::ReadAhead(waits) => ledger.ahead = waits,
        Event::BodyEnded => ledger.body = false,
        Event::Handshake => ledger.handshake = true,
        Event::Begin { counted, body } => {
            (ledger.waited, ledger.input, ledger.handshake) = (false, false, false);
            (ledger.body, ledger.had_body) = (body, body);
            serving(ledger, counted, 1);
        }
        Event::Waited => ledger.waited = true,
        Event::LastAnswer => ledger.last_answer = true,
        Event::Answered { counted } => {
            serving(ledger, counted, -1);
            ledger.unflushed = (ledger.unflushed.0 + u32::from(counted), true);
        }
        Event::GivenUp { counted } => {
            serving(ledger, counted, -1);
            return (u32::from(counted), false);
        }
        Event::Flushed | Event::Dropped => {
            let left = std::mem::take(&mut ledger.unflushed.0);
            if event == Event::Flushed {
                ledger.unflushed.1 = false;
                if ledger.counted + ledger.uncounted == 0 {
                    ledger.waited = false;
                }
            }
            return (left, event == Event::Flushed);
        }
    }
    (0, false)
}

fn check(state: State, ledger: &Ledger) {
    assert_eq!(State::from_word(state.word()), state);
    assert_eq!(state.is_polled(), ledger.polled, "{ledger:?}");
    assert_eq!(state.has_had_last_answer(), ledger.last_answer, "{ledger:?}");
    assert_eq!(state.has_unflushed(), ledger.unflushed.1, "{ledger:?}");
    assert_eq!((state.has_input(), state.awaits_body()), (ledger.input, ledger.body), "{ledger:?}");
    assert_eq!(state.had_body(), ledger.had_body, "{ledger:?}");
    let serving = ledger.counted + ledger.uncounted;
    let is_between_requests = serving == 0 && !ledger.unflushed.1;
    assert_eq!(state.is_between_requests(), is_between_requests, "{ledger:?}");
    assert_eq!(state.is_idle(), is_between_requests && !ledger.ahead, "{ledger:?}");
    assert_eq!(state.is_counted(), ledger.counted + ledger.unflushed.0 > 0, "{ledger:?}");
    for unused in [true, false] {
        let class = match ledger {
            _ if ledger.counted + ledger.unflushed.0 > 0 => ConnectionClass::Active,
            Ledger { last_answer: true, .. } => ConnectionClass::Closing,
            _ if state.is_idle() && unused => ConnectionClass::Idle,
            Ledger { handshake: true, .. } => ConnectionClass::Handshake,
            _ => ConnectionClass::Recent,
        };
        assert_eq!(state.class(|| unused), class, "{ledger:?}");
    }
}

#[test]
fn every_state_agrees_with_a_plain_count_and_no_request_leaves_the_gate_twice_or_never() {
    let mut seen = HashSet::from([(State::default(), Ledger::default())]);
    let mut left = VecDeque::from([(State::default(), Ledger::default())]);
    let mut transitions = 0;
    while let Some((state, ledger)) = left.pop_front() {
        check(state, &ledger);
        for event in events(&ledger) {
            transitions += 1;
            let (mut after, (next, effect)) = (ledger, state.apply(event));
            let (leave, answered) = account(&mut after, event);
            let marks = event == Event::Flushed && ledger.waited && ledger.counted + ledger.uncounted == 0;
            let expected = match (leave, marks) {
                (requests, true) => Effect::LeaveAndMark { requests },
                (0, false) => Effect::None,
                (requests, false) => Effect::Leave { requests, answered },
            };
            assert_eq!(effect, expected, "{event:?} in {ledger:?}");
            if event != Event::Dropped && seen.insert((next, after)) {
                left.push_back((next, after));
            }
        }
    }
    println!("{} states, {transitions} transitions", seen.len());
    assert_eq!((seen.len(), transitions), (4416, 55392));
}

#[test]
fn a_server_stops_waiting_for_a_connection_once_and_pins_it_once_in_whatever_order_it_is_asked() {
    const ALL: [Order; 4] = [Order::CloseWhenIdle, Order::Abort, Order::Detach, Order::Pin];
    let sequences = (0..4_usize.pow(5)).map(|code| (0..5).map(move |at| ALL[code / 4_usize.pow(at) % 4]));
    for sequence in sequences {
        let (mut word, mut detached, mut pinned) = (0, 0, 0);
        let sequence: Vec<_> = sequence.collect();
        for &order in &sequence {
            let before = Orders::from_word(word);
            detached += u32::from(before.is_detached_by(order));
            pinned += u32::from(before.is_pinned_by(order));
            word |= order as u8;
            assert!(Orders::from_word(word).contain(order));
        }
        let asked = |order| sequence.contains(&order);
        assert_eq!(detached, u32::from(asked(Order::Detach) || asked(Order::Pin)), "{sequence:?}");
        assert_eq!(pinned, u32::from(asked(Order::Pin)), "{sequence:?}");
        assert_eq!(Orders::from_word(word).is_pinned(), asked(Order::Pin));
        assert_eq!(Orders::from_word(word).contain(Order::Abort), asked(Order::Abort));
        assert_eq!(Orders::from_word(word).contain(Order::CloseWhenIdle), asked(Order::CloseWhenIdle));
    }
}
