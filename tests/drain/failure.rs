//! A server whose worker thread ends unexpectedly.

use std::net::TcpStream;

use graceful_exit::{Job, Outcome};
use tokio::sync::watch;

use super::service::Service;
use crate::support::{Client, wait_until};

/// Ends one worker while the other has a request in flight.
fn lose_a_worker(service: &Service) -> Client {
    let [mut ends, mut held] = service.one_on_each_worker();
    service.hold(&mut held, "/held");
    ends.send("GET", "/end-worker", &[]).expect("sent");
    held
}

#[test]
fn it_starts_the_exit_rejects_new_requests_and_answers_those_in_flight() {
    let (finish, finished) = watch::channel(false);
    let callback = Job::callback_fn("flush", move |_| async move {
        let mut finished = finished;
        let _ = finished.wait_for(|finished| *finished).await;
        Ok(())
    });
    let service = Service::start_with(|server| server, |exit| exit.job(callback));
    let mut held = lose_a_worker(&service);
    service.reach("callbacks");
    for _ in 0..8 {
        let answer = Client::get(service.address, "/");
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    service.release();
    assert_eq!(held.read().expect("answered").body.len(), 100_000);
    wait_until("what is left of the server closes", || TcpStream::connect(service.address).is_err());
    finish.send_replace(true);

    let report = service.report();
    assert_eq!(report.reason, "server web failed");
    assert_eq!((report.outcome, report.exit_code), (Outcome::Incomplete, 3));
    assert_eq!(report.servers[0].rejected, 8);
}

#[test]
fn requests_still_in_flight_at_the_end_are_named() {
    let service = Service::start();
    let _held = lose_a_worker(&service);
    let report = service.report();
    let named: Vec<_> = report.servers[0].abandoned.iter().map(|request| request.path.as_str()).collect();
    assert!(named.contains(&"/held"), "{named:?}");
}
