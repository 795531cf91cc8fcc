//! Applications of the kinds that actix-web's users have, served unchanged by `HttpServer` and by `Server`: the same
//! requests, good and malformed, get the same responses, and both servers stop in the middle of each.

mod catalogue;
mod exchanges;
mod hosts;
mod routes;

use std::io::{self, Read, Write};

use catalogue::{Application, Exchange};
use hosts::Host;

use crate::support::{Client, STUCK_AFTER};

/// What a client sees of one exchange: what two servers are compared by.
#[derive(Debug, PartialEq, Eq)]
enum Observed {
    /// The status, the headers in their order, and the body.
    Response(u16, Vec<(String, String)>, String),
    /// The connection ended without a response.
    Closed,
}

#[test]
fn an_unchanged_application_answers_as_with_http_server() {
    for application in catalogue::all() {
        let stock = Host::http_server(&application);
        let ours = Host::server(&application);
        let mut compared = 0;
        for exchange in (application.exchanges)() {
            let expected = observe(&stock, &exchange);
            let observed = observe(&ours, &exchange);
            assert_eq!(observed, expected, "{}: {}", application.name, exchange.name);
            compared += expected.len();
        }
        assert!(compared >= 3, "{}: {compared} responses are no comparison", application.name);
        stop_in_the_middle(&application, stock);
        stop_in_the_middle(&application, ours);
    }
}

/// Sends the exchange's requests one after another on one connection.
fn observe(host: &Host, exchange: &Exchange) -> Vec<Observed> {
    let mut client = Client::connect(host.address());
    let mut cookie = String::new();
    let mut observed = Vec::new();
    for request in &exchange.requests {
        let request = request.replace("{cookie}", &cookie);
        if client.write(request.as_bytes()).is_err() {
            observed.push(Observed::Closed);
            break;
        }
        let Ok(response) = client.read() else {
            observed.push(Observed::Closed);
            break;
        };
        if let Some(set) = response.header("set-cookie") {
            set.split(';').next().unwrap_or_default().clone_into(&mut cookie);
        }
        let closes = response.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        observed.push(Observed::Response(response.status, comparable(&response.headers), response.text()));
        if closes {
            break;
        }
    }
    observed
}

/// The headers without what differs from one second, or from one encryption, to the next.
fn comparable(headers: &[(String, String)]) -> Vec<(String, String)> {
    let value = |name: &str, value: &str| match name {
        "date" => "a date".to_owned(),
        "set-cookie" => value.split('=').next().unwrap_or_default().to_owned(),
        _ => value.to_owned(),
    };
    let mut headers: Vec<_> =
        headers.iter().map(|(name, given)| (name.clone(), value(name, given))).collect();
    // The order of headers is that of a hash map.
    headers.sort();
    headers
}

/// A request is in flight, or a stream is open, when the server is asked to stop: the client sees a whole response or the
/// stream's end, and the server is gone.
fn stop_in_the_middle(application: &Application, host: Host) {
    let mut client = Client::connect(host.address());
    client.write(application.in_flight.as_bytes()).expect("the request is sent");
    let (status, _) = client.read_head().expect("the head arrives before the stop");
    assert!(status == 200 || status == 101 || status == 303, "{}: {status}", application.name);
    let name = host.name();
    let address = host.address();
    let stopped = std::thread::spawn(move || host.stop());
    let end = read_to_end(&client);
    assert!(end.is_ok(), "{}, {name}: the response is cut: {end:?}", application.name);
    stopped.join().expect("the server stops");
    assert!(Client::try_connect(address).is_err(), "{}, {name}: it still listens", application.name);
}

/// Reads what comes until the server closes the connection, and closes it then, as a client of a WebSocket does.
fn read_to_end(client: &Client) -> io::Result<usize> {
    let mut socket = client.socket();
    socket.set_read_timeout(Some(STUCK_AFTER))?;
    let (mut read, mut buffer) = (0, [0; 4096]);
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(read),
            more => {
                // A close frame is answered by one, masked as a client's frames are.
                if buffer[..more].windows(2).any(|bytes| bytes[0] == 0x88) {
                    let _ = socket.write_all(&[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9]);
                }
                read += more;
            }
        }
    }
}
