//! What becomes of the streams of an HTTP/2 connection, whichever side reports first.

use futures_util::task::noop_waker;
use proptest::{collection::vec, prelude::*};

use super::{
    super::stream::{Requests, UNWRITTEN},
    *,
};

type Table = StreamTable<u32>;

/// A table with one stream, whose request is with the application.
fn running() -> Table {
    let mut table = Table::default();
    table.begin(1, false);
    assert_eq!(call(&mut table, 1, true), Some(1));
    table
}

/// The stream that the application is called with.
fn call<R>(table: &mut StreamTable<R>, request: R, counted: bool) -> Option<u32> {
    table.call(request, counted).map(|(stream, ..)| stream)
}

#[test]
fn an_answer_waits_while_32_kib_of_it_are_not_written_and_goes_on_when_its_stream_is_reset() {
    let mut table = running();
    let waker = noop_waker();
    assert_eq!(table.hand_on_data(1, UNWRITTEN - PIECE - 1), Turn::GoOn);
    assert_eq!(table.turn(1, &waker), Turn::GoOn);
    assert_eq!(table.hand_on_data(1, 2 * PIECE), Turn::Wait);
    assert_eq!(table.turn(1, &waker), Turn::Wait);
    assert!(table.write_data(1, 2 * PIECE - 1).is_none(), "there is still as much as may wait");
    assert!(table.write_data(1, 1).is_some(), "it is woken");
    assert_eq!(table.turn(1, &waker), Turn::GoOn);
    assert!(table.write_data(1, UNWRITTEN).is_none(), "it did not wait");
    let turns: Vec<_> = (0..UNWRITTEN / PIECE).map(|_| table.hand_on_data(1, 0)).collect();
    assert_eq!(turns.iter().filter(|&&turn| turn == Turn::Wait).count(), 1, "only the last one");
    assert_eq!(table.turn(1, &waker), Turn::Wait, "in many small pieces");
    assert!(table.write_end(1).is_some(), "what was not written never will be");
    assert_eq!(table.turn(1, &waker), Turn::GoOn);
}

/// A stream that does not move holds up no other one.
#[test]
fn answers_wait_after_a_piece_each_while_256_kib_of_all_are_not_written() {
    let mut table = Table::default();
    let ids: Vec<u32> = (0..=10).map(|index| 2 * index + 1).collect();
    for &id in &ids {
        table.begin(id, false);
        assert_eq!(call(&mut table, id, true), Some(id));
    }
    let (one, two, still) = (ids[0], ids[1], &ids[2..]);
    let waker = noop_waker();
    let turns: Vec<_> = still.iter().map(|&id| table.hand_on_data(id, UNWRITTEN - PIECE - 1)).collect();
    assert_eq!(turns, [&[Turn::GoOn; 8][..], &[Turn::Wait]].concat());
    assert_eq!(table.hand_on_data(one, 1), Turn::Wait);
    assert_eq!(table.turn(two, &waker), Turn::GoOn, "nothing of it waits");
    assert_eq!(table.hand_on_data(two, 2), Turn::Wait);
    assert!(table.turn(one, &waker) == Turn::Wait && table.turn(two, &waker) == Turn::Wait);
    assert!(table.write_data(two, 1).is_none());
    assert!(table.write_data(one, 1).is_some(), "it is written");
    assert_eq!(table.turn(one, &waker), Turn::GoOn);
    // There is room again, by what others have written: one that waits goes on with its own next byte.
    assert!(table.write_data(still[0], UNWRITTEN).is_none());
    assert_eq!(table.turn(still[1], &waker), Turn::GoOn);
    table.hand_on_data(two, 1);
    assert!(table.write_data(two, 1).is_some());
    // What is gone does not wait.
    for &id in still {
        let _ = (table.reset(id), table.finish(id, false));
    }
    assert_eq!(table.unwritten, 1);
    let _ = table.close();
    let _ = (table.finish(one, false), table.finish(two, false));
    assert_eq!((table.unwritten, table.len()), (0, 0));
}

