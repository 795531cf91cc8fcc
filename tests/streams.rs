//! Endless answers (streams, events, WebSockets), and how the exit ends them.

use std::{
    io::{ErrorKind, Write},
    time::{Duration, Instant},
};

use crate::support::{App, Client, stop, wait_until};

#[test]
fn a_stream_is_chunked_and_in_flight_until_its_last_byte() {
    let app = App::start(&[]);
    let begun = Instant::now(); // before the first line: a busy machine only lengthens the time
    let mut client = Client::connect(app.business);
    client.send("GET", "/stream?n=5&ms=100", &[]).expect("the request is sent");
    let (status, headers) = client.read_head().expect("a head");
    assert_eq!(status, 200);
    assert!(headers.contains(&("transfer-encoding".into(), "chunked".into())), "{headers:?}");
    assert_eq!(client.read_chunk().expect("a chunk").as_deref(), Some(&b"1\n"[..]));
    app.signal_to_stop();
    for line in 2..=5 {
        let chunk = client.read_chunk().expect("a chunk").expect("not the end");
        assert_eq!(chunk, format!("{line}\n").as_bytes());
    }
    assert_eq!(client.read_chunk().expect("the end"), None);
    assert!(Instant::now() >= begun + Duration::from_millis(400), "one line each 100 ms");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let business = &ended.report()["servers"][1];
    assert_eq!((&business["in_flight_at_start"], &business["completed"]), (&1.into(), &1.into()));
}

#[test]
fn events_come_once_a_second_and_say_goodbye_when_the_exit_starts() {
    let app = App::start(&["shutdown.drain_timeout=1h", "shutdown.timeout=2h"]);
    let begun = Instant::now(); // before the first event: a busy machine only lengthens the time
    let mut client = Client::connect(app.business);
    client.send("GET", "/events", &[]).expect("the request is sent");
    let (status, headers) = client.read_head().expect("a head");
    assert_eq!(status, 200);
    assert!(headers.contains(&("content-type".into(), "text/event-stream".into())), "{headers:?}");
    let mut event =
        || client.read_chunk().expect("a chunk").map(|chunk| String::from_utf8(chunk).expect("text"));
    assert_eq!(event().as_deref(), Some("id: 0\ndata: 0\n\n"));
    assert_eq!(event().as_deref(), Some("id: 1\ndata: 1\n\n"));
    assert!(Instant::now() >= begun + Duration::from_secs(1), "one event a second");
    app.signal_to_stop();
    let last = event().expect("an event");
    assert!(last.starts_with("event: bye\n"), "{last:?}");
    assert_eq!(event(), None, "and the stream ends");
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "streams do not hold the exit: {}", ended.text());
}

