//! Models of what threads share without waiting for each other. Each is run in every order that loom finds.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "the models use a part of the files")]

mod sync;

#[path = "."]
mod drain {
    #[path = "../../../src/drain/connection/mod.rs"]
    pub mod connection;
    #[path = "../../../src/drain/gate.rs"]
    pub mod gate;

    pub use connection::Connections;

    pub fn connections(gate: &std::sync::Arc<gate::Gate>) -> std::sync::Arc<Connections> {
        std::sync::Arc::new(Connections::new(std::sync::Arc::clone(gate)))
    }

    pub fn begin(connection: &connection::Connection) {
        let head = actix_web::dev::RequestHead::default();
        connection.begin(connection::RequestName::of(&head), true, false);
    }
}

#[path = "."]
mod server {
    #[path = "../../../src/server/inbox.rs"]
    pub mod inbox;

    pub use models::*;

    mod models {
        use std::{future::poll_fn, sync::Arc};

        use loom::{future::block_on, thread};

        use super::inbox::Inbox;

        /// Each connection is picked up or taken back, once; and the worker, woken in time, ends.
        pub fn what_is_handed_over_is_picked_up_or_taken_back_once() {
            let inbox = Arc::new(Inbox::new());
            let worker = thread::spawn({
                let inbox = Arc::clone(&inbox);
                move || {
                    let mut picked = Vec::new();
                    while let Some(item) = block_on(poll_fn(|cx| inbox.poll_next(cx))) {
                        picked.push(item);
                    }
                    picked
                }
            });
            inbox.push(1).expect("the worker is there");
            inbox.push(2).expect("the worker is there");
            let back = inbox.take_back();
            inbox.close();
            let mut all = worker.join().expect("no panic");
            all.extend(back);
            all.sort_unstable();
            assert_eq!(all, [1, 2]);
        }

        /// What was handed to a worker that is lost at that moment comes back.
        pub fn nothing_is_lost_with_a_worker() {
            let inbox = Arc::new(Inbox::new());
            let worker = thread::spawn({
                let inbox = Arc::clone(&inbox);
                move || inbox.abandon()
            });
            let given_back = inbox.push(1).err();
            assert!(!worker.join().expect("no panic"), "it was not to go");
            assert_eq!(given_back.or_else(|| inbox.take_back()), Some(1));
        }
    }
}

use std::sync::Arc;

use drain::{begin, connections, gate::Gate};
use loom::{
    future::block_on,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

/// Each request is either answered, and waited for, or rejected; and the drain's end is told.
fn no_request_slips_through_the_gate() {
    let gate = Arc::new(Gate::new(1));
    let worker = thread::spawn({
        let gate = Arc::clone(&gate);
        move || {
            let admitted = gate.admit(0).is_ok();
            if admitted {
                gate.leave(0, 1, true);
            }
            admitted
        }
    });
    gate.reject();
    block_on(gate.drained());
    let completed = gate.completed();
    assert!(gate.admit(0).is_err(), "it is rejecting");
    let admitted = worker.join().expect("no panic");
    assert_eq!(gate.completed(), u64::from(admitted));
    assert_eq!(completed, u64::from(admitted), "the drain ended before the last answer");
    assert_eq!((gate.in_flight(), gate.rejected()), (0, 2 - u64::from(admitted)));
    assert!(gate.in_flight_at_reject() <= u64::from(admitted));
}

/// A connection whose request is in the kernel, read, or begun is not detached, wherever the request is just then.
fn a_connection_with_a_request_is_not_detached() {
    let gate = Arc::new(Gate::new(1));
    let connections = connections(&gate);
    let guard = connections.register(0);
    guard.connection().set_socket(1);
    let kernel = Arc::new(AtomicBool::new(true));
    let worker = thread::spawn({
        let (connection, kernel) = (Arc::clone(guard.connection()), Arc::clone(&kernel));
        move || {
            let _ = connection.poll(|| {
                if kernel.swap(false, Ordering::AcqRel) {
                    begin(&connection);
                }
                std::task::Poll::<()>::Pending
            });
        }
    });
    connections.detach(std::time::Duration::ZERO, |_| true, |_| vec![!kernel.load(Ordering::Acquire)]);
    assert_eq!(connections.awaited(), 1, "it was detached");
    worker.join().expect("no panic");
    guard.connection().given_up(true);
}

/// However its end, its pinning and its server's close meet, a connection is counted out once.
fn a_connection_is_counted_out_once() {
    let gate = Arc::new(Gate::new(1));
    let connections = connections(&gate);
    let guard = connections.register(0);
    let other = connections.register(0);
    guard.connection().set_socket(1);
    let worker = thread::spawn(move || {
        guard.connection().pin_until_exit();
        drop(guard);
    });
    connections.detach(std::time::Duration::ZERO, |_| true, |sockets| vec![true; sockets.len()]);
    worker.join().expect("no panic");
    assert_eq!((connections.awaited(), connections.pinned()), (1, 0), "the other one is open");
    drop(other);
    block_on(connections.none_awaited());
    assert_eq!(connections.open_on(0), 0);
}

/// The end of the last connection is told to a server that waits for it.
fn the_last_connection_is_not_waited_for_in_vain() {
    let gate = Arc::new(Gate::new(1));
    let connections = connections(&gate);
    let guard = connections.register(0);
    let worker = thread::spawn(move || drop(guard));
    block_on(connections.none_awaited());
    worker.join().expect("no panic");
    assert_eq!(connections.awaited(), 0);
}

fn main() {
    let models: [(&str, fn()); 6] = [
        ("no request slips through the gate", no_request_slips_through_the_gate),
        ("a connection with a request is not detached", a_connection_with_a_request_is_not_detached),
        ("a connection is counted out once", a_connection_is_counted_out_once),
        ("the last connection is not waited for in vain", the_last_connection_is_not_waited_for_in_vain),
        (
            "what is handed over is picked up or taken back once",
            server::what_is_handed_over_is_picked_up_or_taken_back_once,
        ),
        ("nothing is lost with a worker", server::nothing_is_lost_with_a_worker),
    ];
    for (promise, model) in models {
        let orders = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let count = Arc::clone(&orders);
        loom::model(move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            model();
        });
        println!("{:>7} orders: {promise}", orders.load(std::sync::atomic::Ordering::Relaxed));
    }
}