#[test]
fn nothing_is_read_on_while_many_pieces_of_bodies_wait_for_the_application() {
    let mut table = running();
    let waker = noop_waker();
    for _ in 0..10 * UNREAD {
        table.read_data(1);
        assert!(table.take_data(1).is_none() && table.has_room(&waker));
    }
    (0..UNREAD).for_each(|_| table.read_data(1));
    assert!(!table.has_room(&waker));
    assert!(table.take_data(1).is_some(), "it reads on");
    assert!(table.has_room(&waker));
    table.read_data(1);
    assert!(!table.has_room(&waker));
    assert!(table.finish(1, true).1.is_some(), "what nothing takes any more is dropped");
    assert!(table.has_room(&waker));
}

const NONE: Requests = Requests { counted: 0, uncounted: 0 };
const ONE: Requests = Requests { counted: 1, uncounted: 0 };
const NOTHING: Left = Left { answered: NONE, given_up: NONE };
const ANSWERED: Left = Left { answered: ONE, given_up: NONE };
const GIVEN_UP: Left = Left { answered: NONE, given_up: ONE };

#[test]
fn a_stream_is_in_flight_until_its_end_is_written_and_flushed() {
    let mut table = running();
    assert_eq!(table.finish(1, true).0, NOTHING);
    assert_eq!(table.flush(), NOTHING, "earlier frames were flushed, not its end");
    table.write_end(1);
    assert_eq!((table.len(), table.in_flight().count()), (1, 1));
    assert_eq!(table.flush(), ANSWERED);
    assert_eq!(table.len(), 0);
}

#[test]
fn one_that_was_given_up_holds_the_connection_until_its_reset_is_written() {
    let mut table = running();
    assert_eq!(table.finish(1, false).0, GIVEN_UP);
    assert_eq!((table.len(), table.in_flight().count()), (1, 0));
    table.write_end(1);
    assert_eq!(table.flush(), NOTHING, "it is counted once");
    assert_eq!(table.len(), 0);
}

#[test]
fn a_reset_by_the_client_cancels_its_own_request_alone() {
    let mut table = Table::default();
    for id in [1, 3, 5] {
        table.begin(id, false);
    }
    assert!(table.reset(5).1.is_none());
    let waker = noop_waker();
    for (id, request) in [(1, 10), (3, 30), (5, 50)] {
        assert_eq!(call(&mut table, request, true), Some(id));
    }
    assert!(table.turn(5, &waker) == Turn::Cancelled, "it was reset before the application was called");
    assert_eq!(table.hand_on_data(5, 1), Turn::Cancelled);
    assert!(table.turn(1, &waker) != Turn::Cancelled && table.turn(3, &waker) != Turn::Cancelled);
    assert!(table.reset(3).1.is_some());
    assert!(table.turn(3, &waker) == Turn::Cancelled && table.turn(1, &waker) != Turn::Cancelled);
    assert_eq!(table.finish(3, false).0, GIVEN_UP);
    assert_eq!(table.finish(5, true).0, GIVEN_UP, "nothing of it was sent");
    assert_eq!(table.in_flight().copied().collect::<Vec<_>>(), [10]);
}

#[test]
fn what_the_dispatcher_refuses_by_itself_is_taken_for_no_request_of_the_application() {
    let mut table = Table::default();
    for id in [1, 3] {
        table.begin(id, false);
    }
    table.write_end(1);
    assert_eq!(call(&mut table, 30, true), Some(3));
    assert_eq!(table.len(), 1);
}

#[test]
fn trailers_begin_nothing_and_neither_does_what_comes_after_the_last_goaway() {
    let mut table = running();
    table.begin(1, false);
    table.begin(3, false);
    table.limit(1);
    table.begin(5, false);
    assert_eq!((table.len(), call(&mut table, 0, true)), (1, None));
}

