//! Pipelining: requests that are sent without waiting for the previous answer.

use std::time::Duration;

use graceful_exit::Outcome;

use super::service::Service;
use crate::support::wait_until;

#[test]
fn pipelined_requests_are_each_answered_in_full_and_in_order() {
    let service = Service::start();
    let mut client = service.in_flight("/held");
    for _ in 0..3 {
        client.send("GET", "/", &[]).expect("sent");
    }
    let early = service.drain();
    service.release();
    let first = client.read().expect("answered");
    assert_eq!((first.status, first.body.len()), (200, 100_000));
    assert_eq!(first.header("connection"), Some("close"));
    for _ in 0..3 {
        // The first answer had `Connection: close`; further answers are more than was promised.
        let Ok(next) = client.read() else { break };
        assert_eq!((next.status, next.header("connection")), (503, Some("close")));
    }
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].completed), (Outcome::Clean, 1 + early));
}

#[test]
fn each_of_them_is_answered_by_what_it_asks_for_and_none_behind_a_close() {
    let service = Service::start();
    let mut client = service.connect();
    let get = "GET / HTTP/1.1\r\nHost: x\r\n";
    let close = "Connection: close\r\n";
    let requests = format!("{get}\r\n{get}\r\nHEAD / HTTP/1.1\r\nHost: x\r\n\r\n{get}{close}\r\n{get}\r\n");
    client.write(requests.as_bytes()).expect("sent");
    for _ in 0..2 {
        let answer = client.read().expect("answered");
        assert_eq!((answer.text().as_str(), answer.header("connection")), ("hello\n", None));
    }
    let (_, headers) = client.read_head().expect("answered");
    assert!(headers.iter().all(|(name, _)| name != "connection"), "{headers:?}");
    let last = client.read().expect("answered");
    assert_eq!((last.text().as_str(), last.header("connection")), ("hello\n", Some("close")));
    assert!(client.is_closed(), "what was sent behind the last one is not processed");
}

#[test]
fn a_request_in_flight_is_answered_whatever_its_client_sends_behind_it() {
    let half_closed_is_gone = |server: graceful_exit::Server| server.h1_allow_half_closed(false);
    let service = Service::start_with(half_closed_is_gone, |exit| exit);
    let mut client = service.connect();
    client.write(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\nGARBAGE\r\n\r\n").expect("sent");
    wait_until("it is in flight", || service.count_in_flight() == 1);
    service.release();
    assert_eq!(client.read().expect("answered").body.len(), 100_000);
    assert_eq!(client.read().expect("answered").status, 400);
    assert!(client.is_closed());
}

#[test]
fn half_a_head_behind_a_request_has_a_time_limit_of_its_own() {
    let keeps = Duration::from_secs(600);
    let limits = move |server: graceful_exit::Server| {
        server.client_request_timeout(Duration::from_millis(100)).keep_alive(keeps)
    };
    let service = Service::start_with(limits, |exit| exit);
    let mut kept = service.kept_alive();
    let mut client = service.connect();
    client.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HT").expect("sent");
    assert_eq!(client.read().expect("answered").text(), "hello\n");
    assert_eq!(client.read().expect("answered").status, 408);
    assert!(client.is_closed());
    kept.send("GET", "/", &[]).expect("sent");
    assert_eq!(kept.read().expect("an idle connection stays").status, 200);
}

#[test]
fn a_client_that_is_gone_is_noticed_behind_what_it_has_sent_ahead() {
    let half_closed_is_gone = |server: graceful_exit::Server| server.h1_allow_half_closed(false);
    let service = Service::start_with(half_closed_is_gone, |exit| exit);
    let mut client = service.in_flight("/held");
    client.send("GET", "/", &[]).expect("sent");
    client.socket().shutdown(std::net::Shutdown::Write).expect("shut down");
    wait_until("nothing is in flight", || service.count_in_flight() == 0);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}
