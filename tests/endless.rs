//! Answers without an end, of programs that know nothing of the exit: they end by themselves when rejecting begins.

use std::{
    convert::Infallible,
    net::Shutdown,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix::{Actor, StreamHandler};
use actix_web::{
    App, HttpRequest, HttpResponse,
    web::{self, Bytes},
};
use actix_web_actors::ws;
use futures_util::{StreamExt, stream};
use graceful_exit::{GracefulExit, Outcome, Report, Server, Streams, Timeouts};
use tokio::time::sleep;

use crate::support::{Client, InProcess, UNREACHED, wait_until};

/// Larger than what is buffered between server and client.
const FRAME: usize = 64 * 1024;

/// How many of them were sent.
static SENT: AtomicU64 = AtomicU64::new(0);

/// After so long an answer that was told to end and has not is given up.
const PAST_STREAM_END_TIMEOUT: Duration = Duration::from_millis(150);

/// While it is held, [`block`] blocks.
static BLOCKED: Mutex<()> = Mutex::new(());

/// Events in two pieces, with a pause between them: at most instants one is half sent.
async fn events() -> HttpResponse {
    let pieces = stream::iter(["data: ", "tick\n\n"].into_iter().cycle()).then(|piece| async move {
        sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))
    });
    HttpResponse::Ok().content_type("text/event-stream; charset=utf-8").streaming(pieces)
}

/// Events as fast as the client reads them.
async fn flood() -> HttpResponse {
    let event = Bytes::from(format!("data: {}\n\n", "x".repeat(FRAME)));
    let events = stream::repeat_with(move || {
        SENT.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Infallible>(event.clone())
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(events)
}

/// actix-web-lab's events: a keep-alive comment and nothing else.
async fn lab() -> impl actix_web::Responder {
    let (sender, receiver) = tokio::sync::mpsc::channel(2);
    actix_web::rt::spawn(async move {
        let _ = sender.send(actix_web_lab::sse::Data::new("hello").into()).await;
        sender.closed().await;
    });
    actix_web_lab::sse::Sse::from_infallible_receiver(receiver).with_keep_alive(Duration::from_millis(3))
}

/// actix-ws, which echoes.
pub(crate) async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            match message {
                actix_ws::Message::Text(text) => {
                    // A client that has gone sends nothing more.
                    let _ = session.text(text).await;
                }
                actix_ws::Message::Close(reason) => {
                    let _ = session.close(reason).await;
                    return;
                }
                _ => {}
            }
        }
    });
    Ok(response)
}

/// actix-ws, which sends as fast as the client reads.
async fn torrent(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, _messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        let frame = Bytes::from(vec![b'x'; FRAME]);
        while session.binary(frame.clone()).await.is_ok() {
            SENT.fetch_add(1, Ordering::Relaxed);
        }
    });
    Ok(response)
}

/// actix-web-actors, which echoes.
struct Echo;

impl Actor for Echo {
    type Context = ws::WebsocketContext<Self>;
}

impl StreamHandler<Result<ws::Message, ws::ProtocolError>> for Echo {
    fn handle(&mut self, message: Result<ws::Message, ws::ProtocolError>, ctx: &mut Self::Context) {
        match message {
            Ok(ws::Message::Text(text)) => ctx.text(text),
            Ok(ws::Message::Close(reason)) => ctx.close(reason),
            _ => {}
        }
    }
}

async fn actors(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    ws::start(Echo, &request, body)
}

/// Blocks its worker's thread while the test holds [`BLOCKED`].
async fn block() -> HttpResponse {
    drop(BLOCKED.lock());
    HttpResponse::Ok().finish()
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .route("/block", web::get().to(block))
        .route("/events", web::get().to(events))
        .route("/flood", web::get().to(flood))
        .route("/lab", web::get().to(lab))
        .route("/echo", web::get().to(echo))
        .route("/torrent", web::get().to(torrent))
        .route("/actors", web::get().to(actors));
}

fn service_with(exit: GracefulExit, streams: Streams) -> InProcess {
    let server = Server::new("web", || App::new().configure(routes)).workers(1).streams(streams);
    let server = server.bind_auto_h2c("127.0.0.1:0");
    InProcess::start(exit.server(server))
}

fn service() -> InProcess {
    service_with(GracefulExit::for_tests(), Streams::End)
}

/// One that gives its endless answers all the time that they need to end.
fn patient() -> InProcess {
    let timeouts = Timeouts::default().keep_alive_grace(UNREACHED).stop_timeout(UNREACHED * 3);
    service_with(GracefulExit::for_tests().timeouts(timeouts), Streams::End)
}

