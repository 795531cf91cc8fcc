//! What clients may do to a server, and what it costs.

use std::{
    io::{ErrorKind, Write},
    net::Shutdown,
    thread,
};

use graceful_exit::Outcome;

use super::service::{MS, Service};
use crate::support::{Response, UNREACHED, is_skipped_under_wine, side_by_side, wait_until};

#[track_caller]
fn assert_rejected(response: &Response) {
    assert_eq!((response.status, response.header("connection")), (503, Some("close")));
}

/// Both ways of sending a body that is larger than what the kernel takes for a server that does not read.
fn uploads() -> [Vec<u8>; 2] {
    const SIZE: usize = 16 << 20;
    let body = vec![b'x'; SIZE];
    let head =
        |header: &str| format!("POST /held HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").into_bytes();
    let counted = [head(&format!("Content-Length: {SIZE}")), body.clone()].concat();
    let chunked = [
        head("Transfer-Encoding: chunked"),
        format!("{SIZE:x}\r\n").into_bytes(),
        body,
        b"\r\n0\r\n\r\n".to_vec(),
    ];
    [counted, chunked.concat()]
}

#[test]
fn a_refused_upload_gets_its_503_whether_its_client_reads_first_or_last() {
    for upload in uploads() {
        let service = Service::start();
        let _held = service.in_flight("/held");
        service.drain();

        let mut reads_last = service.connect();
        reads_last.write(&upload).expect("all of it is read");
        assert_rejected(&reads_last.read().expect("it is answered"));
        assert!(reads_last.is_closed());

        let mut reads_first = service.connect();
        reads_first.write(&upload[..1 << 16]).expect("it is open");
        assert_rejected(&reads_first.read().expect("it is answered before its body is read"));
        reads_first.write(&upload[1 << 16..]).expect("the rest of it is read");
        assert!(reads_first.is_closed());

        service.release();
        assert_eq!(service.report().outcome, Outcome::Clean);
    }
}

#[test]
fn a_refused_upload_in_the_middle_of_its_body_when_its_server_closes_gets_its_503() {
    let test = "a_refused_upload_in_the_middle_of_its_body_when_its_server_closes_gets_its_503";
    if is_skipped_under_wine(test, "wine may reset the connection meanwhile") {
        return;
    }
    let [upload, _] = uploads();
    let service = Service::start();
    let mut held = service.in_flight("/held");
    service.drain();
    let mut slow = service.connect();
    slow.write(&upload[..1 << 10]).expect("it is open");
    service.release();
    assert_eq!(held.read().expect("it is answered").status, 200);
    service.reach("close_servers");
    slow.write(&upload[1 << 10..]).expect("the rest of it is read");
    assert_rejected(&slow.read().expect("it is answered"));
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn a_request_that_asks_before_it_sends_its_body_is_rejected_and_not_told_to_continue() {
    let service = Service::start();
    let _held = service.in_flight("/held");
    let mut client = service.connect();
    let expect =
        b"POST /length HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    client.write(expect).expect("it is open");
    assert_eq!(client.read_head().expect("it is answered").0, 100);
    client.write(b"abc").expect("it is open");
    assert_eq!(client.read().expect("it is answered").text(), "3");

    service.drain();
    let mut late = service.connect();
    late.write(expect).expect("it is open");
    assert_rejected(&late.read().expect("it is answered"));
    assert!(late.is_closed());
    service.release();
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].rejected), (Outcome::Clean, 2));
}

#[test]
fn requests_behind_an_answer_that_says_close_are_not_processed() {
    let service = Service::start();
    let mut client = service.connect();
    client.send("GET", "/", &[("Connection", "close")]).expect("it is open");
    client.send("POST", "/held", &[]).expect("it is open");
    assert_eq!(client.read().expect("it is answered").header("connection"), Some("close"));
    assert!(client.is_closed(), "one answer, then the end, and no reset");

    let mut held = service.in_flight("/held");
    for _ in 0..3 {
        held.send("GET", "/", &[]).expect("it is open");
    }
    let early = service.drain();
    service.release();
    let answer = held.read().expect("it is answered");
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(held.is_closed(), "one answer, then the end, and no reset");
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].completed), (Outcome::Clean, 1 + early));
}

