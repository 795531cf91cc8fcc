//! Clients that do what no well-behaved one does.

use std::{net::SocketAddr, sync::atomic::Ordering, time::Duration};

use graceful_exit::Outcome;
use tokio::net::TcpStream;

use super::{ended, service_with, wait_until};
use crate::support::STUCK_AFTER;

/// A client that speaks in bytes: what no well-behaved one does.
async fn raw(address: SocketAddr) -> TcpStream {
    use tokio::io::AsyncWriteExt;
    let mut socket = TcpStream::connect(address).await.expect("it is open");
    socket.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    socket
}

/// Sends it again and again, with the stream's identifier in it, until the server has cut the connection.
async fn is_cut_off(socket: TcpStream, frames: impl Fn(u32) -> Vec<u8>) -> bool {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut from, mut to) = socket.into_split();
    let reading = tokio::spawn(async move {
        let mut bytes = [0; 4096];
        while matches!(from.read(&mut bytes).await, Ok(1..)) {}
    });
    let flood = async {
        for stream in (1..2_000_000).step_by(2) {
            if to.write_all(&frames(stream)).await.is_err() {
                return true;
            }
        }
        false
    };
    let cut = tokio::time::timeout(STUCK_AFTER, flood).await.unwrap_or_default();
    reading.abort();
    cut
}

/// `HEADERS` of a GET of `path`, which is short, without an end of its header block unless `flags` say so.
fn headers(stream: u32, flags: u8, path: &str) -> Vec<u8> {
    let id = stream.to_be_bytes();
    let length = u8::try_from(path.len()).expect("a short path");
    let head = [0, 0, 4 + length, 1, flags, id[0], id[1], id[2], id[3], 0x82, 0x86, 0x04, length];
    [&head[..], path.as_bytes()].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    let id = stream.to_be_bytes();
    vec![0, 0, 4, 3, 0, id[0], id[1], id[2], id[3], 0, 0, 0, 8]
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_never_answered_are_limited() {
    let (service, at_work) = service_with(|exit| exit, |server| server);
    let socket = raw(service.address).await;
    assert!(is_cut_off(socket, |stream| headers(stream, END_STREAM | END_HEADERS, "/hang")).await);
    wait_until("the handlers are dropped", || at_work.count() == 0).await;
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_block_without_end_is_cut_off() {
    let (service, _) = service_with(|exit| exit, |server| server);
    let socket = raw(service.address).await;
    let flood = |stream| match stream {
        1 => headers(1, END_STREAM, "/hang"),
        // `CONTINUATION` with a header field each.
        _ => vec![0, 0, 5, 9, 0, 0, 0, 0, 1, 0x00, 1, b'a', 1, b'b'],
    };
    assert!(is_cut_off(socket, flood).await);
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

/// Reset by the segment that opens it.
#[tokio::test]
async fn the_application_is_not_called_for_a_stream_that_is_reset_by_then() {
    use tokio::io::AsyncWriteExt;
    let (service, at_work) = service_with(|exit| exit, |server| server);
    let mut socket = raw(service.address).await;
    let head = |stream| headers(stream, END_STREAM | END_HEADERS, "/stall");
    socket.write_all(&[head(1), reset(1), head(3)].concat()).await.expect("sent");
    wait_until("the other one is at work", || at_work.count() == 1).await;
    assert_eq!(at_work.begun.load(Ordering::SeqCst), 1);
    drop(socket);
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

/// Streams that are opened and reset as fast as they can be: handlers do not pile up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_leave_no_handlers_at_work() {
    use tokio::io::AsyncWriteExt;
    let (service, at_work) = service_with(|exit| exit, |server| server);
    let mut socket = raw(service.address).await;
    let mut most = 0;
    for stream in (1..40_000).step_by(2) {
        let both = [headers(stream, END_STREAM | END_HEADERS, "/hang"), reset(stream)].concat();
        if socket.write_all(&both).await.is_err() {
            break;
        }
        most = most.max(at_work.count());
    }
    assert!(most <= 1024, "{most} handlers were at work at once");
    wait_until("no handler is at work", || at_work.count() == 0).await;
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

/// `PING` and `SETTINGS` that are never read back: the server stops reading, and grows no further.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_acknowledgements_is_not_read_from() {
    use tokio::io::AsyncWriteExt;
    let (service, _) = service_with(|exit| exit, |server| server);
    for frame in [&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8][..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]] {
        let mut socket = raw(service.address).await;
        let frames = frame.repeat(4096);
        let flood = async {
            for _ in 0..10_000 {
                if socket.write_all(&frames).await.is_err() {
                    return;
                }
            }
        };
        // Stuck, or cut off: in any case not taken.
        assert!(
            tokio::time::timeout(Duration::from_secs(2), flood).await.is_err()
                || socket.write_u8(0).await.is_err(),
            "340 MB were taken"
        );
    }
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}
