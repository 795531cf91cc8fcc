//! Which connections are awaited, and which of them an order reaches.

use std::{
    pin::pin,
    task::{Context, Poll},
};

use super::{
    super::request::{PATH, RequestName},
    *,
};

fn connections() -> (Arc<Gate>, Arc<Connections>) {
    let gate = Arc::new(Gate::new(2));
    (Arc::clone(&gate), Arc::new(Connections::new(gate)))
}

#[test]
fn a_pinned_connection_is_not_awaited_and_counts_as_pinned_until_it_closes() {
    let (_, connections) = connections();
    let guards = [0, 1].map(|shard| connections.register(shard));
    assert_eq!((connections.awaited(), connections.pinned()), (2, 0));
    guards[0].connection().pin_until_exit();
    guards[0].connection().pin_until_exit();
    assert_eq!((connections.awaited(), connections.pinned()), (1, 1));
    drop(guards);
    assert_eq!((connections.awaited(), connections.pinned()), (0, 0));
}

#[test]
fn the_open_connections_of_each_worker_are_counted() {
    let (_, connections) = connections();
    let guards = [0, 1, 1].map(|shard| connections.register(shard));
    assert_eq!((connections.open_on(0), connections.open_on(1)), (1, 2));
    drop(guards);
    assert_eq!((connections.open_on(0), connections.open_on(1)), (0, 0));
}

#[test]
fn the_end_of_the_last_connection_that_is_awaited_is_told_and_no_earlier_one() {
    let (_, connections) = connections();
    let guards = [0, 1].map(|shard| connections.register(shard));
    let mut cx = Context::from_waker(Waker::noop());
    let mut none_awaited = pin!(connections.none_awaited());
    for guard in guards {
        assert!(none_awaited.as_mut().poll(&mut cx).is_pending());
        drop(guard);
    }
    assert!(none_awaited.poll(&mut cx).is_ready());
}

#[test]
fn an_endless_answer_is_given_up_once_that_is_ordered_and_no_other() {
    let (_, connections) = connections();
    let guards = [0, 1].map(|shard| connections.register(shard));
    for guard in &guards {
        guard.connection().begin(RequestName::GET, true, false);
    }
    guards[0].connection().is_endless(None);
    let given_up = || [0, 1].map(|it: usize| guards[it].connection().gives_up_endless());
    assert_eq!(given_up(), [false, false]);
    connections.give_up_endless();
    assert_eq!(given_up(), [true, false]);
    assert!(guards.iter().all(|guard| !guard.connection().closes_now()), "its server asks for that");
}

#[test]
fn a_connection_was_just_used_when_a_request_that_took_long_is_answered() {
    let (_, connections) = connections();
    let guard = connections.register(0);
    let connection = guard.connection();
    connection.begin(RequestName::GET, false, false);
    let (begun, step) = (Instant::now(), Duration::from_millis(2));
    while begun.elapsed() < step {
        std::thread::yield_now();
    }
    connection.waits();
    connection.answered(false);
    connection.flushed();
    assert_eq!(connection.class(begun + step / 2, Duration::ZERO), ConnectionClass::Recent);
}

#[test]
fn a_pinned_connection_is_not_aborted() {
    let (_, connections) = connections();
    let guards = [0, 1].map(|shard| connections.register(shard));
    guards[0].connection().pin_until_exit();
    connections.abort(Duration::ZERO, |_| true);
    let cut = [0, 1].map(|it: usize| guards[it].connection().poll(|| Poll::<()>::Pending).is_ready());
    assert_eq!(cut, [false, true]);
}

/// What there is of a connection besides what serves it: its record, which is the request's as well, the record's
/// two counts of references, and its place in the shard.
#[test]
fn tracking_a_request_in_flight_takes_at_most_128_bytes_and_its_path() {
    let bytes = size_of::<Connection>() + 2 * size_of::<usize>() + size_of::<Entry>();
    println!("{bytes} bytes, of which the path has {PATH}");
    assert!(bytes <= 128 + PATH, "{bytes}");
}
