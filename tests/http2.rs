//! HTTP/2: streams, and what becomes of them at the exit.

mod hostile;
mod uploads;

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use graceful_exit::{GracefulExit, Outcome, Report, Server, Timeouts};
use h2::client::{self, SendRequest};
use http::Request;
use tokio::net::TcpStream;

use crate::support::{InProcess, STUCK_AFTER, UNREACHED};

/// Answers `/slow/{ms}` after so long, and `/bytes/{n}` with so many bytes.
fn routes(config: &mut web::ServiceConfig) {
    config
        .route(
            "/slow/{ms}",
            web::get().to(|ms: web::Path<u64>| async move {
                tokio::time::sleep(Duration::from_millis(*ms)).await;
                HttpResponse::Ok().body("done")
            }),
        )
        .route(
            "/bytes/{n}",
            web::get().to(|n: web::Path<usize>| async move { HttpResponse::Ok().body(vec![b'.'; *n]) }),
        )
        .route("/events", web::get().to(events))
        .route("/unread", web::post().to(|| async { "done" }))
        .route("/length", web::post().to(|body: Bytes| async move { body.len().to_string() }))
        .route(
            "/scheme",
            web::get().to(|request: HttpRequest| async move {
                let info = request.connection_info();
                format!(
                    "{} {} {:?}",
                    info.scheme(),
                    request.app_config().secure(),
                    request.conn_data::<u16>()
                )
            }),
        )
        .app_data(web::PayloadConfig::new(4 << 20));
}

/// Counts the handlers that are at work, and all that have begun.
#[derive(Clone, Default)]
struct AtWork {
    now: Arc<AtomicUsize>,
    begun: Arc<AtomicUsize>,
}

struct Handler(AtWork);

impl AtWork {
    fn begin(&self) -> Handler {
        self.now.fetch_add(1, Ordering::SeqCst);
        self.begun.fetch_add(1, Ordering::SeqCst);
        Handler(self.clone())
    }

    fn count(&self) -> usize {
        self.now.load(Ordering::SeqCst)
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A service with a route `/hang` besides, that never answers, and `/stall`, whose answer does not end.
fn service_with(
    exit: impl FnOnce(GracefulExit) -> GracefulExit,
    server: impl FnOnce(Server) -> Server,
) -> (InProcess, AtWork) {
    let at_work = AtWork::default();
    let handlers = at_work.clone();
    let web = Server::new("web", move || {
        let (handlers, bodies) = (handlers.clone(), handlers.clone());
        let hang = move || {
            let handlers = handlers.clone();
            async move {
                let _at_work = handlers.begin();
                std::future::pending::<HttpResponse>().await
            }
        };
        let stall = move || {
            let at_work = bodies.begin();
            let begun = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"begun"))]);
            let body = begun.chain(stream::pending()).inspect(move |_| {
                let _held = &at_work;
            });
            async { HttpResponse::Ok().streaming(body) }
        };
        App::new().route("/hang", web::get().to(hang)).route("/stall", web::get().to(stall)).configure(routes)
    });
    let web = server(web.workers(2)).bind_auto_h2c("127.0.0.1:0");
    (InProcess::start(exit(GracefulExit::for_tests()).server(web)), at_work)
}

fn service() -> InProcess {
    service_with(|exit| exit, |server| server).0
}

async fn ended(service: InProcess) -> Report {
    tokio::task::spawn_blocking(|| service.wait()).await.expect("no panic")
}

