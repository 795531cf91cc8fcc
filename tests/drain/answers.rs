//! Status and headers of the answers after the request to stop.

use graceful_exit::{Job, Outcome, Rejection, Stop, Timeouts};
use tokio::sync::watch;

use super::service::{MS, Service};
use crate::support::{Client, Response, resets_are_told, wait_until};

#[track_caller]
fn assert_rejected(response: &Response) {
    assert_eq!(response.status, 503);
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(response.header("retry-after"), Some("1"));
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.text(), "shutting down, please try again\n");
}

#[test]
fn a_kept_alive_connection_gets_one_503_and_is_closed() {
    let service = Service::start();
    let mut kept = service.kept_alive();
    let _held = service.in_flight("/held");
    service.drain();
    kept.send("GET", "/", &[]).expect("sent");
    assert_rejected(&kept.read().expect("answered"));
    assert!(kept.is_closed(), "one answer, then the end, and no reset");
    service.release();
    assert_eq!(service.report().outcome, Outcome::Clean);
}

/// actix-http keeps the head of an answer for a later one.
#[test]
fn a_request_of_http_1_0_ends_no_connection_but_its_own() {
    let service = Service::start();
    let mut kept: Vec<_> = (0..4).map(|_| service.kept_alive()).collect();
    for _ in 0..10 {
        let mut old = service.connect();
        old.write(b"GET / HTTP/1.0\r\n\r\n").expect("sent");
        assert_eq!(old.read().expect("answered").status, 200);
        for client in &mut kept {
            client.send("GET", "/", &[]).expect("sent");
            assert_eq!(client.read().expect("answered").header("connection"), None);
        }
    }
}

#[test]
fn new_connections_get_the_503_while_the_server_drains() {
    let service = Service::start();
    let _held = service.in_flight("/held");
    service.drain();
    for _ in 0..20 {
        let mut client = service.connect();
        client.send("GET", "/held", &[]).expect("sent");
        assert_rejected(&client.read().expect("answered"));
        assert!(client.is_closed());
    }
    service.release();
    let report = service.report();
    assert_eq!((report.outcome, report.servers[0].rejected), (Outcome::Clean, 21));
}

#[test]
fn a_rejected_upload_is_answered_without_a_reset() {
    let service = Service::start();
    let _held = service.in_flight("/held");
    service.drain();
    let mut client = service.connect();
    client.send_body("POST", "/held", &[], &vec![b'x'; 1 << 20]).expect("sent");
    assert_rejected(&client.read().expect("answered"));
    assert!(client.is_closed());
    service.release();
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn the_rejection_is_what_the_builder_says() {
    let rejection = Rejection {
        status: actix_web::http::StatusCode::IM_A_TEAPOT,
        body: "later\n".into(),
        retry_after_seconds: 7,
    };
    let service = Service::start_with(|server| server, move |exit| exit.rejection(rejection));
    let _held = service.in_flight("/held");
    service.exit.stop("test");
    wait_until("requests are rejected", || Client::get(service.address, "/").status == 418);
    let response = Client::get(service.address, "/");
    assert_eq!((response.text().as_str(), response.header("retry-after")), ("later\n", Some("7")));
    assert_eq!(response.header("connection"), Some("close"));
    service.release();
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn every_answer_after_the_request_to_stop_has_connection_close() {
    let timeouts = Timeouts::default().ready_delay(300 * MS);
    let service = Service::with_timeouts(timeouts);
    let mut kept = service.kept_alive();
    let mut held = service.in_flight("/held");
    service.exit.stop("test");
    wait_until("new answers say it", || {
        let response = Client::get(service.address, "/");
        assert_eq!(response.status, 200, "it serves on");
        response.header("connection") == Some("close")
    });
    assert_eq!(service.phase(), "ready_delay");
    kept.send("GET", "/", &[]).expect("sent");
    let response = kept.read().expect("answered");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert!(kept.is_closed());
    service.release();
    let response = held.read().expect("answered");
    assert_eq!((response.status, response.header("connection")), (200, Some("close")));
    assert_eq!(service.phase(), "ready_delay");
    assert_eq!(service.report().outcome, Outcome::Clean);
}

#[test]
fn an_always_answered_route_is_neither_rejected_nor_counted_nor_waited_for() {
    if !resets_are_told("what_is_always_answered_is_neither_rejected_nor_counted_nor_waited_for") {
        return;
    }
    let (finish, finished) = watch::channel(false);
    let callback = Job::callback_fn("flush", move |_| async move {
        let mut finished = finished;
        let _ = finished.wait_for(|finished| *finished).await;
        Ok(())
    });
    let service = Service::start_with(
        |server| server.stop(Stop::Last).always_answer(|head| head.uri.path().starts_with("/healthz")),
        |exit| exit.job(callback),
    );
    let mut hanging = service.connect();
    hanging.send("GET", "/healthz/held", &[]).expect("sent");
    let mut held = service.in_flight("/held");
    let early = service.drain();
    assert_eq!(service.count_in_flight(), 1);
    let health = Client::get(service.address, "/healthz");
    assert_eq!((health.status, health.header("connection")), (200, Some("close")));
    // The client disconnects, and no request is waited for any more, though a health check still hangs.
    socket2::SockRef::from(held.socket()).set_linger(Some(std::time::Duration::ZERO)).expect("a reset");
    drop(std::mem::replace(&mut held, service.connect()));
    service.reach("callbacks");
    assert_eq!(Client::get(service.address, "/healthz").status, 200, "until the end");
    assert_eq!(Client::get(service.address, "/").status, 503);
    finish.send_replace(true);
    let report = service.report();
    assert_eq!(report.outcome, Outcome::Clean);
    assert_eq!((report.servers[0].completed, report.servers[0].rejected), (early, 2));
    assert!(hanging.read().is_err(), "closed with its server");
}

#[test]
fn counts_run_from_the_request_to_stop() {
    let service = Service::start();
    for _ in 0..4 {
        assert_eq!(Client::get(service.address, "/").status, 200);
    }
    assert_eq!(Client::get(service.address, "/empty").status, 204);
    let held: Vec<_> = (0..3).map(|_| service.in_flight("/held")).collect();
    let early = service.drain();
    assert_eq!(Client::get(service.address, "/").status, 503);
    let status = service.exit.status().expect("it runs");
    let now = &status.servers[0];
    assert_eq!((now.in_flight, now.completed, now.rejected), (3, 5 + early, 2), "since its start");
    assert_eq!(now.oldest[0].path, "/held");
    service.release();
    for mut client in held {
        assert_eq!(client.read().expect("answered").status, 200);
    }
    let report = service.report();
    let server = &report.servers[0];
    assert_eq!((server.in_flight_at_start, server.completed, server.rejected), (3, 3 + early, 2));
    assert!(server.abandoned.is_empty());
}