/// A WebSocket on a bare socket.
fn websocket(app: &App) -> Client {
    let mut client = Client::connect(app.business);
    let headers = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    client.send("GET", "/ws", &headers).expect("the request is sent");
    let (status, headers) = client.read_head().expect("a head");
    assert_eq!(status, 101, "{headers:?}");
    // RFC 6455's own example.
    let accept = ("sec-websocket-accept".to_owned(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=".to_owned());
    assert!(headers.contains(&accept), "{headers:?}");
    client
}

/// A short frame of a client, masked with zeroes.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("a short frame");
    [&[0x80 | kind, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

/// A short frame of the server: its kind and its payload.
fn read_frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.read_bytes(2).expect("a frame");
    (head[0] & 0x0f, client.read_bytes(usize::from(head[1])).expect("its payload"))
}

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

#[test]
fn a_websocket_echoes_and_is_closed_as_going_away_when_the_exit_starts() {
    let app = App::start(&["shutdown.drain_timeout=1h", "shutdown.timeout=2h"]);
    let mut client = websocket(&app);
    for (kind, payload, answer) in
        [(TEXT, "回声".as_bytes(), TEXT), (BINARY, &[0, 255][..], BINARY), (PING, b"p", PONG)]
    {
        client.write(&frame(kind, payload)).expect("it is sent");
        assert_eq!(read_frame(&mut client), (answer, payload.to_owned()));
    }
    // This client does not answer the close frame.
    let mut idle = websocket(&app);
    app.signal_to_stop();
    for client in [&mut client, &mut idle] {
        let (kind, payload) = read_frame(client);
        assert_eq!((kind, &payload[..2]), (CLOSE, &1001_u16.to_be_bytes()[..]));
    }
    client.write(&frame(CLOSE, &1001_u16.to_be_bytes())).expect("it is sent");
    assert!(client.is_closed());
    let ended = app.wait();
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
}

#[test]
fn a_websocket_that_the_client_closes_is_closed() {
    let app = App::start(&[]);
    let mut client = websocket(&app);
    client.write(&frame(CLOSE, &1000_u16.to_be_bytes())).expect("it is sent");
    let (kind, payload) = read_frame(&mut client);
    assert_eq!((kind, &payload[..2]), (CLOSE, &1000_u16.to_be_bytes()[..]));
    assert!(client.is_closed());
    assert_eq!(stop(app).code(), Some(0));
}

#[test]
fn a_message_that_cannot_be_read_closes_a_websocket_with_what_is_wrong() {
    let app = App::start(&[]);
    let unmasked = [0x80 | TEXT, 1, b'x'].to_vec();
    let length = (64 * 1024_u64 + 1).to_be_bytes();
    // The header alone: the rest need not be sent, and is not kept.
    let too_long = [&[0x80 | BINARY, 0x80 | 127][..], &length, &[0; 4]].concat();
    // In two fragments.
    let half = [&[0xfe][..], &(40 * 1024_u16).to_be_bytes(), &[0; 4], &vec![b'x'; 40 * 1024]].concat();
    let too_long_together = [&[BINARY][..], &half, &[0x80], &half].concat();
    for (name, bytes, code) in [
        ("no UTF-8", frame(TEXT, &[0xff]), 1007_u16),
        ("unmasked", unmasked, 1002),
        ("a reserved kind", frame(3, b""), 1002),
        ("a reserved bit", frame(0x40 | TEXT, b"x"), 1002),
        ("too long", too_long, 1009),
        ("too long together", too_long_together, 1009),
    ] {
        let mut client = websocket(&app);
        client.write(&bytes).expect("it is sent");
        assert_eq!(read_frame(&mut client), (CLOSE, code.to_be_bytes().to_vec()), "{name}");
        assert!(client.is_closed(), "{name}");
    }
    assert_eq!(stop(app).code(), Some(0));
}

/// Sends frames of 64 KiB and reads none of the echoes, until nothing moves any more: the server writes nothing as this
/// client reads nothing, so it reads nothing either.
fn fill(client: &mut Client) {
    let length = 64 * 1024_u64;
    let header = [&[0x80 | BINARY, 0x80 | 127][..], &length.to_be_bytes(), &[0; 4]].concat();
    let frame = [header, vec![b'x'; 64 * 1024]].concat();
    let mut socket = client.socket();
    socket.set_nonblocking(true).expect("a socket");
    let (mut sent, mut left) = (0_u64, &frame[..]);
    let mut last = sent;
    wait_until("the buffers are full", || {
        loop {
            match socket.write(left) {
                Ok(written) => {
                    sent += written as u64;
                    left = if written == left.len() { &frame } else { &left[written..] };
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("the connection ends: {error}"),
            }
        }
        // Its buffers have been full for a whole look at them.
        std::thread::sleep(Duration::from_millis(50));
        sent > 0 && std::mem::replace(&mut last, sent) == sent
    });
}

#[test]
fn websockets_that_are_not_read_do_not_hold_the_drain() {
    let app = App::start(&["shutdown.drain_timeout=20s"]);
    let mut clients = [websocket(&app), websocket(&app)];
    clients.iter_mut().for_each(fill);
    app.signal_to_stop();
    let ended = app.wait();
    // Not after the drain timeout, with requests that were cut off.
    assert_eq!(ended.code(), Some(0), "{}", ended.text());
    let business = &ended.report()["servers"][1];
    assert_eq!(
        (&business["in_flight_at_start"], &business["abandoned"]),
        (&2.into(), &serde_json::json!([]))
    );
    drop(clients);
}