#[test]
fn every_stream_up_to_the_one_that_the_goaway_names_is_served() {
    let mut table = Table::default();
    for id in [1, 3, 5] {
        table.begin(id, false);
    }
    table.limit(3);
    assert_eq!([(); 3].map(|()| call(&mut table, 0, true)), [Some(1), Some(3), None]);
    assert_eq!(table.len(), 2);

    let mut table = Table::default();
    table.limit(3);
    table.begin(3, false);
    assert_eq!(call(&mut table, 0, true), Some(3));
}

#[test]
fn endless_answers_are_given_up_once_and_the_others_are_waited_for() {
    let mut table = Table::default();
    for (id, request) in [(1, 10), (3, 30)] {
        table.begin(id, false);
        assert_eq!(call(&mut table, request, true), Some(id));
    }
    table.set_endless(3);
    assert_eq!((table.give_up_endless(), table.give_up_endless()), (GIVEN_UP, NOTHING));
    assert_eq!(table.in_flight().copied().collect::<Vec<_>>(), [10]);
    assert_eq!(table.len(), 2, "its stream is open");
}

#[test]
fn the_end_of_the_connection_cancels_what_is_at_work_and_gives_up_the_rest() {
    let mut table = Table::default();
    for id in [1, 3, 5] {
        table.begin(id, false);
    }
    assert_eq!((call(&mut table, 10, true), call(&mut table, 30, true)), (Some(1), Some(3)));
    assert!(table.turn(3, &noop_waker()) != Turn::Cancelled);
    assert_eq!(table.finish(1, true).0, NOTHING);
    let (left, wakers) = table.close();
    assert_eq!((left, wakers.len(), table.len()), (GIVEN_UP, 1, 1));
    assert!(table.turn(3, &noop_waker()) == Turn::Cancelled);
    assert_eq!(table.finish(3, false).0, GIVEN_UP);
    assert_eq!(table.len(), 0);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin(u32),
    Call(bool),
    Finish(u32, bool),
    WriteEnd(u32),
    Flush,
    Reset(u32),
    Limit(u32),
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = 0_u32..10;
    prop_oneof![
        4 => id.clone().prop_map(Step::Begin),
        4 => any::<bool>().prop_map(Step::Call),
        4 => (id.clone(), any::<bool>()).prop_map(|(id, answered)| Step::Finish(id, answered)),
        4 => id.clone().prop_map(Step::WriteEnd),
        2 => Just(Step::Flush),
        1 => id.clone().prop_map(Step::Reset),
        1 => id.prop_map(Step::Limit),
    ]
}

proptest! {
    /// In whatever order the two sides report, every request that the gate has counted in is counted out exactly
    /// once, and nothing is left when the connection is over.
    #[test]
    fn every_request_is_counted_out_exactly_once(steps in vec(any_step(), 0..80)) {
        let mut table = Table::default();
        let (mut inside, mut called) = (NONE, Vec::new());
        let leave = |inside: &mut Requests, left: Left| {
            inside.counted -= left.answered.counted + left.given_up.counted;
            inside.uncounted -= left.answered.uncounted + left.given_up.uncounted;
        };
        for step in steps {
            let left = match step {
                Step::Begin(id) => { table.begin(id, false); NOTHING }
                Step::Call(counted) => {
                    if let Some(id) = call(&mut table, 0, counted) {
                        called.push(id);
                        inside.add(counted);
                    }
                    NOTHING
                }
                // The layer reports an end once, of a request that it has begun.
                Step::Finish(id, answered) if called.contains(&id) => {
                    called.retain(|&running| running != id);
                    table.finish(id, answered).0
                }
                Step::Finish(..) => NOTHING,
                Step::WriteEnd(id) => { table.write_end(id); NOTHING }
                Step::Flush => table.flush(),
                Step::Reset(id) => table.reset(id).0,
                Step::Limit(last) => { table.limit(last); NOTHING }
            };
            leave(&mut inside, left);
            prop_assert_eq!(table.in_flight().count(), inside.counted as usize);
        }
        leave(&mut inside, table.close().0);
        for id in called {
            leave(&mut inside, table.finish(id, false).0);
        }
        prop_assert_eq!((inside, table.len()), (NONE, 0));
    }
}