#[test]
fn a_client_that_does_not_read_its_answers_cannot_send_requests_without_end() {
    let service = Service::start();
    let client = service.connect();
    let requests = "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(10_000);
    let mut socket = client.socket();
    socket.set_write_timeout(Some(1000 * MS)).expect("it is open");
    // More than the kernel keeps in both directions, and far less than what a server would take that goes on reading.
    let limit = 256 << 20;
    let mut sent = 0;
    while sent < limit {
        match socket.write(requests.as_bytes()) {
            Ok(count) => sent += count,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(sent < limit, "the server goes on reading");
    drop(client);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn all_requests_of_a_client_that_sends_many_ahead_are_answered_in_order() {
    let service = Service::start();
    let mut client = service.in_flight("/held");
    let mut writer = client.socket().try_clone().expect("a descriptor");
    let ahead = thread::spawn(move || {
        let request = |n| format!("GET /pieces/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", n % 3);
        let requests: String = (0..2000).map(request).collect();
        writer.write_all(requests.as_bytes())
    });
    service.release();
    assert_eq!(client.read().expect("it is answered").body.len(), 100_000);
    for n in 0..2000 {
        let answer = client.read().expect("it is answered");
        assert_eq!((answer.status, answer.body.len()), (200, (n % 3) << 10), "{n}");
    }
    ahead.join().expect("no panic").expect("all of it is read");
    drop(client);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

/// With a limit that a client keeps that is quick, however late the server's thread has its turn.
fn impatient() -> Service {
    Service::start_with(|server| server.client_request_timeout(1500 * MS), |exit| exit)
}

#[test]
fn a_head_that_does_not_become_whole_ends_its_connection_whichever_request_it_is() {
    let patient = Service::start_with(|server| server.client_request_timeout(UNREACHED), |exit| exit);
    let mut stays = patient.connect();
    stays.write(b"GET / HTTP/1.1\r\nHost: local").expect("it is open");
    side_by_side(&[0, 1], |&before| {
        let service = impatient();
        let mut client = service.connect();
        for _ in 0..before {
            client.send("GET", "/", &[]).expect("it is open");
            assert_eq!(client.read().expect("it is answered").status, 200);
        }
        client.write(b"GET / HTTP/1.1\r\nHost: local").expect("it is open");
        let answer = client.read().expect("it is answered");
        assert_eq!((answer.status, answer.header("connection")), (408, Some("close")));
        assert!(client.is_closed());
        assert_eq!(service.stop().outcome, Outcome::Clean);
    });
    // It began before them, and no time limit of another server is its own.
    stays.write(b"host\r\n\r\n").expect("it is open");
    assert_eq!(stays.read().expect("it is answered").status, 200);
    drop(stays);
    assert_eq!(patient.stop().outcome, Outcome::Clean);
}

#[test]
fn a_body_that_makes_no_progress_ends_its_request() {
    side_by_side(&["Content-Length: 100", "Transfer-Encoding: chunked"], |header| {
        let service = impatient();
        let mut client = service.connect();
        let head = format!("POST /length HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n3\r\n");
        client.write(head.as_bytes()).expect("it is open");
        assert_eq!(client.read().expect("it is answered").status, 400);
        assert!(client.is_closed());
        assert_eq!(service.stop().outcome, Outcome::Clean);
    });
}

#[test]
fn a_body_that_its_answer_has_not_waited_for_ends_its_connection() {
    let service = impatient();
    service.release();
    let mut client = service.connect();
    client
        .write(b"POST /held HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab")
        .expect("it is open");
    assert_eq!(client.read().expect("it is answered").status, 200);
    assert!(client.is_closed());
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn a_kept_connection_stays_open_after_a_body_for_longer_than_a_head_may_take() {
    let service = impatient();
    let mut client = service.connect();
    for pause in [0, 2000, 0] {
        thread::sleep(pause * MS);
        client.send_body("POST", "/length", &[], b"abc").expect("it is open");
        assert_eq!(client.read().expect("it is answered").text(), "3");
    }
    drop(client);
    assert_eq!(service.stop().outcome, Outcome::Clean);
}

#[test]
fn a_client_that_has_closed_its_side_is_gone_unless_half_closed_connections_are_allowed() {
    let service = Service::start_with(|server| server.h1_allow_half_closed(false), |exit| exit);
    let mut client = service.in_flight("/held");
    client.socket().shutdown(Shutdown::Write).expect("it is open");
    wait_until("its request is cancelled", || service.count_in_flight() == 0);
    assert!(client.read().is_err(), "it has no answer");
    assert_eq!(service.stop().outcome, Outcome::Clean);
}
