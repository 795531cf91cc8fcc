//! Options of a server that a client can see by what it gets, and when.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

#[cfg(target_os = "linux")]
use super::methods::worker_of;
use super::{methods::Running, service::MS};
use crate::support::{Client, UNREACHED, wait_until};

/// Linux completes the handshakes of one more than that.
#[cfg(target_os = "linux")]
#[test]
fn no_more_connections_than_the_backlog_wait_to_be_accepted() {
    let running =
        Running::start(|server| server.workers(1).max_connections(1).backlog(1).bind("127.0.0.1:0"));
    let mut served = Client::connect(running.address());
    worker_of(&mut served);
    let waiting: Vec<_> = (0..2).map(|_| Client::connect(running.address())).collect();
    let refused = TcpStream::connect_timeout(&running.address(), 300 * MS);
    assert!(refused.is_err(), "the queue is longer");
    drop((waiting, served));
    running.stop();
}

#[test]
fn an_answer_is_written_as_soon_as_it_fills_its_buffer() {
    let running = Running::start(|server| server.workers(1).h1_write_buffer_size(1).bind("127.0.0.1:0"));
    let gate = running.gate.lock().expect("no panic");
    let mut client = Client::connect(running.address());
    client.send("GET", "/pieces", &[]).expect("it is open");
    assert_eq!(client.read_head().expect("its head is written").0, 200);
    for _ in 0..8 {
        assert_eq!(client.read_chunk().expect("it is written").map(|piece| piece.len()), Some(1024));
    }
    drop(gate);
    assert!(client.read_chunk().expect("it is written").is_some());
    assert_eq!(client.read_chunk().expect("the end"), None);
    running.stop();
}

/// After its answer the server reads on what is left of the request's body, for as long as some of it keeps coming.
#[test]
fn a_closing_connection_is_read_on_until_its_client_sends_nothing_for_the_disconnect_timeout() {
    let server = |timeout| {
        Running::start(move |server| server.workers(1).client_disconnect_timeout(timeout).bind("127.0.0.1:0"))
    };
    let refused_upload = |running: &Running| {
        let mut client = Client::connect(running.address());
        let head = [("Content-Length", "1000000"), ("Connection", "close")];
        client.send_body("POST", "/host", &head, b"").expect("it is open");
        assert_eq!(client.read().expect("it is answered").status, 404);
        client
    };
    let (long, short) = (server(UNREACHED), server(MS));
    let (mut stays, mut goes) = (refused_upload(&long), refused_upload(&short));
    wait_until("the client is not waited for any more", || {
        thread::sleep(Duration::from_millis(20));
        goes.write(b"x").is_err()
    });
    for _ in 0..10 {
        stays.write(b"x").expect("its server reads on");
    }
    drop((stays, goes));
    long.stop();
    short.stop();
}

/// A frame of HTTP/2: its kind, its stream and its payload.
#[cfg(feature = "http2")]
fn read_frame(socket: &mut TcpStream) -> (u8, u32, Vec<u8>) {
    let mut head = [0; 9];
    socket.read_exact(&mut head).expect("a frame");
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).expect("a length")];
    socket.read_exact(&mut payload).expect("its payload");
    (head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload)
}

#[cfg(feature = "http2")]
#[test]
fn the_windows_of_http2_are_announced_to_the_client() {
    const SETTINGS: u8 = 4;
    const WINDOW_UPDATE: u8 = 8;
    const INITIAL_WINDOW_SIZE: u16 = 4;
    const DEFAULT_WINDOW: u32 = 65_535;

    let running = Running::start(|server| {
        server
            .workers(1)
            .h2_initial_window_size(77_777)
            .h2_initial_connection_window_size(1_234_567)
            .listen_auto_h2c(TcpListener::bind("127.0.0.1:0").expect("a free port"))
    });
    let mut socket = TcpStream::connect(running.address()).expect("it listens");
    socket.set_read_timeout(Some(crate::support::STUCK_AFTER)).expect("it is open");
    let (preface, no_settings) = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
    socket.write_all(&[&preface[..], &no_settings].concat()).expect("it is open");
    let (mut of_streams, mut of_connection) = (None, None);
    while of_streams.is_none() || of_connection.is_none() {
        match read_frame(&mut socket) {
            (SETTINGS, 0, payload) if !payload.is_empty() => {
                let setting =
                    payload.chunks(6).find(|setting| setting[..2] == INITIAL_WINDOW_SIZE.to_be_bytes());
                let value = setting.expect("it is set")[2..].try_into().expect("four bytes");
                of_streams = Some(u32::from_be_bytes(value));
            }
            (WINDOW_UPDATE, 0, payload) => {
                let increment = payload.try_into().expect("four bytes");
                of_connection = Some(DEFAULT_WINDOW + u32::from_be_bytes(increment));
            }
            _ => {}
        }
    }
    assert_eq!((of_streams, of_connection), (Some(77_777), Some(1_234_567)));
    drop(socket);
    running.stop();
}
