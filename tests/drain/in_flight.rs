//! Requests in flight are answered in full, and nothing else is waited for.

use std::{net::Shutdown, time::Duration};

use graceful_exit::{GracefulExit, Outcome, Timeouts};
use socket2::SockRef;

use super::service::{BIG, MS, Service};
use crate::support::{Client, UNREACHED, resets_are_told, side_by_side, wait_until};

#[test]
fn a_request_in_flight_gets_its_whole_answer() {
    let service = Service::start();
    let mut client = service.in_flight("/held");
    let early = service.drain();
    service.release();
    let response = client.read().expect("answered");
    assert_eq!((response.status, response.body.len()), (200, 100_000));
    assert_eq!(response.header("connection"), Some("close"));
    assert!(client.is_closed());
    let report = service.report();
    assert_eq!((report.outcome, report.exit_code), (Outcome::Clean, 0));
    assert_eq!((report.servers[0].in_flight_at_start, report.servers[0].completed), (1, 1 + early));
}

#[test]
fn a_streamed_answer_is_in_flight_until_its_last_byte() {
    let service = Service::start();
    let mut client = service.in_flight("/held-stream");
    let (status, _) = client.read_head().expect("a head");
    assert_eq!(status, 200);
    assert_eq!(client.read_chunk().expect("a chunk").expect("not the end"), b"0\n");
    service.drain();
    assert_eq!(service.count_in_flight(), 1, "its head has left, its body has not");
    service.release();
    for line in ["1\n", "2\n", "3\n"] {
        assert_eq!(client.read_chunk().expect("a chunk").expect("not the end"), line.as_bytes());
    }
    assert_eq!(client.read_chunk().expect("the last chunk"), None);
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn a_slow_reader_gets_all_of_eight_megabytes() {
    let service = Service::start();
    let mut client = service.connect();
    SockRef::from(client.socket()).set_recv_buffer_size(64 << 10).expect("a small buffer");
    client.send("GET", "/big", &[]).expect("sent");
    let (status, headers) = client.read_head().expect("a head");
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-length".to_owned(), BIG.to_string())));
    let early = service.drain();
    std::thread::sleep(50 * MS);
    assert_eq!(service.phase(), "drain", "most of it has not left");

    let mut read = 0;
    let mut body = vec![0; 128 << 10];
    while read < BIG {
        std::thread::sleep(2 * MS);
        client.read_exact(&mut body).expect("the body");
        read += body.len();
    }
    assert!(client.is_closed());
    let report = service.report();
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!(report.servers[0].completed, 1 + early);
}

/// A dropped body is not yet sent: its last bytes may still be in the server's buffer.
#[test]
fn the_end_of_an_answer_is_waited_for_until_it_has_left() {
    let most = most_that_the_kernel_takes();
    // At one of these sizes the body has been dropped, and up to 32 KiB of it are not sent yet.
    let sizes: Vec<_> = (0..8).map(|step| most + 8 * step).collect();
    side_by_side(&sizes, |&size| {
        let service = Service::start();
        let mut client = unread(&service, size);
        std::thread::sleep(50 * MS);
        service.exit.stop("test");
        std::thread::sleep(300 * MS);
        let mut left = size << 10;
        while let Some(chunk) = client.read_chunk().expect("a whole answer") {
            left -= chunk.len();
        }
        assert_eq!(left, 0);
        assert_eq!(service.report().outcome, Outcome::Clean);
    });
}

/// The largest answer in KiB that leaves the server while the client reads only its head.
fn most_that_the_kernel_takes() -> usize {
    let service = Service::start();
    let (mut fits, mut too_many) = (0, 32 << 10);
    while too_many - fits > 4 {
        let middle = usize::midpoint(fits, too_many);
        let client = unread(&service, middle);
        std::thread::sleep(50 * MS);
        if service.count_in_flight() == 0 {
            fits = middle;
        } else {
            too_many = middle;
        }
        drop(client);
        service.settle();
    }
    assert_eq!(service.stop().outcome, Outcome::Clean);
    fits
}

fn unread(service: &Service, kibibytes: usize) -> Client {
    let mut client = service.connect();
    SockRef::from(client.socket()).set_recv_buffer_size(64 << 10).expect("a small buffer");
    client.send("GET", &format!("/pieces/{kibibytes}"), &[]).expect("sent");
    assert_eq!(client.read_head().expect("a head").0, 200);
    client
}

#[test]
fn half_a_request_is_not_in_flight_and_is_answered_when_it_is_whole() {
    let timeouts = Timeouts::default().stop_timeout(20_000 * MS);
    let service =
        Service::start_with(|server| server, move |exit| exit.timeouts(timeouts).keep_alive_grace(5000 * MS));
    let mut half = service.connect();
    half.write(b"GET / HTTP/1.1\r\nHost: local").expect("sent");
    let _held = service.in_flight("/held");
    service.drain();
    service.release();
    service.reach("close_servers");
    half.write(b"host\r\n\r\n").expect("sent");
    let response = half.read().expect("answered");
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
    assert!(half.is_closed());
    let report = service.report();
    assert_eq!(report.servers[0].in_flight_at_start, 1, "the other one");
    assert_eq!(report.outcome, Outcome::Clean);
}

#[test]
fn a_disconnected_client_releases_the_drain() {
    if !resets_are_told("a_client_that_goes_away_releases_the_drain") {
        return;
    }
    let endless = |exit: GracefulExit| exit.drain_timeout(UNREACHED).timeout(2 * UNREACHED);
    let service = Service::start_with(|server| server, endless);
    let client = service.in_flight("/held");
    let early = service.drain();
    SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).expect("a reset");
    drop(client);
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].completed), (Outcome::Clean, early));

    let service = Service::start_with(|server| server.h1_allow_half_closed(false), endless);
    let client = service.in_flight("/held");
    let early = service.drain();
    client.socket().shutdown(Shutdown::Write).expect("it is open");
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].completed), (Outcome::Clean, early));
}

