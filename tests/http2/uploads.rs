//! Uploads that are refused: their clients get the answer, and may send the rest.

use std::future::poll_fn;

use bytes::Bytes;
use graceful_exit::{Outcome, Timeouts};
use h2::{
    Reason, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;

use super::{Answer, connect, ended, get, service, service_with, wait_until};
use crate::support::UNREACHED;

/// More than any window.
const LARGE: usize = 1 << 20;

/// Begins an upload.
async fn begin(
    client: &SendRequest<Bytes>,
    path: &str,
    length: Option<usize>,
) -> (ResponseFuture, SendStream<Bytes>) {
    let mut client = client.clone().ready().await.expect("it is open");
    let mut request = Request::post(format!("http://localhost{path}"));
    if let Some(length) = length {
        request = request.header("content-length", length);
    }
    client.send_request(request.body(()).expect("a request"), false).expect("it is sent")
}

/// Begins an upload, and returns the status of the answer, which comes before the body has ended.
async fn refused(client: &SendRequest<Bytes>, path: &str) -> (u16, SendStream<Bytes>) {
    let (response, mut body) = begin(client, path, None).await;
    send(&mut body, 100_000).await.expect("there is room");
    (read(response).await, body)
}

/// Reads an answer to its end, and returns its status.
async fn read(response: ResponseFuture) -> u16 {
    let response = response.await.expect("a response");
    let (status, mut answer) = (response.status().as_u16(), response.into_body());
    while let Some(piece) = answer.data().await {
        let length = piece.expect("no error").len();
        answer.flow_control().release_capacity(length).expect("it has come");
    }
    status
}

/// Sends as much of a body as there is room for, again and again.
async fn send(body: &mut SendStream<Bytes>, mut left: usize) -> Result<(), h2::Error> {
    while left > 0 {
        body.reserve_capacity(left);
        let Some(room) = poll_fn(|cx| body.poll_capacity(cx)).await else {
            return Err(poll_fn(|cx| body.poll_reset(cx)).await?.into());
        };
        let length = room?.min(left);
        body.send_data(vec![b'x'; length].into(), false)?;
        left -= length;
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_upload_is_read_to_its_end_and_is_not_in_flight_meanwhile() {
    let service = service();
    let client = connect(service.address).await.expect("it is open");
    let (status, mut body) = refused(&client, "/nowhere").await;
    assert_eq!(status, 404);
    wait_until("it is answered", || service.in_flight() == 0).await;
    send(&mut body, LARGE).await.expect("it is read on");
    body.send_data(Bytes::new(), true).expect("its stream is open");
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn a_short_body_that_a_success_does_not_wait_for_is_read_to_its_end() {
    let service = service();
    let client = connect(service.address).await.expect("it is open");
    let (response, mut body) = begin(&client, "/unread", Some(1000)).await;
    assert_eq!(read(response).await, 200);
    body.send_data(vec![b'x'; 1000].into(), true).expect("its stream is open");
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

/// A client that goes on sending would not learn that there is room for more.
#[tokio::test]
async fn a_long_body_that_a_success_does_not_wait_for_is_given_up() {
    let service = service();
    let client = connect(service.address).await.expect("it is open");
    for length in [None, Some(LARGE)] {
        let (_response, mut body) = begin(&client, "/unread", length).await;
        let reset = poll_fn(|cx| body.poll_reset(cx)).await.expect("no error of the connection");
        assert_eq!(reset, Reason::NO_ERROR);
    }
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn an_upload_that_the_exit_refuses_is_read_to_its_end() {
    let timeouts = Timeouts::default().drain_timeout(UNREACHED);
    let (service, at_work) = service_with(|exit| exit.timeouts(timeouts), |server| server);
    let held = connect(service.address).await.expect("it is open");
    let mut sender = held.clone().ready().await.expect("it is open");
    let request = Request::get("http://localhost/hang").body(()).expect("a request");
    let (_, mut hanging) = sender.send_request(request, true).expect("it is sent");
    wait_until("it hangs", || at_work.count() == 1).await;
    service.ask_to_stop();
    // Not ready is a moment before requests are rejected.
    loop {
        let client = connect(service.address).await.expect("it is open");
        if matches!(get(&client, "/bytes/1").await, Answer::Whole { status: 503, .. }) {
            break;
        }
    }
    let client = connect(service.address).await.expect("it is open");
    let (status, mut body) = refused(&client, "/length").await;
    assert_eq!(status, 503);
    send(&mut body, LARGE).await.expect("it is read on");
    body.send_data(Bytes::new(), true).expect("its stream is open");
    hanging.send_reset(Reason::CANCEL);
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn refused_uploads_that_never_end_hold_no_exit() {
    let timeouts = Timeouts::default().drain_timeout(UNREACHED).stop_timeout(UNREACHED);
    let (service, _) =
        service_with(|exit| exit.timeouts(timeouts), |server| server.client_request_timeout(UNREACHED));
    let client = connect(service.address).await.expect("it is open");
    let (status, _unended) = refused(&client, "/nowhere").await;
    assert_eq!(status, 404);
    wait_until("it is answered", || service.in_flight() == 0).await;
    service.ask_to_stop();
    let report = ended(service).await;
    assert_eq!((report.outcome, report.servers[0].in_flight_at_start), (Outcome::Clean, 0), "{report:?}");
}