/// Opens a stream, and waits until it is in flight.
fn open(service: &InProcess, path: &str) -> Client {
    let mut client = Client::connect(service.address);
    let before = service.in_flight();
    let upgrade = [
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let is_websocket = ["/echo", "/torrent", "/actors"].contains(&path);
    client.send("GET", path, if is_websocket { &upgrade } else { &[] }).expect("it is sent");
    let (status, _) = client.read_head().expect("a head");
    assert_eq!(status, if is_websocket { 101 } else { 200 });
    service.wait_in_flight(before + 1);
    client
}

/// The exit was clean, waited for nothing, and counted so many streams.
fn was_clean(report: &Report, streams: u64) {
    assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
    assert_eq!(report.servers[0].in_flight_at_start, streams, "{report:?}");
    assert!(report.servers[0].abandoned.is_empty(), "{report:?}");
}

#[test]
fn an_event_stream_ends_after_a_whole_event() {
    for path in ["/events", "/flood", "/lab"] {
        let service = patient();
        let mut client = open(&service, path);
        let first = client.read_chunk().expect("a chunk");
        assert!(first.is_some(), "{path}");
        service.ask_to_stop();
        let mut text = first.unwrap_or_default();
        while let Some(chunk) = client.read_chunk().expect("no reset") {
            text.extend(chunk);
        }
        let text = String::from_utf8(text).expect("text");
        assert!(text.ends_with("\n\n") || path == "/lab" && text.ends_with('\n'), "{path}: {text:?}");
        drop(client);
        was_clean(&service.wait(), 1);
    }
}

/// Reads a frame of the server: its kind and its payload.
fn read_frame(client: &mut Client) -> (u8, Vec<u8>) {
    let head = client.read_bytes(2).expect("a frame");
    let length = match head[1] {
        126 => client
            .read_bytes(2)
            .expect("a length")
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte)),
        127 => client
            .read_bytes(8)
            .expect("a length")
            .iter()
            .fold(0, |length, &byte| length << 8 | usize::from(byte)),
        short => short.into(),
    };
    (head[0] & 0x0f, client.read_bytes(length).expect("its payload"))
}

const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const GOING_AWAY: [u8; 2] = 1001_u16.to_be_bytes();
/// A close frame of a client, 1001, masked with zeroes.
const CLOSED: [u8; 8] = [0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9];

#[test]
fn a_websocket_is_sent_close_1001_and_its_client_may_answer_or_not() {
    for path in ["/echo", "/actors"] {
        for answers in [true, false] {
            let service = service();
            let mut client = open(&service, path);
            service.ask_to_stop();
            assert_eq!(read_frame(&mut client), (CLOSE, GOING_AWAY.into()), "{path}");
            if answers {
                client.write(&CLOSED).expect("it is sent");
            }
            // To an answer that comes after the socket was closed, Windows tells the reset in place of the end.
            let is_closed = client.is_closed() || cfg!(windows) && answers;
            assert!(is_closed, "{path}: something follows the close frame");
            was_clean(&service.wait(), 1);
        }
    }
}

/// Frames wait to be read, and the application does not read its client's: the close frame comes after a whole frame, and
/// the exit ends with the client.
#[test]
fn a_websocket_is_sent_close_1001_after_a_whole_frame() {
    let service = patient();
    let mut client = open(&service, "/torrent");
    assert_eq!(read_frame(&mut client), (BINARY, vec![b'x'; FRAME]));
    service.ask_to_stop();
    let close = loop {
        match read_frame(&mut client) {
            (CLOSE, payload) => break payload,
            (kind, payload) => assert_eq!((kind, payload.len()), (BINARY, FRAME)),
        }
    };
    assert_eq!(close, GOING_AWAY);
    client.write(&CLOSED).expect("it is sent");
    client.socket().shutdown(Shutdown::Write).expect("it is open");
    assert!(client.is_closed(), "something follows the close frame");
    was_clean(&service.wait(), 1);
}

/// The time for endless answers to end is over before their worker has polled them.
#[test]
fn a_websocket_of_a_worker_that_was_blocked_is_sent_close_1001() {
    let service = service();
    let mut client = open(&service, "/echo");
    let held = BLOCKED.lock().expect("no other test");
    let mut blocked = Client::connect(service.address);
    blocked.send("GET", "/block", &[]).expect("it is sent");
    service.wait_in_flight(2);
    service.ask_to_stop();
    std::thread::sleep(PAST_STREAM_END_TIMEOUT);
    drop(held);
    assert_eq!(read_frame(&mut client), (CLOSE, GOING_AWAY.into()));
    assert!(client.is_closed(), "something follows the close frame");
    assert_eq!(blocked.read().expect("answered").status, 200);
    was_clean(&service.wait(), 2);
}

#[test]
fn peers_that_do_not_read_do_not_hold_the_exit() {
    let service = service();
    let clients: Vec<_> = ["/flood", "/torrent", "/flood"].map(|path| open(&service, path)).into();
    // What is buffered on the way has filled up: nothing moves any more.
    let mut sent = 0;
    wait_until("the buffers are full", || {
        std::thread::sleep(Duration::from_millis(20));
        let before = std::mem::replace(&mut sent, SENT.load(Ordering::Relaxed));
        sent > 0 && sent == before
    });
    service.ask_to_stop();
    was_clean(&service.wait(), 3);
    drop(clients);
}

#[test]
fn an_application_that_ends_its_streams_itself_is_waited_for() {
    let timeouts = Timeouts::default().drain_timeout(Duration::from_millis(300));
    let service = service_with(GracefulExit::for_tests().timeouts(timeouts), Streams::Wait);
    let mut client = open(&service, "/events");
    service.ask_to_stop();
    let report = service.wait();
    assert_eq!(report.outcome, Outcome::Incomplete, "{report:?}");
    assert_eq!(report.servers[0].abandoned[0].path, "/events");
    while matches!(client.read_chunk(), Ok(Some(_))) {}
}