#[test]
fn a_client_that_has_closed_only_its_sending_side_gets_its_answer() {
    let service = Service::start();
    let mut client = service.in_flight("/held");
    client.socket().shutdown(Shutdown::Write).expect("it is open");
    service.drain();
    service.release();
    assert_eq!(client.read().expect("answered").body.len(), 100_000);
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn requests_in_flight_at_the_drain_timeout_are_named_and_aborted_at_once() {
    // No time is spent on their connections.
    let timeouts = Timeouts::default().drain_timeout(400 * MS).stop_timeout(UNREACHED).timeout(2 * UNREACHED);
    let service =
        Service::start_with(|server| server, move |exit| exit.timeouts(timeouts).keep_alive_grace(UNREACHED));
    let mut first = service.in_flight("/held?token=secret");
    std::thread::sleep(60 * MS);
    let mut second = service.connect();
    second.send_body("POST", "/held", &[], b"a body").expect("sent");
    wait_until("it is in flight", || service.count_in_flight() == 2);
    let report = service.stop();
    assert_eq!((report.outcome, report.exit_code), (Outcome::Incomplete, 3));
    let abandoned = &report.servers[0].abandoned;
    let named: Vec<_> = abandoned.iter().map(|it| (it.method.as_str(), it.path.as_str())).collect();
    assert_eq!(named, [("GET", "/held"), ("POST", "/held")], "the oldest first, without the query");
    assert!(abandoned[0].age >= 460 * MS && abandoned[1].age >= 400 * MS, "{abandoned:?}");
    assert!(first.read().is_err() && second.read().is_err());
}

#[test]
fn a_panic_in_a_handler_releases_its_request_and_no_other() {
    let service = Service::start();
    let mut panics = service.in_flight("/held-panic");
    let mut others: Vec<_> = (0..8).map(|_| service.in_flight("/held")).collect();
    let early = service.drain();
    assert_eq!(service.count_in_flight(), 9);
    service.release();
    for other in &mut others {
        assert_eq!(other.read().expect("answered").body.len(), 100_000);
    }
    assert!(panics.read().is_err(), "its connection is gone");
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].completed), (Outcome::Clean, 8 + early));
}