async fn wait_until(what: &str, is_true: impl Fn() -> bool) {
    tokio::time::timeout(STUCK_AFTER, async {
        while !is_true() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

/// Events in two pieces, with a pause between them.
async fn events() -> HttpResponse {
    let pieces = stream::iter(["data: ", "tick\n\n"].into_iter().cycle()).then(|piece| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok::<_, Infallible>(Bytes::from_static(piece.as_bytes()))
    });
    HttpResponse::Ok().content_type("text/event-stream").streaming(pieces)
}

/// A connection, and the task that moves its bytes.
async fn connect(address: SocketAddr) -> Result<SendRequest<Bytes>, Box<dyn std::error::Error>> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    let (client, connection) = client::handshake(socket).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(client)
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Whole {
        status: u16,
        length: usize,
    },
    /// It was not processed, and its client knows that: it may be sent again.
    Repeatable,
    Lost,
}

async fn get(client: &SendRequest<Bytes>, path: &str) -> Answer {
    match try_get(client, path).await {
        Ok((status, length)) => Answer::Whole { status, length },
        Err(error) if error.is_go_away() && error.is_remote() => Answer::Repeatable,
        Err(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => Answer::Repeatable,
        Err(_) => Answer::Lost,
    }
}

async fn try_get(client: &SendRequest<Bytes>, path: &str) -> Result<(u16, usize), h2::Error> {
    let mut client = client.clone().ready().await?;
    let request = Request::get(format!("http://localhost{path}")).body(()).expect("a request");
    let (response, _) = client.send_request(request, true)?;
    let response = response.await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        body.flow_control().release_capacity(chunk.len())?;
        length += chunk.len();
    }
    Ok((status, length))
}

/// Streams one after another on each of `concurrent` tasks a connection, until the server is gone.
async fn load(address: SocketAddr, path: &'static str, concurrent: usize) -> Vec<Answer> {
    let Ok(client) = connect(address).await else { return Vec::new() };
    let tasks: Vec<_> = (0..concurrent)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move {
                let mut answers = Vec::new();
                loop {
                    match get(&client, path).await {
                        answer @ Answer::Whole { status: 200, .. } => answers.push(answer),
                        last => {
                            answers.push(last);
                            return answers;
                        }
                    }
                }
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.extend(task.await.expect("no panic"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exit_in_the_middle_of_many_streams_loses_none() {
    for (path, length) in [("/bytes/4096", 4096), ("/bytes/524288", 524_288)] {
        let service = service();
        let loads: Vec<_> = (0..5).map(|_| tokio::spawn(load(service.address, path, 40))).collect();
        while service.handle.status().is_none_or(|status| status.servers[0].completed < 100) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        service.ask_to_stop();
        let mut answers = Vec::new();
        for load in loads {
            answers.extend(load.await.expect("no panic"));
        }
        let report = ended(service).await;
        let count = |is: fn(&Answer) -> bool| answers.iter().filter(|answer| is(answer)).count();
        assert_eq!(count(|answer| *answer == Answer::Lost), 0, "{path}");
        for answer in &answers {
            assert!(
                !matches!(answer, Answer::Whole { status: 200, length: got } if *got != length),
                "{answer:?}"
            );
        }
        assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
    }
}

#[tokio::test]
async fn streams_are_named_like_requests_and_abandoned_ones_are_cancelled_with_their_handlers() {
    let timeouts = Timeouts::default().drain_timeout(Duration::from_millis(200));
    let (service, at_work) = service_with(|exit| exit.timeouts(timeouts), |server| server);
    let client = connect(service.address).await.expect("it is open");
    let requests = ["/hang?q=secret", "/hang"].map(|path| {
        let client = client.clone();
        tokio::spawn(async move { get(&client, path).await })
    });
    wait_until("both hang", || at_work.count() == 2).await;
    assert_eq!(get(&client, "/slow/20").await, Answer::Whole { status: 200, length: 4 });
    service.ask_to_stop();
    let report = ended(service).await;
    assert_eq!(report.outcome, Outcome::Incomplete, "{report:?}");
    let abandoned: Vec<_> = report.servers[0].abandoned.iter().map(|request| &*request.path).collect();
    assert_eq!(abandoned, ["/hang", "/hang"], "{report:?}");
    wait_until("the handlers are dropped", || at_work.count() == 0).await;
    for request in requests {
        assert_eq!(request.await.expect("no panic"), Answer::Lost);
    }
}

#[tokio::test]
async fn a_stream_that_its_client_resets_cancels_its_own_handler_and_holds_no_drain() {
    reset_one_of_three("/hang").await;
}

#[tokio::test]
async fn a_stream_that_its_client_resets_cancels_its_own_body_and_holds_no_drain() {
    reset_one_of_three("/stall").await;
}

async fn reset_one_of_three(path: &str) {
    let (service, at_work) = service_with(|exit| exit, |server| server);
    let client = connect(service.address).await.expect("it is open");
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut client = client.clone().ready().await.expect("it is open");
        let request = Request::get(format!("http://localhost{path}")).body(()).expect("a request");
        streams.push(client.send_request(request, true).expect("it is sent"));
    }
    wait_until("all three hang", || at_work.count() == 3).await;
    let (_, mut second) = streams.remove(1);
    second.send_reset(h2::Reason::CANCEL);
    wait_until("it is dropped", || at_work.count() == 2).await;
    wait_until("it is not in flight", || service.in_flight() == 2).await;
    for (_, mut stream) in streams {
        stream.send_reset(h2::Reason::CANCEL);
    }
    wait_until("no handler is left", || at_work.count() == 0).await;
    service.ask_to_stop();
    let report = ended(service).await;
    assert_eq!(report.outcome, Outcome::Clean, "{report:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_cancels_its_handlers() {
    let (service, at_work) = service_with(|exit| exit, |server| server);
    let (client, connection) =
        client::handshake(TcpStream::connect(service.address).await.expect("it is open"))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    let request = tokio::spawn(async move { get(&client, "/hang").await });
    wait_until("it hangs", || at_work.count() == 1).await;
    connection.abort();
    wait_until("the handler is dropped", || at_work.count() == 0).await;
    request.abort();
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

/// Opens event streams on one connection.
async fn event_streams(service: &InProcess, count: usize) -> Vec<h2::RecvStream> {
    let client = connect(service.address).await.expect("it is open");
    let mut bodies = Vec::new();
    for _ in 0..count {
        let mut client = client.clone().ready().await.expect("it is open");
        let request = Request::get("http://localhost/events").body(()).expect("a request");
        let (response, _) = client.send_request(request, true).expect("it is sent");
        bodies.push(response.await.expect("a response").into_body());
    }
    bodies
}

#[tokio::test]
async fn an_event_stream_ends_after_a_whole_event() {
    let timeouts = Timeouts::default().keep_alive_grace(UNREACHED).stop_timeout(UNREACHED * 3);
    let (service, _) = service_with(|exit| exit.timeouts(timeouts), |server| server);
    let mut body = event_streams(&service, 1).await.pop().expect("one");
    let mut text = body.data().await.expect("data").expect("no error").to_vec();
    service.ask_to_stop();
    while let Some(chunk) = body.data().await {
        let chunk = chunk.expect("no error");
        let _ = body.flow_control().release_capacity(chunk.len());
        text.extend(chunk);
    }
    assert!(text.ends_with(b"\n\n"), "{:?}", String::from_utf8_lossy(&text));
    let report = ended(service).await;
    assert_eq!((report.outcome, report.servers[0].in_flight_at_start), (Outcome::Clean, 1), "{report:?}");
}

#[tokio::test]
async fn event_streams_that_are_not_read_hold_no_exit() {
    let service = service();
    let _unread = event_streams(&service, 2).await;
    service.ask_to_stop();
    let report = ended(service).await;
    assert_eq!((report.outcome, report.servers[0].in_flight_at_start), (Outcome::Clean, 2), "{report:?}");
}

#[tokio::test]
async fn bodies_flow_with_trailers_and_what_was_connected_is_known() {
    let (service, _) = service_with(
        |exit| exit,
        |server| {
            server.on_connect(|_, data| {
                data.insert(7_u16);
            })
        },
    );
    let client = connect(service.address).await.expect("it is open");
    let mut sender = client.clone().ready().await.expect("it is open");
    let request = Request::post("http://localhost/length").body(()).expect("a request");
    let (response, mut body) = sender.send_request(request, false).expect("it is sent");
    // More than any window.
    let mut left = 3 << 20;
    while left > 0 {
        body.reserve_capacity(left);
        let room = std::future::poll_fn(|cx| body.poll_capacity(cx)).await.expect("open").expect("no error");
        body.send_data(vec![b'x'; room.min(left)].into(), false).expect("sent");
        left -= room.min(left);
    }
    body.send_trailers(http::HeaderMap::from_iter([(
        http::header::HeaderName::from_static("checksum"),
        http::HeaderValue::from_static("1"),
    )]))
    .expect("sent");
    let mut answer = response.await.expect("a response").into_body();
    assert_eq!(answer.data().await.expect("data").expect("no error"), (3_usize << 20).to_string());

    let mut sender = client.clone().ready().await.expect("it is open");
    let request = Request::get("http://localhost/scheme").body(()).expect("a request");
    let (response, _) = sender.send_request(request, true).expect("it is sent");
    let mut answer = response.await.expect("a response").into_body();
    assert_eq!(answer.data().await.expect("data").expect("no error"), "http false Some(7)");
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn an_idle_connection_is_told_and_closed_without_delay() {
    let service = service();
    let (client, connection) =
        client::handshake(TcpStream::connect(service.address).await.expect("it is open"))
            .await
            .expect("HTTP/2");
    let connection = tokio::spawn(connection);
    assert_eq!(get(&client, "/bytes/1").await, Answer::Whole { status: 200, length: 1 });
    service.ask_to_stop();
    connection.await.expect("no panic").expect("GOAWAY without an error, and FIN");
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}

#[tokio::test]
async fn http_1_is_served_beside_it() {
    let service = service();
    let address = service.address;
    let answer = tokio::task::spawn_blocking(move || crate::support::Client::get(address, "/scheme"));
    assert_eq!(answer.await.expect("no panic").text(), "http false None");
    service.ask_to_stop();
    assert_eq!(ended(service).await.outcome, Outcome::Clean);
}
