//! How long a closing server keeps which connections open.

use std::{thread, time::Duration};

use graceful_exit::{Outcome, Timeouts, sequence::PhaseKind};

use super::service::{MS, Service, duration_of};
use crate::support::{Client, PAST_RECENT_USE, UNREACHED, wait_until};

/// Timeouts with a long stop timeout, so that the keep-alive grace is not shortened to fit into it.
fn long() -> Timeouts {
    Timeouts::default().coalesce(Duration::ZERO).stop_timeout(UNREACHED).timeout(2 * UNREACHED)
}

#[test]
fn a_request_on_its_way_when_the_server_closes_still_gets_its_503() {
    let service =
        Service::start_with(|server| server, |exit| exit.timeouts(long()).keep_alive_grace(UNREACHED));
    let mut kept = service.kept_alive();
    let mut held = service.in_flight("/held");
    service.drain();
    service.release();
    assert_eq!(held.read().expect("answered").status, 200);
    service.reach("close_servers");
    thread::sleep(10 * MS);
    kept.send("GET", "/", &[]).expect("sent");
    let response = kept.read().expect("answered");
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
    assert!(kept.is_closed());
    drop((kept, held));
    // It ends with the last answer, not with the keep-alive grace.
    assert_eq!(service.report().outcome, Outcome::Clean);
}

/// The worker can read the request only after the keep-alive grace is over, and answers it all the same.
#[test]
fn a_request_that_was_sent_in_time_is_answered_when_its_worker_no_longer_blocks() {
    let service =
        Service::start_with(|server| server, |exit| exit.timeouts(long()).keep_alive_grace(300 * MS));
    let mut kept = service.connect();
    kept.send("GET", "/block-worker", &[]).expect("sent");
    assert_eq!(kept.read().expect("answered").status, 200);
    service.exit.stop("test");
    service.reach("close_servers");
    // The listener closes, and then the worker blocks for longer than the keep-alive grace.
    thread::sleep(20 * MS);
    service.release();
    thread::sleep(20 * MS);
    kept.send("GET", "/", &[]).expect("sent");
    assert_eq!(kept.read().expect("answered").status, 503);
    assert!(kept.is_closed());
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn a_recently_used_connection_without_a_request_is_closed_when_the_grace_is_over() {
    let service =
        Service::start_with(|server| server, |exit| exit.timeouts(long()).keep_alive_grace(200 * MS));
    let mut kept = service.kept_alive();
    let report = service.stop();
    let closing = duration_of(&report, PhaseKind::CloseServers);
    assert!(closing >= 200 * MS, "{closing:?}");
    assert!(kept.is_closed(), "no reset");
    assert_eq!(report.outcome, Outcome::Clean);
}

#[test]
fn a_grace_as_long_as_the_stop_timeout_leaves_time_to_close() {
    let timeouts = Timeouts::default().stop_timeout(900 * MS);
    let service =
        Service::start_with(|server| server, move |exit| exit.timeouts(timeouts).keep_alive_grace(1000 * MS));
    let mut kept = service.kept_alive();
    assert_eq!(service.stop().outcome, Outcome::Clean);
    assert!(kept.is_closed());
}

#[test]
fn a_connection_idle_for_a_second_is_closed_at_once() {
    let service = Service::start_with(
        |server| server.always_answer(|head| head.uri.path() == "/healthz"),
        |exit| exit.timeouts(long()).keep_alive_grace(UNREACHED),
    );
    let mut kept = service.kept_alive();
    let mut checked = service.connect();
    checked.send("GET", "/healthz", &[]).expect("sent");
    assert_eq!(checked.read().expect("answered").status, 200);
    let mut unused = service.connect();
    thread::sleep(PAST_RECENT_USE);
    let report = service.stop();
    assert!(kept.is_closed() && unused.is_closed() && checked.is_closed());
    assert_eq!(report.outcome, Outcome::Clean);
}

#[test]
fn an_idle_server_closes_without_waiting() {
    let service =
        Service::start_with(|server| server, |exit| exit.timeouts(long()).keep_alive_grace(UNREACHED));
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

/// Until the servers close, a kept connection gets its 503 however long it was idle.
#[test]
fn during_the_drain_a_long_idle_connection_stays_open_and_gets_its_503() {
    let service = Service::start_with(|server| server, |exit| exit.timeouts(long()));
    let mut kept = service.kept_alive();
    thread::sleep(PAST_RECENT_USE);
    let mut held = service.in_flight("/held");
    service.drain();
    kept.send("GET", "/", &[]).expect("sent");
    assert_eq!(kept.read().expect("answered").status, 503);
    assert!(kept.is_closed());
    service.release();
    assert_eq!(held.read().expect("answered").status, 200);
}

/// Closing ten thousand at the end would take time; a client whose connection is closed can open another.
#[test]
fn during_the_drain_all_but_256_idle_connections_are_closed() {
    let service = Service::start_with(|server| server, |exit| exit.timeouts(long()));
    let mut unused: Vec<_> = (0..300).map(|_| service.connect()).collect();
    thread::sleep(PAST_RECENT_USE);
    let mut held = service.in_flight("/held");
    service.drain();
    let closed = |unused: &[Client]| unused.iter().filter(|client| is_closed_by_now(client)).count();
    wait_until("44 are closed", || closed(&unused) == 44);

    let mut kept = unused.iter_mut().filter(|client| !is_closed_by_now(client));
    let kept = kept.next().expect("there are 256");
    kept.send("GET", "/", &[]).expect("sent");
    assert_eq!(kept.read().expect("answered").status, 503);
    assert!(kept.is_closed());
    assert_eq!((service.phase(), closed(&unused)), ("drain", 45));

    service.release();
    assert_eq!(held.read().expect("answered").status, 200);
    assert_eq!(service.report().outcome, Outcome::Clean);
    assert!(unused.iter_mut().all(Client::is_closed), "no reset");
}

fn is_closed_by_now(client: &Client) -> bool {
    let socket = client.socket();
    socket.set_nonblocking(true).expect("it is open here");
    let peeked = socket.peek(&mut [0]);
    socket.set_nonblocking(false).expect("it is open here");
    matches!(peeked, Ok(0))
}

/// The longest that can be said is no mistake: such an exit has no time limit.
#[test]
fn timeouts_without_an_end_are_kept_too() {
    let all = Duration::MAX;
    let timeouts = Timeouts::default().drain_timeout(all).keep_alive_grace(all).stop_timeout(all);
    let timeouts = timeouts.callback_timeout(all).release_timeout(all).checkpoint_timeout(all).timeout(all);
    let service = Service::start_with(
        |server| server,
        move |exit| exit.timeouts(timeouts).callback_fn("callback", |_| async { Ok(()) }),
    );
    let mut held = service.in_flight("/held");
    service.drain();
    service.release();
    assert_eq!(held.read().expect("answered").status, 200);
    assert_eq!(service.report().outcome, Outcome::Clean);
}
