//! A server that ends without having been asked.

use graceful_exit::{Job, Outcome};
use tokio::sync::watch;

use super::service::Service;
use crate::support::Client;

#[test]
fn a_server_that_loses_a_worker_starts_the_exit_and_the_others_finish_their_requests() {
    let (finish, finished) = watch::channel(false);
    let callback = Job::callback_fn("flush", move |_| async move {
        let mut finished = finished;
        let _ = finished.wait_for(|finished| *finished).await;
        Ok(())
    });
    let service = Service::start_with(|server| server, |exit| exit.job(callback));
    // So many that each of the two workers has some of them.
    let mut clients: Vec<_> = (0..16).map(|_| service.in_flight("/held")).collect();
    let mut ends = service.connect();
    ends.send("GET", "/end-worker", &[]).expect("sent");

    service.reach("callbacks");
    for _ in 0..8 {
        // Refused by a door that is closed, or rejected by one that is closing.
        let Ok(mut client) = Client::try_connect(service.address) else { continue };
        let answer = client.send("GET", "/", &[]).and_then(|()| client.read());
        assert!(answer.as_ref().is_ok_and(|answer| answer.status == 503), "{answer:?}");
    }
    service.release();
    let whole = |client: &mut Client| client.read().is_ok_and(|answer| answer.body.len() == 100_000);
    let answered = clients.iter_mut().filter_map(|client| whole(client).then_some(())).count();
    finish.send_replace(true);

    let report = service.report();
    assert_eq!(report.reason, "server web failed");
    assert_eq!((report.outcome, report.exit_code), (Outcome::Incomplete, 3));
    assert!((1..16).contains(&answered), "the other worker's are answered: {answered}");
    assert_eq!(report.servers[0].completed, u64::try_from(answered).expect("a few"));
}

/// The report names what a failed server could not answer.
#[test]
fn what_a_failed_server_still_has_in_flight_at_the_end_is_named() {
    let service = Service::start();
    let _clients: Vec<_> = (0..16).map(|_| service.in_flight("/held")).collect();
    let mut ends = service.connect();
    ends.send("GET", "/end-worker", &[]).expect("sent");
    let report = service.report();
    let abandoned = &report.servers[0].abandoned;
    assert!((1..16).contains(&abandoned.len()), "{abandoned:?}");
    assert!(abandoned.iter().all(|request| request.path == "/held"));
}
